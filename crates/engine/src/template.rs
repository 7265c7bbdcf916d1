//! Chat templates: from messages to the pieces of a prompt.
//!
//! A template comes inside a model's file, so it is a stranger's program. It sees messages and nothing of the host, it
//! has bounds on its size, steps, depth and output, and what people said never turns into the tokens that the
//! template keeps for itself: each content travels through the template between two marks, and what stands between
//! them comes out as a [`Piece`] of data.
//!
//! Memory is the one thing that a template engine cannot bound (`x ~ x` doubles a text), so a template that was not
//! written here is rendered where running out of memory costs nobody else: in the embedded engine's child.

mod json;
mod plain;

use std::fmt::Write as _;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::{ChatRequest, EngineError, Message, Role, tools};

/// Bytes that a template may have.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Messages that a chat may have.
pub const MESSAGES_MAX: usize = 2048;
const STEPS_BASE: u64 = 50_000;
const STEPS_PER_MESSAGE: u64 = 1_000;
const CALLS_DEEP_MAX: usize = 64;
const REASON_CHARS_MAX: usize = 160;

/// Stand before and after what somebody said. Private-use characters, taken out of whatever is said.
const OPEN: char = '\u{10F5A0}';
const CLOSE: char = '\u{10F5A1}';

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it is what somebody said, and so never becomes a token that the template keeps for itself.
    pub data: bool,
}

/// A model's chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    source: String,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Takes a template if it is one, with the texts of the model's first and last token.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] where it is too large, too deep, or does not parse.
    pub fn compile(source: &str, bos: &str, eos: &str) -> Result<Self, EngineError> {
        if source.len() > SOURCE_BYTES_MAX {
            let length = source.len();
            return Err(invalid(format!("the chat template has {length} bytes, at most {SOURCE_BYTES_MAX} are taken")));
        }
        let template = Self { source: source.to_owned(), bos: bos.to_owned(), eos: eos.to_owned() };
        environment().template_from_str(source).map_err(|error| template.unusable(&error))?;
        Ok(template)
    }

    /// Renders a chat, up to where the model goes on.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] where the template refuses the chat, exceeds a bound, or cuts a content in pieces;
    /// or where the tools are too deep or carry names that no tool has.
    pub fn render(&self, request: &ChatRequest) -> Result<Vec<Piece>, EngineError> {
        if request.messages.len() > MESSAGES_MAX {
            return Err(invalid(format!("a chat has at most {MESSAGES_MAX} messages")));
        }
        let offered = tools::offered(&request.tools);
        let tools_bytes = offered.as_ref().map_or(0, |tools| tools.to_string().len());
        let mut out =
            Bounded { text: Vec::new(), bytes_max: 4 * (request.bytes() + tools_bytes) + 2 * SOURCE_BYTES_MAX };

        let messages: Vec<Value> = if self.source.contains("tool") {
            request.messages.iter().map(message).collect()
        } else {
            plain::messages(&request.messages, offered.as_ref()).iter().map(message).collect()
        };
        let tools = offered.as_ref().map(|tools| json::marked(tools).map_err(invalid)).transpose()?;
        let mut context = vec![
            ("messages", Value::from(messages)),
            ("add_generation_prompt", Value::from(true)),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
        ];
        context.extend(tools.map(|tools| ("tools", tools)));
        let context = Value::from_pairs(context);

        let mut environment = environment();
        environment.set_fuel(Some(STEPS_BASE + STEPS_PER_MESSAGE * request.messages.len() as u64));
        let template = environment.template_from_str(&self.source).map_err(|error| self.unusable(&error))?;
        template.render_captured_to(context, &mut out).map_err(|error| self.unusable(&error))?;
        let text = String::from_utf8(out.text).map_err(|_| invalid("the chat template wrote no text".into()))?;
        pieces(&text)
    }

    fn unusable(&self, error: &Error) -> EngineError {
        if error.kind() == ErrorKind::OutOfFuel {
            return invalid("the chat template takes too many steps".into());
        }
        let mut reason = String::new();
        let mut inside = false;
        // What a template says of its own failure may quote the chat; only its own words go on.
        for c in error.detail().unwrap_or_default().chars().take(REASON_CHARS_MAX) {
            match c {
                OPEN => inside = true,
                CLOSE => inside = false,
                c if !inside => reason.push(c),
                _ => {}
            }
        }
        let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
        invalid(format!("the chat template does not take this chat{line}: {} ({reason})", error.kind()))
    }
}

