//! What `bench/masking` drives: masks JSON lines, or times masking of files.
//!
//! `masking lines`: each line of standard input is a JSON string; for each, one line with the masked text and findings.
//! `masking speed FILE...`: megabytes a second over the files, each read whole, one core.
//! `masking calls THREADS FILE...`: what single calls take, over pieces of a kilobyte of the files, by a new masker and
//! again; so many threads do the same side by side.
//! `masking hostile`: texts of half a megabyte and of a megabyte that are made to be slow, and the ratio of their times.
//! `DURE_PACKS` names folders of packs that take the place of those in the program, separated by colons.

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use guard::mask::{Kinds, Masker, Packs, StandIns};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut packs = Packs::builtin()?;
    if let Some(folders) = std::env::var_os("DURE_PACKS") {
        for folder in std::env::split_paths(&folders) {
            packs = packs.with(Packs::load(&folder)?);
        }
    }
    let masker = Masker::new(&packs, &Kinds::all())?;
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("lines") => lines(&masker),
        Some("hostile") => {
            hostile(&masker);
            Ok(())
        }
        Some("speed") => speed(&masker, arguments),
        Some("calls") => calls(&masker, arguments),
        _ => Err("masking lines | masking speed FILE... | masking calls THREADS FILE... | masking hostile".into()),
    }
}

fn lines(masker: &Masker) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let masked = masker.mask(&text, &mut StandIns::default())?;
        serde_json::to_writer(&mut out, &serde_json::json!({ "text": masked.text, "findings": masked.findings }))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn speed(masker: &Masker, files: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let texts = files.map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let begun = Instant::now();
    let found: usize = texts.iter().map(|text| masker.find(text).len()).sum();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{bytes} bytes, {found} findings, {seconds:.3} s, {:.1} MB/s", bytes as f64 / 1e6 / seconds);
    Ok(())
}

/// Takes as many pieces from each file as are needed for at least a thousand.
fn calls(masker: &Masker, mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let threads: usize = arguments.next().ok_or("how many threads?")?.parse()?;
    let texts = arguments.map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    let each = 1_000_usize.div_ceil(texts.len().max(1));
    let chats: Vec<&str> = texts.iter().flat_map(|text| kilobytes(text).take(each)).collect();
    let time = |chat: &&str| microseconds(|| masker.mask(chat, &mut StandIns::default()));
    let mut least = vec![f64::MAX; threads * chats.len()];
    for round in 0..6 {
        let times: Vec<f64> = std::thread::scope(|scope| {
            let work = || chats.iter().map(time).collect::<Vec<_>>();
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        if round > 0 {
            least.iter_mut().zip(&times).for_each(|(least, time)| *least = least.min(*time));
        }
        spread(if round == 0 { "a new masker" } else { "again" }, times);
    }
    // What another process on the core took is not in it.
    spread("each call's least of five", least);
    Ok(())
}

fn spread(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    println!("{name}: {} calls, p50 {:.0} us, p99 {:.0} us, most {most:.0} us", times.len(), at(0.5), at(0.99));
}

fn kilobytes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, left) = rest.split_at(rest.floor_char_boundary(1_000));
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

fn microseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    std::hint::black_box(work());
    begun.elapsed().as_secs_f64() * 1e6
}

fn hostile(masker: &Masker) {
    let pieces = [
        "0",
        "0 ",
        "1-",
        "12 ",
        "010-1234-",
        "1234567890 ",
        "일",
        "일 ",
        "김",
        "김 ",
        "김도현",
        "담당자:",
        "a",
        "@",
        "a@",
        "a.",
        "%",
        "%30",
        "&#",
        "&#48;",
        "\\u",
        "\u{1100}",
        "\u{301}",
        "\u{200B}",
        "<",
        "<b>",
        "서울",
        "서울시 ",
        "로 1",
        "[",
        "[이름-",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "http://a:",
        "::",
        "1.1.",
        "*",
        "O",
        "(",
        "\n",
        "𝟎",
        "길 ",
        "카드 4111 1111 1111 ",
        "은행 1234567890 ",
        "서울 강남구 ",
        "가나다라마바사아자차카타파하로 ",
    ];
    let milliseconds = |text: &str| microseconds(|| masker.find(text)) / 1e3;
    for piece in pieces {
        let half = piece.repeat(500_000 / piece.len());
        let whole = piece.repeat(1_000_000 / piece.len());
        let best = |text: &str| (0..3).map(|_| milliseconds(text)).fold(f64::MAX, f64::min);
        let (one, two) = (best(&half), best(&whole));
        println!("{:>8.1} ms {:>8.1} ms  x {:.2}  {piece:?}", one, two, two / one);
    }
}
