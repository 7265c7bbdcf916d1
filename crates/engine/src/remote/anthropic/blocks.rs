//! What an upstream of Anthropic's kind says, event by event, as this house's events.

use serde::Deserialize;
use serde_json::Value;

use super::reply_tool;
use crate::estimate::tokens_of;
use crate::remote::reading::{Blame, Break, CALLS_MAX, Read, Reader};
use crate::{ChatRequest, Event, Finish, ToolCallPart};

/// Reads an answer as this API streams it: a message of blocks.
#[derive(Debug, Default)]
pub(in crate::remote) struct Blocks {
    /// The tool whose arguments are the answer, if there is one.
    reply: Option<String>,
    /// The block that is being written.
    open: Option<Open>,
    /// Calls so far, and whether the answer was given as one.
    calls: u32,
    replied: bool,
}

#[derive(Debug)]
struct Open {
    index: u64,
    kind: Kind,
    /// Whether anything of it was handed on.
    written: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Call(u32),
    Reply,
    /// What a model thinks, and what comes to be one day.
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Heard {
    MessageStart {
        message: Begun,
    },
    ContentBlockStart {
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u64,
        delta: Part,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: End,
        #[serde(default)]
        usage: Value,
    },
    MessageStop,
    Error {
        #[serde(default)]
        error: Value,
    },
    /// `ping`, and what comes to be one day.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Begun {
    #[serde(default)]
    usage: Value,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    ThinkingDelta {
        #[serde(default)]
        thinking: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct End {
    #[serde(default)]
    stop_reason: Option<String>,
}

impl Reader for Blocks {
    fn take(&mut self, data: &[u8], read: &mut Read) -> Result<bool, Break> {
        match serde_json::from_slice(data).map_err(|_| "an event of it cannot be read")? {
            Heard::MessageStart { message } => count(&message.usage, read),
            Heard::ContentBlockStart { index, content_block } => self.start(index, content_block, read)?,
            Heard::ContentBlockDelta { index, delta } => self.delta(index, delta, read)?,
            Heard::ContentBlockStop { index } => self.stop(index, read)?,
            Heard::MessageDelta { delta, usage } => {
                count(&usage, read);
                read.completion_tokens = usage.get("output_tokens").and_then(Value::as_u64).or(read.completion_tokens);
                if let Some(reason) = delta.stop_reason {
                    read.finish = Some(self.finish_of(&reason)?);
                }
            }
            Heard::MessageStop => read.ended = true,
            Heard::Error { error } => return Err(failure(&error)),
            Heard::Other => return Ok(false),
        }
        Ok(true)
    }
}

impl Blocks {
    /// To read the answer to `request`.
    pub fn of(request: &ChatRequest) -> Self {
        // Where a call is forced, it is the answer, and the schema has no part in it.
        let reply = reply_tool(request).filter(|_| !request.tools.forced());
        Self { reply, ..Self::default() }
    }

    fn start(&mut self, index: u64, block: Block, read: &mut Read) -> Result<(), Break> {
        if self.open.is_some() {
            return Err("a block of it begins within another".into());
        }
        match block {
            Block::Text { text } => {
                self.open = Some(Open { index, kind: Kind::Text, written: false });
                self.write(text, read)
            }
            Block::ToolUse { id, name, input } => {
                let kind = if self.reply.as_deref() == Some(&name) {
                    if std::mem::replace(&mut self.replied, true) {
                        return Err("it answers twice".into());
                    }
                    Kind::Reply
                } else {
                    if self.calls == CALLS_MAX {
                        return Err("it calls too many tools".into());
                    }
                    let call = self.calls;
                    self.calls += 1;
                    read.tokens += tokens_of(&name).max(1) as u64;
                    let (id, name) = (Some(id), Some(name));
                    read.ready.push_back(Event::ToolCall(ToolCallPart {
                        index: call,
                        id,
                        name,
                        arguments: String::new(),
                    }));
                    Kind::Call(call)
                };
                self.open = Some(Open { index, kind, written: false });
                // Servers that do not write bit by bit put everything here.
                let whole = input.as_object().is_some_and(|fields| !fields.is_empty());
                if whole { self.write(input.to_string(), read) } else { Ok(()) }
            }
            Block::Other => {
                self.open = Some(Open { index, kind: Kind::Other, written: false });
                Ok(())
            }
        }
    }

    fn delta(&mut self, index: u64, delta: Part, read: &mut Read) -> Result<(), Break> {
        let Some(open) = self.open.as_ref().filter(|open| open.index == index) else {
            return Err("a part of it belongs to no block".into());
        };
        match (delta, open.kind) {
            (Part::TextDelta { text }, Kind::Text) => self.write(text, read),
            (Part::InputJsonDelta { partial_json }, Kind::Call(_) | Kind::Reply) => self.write(partial_json, read),
            // What is not handed on was written all the same.
            (Part::ThinkingDelta { thinking }, _) => {
                read.tokens += u64::from(tokens_of(&thinking));
                Ok(())
            }
            (Part::Other, _) | (_, Kind::Other) => Ok(()),
            _ => Err("a part of it is of another kind than its block".into()),
        }
    }

    fn stop(&mut self, index: u64, read: &mut Read) -> Result<(), Break> {
        let Some(open) = self.open.take_if(|open| open.index == index) else {
            return Err("a block of it ends that was not begun".into());
        };
        if open.written || !matches!(open.kind, Kind::Call(_) | Kind::Reply) {
            return Ok(());
        }
        // A call without arguments is written with none at all.
        self.open = Some(open);
        self.write("{}".to_owned(), read)?;
        self.open = None;
        Ok(())
    }

    /// Hands on what the open block says.
    fn write(&mut self, text: String, read: &mut Read) -> Result<(), Break> {
        let Some(open) = self.open.as_mut().filter(|_| !text.is_empty()) else { return Ok(()) };
        read.tokens += u64::from(tokens_of(&text));
        open.written = true;
        match open.kind {
            Kind::Text if self.reply.is_some() => {
                return Err(Break::of_request("it does not follow the schema that was asked for"));
            }
            Kind::Text | Kind::Reply => read.ready.push_back(Event::Text(text)),
            Kind::Call(index) => {
                read.ready.push_back(Event::ToolCall(ToolCallPart { index, id: None, name: None, arguments: text }));
            }
            Kind::Other => {}
        }
        Ok(())
    }

    fn finish_of(&self, reason: &str) -> Result<Finish, Break> {
        match reason {
            "max_tokens" | "model_context_window_exceeded" => Ok(Finish::Length),
            "end_turn" | "stop_sequence" | "tool_use" if self.calls > 0 => Ok(Finish::ToolCalls),
            "end_turn" | "stop_sequence" | "tool_use" if self.reply.is_some() && !self.replied => {
                Err(Break::of_request("it does not follow the schema that was asked for"))
            }
            "end_turn" | "stop_sequence" => Ok(Finish::Stop),
            "tool_use" if self.replied => Ok(Finish::Stop),
            "refusal" => Err(Break::of_request("the upstream's filter ended it")),
            _ => Err("the upstream ended it for another reason than its end".into()),
        }
    }
}

/// Takes what the upstream has counted of the prompt. What it read from its cache, or wrote into it, is not among its
/// `input_tokens`. Counts are the upstream's word: what is no whole number is no count.
fn count(usage: &Value, read: &mut Read) {
    let number = |field: &str| usage.get(field).and_then(Value::as_u64);
    let Some(input) = number("input_tokens") else { return };
    let cached = number("cache_read_input_tokens").unwrap_or(0);
    let kept = number("cache_creation_input_tokens").unwrap_or(0);
    read.prompt_tokens = Some(input.saturating_add(cached).saturating_add(kept));
    read.cached_tokens = cached;
}

fn failure(error: &Value) -> Break {
    match error.get("type").and_then(Value::as_str) {
        Some("overloaded_error" | "rate_limit_error") => {
            Break { reason: "the upstream has too much to do", blame: Blame::Load }
        }
        Some("invalid_request_error" | "request_too_large") => {
            Break::of_request("the upstream does not take this request")
        }
        _ => "the upstream says that it failed".into(),
    }
}

#[cfg(test)]
mod tests;
