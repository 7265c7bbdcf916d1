//! The screen of `dure top`: the same lines on a small terminal and on a wide one; what does not fit is left out from
//! below, errors first.

use std::collections::VecDeque;

use super::sample::{Failure, Model, Sample};
use crate::print::{bytes, width};

/// Points of a curve that are kept; a wider screen has a shorter curve than it could.
const CURVE_MAX: usize = 400;
const SLOTS_SHOWN_MAX: usize = 16;
const STEPS: [char; 8] =
    ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];

/// How a piece of a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Careful,
    Bad,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Bold => "\x1b[1m",
            Paint::Dim => "\x1b[2m",
            Paint::Good => "\x1b[32m",
            Paint::Careful => "\x1b[33m",
            Paint::Bad => "\x1b[31m",
        }
    }
}

/// One line, in pieces.
#[derive(Debug, Clone, Default)]
pub struct Line(Vec<(Paint, String)>);

impl Line {
    fn and(mut self, paint: Paint, text: impl Into<String>) -> Self {
        self.0.push((paint, text.into()));
        self
    }

    /// As much of it as fits, with or without colours.
    pub fn fit(&self, width_max: usize, coloured: bool) -> String {
        let (mut line, mut left) = (String::new(), width_max);
        for (paint, text) in &self.0 {
            let shown = beginning(text, left);
            left -= width(shown);
            let painted = coloured && *paint != Paint::Plain && !shown.is_empty();
            line.push_str(if painted { paint.code() } else { "" });
            // What others named may hold what a terminal obeys.
            line.extend(shown.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }));
            line.push_str(if painted { "\x1b[0m" } else { "" });
        }
        line
    }
}

fn line(paint: Paint, text: impl Into<String>) -> Line {
    Line::default().and(paint, text)
}

/// As many letters as fit into so many columns.
fn beginning(text: &str, width_max: usize) -> &str {
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        used += width(letter.encode_utf8(&mut [0; 4]));
        if used > width_max {
            return &text[..at];
        }
    }
    text
}

/// A text in exactly so many columns.
fn cell(text: &str, columns: usize) -> String {
    let shown = beginning(text, columns);
    format!("{shown}{}", " ".repeat(columns - width(shown)))
}

/// What the screen shows.
#[derive(Debug, Default)]
pub struct View {
    pub address: String,
    pub sample: Sample,
    /// Seconds that rates and times are taken over.
    pub window_s: u64,
    /// Errors that are scrolled away.
    pub scrolled: usize,
    /// Why the last look failed, if it did.
    pub trouble: Option<String>,
    requests: VecDeque<f64>,
    tokens: VecDeque<f64>,
}

impl View {
    /// A view of the server at this address, of which nothing was seen yet.
    pub fn of(address: std::net::SocketAddr) -> Self {
        Self { address: address.to_string(), ..Self::default() }
    }

    /// Adds a second to the curves.
    pub fn add(&mut self, last_second: &Sample) {
        let second = [last_second.requests_per_s, last_second.tokens_out_per_s];
        for (curve, value) in [&mut self.requests, &mut self.tokens].into_iter().zip(second) {
            if curve.len() == CURVE_MAX {
                curve.pop_front();
            }
            curve.push_back(value);
        }
    }
}

/// All lines for a screen of this size.
pub fn draw(view: &View, columns: usize, rows: usize) -> Vec<Line> {
    let sample = &view.sample;
    let mut lines = vec![
        head(view),
        line(
            Paint::Dim,
            format!("over {} s; q ends, \u{2190}\u{2192} seconds, \u{2191}\u{2193} errors", view.window_s),
        ),
        line(Paint::Bold, format!("{:.1} requests/s", sample.requests_per_s)).and(
            Paint::Plain,
            format!(
                ", {:.1} errors/s, {} open, {} streamed",
                sample.errors_per_s, sample.requests_active, sample.streams_open
            ),
        ),
        line(Paint::Good, curve(&view.requests, columns)),
        line(Paint::Bold, format!("{:.1} tokens/s out", sample.tokens_out_per_s)).and(
            Paint::Plain,
            format!(
                ", {:.1} in; first token {} (p95 {})",
                sample.tokens_in_per_s,
                seconds(sample.first_token_p50_s),
                seconds(sample.first_token_p95_s),
            ),
        ),
        line(Paint::Good, curve(&view.tokens, columns)),
    ];
    lines.extend(engines(sample, columns));
    lines.push(line(Paint::Dim, "RECORDS  ").and(Paint::Plain, records(sample)));
    lines.push(line(Paint::Dim, "MACHINE  ").and(Paint::Plain, machine(sample)));
    lines.extend(errors(&sample.errors, view.scrolled));
    lines.truncate(rows);
    lines
}

