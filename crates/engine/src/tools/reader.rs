//! From what a model writes to text and calls, piece by piece.
//!
//! What must stay true: however the text is cut into pieces, the same text and the same calls come out; what turns out
//! to be no call comes out as text, letter by letter; nothing is held back that can no longer become a call.

use std::sync::Arc;

use base::CallId;

use super::call::{Call, Found};
use crate::{Event, ToolCallPart, Tools};

/// Marks that a call may stand behind, wherever in an answer.
const MARKS: &[&str] = &["<tool_call>", "-> tool/function_call"];
/// What a call may begin with where the answer begins.
const BEGINNINGS: &[&str] = &["{", "[", "```json\n", "```tool_call\n", "```\n"];
/// What may stand between calls, and after the last one.
const BETWEEN: &[&str] = &["</tool_call>", "<tool_call>", "```json\n", "```", ",", "]", ";"];

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Reader {
    names: Arc<[String]>,
    parallel: bool,
    state: State,
    /// What is not decided on yet.
    held: String,
    /// Whether the answer has text already.
    spoke: bool,
    calls: u32,
}

#[derive(Debug)]
enum State {
    Text,
    /// What may be a call, and all that was taken for it so far.
    Maybe(Call, String),
    /// A call whose name went out.
    Begun(Call),
    /// After a call.
    Between,
    /// The one call that was allowed is whole; what follows is nothing.
    Over,
}

impl Reader {
    pub fn new(tools: &Tools) -> Self {
        Self {
            names: tools.callable().iter().map(|tool| tool.name.clone()).collect(),
            parallel: tools.parallel,
            state: State::Text,
            held: String::new(),
            spoke: false,
            calls: 0,
        }
    }

    /// Whether a call came.
    pub fn called(&self) -> bool {
        self.calls > 0
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str, out: &mut Vec<Event>) {
        self.held.push_str(text);
        while self.step(out) {}
    }

