//! Brackets, tags and addresses in prose.

use super::container::{Container, Step, Window, any};
use super::link::{begins, ends_address, ends_word, shown};

/// What of a word stays back where it is longer than may be held: more than the longest beginning of an address.
const STAYS_BYTES: usize = 512;
/// Figures of a mark, at most.
const MARK_FIGURES_MAX: usize = 6;
/// The longest word that a definition is looked through for.
const DEFINED_BYTES_MAX: usize = 128;
/// Tags without anything in them that may stay inside a line: they change how words look, and nothing else.
const TAGS: [&str; 14] = ["b", "i", "em", "strong", "u", "s", "sub", "sup", "br", "mark", "small", "kbd", "ins", "del"];

fn ends_address_or_round(c: char) -> bool {
    ends_address(c) || matches!(c, '(' | ')')
}

fn ends_tag(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '`')
}

fn ends_title(c: char) -> bool {
    c.is_control() || matches!(c, '"' | '\\' | '`' | '<' | '[' | ']' | '|')
}

impl Container {
    /// At `[`. A mark such as `[1]` goes out whole.
    pub(super) fn opening(&mut self, window: Window<'_>) -> Step {
        let text = window.text;
        let figures = text[1..].bytes().take_while(u8::is_ascii_digit).take(MARK_FIGURES_MAX).count();
        if text.len() == 1 + figures && !window.over() {
            return Step::Wait(any);
        }
        let mark = figures > 0 && text[1 + figures..].starts_with(']');
        if mark && text.len() == figures + 2 && !window.over() {
            return Step::Wait(any);
        }
        if text.len() == 1 && !window.over() {
            return Step::Wait(any);
        }
        let (label, image) = (self.inline.label, self.inline.image);
        // Some readers make a link of `[[name]]`, whatever stands in it.
        self.inline.doubtful |= text[1..].starts_with('[');
        self.inline.label = !self.lines.lettered;
        self.inline.image = match (self.inline.before, image) {
            (Some('!'), open) => Some(open.unwrap_or(0) + 1),
            (_, open) => open.map(|open| open + 1),
        };
        self.lines.read("[");
        let step = if mark { self.closing(window, 1 + figures) } else { Step::Keep(1) };
        if matches!(step, Step::Wait(_)) {
            // It is tried again from here.
            (self.inline.label, self.inline.image) = (label, image);
        }
        step
    }

    /// At the `]` that stands after `at` bytes.
    pub(super) fn closing(&mut self, window: Window<'_>, at: usize) -> Step {
        let text = &window.text[at..];
        let after = &text[1..];
        self.lines.read("]");
        let label = self.inline.label;
        match after.chars().next() {
            None if !window.over() => return Step::Wait(any),
            Some('(') => {
                let image = self.inline.image.is_some();
                return match self.destination(&after[1..], window, image) {
                    Some(Step::Keep(length)) => {
                        self.closed();
                        self.lines.lettered = true;
                        Step::Keep(at + 2 + length)
                    }
                    Some(wait) => wait,
                    None => {
                        self.closed();
                        Step::Write { length: at + 2, text: format!("{}] (", &window.text[..at]), breaks: true }
                    }
                };
            }
            Some(':') if label => match defines(&after[1..], window.over()) {
                None => return Step::Wait(any),
                Some(true) => {
                    self.closed();
                    self.lines.lettered = false;
                    return Step::Write { length: at + 2, text: format!("{}] :", &window.text[..at]), breaks: true };
                }
                Some(false) => {
                    self.closed();
                    // Another definition may stand inside a footnote.
                    self.lines.lettered = false;
                    return Step::Keep(at + 2);
                }
            },
            _ => {}
        }
        self.closed();
        Step::Keep(at + 1)
    }

    fn closed(&mut self) {
        // A bracket behind a backslash closes nothing for some; then the label may be open still.
        if self.inline.before != Some('\\') {
            self.inline.label = false;
        }
        if !self.inline.doubtful {
            self.inline.image = self.inline.image.and_then(|open| open.checked_sub(1)).filter(|open| *open > 0);
        }
    }

