//! Server-sent events, cut from bytes as they arrive (the HTML standard, 9.2.6), with a bound on each event.
//!
//! Only `data` is kept: the servers that this is for say everything in it. Lines end with LF or CR LF; the standard's
//! lone CR is written by none of them, and a stream of such lines ends at the bound.

use memchr::memchr;

/// An event that is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Cuts events from bytes.
#[derive(Debug)]
pub(super) struct Events {
    /// Bytes that are not read yet; those before `at` are.
    bytes: Vec<u8>,
    at: usize,
    /// The lines of `data` that the event has so far.
    data: Vec<u8>,
    /// Whether it has any.
    begun: bool,
    bytes_max: usize,
}

impl Events {
    /// Events of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), at: 0, data: Vec::new(), begun: false, bytes_max }
    }

    /// Takes bytes as they arrive. To be called when [`Events::next`] has no more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next event that is whole.
    ///
    /// # Errors
    /// [`TooLarge`]; then nothing more can be read.
    pub fn next(&mut self) -> Result<Option<&[u8]>, TooLarge> {
        let mut ended = false;
        while let Some(length) = memchr(b'\n', &self.bytes[self.at..]) {
            let line = &self.bytes[self.at..self.at + length];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.at += length + 1;
            if line.is_empty() {
                ended = self.begun;
                if ended {
                    break;
                }
            } else if let Some(value) = value_of(line, b"data") {
                if self.begun {
                    self.data.push(b'\n');
                } else {
                    self.begun = true;
                    self.data.clear();
                }
                self.data.extend_from_slice(value);
            }
            if self.data.len() > self.bytes_max {
                break;
            }
        }
        let open = if ended { 0 } else { self.bytes.len() - self.at };
        if self.data.len().max(open) > self.bytes_max {
            return Err(TooLarge);
        }
        if !ended {
            return Ok(None);
        }
        self.begun = false;
        Ok(Some(&self.data))
    }
}

/// The value of a line `name: value`, of which one blank after the colon is no part.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest {
        [] => Some(rest),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]], bytes_max: usize) -> Result<Vec<String>, TooLarge> {
        let mut events = Events::new(bytes_max);
        let mut found = Vec::new();
        for piece in pieces {
            events.push(piece);
            while let Some(data) = events.next()? {
                found.push(String::from_utf8_lossy(data).into_owned());
            }
        }
        Ok(found)
    }

    #[test]
    fn events_are_what_stands_between_empty_lines() {
        let stream = b": hello\n\ndata: one\n\ndata:two\r\ndata: lines\r\n\r\nevent: x\nid: 3\n\n\ndata\n\ndatas: no\n\ndata: cut";
        assert_eq!(all(&[stream], 100).unwrap(), ["one", "two\nlines", ""]);
    }

    #[test]
    fn an_event_that_does_not_end_is_too_large() {
        assert_eq!(all(&[b"data: 12345678\n\n"], 8).unwrap(), ["12345678"]);
        assert_eq!(all(&[b"data: 123456789\n\n"], 8), Err(TooLarge));
        assert_eq!(all(&[b"data: 12345", b"6789"], 8), Err(TooLarge));
        assert_eq!(all(&[b"data: 1234\ndata: 5678\n\n"], 8), Err(TooLarge));
        assert_eq!(all(&[b"data: 1\r\rdata: 2\r\r"], 8), Err(TooLarge));
        assert_eq!(all(&[b"data: 1\n\ndata: 2\n\n"], 8).unwrap(), ["1", "2"]);
    }

    proptest! {
        #[test]
        fn where_the_network_cuts_changes_nothing(
            parts in proptest::collection::vec("(data: [a-z]{0,3}|data:한|: ping|x|)(\r\n|\n)", 0..20),
            cuts in proptest::collection::vec(0_usize..200, 0..10),
        ) {
            let stream = parts.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&pieces, 1_000), all(&[&stream], 1_000));
        }
    }
}