    /// The answer has ended: what could have become a call is text.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        if let State::Maybe(_, taken) = &mut self.state {
            self.held.insert_str(0, &std::mem::take(taken));
        }
        if matches!(self.state, State::Text | State::Maybe(..)) {
            let held = std::mem::take(&mut self.held);
            self.speak(held, out);
        }
    }

    fn speak(&mut self, text: String, out: &mut Vec<Event>) {
        self.spoke |= !text.trim().is_empty();
        if text.is_empty() {
            return;
        }
        match out.last_mut() {
            Some(Event::Text(said)) => said.push_str(&text),
            _ => out.push(Event::Text(text)),
        }
    }

    /// Decides on what is held as far as it can; whether there may be more to decide.
    fn step(&mut self, out: &mut Vec<Event>) -> bool {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text => self.text(out),
            State::Maybe(call, taken) => self.maybe(call, taken, out),
            State::Begun(call) => self.begun(call, out),
            State::Between => self.between(),
            State::Over => {
                self.held.clear();
                self.state = State::Over;
                false
            }
        }
    }

    fn text(&mut self, out: &mut Vec<Event>) -> bool {
        if !self.spoke && self.calls == 0 {
            let rest = self.held.trim_start();
            let blank = self.held.len() - rest.len();
            if let Some(beginning) = BEGINNINGS.iter().find(|beginning| rest.starts_with(**beginning)) {
                // A bracket is the call's own, a fence is not.
                let before = if beginning.len() == 1 { blank } else { blank + beginning.len() };
                return self.begin(before);
            }
            if BEGINNINGS.iter().chain(MARKS).any(|beginning| beginning.starts_with(rest)) {
                return false;
            }
        }
        let found = MARKS.iter().filter_map(|mark| Some((self.held.find(mark)?, mark.len()))).min();
        if let Some((at, mark)) = found {
            let rest = self.held.split_off(at);
            let said = std::mem::replace(&mut self.held, rest);
            self.speak(said, out);
            return self.begin(mark);
        }
        let kept = MARKS.iter().map(|mark| overlap(&self.held, mark)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - kept);
        let said = std::mem::replace(&mut self.held, rest);
        self.speak(said, out);
        false
    }

    /// A call may begin after so many bytes.
    fn begin(&mut self, before: usize) -> bool {
        let rest = self.held.split_off(before);
        let taken = std::mem::replace(&mut self.held, rest);
        self.state = State::Maybe(Call::of(Arc::clone(&self.names)), taken);
        true
    }

    fn maybe(&mut self, mut call: Call, mut taken: String, out: &mut Vec<Event>) -> bool {
        let held = std::mem::take(&mut self.held);
        let mut found = Vec::new();
        for (at, c) in held.char_indices() {
            call.step(c, &mut found);
            let next = at + c.len_utf8();
            match found.first() {
                None => {}
                Some(Found::Name(_)) => {
                    self.held = held[next..].to_owned();
                    self.tell(found, out);
                    self.state = State::Begun(call);
                    return true;
                }
                Some(_) => {
                    // Its first letter is said, so that the rest is looked at anew.
                    taken.push_str(&held);
                    let first = taken.chars().take_while(|c| c.is_whitespace()).map(char::len_utf8).sum::<usize>();
                    let first = first + taken[first..].chars().next().map_or(0, char::len_utf8);
                    self.held = taken.split_off(first);
                    self.speak(taken, out);
                    return true;
                }
            }
        }
        taken.push_str(&held);
        self.state = State::Maybe(call, taken);
        false
    }

    fn begun(&mut self, mut call: Call, out: &mut Vec<Event>) -> bool {
        let held = std::mem::take(&mut self.held);
        let mut found = Vec::new();
        for (at, c) in held.char_indices() {
            call.step(c, &mut found);
            if found.last() == Some(&Found::End) {
                // A call that ends badly ends before the letter that is none of its own.
                let next = if c == '}' { at + c.len_utf8() } else { at };
                self.held = held[next..].to_owned();
                self.tell(found, out);
                self.state = if self.parallel { State::Between } else { State::Over };
                return true;
            }
        }
        self.tell(found, out);
        self.state = State::Begun(call);
        false
    }

    fn tell(&mut self, found: Vec<Found>, out: &mut Vec<Event>) {
        for found in found {
            let part = |index: u32| ToolCallPart { index, id: None, name: None, arguments: String::new() };
            match found {
                Found::Name(name) => {
                    let id = Some(CallId::new().to_string());
                    out.push(Event::ToolCall(ToolCallPart { id, name: Some(name), ..part(self.calls) }));
                    self.calls += 1;
                }
                Found::Arguments(arguments) => {
                    out.push(Event::ToolCall(ToolCallPart { arguments, ..part(self.calls.saturating_sub(1)) }));
                }
                Found::End | Found::Nothing => {}
            }
        }
    }

    fn between(&mut self) -> bool {
        self.held.drain(..self.held.len() - self.held.trim_start().len());
        if let Some(mark) = BETWEEN.iter().find(|mark| self.held.starts_with(**mark)) {
            self.held.drain(..mark.len());
        } else if self.held.starts_with('{') {
            return self.begin(0);
        } else if !BETWEEN.iter().any(|mark| mark.starts_with(self.held.as_str())) {
            return true;
        } else {
            self.state = State::Between;
            return false;
        }
        self.state = State::Between;
        true
    }
}

