//! As much of HTTP/1.1 as two programs need that know each other: heads, bodies of known length, chunks.

use std::io::{self, Read};
use std::net::TcpStream;

const BYTES_MAX: usize = 16 << 20;

/// A connection and what was read from it beyond what was asked for.
#[derive(Debug)]
pub struct Reader {
    pub stream: TcpStream,
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, bytes: Vec::with_capacity(16 << 10), at: 0 }
    }

    /// Reads a head; none if the other side has left before it.
    pub fn head(&mut self) -> io::Result<Option<String>> {
        self.until(b"\r\n\r\n").map(|head| head.map(|head| String::from_utf8_lossy(&head).into_owned()))
    }

    /// Reads one line of a chunked body: a chunk's length.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        self.until(b"\r\n")?.ok_or_else(|| broken("the other side left"))
    }

    /// Reads so many bytes.
    pub fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.bytes.len() - self.at < count {
            if !self.more()? {
                return Err(broken("the other side left"));
            }
        }
        let bytes = self.bytes[self.at..self.at + count].to_vec();
        self.at += count;
        Ok(bytes)
    }

    /// Reads the next chunk; none if it was the last one.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let length = std::str::from_utf8(&line).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let length = length.ok_or_else(|| broken("a chunk has no length"))?;
        let mut bytes = self.exactly(length + 2)?;
        bytes.truncate(length);
        Ok((length > 0).then_some(bytes))
    }

    /// Reads the body that a head announces.
    pub fn body(&mut self, head: &str) -> io::Result<Vec<u8>> {
        if header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk()? {
                body.extend_from_slice(&chunk);
            }
            return Ok(body);
        }
        self.exactly(header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    fn until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut looked = self.at;
        loop {
            let found = self.bytes[looked..].windows(end.len()).position(|window| window == end);
            if let Some(place) = found {
                let text = self.bytes[self.at..looked + place].to_vec();
                self.at = looked + place + end.len();
                return Ok(Some(text));
            }
            let unread = self.bytes.len() - self.at;
            if !self.more()? {
                return if unread == 0 { Ok(None) } else { Err(broken("the other side left")) };
            }
            looked = self.at + (unread + 1).saturating_sub(end.len());
        }
    }

    fn more(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.at);
        self.at = 0;
        if self.bytes.len() > BYTES_MAX {
            return Err(broken("more than is taken"));
        }
        let before = self.bytes.len();
        self.bytes.resize(before + (16 << 10), 0);
        let count = self.stream.read(&mut self.bytes[before..]);
        self.bytes.truncate(before + *count.as_ref().unwrap_or(&0));
        Ok(count? > 0)
    }
}

/// The value of a header, as it stands.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn broken(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
