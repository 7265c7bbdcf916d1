//! How fast answers are contained: plain text, and hostile text of a megabyte, whole and letter by letter.
//!
//! `cargo run --release -p guard --example containing`

use std::sync::Arc;
use std::time::Instant;

use guard::contain::{ContainError, Container, Hosts};

const BYTES: usize = 1 << 20;

fn main() -> Result<(), ContainError> {
    let list = |host: &str| vec![host.to_owned()];
    let hosts = Arc::new(Hosts::new(&list("ok.kr"), &[]).unwrap_or_default());
    println!("{:<28} {:>10} {:>18}", "1 MiB of", "whole", "letter by letter");
    for (name, piece) in [
        ("Korean prose", "제3조(급여) 급여는 3.5% 오른다.[1] 다만, 제2항은 그러하지 아니하다.\n"),
        ("English prose", "The fee is 42,000 won [1], and e.g. 3/4 of it is paid back.\n"),
        ("links", "[보기](https://out.example/a?q=1) "),
        ("`](`", "]("),
        ("`[x](https://`", "[x](https://"),
        ("backticks of many lengths", "`a``b```c"),
        ("code that does not end", "\n\n`a``a"),
        ("`<a`", "<a"),
        ("`a.`", "a."),
        ("`a:`", "a:"),
        ("`가나/가.`", "가나/가."),
        ("one address", "a/"),
        ("entities", "&#"),
        ("letters that are not seen", "\u{200b}."),
        ("an allowed link that goes on", "](https://ok.kr/a \""),
        ("definitions", "\n[a]: b"),
    ] {
        let start = if name == "one address" { "https://out.example/" } else { "" };
        let text = format!("{start}{}", piece.repeat(BYTES / piece.len()));
        let begun = Instant::now();
        let whole = Container::whole(&hosts, &text)?;
        let at_once = begun.elapsed();
        let begun = Instant::now();
        let mut container = Container::new(Arc::clone(&hosts));
        let mut room = [0; 4];
        let mut streamed = String::new();
        for letter in text.chars() {
            streamed.push_str(&container.push(letter.encode_utf8(&mut room))?);
        }
        streamed.push_str(&container.finish()?);
        let letters = begun.elapsed();
        assert!(whole == streamed, "{name}");
        println!("{name:<28} {:>7} ms {:>15} ms", at_once.as_millis(), letters.as_millis());
    }
    Ok(())
}
