//! A model that repeats what the user said last: `dure engine --selftest`.
//!
//! It works from the state that it was given step by step, copies and cuts of sequences included, as a real model
//! does: if the scheduler loses, doubles or mixes up one token, the echo says something else. Three words make it
//! behave badly: `poison` ends the process, `endless` never ends the answer, `escape` tries the walls and is refused
//! with what they let through.

use engine::template::Piece;
use engine::{Likelihood, Written};

use super::model::{Drawn, Entry, Model, StepError};
use crate::Role;
use crate::wire::{ChatJob, Hello, Setup};

const DIMENSIONS: usize = 8;
/// Tokens are bytes; those of the template are this much higher.
const OF_TEMPLATE: i32 = 256;

const TEMPLATE: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";

/// The echo.
#[derive(Debug)]
pub struct Echo {
    context_tokens: u32,
    role: Role,
    sequences: Vec<Vec<i32>>,
    outcomes: Vec<Drawn>,
}

impl Echo {
    /// An echo with the bounds of `setup`.
    pub fn new(role: Role, setup: &Setup) -> Self {
        let sequences = vec![Vec::new(); setup.slots as usize];
        Self { context_tokens: setup.context_tokens, role, sequences, outcomes: Vec::new() }
    }
}

/// What follows a sequence: the next byte of what was said last.
fn next(tokens: &[i32]) -> Drawn {
    let is_data = |token: &&i32| **token < OF_TEMPLATE;
    let written = tokens.iter().rev().take_while(is_data).count();
    let before = &tokens[..tokens.len() - written];
    let template = before.iter().rev().take_while(|token| !is_data(token)).count();
    let before = &before[..before.len() - template];
    let said: Vec<i32> = before.iter().rev().take_while(is_data).copied().collect();
    let said: Vec<i32> = said.into_iter().rev().collect();
    if has(&said, "endless") {
        return Drawn::Token(said[written % said.len()]);
    }
    said.get(written).map_or(Drawn::End, |&token| Drawn::Token(token))
}

fn has(tokens: &[i32], word: &str) -> bool {
    tokens.windows(word.len()).any(|window| window.iter().zip(word.bytes()).all(|(&a, b)| a == i32::from(b)))
}

/// Tries what the walls forbid, and says what came through.
fn escape() -> String {
    let ways: [(&str, bool); 5] = [
        ("network", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("sockets", std::os::unix::net::UnixStream::pair().is_ok()),
        ("programs", std::process::Command::new("/bin/true").status().is_ok()),
        ("reading", std::fs::File::open("/etc/passwd").is_ok()),
        ("environment", std::env::var_os("PATH").is_some() || std::env::var_os("HOME").is_some()),
    ];
    let open: Vec<&str> = ways.iter().filter(|(_, open)| *open).map(|(way, _)| *way).collect();
    format!("escaped by: {}", open.join(" "))
}

impl Model for Echo {
    type Sampler = ();

    fn hello(&self) -> Hello {
        Hello {
            context_tokens: self.context_tokens,
            context_trained: self.context_tokens,
            dimensions: if self.role == Role::Embed { DIMENSIONS as u32 } else { 0 },
            threads: 1,
            backend: "echo".into(),
            walls: Vec::new(),
        }
    }

    fn template(&self) -> Option<(String, String, String)> {
        Some((TEMPLATE.into(), String::new(), String::new()))
    }

    fn tokens(&self, pieces: &[Piece]) -> Vec<i32> {
        let token = |piece: &Piece, byte: u8| i32::from(byte) + if piece.data { 0 } else { OF_TEMPLATE };
        pieces.iter().flat_map(|piece| piece.text.bytes().map(move |byte| token(piece, byte))).collect()
    }

    fn bytes(&self, token: i32) -> Vec<u8> {
        u8::try_from(token).map(|byte| vec![byte]).unwrap_or_default()
    }

    fn sampler(&self, job: &ChatJob) -> Result<(), String> {
        let escapes = job.prompt.messages.iter().any(|message| message.content.contains("escape"));
        if escapes { Err(escape()) } else { Ok(()) }
    }

    fn truncate(&mut self, sequence: usize, kept: usize) -> usize {
        self.sequences[sequence].truncate(kept);
        self.sequences[sequence].len()
    }

    fn copy(&mut self, from: usize, to: usize, kept: usize) -> usize {
        self.sequences[to] = self.sequences[from][..kept].to_vec();
        kept
    }

    fn step(&mut self, entries: &[Entry]) -> Result<(), StepError> {
        self.outcomes.clear();
        for entry in entries {
            let sequence = &mut self.sequences[entry.sequence];
            assert_eq!(sequence.len(), entry.position, "a token is lost or doubled");
            sequence.push(entry.token);
            assert!(sequence.len() <= self.context_tokens as usize, "a sequence is longer than its window");
            if has(sequence, "poison") {
                std::process::abort();
            }
            self.outcomes.push(if entry.wanted { next(sequence) } else { Drawn::End });
        }
        Ok(())
    }

    fn draw(&mut self, (): &mut (), at: usize) -> Result<Drawn, String> {
        self.outcomes.get(at).copied().ok_or_else(|| "nothing was computed".into())
    }

    fn written(&self, _: usize, token: i32, top: usize) -> Written {
        // Nothing else could follow.
        let sure = Likelihood { bytes: self.bytes(token), logprob: 0.0 };
        Written { top: vec![sure.clone(); top.min(1)], token: sure }
    }

    fn embed(&mut self, text: &str) -> Result<(Vec<f32>, u32), String> {
        if text.contains("poison") {
            std::process::abort();
        }
        let mut vector = vec![0.0; DIMENSIONS];
        for (at, byte) in text.bytes().enumerate() {
            vector[(at + usize::from(byte)) % DIMENSIONS] += f32::from(byte);
        }
        Ok((vector, u32::try_from(text.len()).unwrap_or(u32::MAX)))
    }
}
