//! Reads one call out of JSON that comes in pieces: `{"name": …, "arguments": {…}}`, or the same inside
//! `{"type": "function", "function": {…}}`. `parameters` is another word for `arguments`.
//!
//! Whatever else an object holds, it is no call: the answer may be JSON of its own.

use std::sync::Arc;

/// Levels of objects around a call's name.
const LEVELS_MAX: usize = 2;

/// What a piece of JSON turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The call of this tool begins.
    Name(String),
    /// More of its arguments.
    Arguments(String),
    /// The call is whole.
    End,
    /// This is no call.
    Nothing,
}

/// Where in the object the next character stands.
#[derive(Debug)]
enum Place {
    Start,
    Key,
    Colon(String),
    Value(String),
    Name(Text),
    Arguments(Raw),
    /// Arguments that were written as a text which holds JSON.
    Quoted(Text),
    Skipped(Raw),
    After,
    Inside(Text),
}

/// Reads characters up to the end of one call.
#[derive(Debug)]
pub(super) struct Call {
    names: Arc<[String]>,
    place: Place,
    levels: usize,
    name: Option<String>,
    /// Arguments that came before the name.
    early: String,
    has_arguments: bool,
}

impl Call {
    /// A call of one of these tools.
    pub fn of(names: Arc<[String]>) -> Self {
        Self { names, place: Place::Start, levels: 0, name: None, early: String::new(), has_arguments: false }
    }
}

/// A JSON value of any kind, by its brackets and quotes.
#[derive(Debug, Default)]
struct Raw {
    depth: usize,
    quoted: bool,
    escaped: bool,
    plain: bool,
}

/// Whether a character ends a value.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Goes,
    /// It was the value's last one.
    Ends,
    /// The value had ended before it.
    Ended,
}

impl Raw {
    fn step(&mut self, c: char) -> Step {
        if self.quoted {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => {
                    self.quoted = false;
                    return if self.depth == 0 { Step::Ends } else { Step::Goes };
                }
                _ => {}
            }
            return Step::Goes;
        }
        match c {
            '"' => self.quoted = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' | ',' if self.depth == 0 => return Step::Ended,
            '}' | ']' => {
                self.depth -= 1;
                return if self.depth == 0 { Step::Ends } else { Step::Goes };
            }
            c if c.is_whitespace() && self.depth == 0 && self.plain => return Step::Ended,
            c => self.plain |= !c.is_whitespace(),
        }
        Step::Goes
    }
}

/// A JSON text up to its closing quote.
#[derive(Debug)]
struct Text {
    written: String,
    escaped: bool,
}

impl Text {
    fn begun() -> Self {
        Self { written: "\"".to_owned(), escaped: false }
    }

    /// Takes one character; the text once it is whole. One that is no JSON is empty.
    fn step(&mut self, c: char) -> Option<String> {
        self.written.push(c);
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = true,
            '"' => return Some(serde_json::from_str(&self.written).unwrap_or_default()),
            _ => {}
        }
        None
    }
}

impl Call {
    /// Takes one character and says what it completes. After [`Found::End`] and [`Found::Nothing`] nothing is taken.
    pub fn step(&mut self, c: char, out: &mut Vec<Found>) {
        let place = std::mem::replace(&mut self.place, Place::After);
        self.place = match place {
            Place::Start if c.is_whitespace() || (c == '[' && self.levels == 0) => Place::Start,
            Place::Start if c == '{' => self.open(),
            Place::Key if c.is_whitespace() => Place::Key,
            Place::Key if c == '"' => Place::Inside(Text::begun()),
            Place::Inside(mut key) => match key.step(c) {
                None => Place::Inside(key),
                Some(key) => Place::Colon(key),
            },
            Place::Colon(key) if c.is_whitespace() => Place::Colon(key),
            Place::Colon(key) if c == ':' => Place::Value(key),
            Place::Value(key) if c.is_whitespace() => Place::Value(key),
            Place::Value(key) => match self.value(&key, c, out) {
                Some(place) => place,
                None => return out.push(Found::Nothing),
            },
            Place::Name(mut name) => match name.step(c) {
                None => Place::Name(name),
                Some(name) if self.names.contains(&name) => {
                    self.name = Some(name.clone());
                    out.push(Found::Name(name));
                    let early = std::mem::take(&mut self.early);
                    if !early.is_empty() {
                        out.push(Found::Arguments(early));
                    }
                    Place::After
                }
                Some(_) => return out.push(Found::Nothing),
            },
            Place::Arguments(mut raw) => {
                let step = raw.step(c);
                self.argue(&c.to_string(), out);
                if step == Step::Goes { Place::Arguments(raw) } else { Place::After }
            }
            Place::Quoted(mut text) => match text.step(c) {
                None => Place::Quoted(text),
                Some(arguments) => {
                    self.argue(&arguments, out);
                    Place::After
                }
            },
            Place::Skipped(mut raw) => match raw.step(c) {
                Step::Goes => Place::Skipped(raw),
                Step::Ends => Place::After,
                Step::Ended => return self.after(c, out),
            },
            Place::After => return self.after(c, out),
            Place::Start | Place::Key | Place::Colon(_) => return out.push(Found::Nothing),
        };
    }

    fn open(&mut self) -> Place {
        self.levels += 1;
        Place::Key
    }

    fn value(&mut self, key: &str, c: char, out: &mut Vec<Found>) -> Option<Place> {
        match (key, c) {
            ("name", '"') if self.name.is_none() => Some(Place::Name(Text::begun())),
            ("arguments" | "parameters", '{') if !self.has_arguments => {
                self.has_arguments = true;
                let mut raw = Raw::default();
                raw.step(c);
                self.argue("{", out);
                Some(Place::Arguments(raw))
            }
            ("arguments" | "parameters", '"') if !self.has_arguments => {
                self.has_arguments = true;
                Some(Place::Quoted(Text::begun()))
            }
            ("function", '{') if self.levels < LEVELS_MAX => Some(self.open()),
            ("arguments" | "parameters", 'n') | ("id" | "type", '"') => {
                let mut raw = Raw::default();
                raw.step(c);
                Some(Place::Skipped(raw))
            }
            _ => None,
        }
    }

    fn argue(&mut self, more: &str, out: &mut Vec<Found>) {
        if self.name.is_none() {
            self.early.push_str(more);
        } else if let Some(Found::Arguments(arguments)) = out.last_mut() {
            arguments.push_str(more);
        } else {
            out.push(Found::Arguments(more.to_owned()));
        }
    }

    fn after(&mut self, c: char, out: &mut Vec<Found>) {
        match c {
            ',' => self.place = Place::Key,
            '}' if self.levels > 1 => self.levels -= 1,
            '}' if self.name.is_some() => {
                if !self.has_arguments {
                    out.push(Found::Arguments("{}".to_owned()));
                }
                out.push(Found::End);
            }
            c if c.is_whitespace() => {}
            // What was begun stands, however its end looks.
            _ if self.name.is_some() => out.push(Found::End),
            _ => out.push(Found::Nothing),
        }
    }
}