/// Bytes at the end of `text` that begin `mark`.
fn overlap(text: &str, mark: &str) -> usize {
    let longest = text.len().min(mark.len() - 1);
    (1..=longest).rev().find(|&n| text.ends_with(&mark[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tool, ToolChoice};

    fn tools(parallel: bool) -> Tools {
        let tool = |name: &str| Tool { name: name.into(), description: None, parameters: None };
        Tools { offered: vec![tool("add"), tool("now")], choice: ToolChoice::Auto, parallel }
    }

    /// The text, and each call as `name(arguments)`, of what comes in these pieces.
    fn read<'a>(pieces: impl Iterator<Item = &'a str>, parallel: bool) -> (String, Vec<String>) {
        let (mut reader, mut out) = (Reader::new(&tools(parallel)), Vec::new());
        pieces.for_each(|piece| reader.push(piece, &mut out));
        reader.finish(&mut out);
        let (mut text, mut calls) = (String::new(), Vec::<String>::new());
        for event in out {
            match event {
                Event::Text(more) => text.push_str(&more),
                Event::ToolCall(part) => {
                    if let Some(name) = &part.name {
                        assert_eq!(part.index as usize, calls.len());
                        assert!(part.id.is_some_and(|id| id.starts_with("call_")));
                        calls.push(format!("{name}:"));
                    }
                    calls[part.index as usize].push_str(&part.arguments);
                }
                _ => panic!("neither text nor call"),
            }
        }
        (text, calls)
    }

    /// Whole, letter by letter, and cut in two at every place.
    fn check(said: &str, text: &str, calls: &[&str]) {
        let expected = (text.to_owned(), calls.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>());
        assert_eq!(read([said].into_iter(), true), expected, "{said}");
        let letters: Vec<String> = said.chars().map(String::from).collect();
        assert_eq!(read(letters.iter().map(String::as_str), true), expected, "by letters: {said}");
        for (cut, _) in said.char_indices() {
            let (head, tail) = said.split_at(cut);
            assert_eq!(read([head, tail].into_iter(), true), expected, "cut at {cut}: {said}");
        }
    }

    #[test]
    fn calls_are_found_in_every_dress() {
        for said in [
            "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>",
            "{\"name\":\"add\",\"parameters\":{\"a\": 1}}",
            "[{\"name\":\"add\",\"arguments\":{\"a\": 1}}]",
            " \n```json\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n```",
            "```\n{\"arguments\": {\"a\": 1}, \"name\": \"add\"}\n```",
            " -> tool/function_call\n[{\"name\": \"add\", \"arguments\": {\"a\": 1}}]",
            "{\"id\": \"x\", \"type\": \"function\", \"function\": {\"name\": \"add\", \"arguments\": \"{\\\"a\\\": 1}\"}}",
        ] {
            let text = if said.starts_with(" ->") { " " } else { "" };
            check(said, text, &["add:{\"a\": 1}"]);
        }
        check("{\"name\": \"now\"}", "", &["now:{}"]);
        check("{\"name\": \"now\", \"arguments\": null}", "", &["now:{}"]);
    }

    #[test]
    fn arguments_keep_every_letter() {
        check(
            "<tool_call>{\"name\": \"add\", \"arguments\": {\"한\": \"a}\\\"]{,\", \"l\": [[1], {\"x\": {}}]}}</tool_call>",
            "",
            &["add:{\"한\": \"a}\\\"]{,\", \"l\": [[1], {\"x\": {}}]}"],
        );
    }

    #[test]
    fn text_and_several_calls_stand_beside_each_other() {
        check(
            "확인해 보겠습니다.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n\
             {\"name\": \"add\", \"arguments\": {\"a\": 2}}\n</tool_call>",
            "확인해 보겠습니다.\n",
            &["now:{}", "add:{\"a\": 2}"],
        );
        check("[{\"name\":\"now\"}, {\"name\":\"now\"}]", "", &["now:{}", "now:{}"]);
        check("{\"name\":\"now\"} done", "done", &["now:{}"]);
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for said in [
            "",
            "  ",
            "just text",
            "a < b, and <tool",
            "{\"city\": \"서울\"}",
            "{\"name\": \"nobody\", \"arguments\": {}}",
            "{\"name\": 3}",
            "{name: add}",
            "[1, 2]",
            "{}",
            "```json\n{\"x\": 1}\n```",
            "```rust\nfn main() {}\n```",
            "<tool_call>nonsense</tool_call>",
            "{\"name\": \"ad",
            "text {\"name\": \"add\", \"arguments\": {}}",
        ] {
            check(said, said, &[]);
        }
    }

    #[test]
    fn text_is_not_held_back_once_it_cannot_be_a_call() {
        let mut out = Vec::new();
        let mut reader = Reader::new(&tools(true));
        reader.push("안", &mut out);
        assert_eq!(out, [Event::Text("안".into())]);
        reader.push("녕 <to", &mut out);
        assert_eq!(out, [Event::Text("안녕 ".into())]);
        reader.push("p>", &mut out);
        assert_eq!(out, [Event::Text("안녕 <top>".into())]);
    }

    #[test]
    fn where_one_call_is_allowed_the_rest_is_nothing() {
        let said = "{\"name\":\"now\"}{\"name\":\"now\"} and so on";
        assert_eq!(read([said].into_iter(), false), (String::new(), vec!["now:{}".to_owned()]));
    }

    #[test]
    fn a_call_that_breaks_off_keeps_what_it_had() {
        let said = "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": ";
        assert_eq!(read([said].into_iter(), true), (String::new(), vec!["add:{\"a\": ".to_owned()]));
    }
}