    /// What stands behind `](`: how long it is, with its `)`, if it may stay; none if it may not.
    fn destination(&self, text: &str, window: Window<'_>, image: bool) -> Option<Step> {
        let more = |settles| (!window.over()).then_some(Step::Wait(settles));
        let end = text.find(ends_address_or_round).unwrap_or(text.len());
        let address = &text[..end];
        let allowed = address.starts_with('#') && !image && !address.contains('\\')
            || if image { self.hosts.shows(address) } else { self.hosts.links_to(address) };
        if end == text.len() {
            // Only what may be allowed is waited for.
            let lower = address.get(..8.min(address.len())).unwrap_or("").to_ascii_lowercase();
            let promising = lower.starts_with('#')
                || ["https://", "http://"]
                    .iter()
                    .any(|scheme| scheme.starts_with(lower.as_str()) || lower.starts_with(scheme));
            return if promising { more(ends_address_or_round) } else { None };
        }
        if !allowed || !hosted(address) {
            return None;
        }
        let rest = &text[end..];
        if rest.starts_with(')') {
            return Some(Step::Keep(end + 1));
        }
        let title = rest.strip_prefix(' ')?;
        if title.is_empty() {
            return more(any);
        }
        let inside = title.strip_prefix('"')?;
        let Some(close) = inside.find(ends_title) else { return more(ends_title) };
        match inside[close..].strip_prefix('"')?.chars().next() {
            None => more(any),
            Some(')') => Some(Step::Keep(text.len() - inside.len() + close + 2)),
            Some(_) => None,
        }
    }

    /// At `<`: no tag, no comment, no address in angle brackets.
    pub(super) fn angle(&mut self, window: Window<'_>) -> Step {
        let text = window.text;
        let lettered = self.lines.lettered;
        self.lines.read("<");
        let Some(next) = text[1..].chars().next() else {
            return window.wait(any, Step::Keep(1));
        };
        if !(next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?') || crate::mask::normal::is_unseen(next)) {
            return Step::Keep(1);
        }
        let broken = Step::Write { length: 1, text: "< ".to_owned(), breaks: true };
        let Some(end) = text[1..].find(ends_tag).map(|end| end + 1) else {
            return window.wait(ends_tag, broken);
        };
        let inside = &text[1..end];
        if text[end..].starts_with(' ') && inside == "br" {
            return match &text.as_bytes()[end + 1..] {
                [b'/', b'>', ..] if lettered => Step::Keep(end + 3),
                [] | [b'/'] if !window.over() => Step::Wait(any),
                _ => broken,
            };
        }
        if !text[end..].starts_with('>') {
            return broken;
        }
        let name = inside.strip_prefix('/').unwrap_or(inside);
        let name = name.strip_suffix('/').unwrap_or(name).to_ascii_lowercase();
        if lettered && TAGS.contains(&name.as_str()) || is_mail(inside) {
            return Step::Keep(end + 1);
        }
        if self.hosts.links_to(inside)
            && hosted(inside)
            && inside.contains("://")
            && inside.find(ends_address).is_none()
        {
            self.lines.lettered = true;
            return Step::Keep(end + 1);
        }
        if begins(inside) == Some(0) {
            self.lines.lettered = true;
            return Step::Write { length: end + 1, text: shown(inside), breaks: false };
        }
        broken
    }

    /// A word, or a single letter that ends words.
    pub(super) fn word(&mut self, window: Window<'_>) -> Step {
        let text = window.text;
        let Some(end) = text.find(ends_word) else {
            if !window.over() {
                return Step::Wait(ends_word);
            }
            let Some(start) = begins(text) else {
                let stays = if window.full { text.floor_char_boundary(text.len() - STAYS_BYTES) } else { text.len() };
                return self.kept(&text[..stays]);
            };
            return self.address(window, start);
        };
        if end == 0 {
            let length = text.chars().next().map_or(0, char::len_utf8);
            return self.kept(&text[..length]);
        }
        match begins(&text[..end]) {
            Some(start) => self.address(window, start),
            None => self.kept(&text[..end]),
        }
    }