fn head(view: &View) -> Line {
    let head = line(Paint::Bold, "Dure ").and(Paint::Plain, format!("{} ", view.address));
    match (&view.trouble, view.sample.ready) {
        (Some(trouble), _) => head.and(Paint::Bad, trouble.clone()),
        (None, true) => head.and(Paint::Good, "ready"),
        (None, false) => head.and(Paint::Careful, format!("not ready: {}", view.sample.reasons.join("; "))),
    }
}

/// The last seconds as blocks of eight heights, the highest one being the largest value that is seen.
fn curve(values: &VecDeque<f64>, columns: usize) -> String {
    let shown = values.iter().skip(values.len().saturating_sub(columns));
    let largest = shown.clone().copied().fold(f64::MIN_POSITIVE, f64::max);
    shown.map(|value| STEPS[((value / largest * 7.0).round() as usize).min(7)]).collect()
}

fn engines(sample: &Sample, columns: usize) -> Vec<Line> {
    const WIDTHS: [usize; 5] = [SLOTS_SHOWN_MAX + 6, 6, 8, 6, 11];
    let name = columns.saturating_sub(WIDTHS.iter().sum::<usize>() + 1).clamp(8, 48);
    let row = |cells: [String; 6]| {
        let [model, rest @ ..] = cells;
        let rest: String = rest.iter().zip(WIDTHS).map(|(text, columns)| cell(text, columns)).collect();
        format!("{} {rest}", cell(&model, name))
    };
    let heads = ["MODEL", "SLOTS", "WAIT", "CACHED", "ENDS", "MEMORY"].map(str::to_owned);
    let mut lines = vec![line(Paint::Dim, row(heads))];
    for model in &sample.models {
        let paint = if model.up { Paint::Plain } else { Paint::Bad };
        let cells = [
            model.name.clone(),
            slots(model),
            model.waiting.to_string(),
            model.cached.map_or("-".to_owned(), |share| format!("{:.0}%", 100.0 * share)),
            model.restarts.to_string(),
            if model.memory_bytes > 0.0 { bytes(model.memory_bytes as u64) } else { "-".to_owned() },
        ];
        lines.push(line(paint, row(cells)));
    }
    lines
}

/// One block for each slot, as long as they fit: full ones are being written in.
fn slots(model: &Model) -> String {
    let Some(slots) = model.slots else { return format!("{} at work", model.busy) };
    let shown = (slots as usize).min(SLOTS_SHOWN_MAX);
    let full = ((model.busy / slots.max(1.0)) * shown as f64).ceil() as usize;
    let bar: String = (0..shown).map(|at| if at < full { '\u{25a0}' } else { '\u{25a1}' }).collect();
    format!("{bar} {}/{slots}", model.busy)
}

fn records(sample: &Sample) -> String {
    let vectors = match (sample.vectors_outstanding, sample.vectors_per_s) {
        (left, _) if left <= 0.0 => "all have vectors".to_owned(),
        (left, speed) if speed > 0.0 => format!("{left} vectors to make, {speed:.0}/s"),
        (left, _) => format!("{left} vectors to make, waiting"),
    };
    let (p50, p95) = (seconds(sample.search_p50_s), seconds(sample.search_p95_s));
    format!("{} passages, {vectors}; search {p50} (p95 {p95})", sample.passages)
}

fn machine(sample: &Sample) -> String {
    format!(
        "{}, {:.0}% of a core, {} files; database {}, {} free",
        bytes(sample.memory_bytes as u64),
        100.0 * sample.cores_used,
        sample.files_open,
        bytes(sample.database_bytes as u64),
        bytes(sample.disk_free_bytes as u64),
    )
}

