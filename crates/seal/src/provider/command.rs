//! A master key behind a program of the operator's: the door for validated modules, HSMs and key services.
//!
//! The program is started anew for each wrapping and unwrapping, without a shell. It gets one JSON object on its standard
//! input and answers with one on its standard output; docs/encryption.md has the protocol. It has a bound in time and a
//! bound in bytes, and whatever is not exactly an answer is an error.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyError, KeyProvider, WrappedKey};
use crate::DataKey;

/// The version of the protocol.
const PROTOCOL: u32 = 1;
/// Bytes that an answer may have.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Bytes of what it says on its standard error that are passed on.
const SAID_BYTES_MAX: usize = 512;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The operator's own program.
#[derive(Debug, Clone)]
pub struct Command {
    words: Vec<String>,
    wait: Duration,
}

#[derive(Serialize)]
#[serde(tag = "operation", rename_all = "lowercase")]
enum Question<'a> {
    Wrap { dure: u32, key: &'a str },
    Unwrap { dure: u32, key_id: &'a str, wrapped: &'a str },
}

#[derive(Deserialize)]
struct Wrapped {
    key_id: String,
    wrapped: String,
}

#[derive(Deserialize)]
struct Unwrapped {
    key: String,
}

impl Command {
    /// The program `words[0]` with the other words as its arguments, which has `wait` for each answer.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] if no program is named.
    pub fn new(words: Vec<String>, wait: Duration) -> Result<Self, KeyError> {
        match words.first() {
            Some(program) if !program.is_empty() => Ok(Self { words, wait }),
            _ => Err(KeyError::Unusable("no key program is named".to_owned())),
        }
    }

    fn failed(&self, what: impl Into<String>) -> KeyError {
        KeyError::Command { program: self.words[0].clone(), what: what.into() }
    }

    fn ask<A: DeserializeOwned>(&self, question: &Question<'_>) -> Result<A, KeyError> {
        let question = serde_json::to_vec(question).map(Zeroizing::new);
        let question = question.map_err(|error| self.failed(error.to_string()))?;
        let mut child = std::process::Command::new(&self.words[0])
            .args(&self.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| self.failed(format!("cannot be started: {error}")))?;
        let answered = self.exchange(&mut child, question);
        // Also what it has started itself, which may hold the pipes.
        if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.wait();
        let answer = answered?;
        // What it said may be a key, so it is not shown.
        serde_json::from_slice(&answer).map_err(|_| self.failed("gave an answer that is none of the protocol"))
    }

    fn exchange(&self, child: &mut Child, question: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let until = Instant::now() + self.wait;
        let too_slow = || self.failed(format!("did not answer in {} s", self.wait.as_secs_f32()));
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self.failed("has no pipes"));
        };
        // Neither thread outlives the program's group, which is ended in any case.
        std::thread::spawn(move || stdin.write_all(&question));
        let answer = read_to_end(stdout, ANSWER_BYTES_MAX);
        let said = read_to_end(stderr, SAID_BYTES_MAX);
        let answer = answer.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_| too_slow())?;
        let answer = answer.map_err(|error| self.failed(format!("cannot be read: {error}")))?;
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(self.failed(format!("answered with more than {ANSWER_BYTES_MAX} bytes")));
        }
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
                Ok(None) => return Err(too_slow()),
                Err(error) => return Err(self.failed(error.to_string())),
            }
        };
        if !status.success() {
            let said = said.recv_timeout(LOOK_EVERY * 20).ok().and_then(Result::ok).unwrap_or_default();
            return Err(self.failed(ended(status, &said)));
        }
        Ok(answer)
    }
}

/// Reads up to `bytes_max` bytes and one more in a thread of its own.
fn read_to_end(
    source: impl Read + Send + 'static,
    bytes_max: usize,
) -> mpsc::Receiver<std::io::Result<Zeroizing<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
        let read = source.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

