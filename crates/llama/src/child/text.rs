//! From the bytes of tokens to text that may be shown: whole characters, and nothing of a stop string.

/// Text on its way out of one answer.
#[derive(Debug)]
pub struct TextOut {
    stops: Vec<String>,
    /// Bytes at the end that do not make a character yet.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    stopped: bool,
}

impl TextOut {
    /// Text that ends before the first of `stops`.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, bytes: Vec::new(), held: String::new(), stopped: false }
    }

    /// Takes a token's bytes and returns what may be shown now.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.bytes.extend_from_slice(bytes);
        self.take_whole_characters();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let kept = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - kept);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether a stop string was met.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// What was held back and turned out to be no stop string. Half a character is left out.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn take_whole_characters(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) => {
                    self.held.push_str(text);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let (whole, rest) = self.bytes.split_at(error.valid_up_to());
                    self.held.push_str(&String::from_utf8_lossy(whole));
                    match error.error_len() {
                        None => {
                            self.bytes = rest.to_vec();
                            return;
                        }
                        Some(wrong) => {
                            self.held.push(char::REPLACEMENT_CHARACTER);
                            self.bytes = rest[wrong..].to_vec();
                        }
                    }
                }
            }
        }
    }
}

/// Bytes at the end of `text` that begin `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    (1..=longest)
        .rev()
        .find(|&n| stop.is_char_boundary(n) && text.is_char_boundary(text.len() - n) && text.ends_with(&stop[..n]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stops: &[&str], tokens: &[&[u8]], expected: &[&str], end: &str) {
        let mut text = TextOut::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let shown: Vec<String> = tokens.iter().map(|token| text.push(token)).collect();
        assert_eq!(shown, expected);
        assert_eq!(text.finish(), end);
    }

    #[test]
    fn a_character_waits_until_it_is_whole() {
        check(&[], &["두".as_bytes(), &"레".as_bytes()[..1], &"레".as_bytes()[1..]], &["두", "", "레"], "");
        check(&[], &[&"레".as_bytes()[..2]], &[""], "");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        check(&[], &[b"a\xff", b"b\xed", b"\xa0\x80c"], &["a\u{fffd}", "b", "\u{fffd}\u{fffd}\u{fffd}c"], "");
    }

    #[test]
    fn a_stop_string_across_tokens_is_never_shown() {
        check(&["END"], &[b"one E", b"N", b"D two"], &["one ", "", ""], "");
        check(&["END"], &[b"one E", b"N", b"Y"], &["one ", "", "ENY"], "");
        check(&["END"], &[b"one E", b"N"], &["one ", ""], "EN");
        check(&["\n\n", "###"], &[b"a\n", b"\nb"], &["a", ""], "");
        check(&["aab"], &[b"aa", b"ab"], &["", "a"], "");
        check(&["끝"], &["가".as_bytes(), &"끝".as_bytes()[..2], &"끝".as_bytes()[2..]], &["가", "", ""], "");
    }

    #[test]
    fn the_earliest_stop_wins() {
        check(&["c", "b"], &[b"abc"], &["a"], "");
    }
}