fn errors(errors: &[Failure], scrolled: usize) -> Vec<Line> {
    let mut lines = vec![line(Paint::Dim, "LAST ERRORS")];
    let Some(last) = errors.len().checked_sub(1) else {
        lines.push(line(Paint::Dim, "none"));
        return lines;
    };
    for error in errors.iter().skip(scrolled.min(last)) {
        let paint = if error.status >= 500 { Paint::Bad } else { Paint::Careful };
        // Of a time stamp, the time of day to the second.
        let time = error.at.get(11..19).unwrap_or("");
        let shown = line(Paint::Dim, format!("{time} ")).and(paint, format!("{} {}", error.status, error.code));
        lines.push(shown.and(Paint::Plain, format!(" {} {}", error.method, error.route)));
    }
    lines
}

/// A time as people say it.
pub fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", 1000.0 * seconds),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let model = |name: &str, busy: f64, up: bool| Model {
            name: name.to_owned(),
            up,
            slots: Some(4.0),
            busy,
            waiting: 2.0,
            cached: Some(0.5),
            restarts: 1.0,
            memory_bytes: 1e9,
        };
        let error = Failure {
            at: "2026-11-25T16:40:12.5Z".to_owned(),
            method: "POST".to_owned(),
            route: "/v1/chat/completions".to_owned(),
            status: 503,
            code: "unavailable".to_owned(),
        };
        let sample = Sample {
            ready: true,
            requests_per_s: 12.34,
            tokens_out_per_s: 56.78,
            first_token_p50_s: Some(0.25),
            first_token_p95_s: Some(1.5),
            models: vec![model("qwen", 3.0, true), model("두레-모델", 0.0, false)],
            passages: 1000.0,
            vectors_outstanding: 10.0,
            vectors_per_s: 5.0,
            errors: vec![error; 40],
            ..Sample::default()
        };
        let mut view = View { address: "127.0.0.1:7400".to_owned(), window_s: 10, ..View::default() };
        (0..500).for_each(|_| view.add(&sample));
        view.sample = sample;
        view
    }

    fn screen(view: &View, columns: usize, rows: usize) -> Vec<String> {
        draw(view, columns, rows).iter().map(|line| line.fit(columns, false)).collect()
    }

    #[test]
    fn a_small_terminal_shows_all_that_matters() {
        let screen = screen(&view(), 80, 24).join("\n");
        for part in [
            "Dure 127.0.0.1:7400 ready",
            "12.3 requests/s",
            "56.8 tokens/s out",
            "first token 250 ms (p95 1.5 s)",
            "\u{25a0}\u{25a0}\u{25a0}\u{25a1} 3/4",
            "50%",
            "1000 passages, 10 vectors to make, 5/s",
            "16:40:12 503 unavailable POST /v1/chat/completions",
        ] {
            assert!(screen.contains(part), "{part} in\n{screen}");
        }
    }

    #[test]
    fn no_line_is_wider_or_longer_than_the_screen_in_any_state() {
        let mut scrolled = view();
        scrolled.scrolled = 1_000;
        let trouble = View { trouble: Some("the server does not answer".to_owned()), ..view() };
        assert!(screen(&trouble, 80, 24)[0].ends_with("the server does not answer"));
        for view in [&view(), &scrolled, &trouble, &View::default()] {
            for (columns, rows) in [(0, 0), (1, 1), (10, 3), (40, 10), (80, 24), (300, 100)] {
                let screen = screen(view, columns, rows);
                assert!(screen.len() <= rows && screen.iter().all(|line| width(line) <= columns), "{screen:?}");
            }
        }
    }

    #[test]
    fn colours_go_round_a_piece_and_a_hostile_name_obeys_nobody() {
        let shown = line(Paint::Bad, "\x1b]0;x\x07").and(Paint::Plain, "y").fit(80, true);
        assert_eq!(shown, "\x1b[31m\u{fffd}]0;x\u{fffd}\x1b[0my");
    }
}