fn invalid(reason: String) -> EngineError {
    EngineError::Invalid(reason)
}

/// The world that a template sees: filters and methods that work on texts and lists, and no loader.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_recursion_limit(CALLS_DEEP_MAX);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    // Chat templates are written for these two, as their first renderer had them.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    // A prompt is no HTML, whatever a template is called.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, reason))
    });
    environment.add_function("strftime_now", |format: String| -> Result<String, Error> {
        if format.len() > 64 {
            return Err(Error::new(ErrorKind::InvalidOperation, "the date's format is too long"));
        }
        jiff::fmt::strtime::format(&format, &jiff::Zoned::now())
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "the date's format is unknown"))
    });
    environment.add_filter("tojson", |value: Value, kwargs: Kwargs| -> Result<String, Error> {
        let indent: Option<usize> = kwargs.get("indent")?;
        // Python's own switches; there is nothing to switch here.
        let _: Option<bool> = kwargs.get("ensure_ascii")?;
        let _: Option<bool> = kwargs.get("sort_keys")?;
        let _: Option<Value> = kwargs.get("separators")?;
        kwargs.assert_all_used()?;
        let text = json::write(&value, indent.map(|indent| indent.min(8)))?;
        Ok(marked(&text))
    });
    environment
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut fields = vec![("role", Value::from(role)), ("content", Value::from(marked(&message.content)))];
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments =
                json::marked(&plain::arguments(call)).unwrap_or_else(|_| Value::from(marked(&call.arguments)));
            let function =
                Value::from_pairs([("name", Value::from(marked_name(&call.name))), ("arguments", arguments)]);
            let id = Value::from(marked_name(&call.id));
            Value::from_pairs([("id", id), ("type", Value::from("function")), ("function", function)])
        });
        fields.push(("tool_calls", Value::from(calls.collect::<Vec<_>>())));
    }
    if let Some(id) = &message.tool_call_id {
        fields.push(("tool_call_id", Value::from(marked_name(id))));
    }
    Value::from_pairs(fields)
}

/// Templates compare names, so a plain one stays plain; whatever else somebody calls a name is data.
fn marked_name(name: &str) -> String {
    if json::is_name(name) { name.to_owned() } else { marked(name) }
}

/// Puts a text between the marks. White space at its ends stays outside, so that a template can trim it as it would
/// trim the plain text.
fn marked(text: &str) -> String {
    let text = unmarked(text);
    let core = text.trim();
    if core.is_empty() {
        return text;
    }
    let start = text.len() - text.trim_start().len();
    let mut marked = String::with_capacity(text.len() + OPEN.len_utf8() + CLOSE.len_utf8());
    let _ = write!(marked, "{}{OPEN}{core}{CLOSE}{}", &text[..start], &text[start + core.len()..]);
    marked
}

fn unmarked(text: &str) -> String {
    text.replace([OPEN, CLOSE], "")
}

/// Splits a rendered prompt at the marks.
fn pieces(text: &str) -> Result<Vec<Piece>, EngineError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut data = false;
    for (at, part) in text.split_inclusive([OPEN, CLOSE]).enumerate() {
        let mark = part.chars().next_back().filter(|&c| c == OPEN || c == CLOSE);
        let body = mark.map_or(part, |mark| &part[..part.len() - mark.len_utf8()]);
        match pieces.last_mut() {
            Some(last) if last.data == data => last.text.push_str(body),
            _ if body.is_empty() => {}
            _ => pieces.push(Piece { text: body.to_owned(), data }),
        }
        match mark {
            Some(OPEN) if !data => data = true,
            Some(CLOSE) if data => data = false,
            None => {}
            _ => return Err(invalid(format!("the chat template cuts a message in pieces (part {at})"))),
        }
    }
    if data {
        return Err(invalid("the chat template cuts the end of a message off".into()));
    }
    Ok(pieces)
}

/// Output that ends with an error at its bound.
struct Bounded {
    text: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other("the prompt is larger than its chat explains"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
