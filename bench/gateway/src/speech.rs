//! The events of an answer, as OpenAI's API or Anthropic's streams them.

use std::io::Write;

use serde_json::json;

/// The API that an answer is streamed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    OpenAi,
    Anthropic,
}

impl Speech {
    /// The one that a request's head asks for by its path.
    pub fn of(head: &str) -> Self {
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path.ends_with("/messages") { Self::Anthropic } else { Self::OpenAi }
    }

    /// What stands before the first piece.
    pub fn begin(self, out: &mut Vec<u8>, prompt: u64) {
        if self == Self::OpenAi {
            return;
        }
        let usage = json!({ "input_tokens": prompt, "output_tokens": 1 });
        let message = json!({ "id": "m", "type": "message", "role": "assistant", "content": [], "usage": usage });
        named(out, "message_start", json!({ "message": message }));
        let block = json!({ "type": "text", "text": "" });
        named(out, "content_block_start", json!({ "index": 0, "content_block": block }));
        named(out, "ping", json!({}));
    }

    /// One piece of text.
    pub fn piece(self, out: &mut Vec<u8>, text: &str) {
        match self {
            // Written by hand for the sake of speed.
            Self::OpenAi => {
                chunk(out, &format!(r#"[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]"#));
            }
            Self::Anthropic => {
                let delta = json!({ "type": "text_delta", "text": text });
                named(out, "content_block_delta", json!({ "index": 0, "delta": delta }));
            }
        }
    }

    /// Why it ends, unless that is left out, and how much it was.
    pub fn end(self, out: &mut Vec<u8>, finish: bool, prompt: u64, counted: u64) {
        match self {
            Self::OpenAi => {
                if finish {
                    chunk(out, r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#);
                }
                let total = prompt + counted;
                let usage =
                    format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":{counted},"total_tokens":{total}}}"#);
                chunk(out, &format!(r#"[],"usage":{usage}"#));
            }
            Self::Anthropic => {
                named(out, "content_block_stop", json!({ "index": 0 }));
                let reason = finish.then_some("end_turn");
                let usage = json!({ "output_tokens": counted });
                named(out, "message_delta", json!({ "delta": { "stop_reason": reason }, "usage": usage }));
            }
        }
    }

    /// That nothing follows.
    pub fn done(self, out: &mut Vec<u8>) {
        match self {
            Self::OpenAi => event(out, "[DONE]"),
            Self::Anthropic => named(out, "message_stop", json!({})),
        }
    }

    /// That there is too much to do.
    pub fn overloaded(self, out: &mut Vec<u8>) {
        let error = json!({ "type": "overloaded_error", "message": "Overloaded" });
        match self {
            Self::OpenAi => event(out, &json!({ "error": error }).to_string()),
            Self::Anthropic => named(out, "error", json!({ "error": error })),
        }
    }
}

/// One event with these choices, and what follows them.
fn chunk(out: &mut Vec<u8>, choices: &str) {
    const HEAD: &str = r#""id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices""#;
    event(out, &format!("{{{HEAD}:{choices}}}"));
}

/// One event of Anthropic's, whose kind stands beside its data and in it.
fn named(out: &mut Vec<u8>, kind: &str, mut data: serde_json::Value) {
    data["type"] = kind.into();
    let event = format!("event: {kind}\ndata: {data}\n\n");
    let _ = write!(out, "{:x}\r\n{event}\r\n", event.len());
}

/// One event that is its data alone.
pub fn event(out: &mut Vec<u8>, data: &str) {
    let _ = write!(out, "{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8);
}