fn ended(status: ExitStatus, said: &[u8]) -> String {
    let said: String = String::from_utf8_lossy(said).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match said.trim() {
        "" => format!("failed ({status})"),
        said => format!("failed ({status}): {said}"),
    }
}

impl KeyProvider for Command {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, KeyError> {
        let key = Zeroizing::new(BASE64.encode(key.as_bytes()));
        let Wrapped { key_id, wrapped } = self.ask(&Question::Wrap { dure: PROTOCOL, key: &key })?;
        if key_id.is_empty() || wrapped.is_empty() || wrapped.contains(key.as_str()) {
            return Err(self.failed("gave no wrapped key"));
        }
        Ok(WrappedKey { provider: self.kind().to_owned(), key_id, wrapped })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        let question = Question::Unwrap { dure: PROTOCOL, key_id: &wrapped.key_id, wrapped: &wrapped.wrapped };
        let Unwrapped { key } = self.ask(&question)?;
        let bytes = BASE64.decode(Zeroizing::new(key).as_bytes()).map(Zeroizing::new);
        let key = bytes.ok().and_then(|bytes| DataKey::from_slice(&bytes));
        key.ok_or_else(|| self.failed("gave something that is no data key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        Command::new(words, Duration::from_millis(1_500)).unwrap()
    }

    fn wrapped() -> WrappedKey {
        WrappedKey { provider: "command".to_owned(), key_id: "k1".to_owned(), wrapped: "words".to_owned() }
    }

    #[test]
    fn a_program_wraps_and_unwraps() {
        let key = DataKey::from_slice(&[7; 32]).unwrap();
        let wrapping =
            shell(r#"grep -q '"operation":"wrap","dure":1,"key":"BwcH' && echo '{"key_id":"k1","wrapped":"w"}'"#);
        let wrapped = wrapping.wrap(&key).unwrap();
        assert_eq!((wrapped.key_id.as_str(), wrapped.wrapped.as_str()), ("k1", "w"));
        let answer = BASE64.encode([7; 32]);
        let unwrapping = shell(&format!(
            r#"grep -q '"operation":"unwrap","dure":1,"key_id":"k1","wrapped":"w"' && echo '{{"key":"{answer}"}}'"#
        ));
        assert_eq!(unwrapping.unwrap(&wrapped).unwrap().as_bytes(), &[7; 32]);
    }

    #[test]
    fn a_program_that_does_not_do_its_part_is_an_error() {
        for (script, part) in [
            ("echo nonsense", "none of the protocol"),
            ("echo '{\"key\":\"c2hvcnQ=\"}'", "no data key"),
            ("true", "none of the protocol"),
            ("echo the slot is empty >&2; exit 3", "the slot is empty"),
            ("kill -9 $$", "signal: 9"),
            ("yes", "more than 16384 bytes"),
            ("sleep 60", "did not answer"),
            ("sleep 60 & exit 0", "did not answer"),
            ("exec >&-; sleep 60", "did not answer"),
        ] {
            let begun = Instant::now();
            let error = shell(script).unwrap(&wrapped()).unwrap_err().to_string();
            assert!(error.contains(part), "{script}: {error}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{script}: it is not waited for");
        }
        let none = Command::new(vec!["/nonexistent/hsm".to_owned()], Duration::from_secs(1)).unwrap();
        assert!(none.unwrap(&wrapped()).unwrap_err().to_string().contains("cannot be started"));
        assert!(Command::new(Vec::new(), Duration::from_secs(1)).is_err());
    }

    #[test]
    fn a_program_that_gives_the_key_back_as_it_is_does_not_wrap() {
        let key = DataKey::from_slice(&[7; 32]).unwrap();
        let echo = shell(r#"key=$(sed 's/.*"key":"\([^"]*\)".*/\1/'); echo "{\"key_id\":\"k\",\"wrapped\":\"$key\"}""#);
        assert!(echo.wrap(&key).unwrap_err().to_string().contains("no wrapped key"));
    }
}