    fn kept(&mut self, text: &str) -> Step {
        self.lines.read(text);
        self.inline.doubtful |= text.contains(['\\', '$']);
        Step::Keep(text.len())
    }

    /// An address that begins after `start` bytes.
    fn address(&mut self, window: Window<'_>, start: usize) -> Step {
        let text = window.text;
        let mut open = 0_usize;
        let mut end = None;
        for (at, c) in text[start..].char_indices() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => end = Some(at),
                ')' => open -= 1,
                c if ends_address(c) => end = Some(at),
                _ => {}
            }
            if end.is_some() {
                break;
            }
        }
        if end.is_none() && !window.over() {
            return Step::Wait(ends_address_or_round);
        }
        let whole = &text[start..start + end.unwrap_or(text.len() - start)];
        let address = whole.trim_end_matches(|c| ".,;:!?'*_~\\".contains(c));
        if start > 0 {
            // The words before it first; then it is found at the beginning.
            self.lines.read(&text[..start]);
            self.inline.doubtful |= text[..start].contains(['\\', '$']);
            return Step::Keep(start);
        }
        self.lines.read("a");
        // A host goes on to the left, too, where nothing says that it begins.
        let begins = address.contains("://")
            || !self.inline.before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'));
        let leads = |address: &str| begins && self.hosts.links_to(address) && hosted(address);
        if leads(address) {
            return Step::Keep(whole.len());
        }
        // A particle that follows a host at once would be a part of it for some: a blank parts them.
        let ascii = address.find(|c: char| !c.is_ascii()).unwrap_or(address.len());
        if address[ascii..].starts_with(|c| ('가'..='힣').contains(&c)) && leads(&address[..ascii]) {
            return Step::Part(ascii);
        }
        // Of what stands for a host, the Korean word behind it is none.
        let length = particle(address).unwrap_or(address.len()).max(1);
        Step::Write { length, text: shown(&address[..length]), breaks: false }
    }
}

/// Where a word in other letters follows a host of ASCII letters that has no path.
fn particle(address: &str) -> Option<usize> {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..].find(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c))? + host;
    let next = address[end..].chars().next()?;
    let plain =
        address[host..end].contains('.') && ('가'..='힣').contains(&next) && !address[end..].contains(['.', '/']);
    plain.then_some(end)
}

/// Whether an address has a host that ends where every reader says that it ends.
fn hosted(address: &str) -> bool {
    !address.contains(|c: char| c.is_control() || crate::mask::normal::is_unseen(c))
}

/// An address of mail, which fetches nothing.
fn is_mail(text: &str) -> bool {
    let fits = |part: &str, more: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
    };
    text.split_once('@').is_some_and(|(who, host)| fits(who, "._-+") && fits(host, ".-") && host.contains('.'))
}

/// Whether what stands behind `]:` makes it a definition; none where that is not to be seen yet.
fn defines(text: &str, over: bool) -> Option<bool> {
    let blank = |c: char| matches!(c, ' ' | '\t');
    let unknown = |answer| if over { Some(answer) } else { None };
    let mut rest = text.trim_start_matches(blank);
    if let Some(next) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
        // In a quotation each line has its own mark.
        rest = next.trim_start_matches(|c| blank(c) || c == '>');
        if rest.starts_with(['\n', '\r']) {
            return Some(false);
        }
    }
    if rest.is_empty() || rest == "\r" {
        return unknown(false);
    }
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    // What is changed itself is not waited for.
    if end > DEFINED_BYTES_MAX || rest[..end].contains('<') || rest[..end].contains("](") || rest[..end].contains("]:")
    {
        return Some(true);
    }
    let behind = rest[end..].trim_start_matches(blank);
    match behind.chars().next() {
        None => unknown(true),
        Some(c) => Some(matches!(c, '\n' | '\r' | '"' | '\'' | '(')),
    }
}
