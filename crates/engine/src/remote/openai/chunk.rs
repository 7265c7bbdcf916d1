//! What an upstream says, event by event, as this house's events. Fields that nobody here reads may hold anything.

use base::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::remote::reading::{Break, CALLS_MAX, Read, Reader};
use crate::{Event, Finish, Likelihood, ToolCallPart, Written};

/// Reads an answer as OpenAI's API streams it: chunks, and then `[DONE]`.
#[derive(Debug, Default)]
pub(in crate::remote) struct Chunks {
    /// The call that is being written, if any was begun.
    call: Option<u32>,
}

/// One event of the stream.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Counted>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Option<Delta>,
    /// What a completion has in place of a delta.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Deserialize)]
struct Call {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Logprobs {
    /// As chats have it.
    #[serde(default)]
    content: Option<Vec<Token>>,
    /// As completions have it: lists of equal length.
    #[serde(default)]
    tokens: Option<Vec<String>>,
    #[serde(default)]
    token_logprobs: Option<Vec<Option<f32>>>,
    #[serde(default)]
    top_logprobs: Option<Vec<Option<std::collections::BTreeMap<String, f32>>>>,
}

#[derive(Debug, Deserialize)]
struct Token {
    token: String,
    logprob: f32,
    #[serde(default)]
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    top_logprobs: Option<Vec<Token>>,
}

/// Counts are the upstream's word: what is no whole number is no count.
#[derive(Debug, Deserialize)]
struct Counted {
    #[serde(default)]
    prompt_tokens: serde_json::Value,
    #[serde(default)]
    completion_tokens: serde_json::Value,
    #[serde(default)]
    prompt_tokens_details: serde_json::Value,
}

impl Reader for Chunks {
    fn take(&mut self, data: &[u8], read: &mut Read) -> Result<bool, Break> {
        if data == b"[DONE]" {
            read.ended = true;
            return Ok(true);
        }
        let chunk: Chunk = serde_json::from_slice(data).map_err(|_| "an event of it cannot be read")?;
        if chunk.error.is_some() {
            return Err("the upstream says that it failed".into());
        }
        // Only one choice was asked for.
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            self.choice(choice, read)?;
        }
        if let Some(Usage { prompt_tokens, cached_tokens, completion_tokens }) =
            chunk.usage.and_then(|counted| counted.usage())
        {
            read.prompt_tokens = Some(prompt_tokens);
            read.cached_tokens = cached_tokens;
            read.completion_tokens = Some(completion_tokens);
        }
        Ok(true)
    }
}

impl Chunks {
    fn choice(&mut self, choice: Choice, read: &mut Read) -> Result<(), Break> {
        if let Some(tokens) = choice.logprobs.map(Logprobs::written).filter(|tokens| !tokens.is_empty()) {
            read.ready.push_back(Event::Tokens(tokens));
        }
        let delta = choice.delta.unwrap_or_default();
        for text in [delta.content, choice.text].into_iter().flatten().filter(|text| !text.is_empty()) {
            // Each piece has at least one token, and with most servers exactly one.
            read.tokens += 1;
            read.ready.push_back(Event::Text(text));
        }
        for call in delta.tool_calls.unwrap_or_default() {
            self.call(call, read)?;
        }
        if let Some(reason) = choice.finish_reason {
            read.finish = Some(self.finish_of(&reason)?);
        }
        Ok(())
    }

    fn call(&mut self, call: Call, read: &mut Read) -> Result<(), Break> {
        let Function { name, arguments } = call.function.unwrap_or_default();
        // Some servers number no calls: an id begins the next one.
        let index = match (call.index, self.call) {
            (Some(index), _) => index,
            (None, None) => 0,
            (None, Some(last)) => last.saturating_add(u32::from(call.id.is_some())),
        };
        if index >= CALLS_MAX {
            return Err("it calls too many tools".into());
        }
        let begins = self.call.is_none_or(|last| index > last);
        self.call = Some(self.call.map_or(index, |last| last.max(index)));
        read.tokens += 1;
        read.ready.push_back(Event::ToolCall(ToolCallPart {
            index,
            id: call.id.filter(|_| begins),
            name: name.filter(|_| begins),
            arguments: arguments.unwrap_or_default(),
        }));
        Ok(())
    }

    fn finish_of(&self, reason: &str) -> Result<Finish, Break> {
        match reason {
            "length" => Ok(Finish::Length),
            "tool_calls" | "function_call" => Ok(Finish::ToolCalls),
            "stop" if self.call.is_some() => Ok(Finish::ToolCalls),
            "stop" => Ok(Finish::Stop),
            "content_filter" => Err(Break::of_request("the upstream's filter ended it")),
            _ => Err("the upstream ended it for another reason than its end".into()),
        }
    }
}

impl Counted {
    fn usage(&self) -> Option<Usage> {
        Some(Usage {
            prompt_tokens: self.prompt_tokens.as_u64()?,
            completion_tokens: self.completion_tokens.as_u64()?,
            cached_tokens: self
                .prompt_tokens_details
                .get("cached_tokens")
                .and_then(|count| count.as_u64())
                .unwrap_or(0),
        })
    }
}

impl Logprobs {
    fn written(self) -> Vec<Written> {
        if let Some(content) = self.content {
            return content
                .into_iter()
                .map(|mut token| {
                    let top = token.top_logprobs.take().unwrap_or_default();
                    Written { token: token.likelihood(), top: top.into_iter().map(Token::likelihood).collect() }
                })
                .collect();
        }
        let (tokens, logprobs) = (self.tokens.unwrap_or_default(), self.token_logprobs.unwrap_or_default());
        let mut top = self.top_logprobs.unwrap_or_default().into_iter();
        tokens
            .into_iter()
            .zip(logprobs)
            .map(|(token, logprob)| {
                let beside = top.next().flatten().unwrap_or_default();
                let mut beside: Vec<Likelihood> = beside
                    .into_iter()
                    .map(|(token, logprob)| Likelihood { bytes: token.into_bytes(), logprob })
                    .collect();
                beside.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
                let token = Likelihood { bytes: token.into_bytes(), logprob: logprob.unwrap_or(0.0) };
                Written { token, top: beside }
            })
            .collect()
    }
}

impl Token {
    fn likelihood(self) -> Likelihood {
        Likelihood { bytes: self.bytes.unwrap_or_else(|| self.token.into_bytes()), logprob: self.logprob }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(chunks: &[serde_json::Value]) -> Result<Read, Break> {
        let (mut chunked, mut read) = (Chunks::default(), Read::default());
        for chunk in chunks {
            chunked.take(chunk.to_string().as_bytes(), &mut read)?;
        }
        Ok(read)
    }

    fn choice(choice: serde_json::Value) -> serde_json::Value {
        json!({ "choices": [choice] })
    }

    #[test]
    fn text_and_its_end_and_its_count() {
        let reading = read(&[
            choice(json!({ "index": 0, "delta": { "role": "assistant", "content": "" }, "finish_reason": null })),
            choice(json!({ "delta": { "content": "안", "reasoning_content": "thinks" } })),
            choice(json!({ "index": 1, "delta": { "content": "another" } })),
            choice(json!({ "index": 0, "text": "녕" })),
            choice(json!({ "index": 0, "delta": {}, "finish_reason": "length" })),
            json!({ "choices": [], "usage": {
                "prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": { "cached_tokens": 4 } } }),
        ])
        .unwrap();
        assert_eq!(reading.ready, [Event::Text("안".into()), Event::Text("녕".into())]);
        assert_eq!((reading.finish, reading.tokens), (Some(Finish::Length), 2));
        let counted = (reading.prompt_tokens, reading.cached_tokens, reading.completion_tokens);
        assert_eq!(counted, (Some(7), 4, Some(2)));
    }

    #[test]
    fn a_count_that_is_none_is_not_believed() {
        for usage in [
            json!(null),
            json!({ "prompt_tokens": -1, "completion_tokens": 2 }),
            json!({ "prompt_tokens": 1.5, "completion_tokens": 2 }),
            json!({ "prompt_tokens": "7", "completion_tokens": 2 }),
            json!({ "prompt_tokens": 7 }),
        ] {
            let read = read(&[json!({ "choices": [], "usage": usage })]).unwrap();
            assert_eq!((read.prompt_tokens, read.completion_tokens), (None, None), "{usage}");
        }
    }

    #[test]
    fn what_is_no_end_is_no_end() {
        for broken in [
            json!("text"),
            json!([1]),
            json!({ "error": { "message": "out of memory" } }),
            choice(json!({ "delta": {}, "finish_reason": "content_filter" })),
            choice(json!({ "delta": {}, "finish_reason": "abort" })),
            choice(json!({ "delta": { "content": 5 } })),
            choice(json!({ "delta": { "tool_calls": [{ "index": 128 }] } })),
        ] {
            assert!(read(std::slice::from_ref(&broken)).is_err(), "{broken}");
        }
        for broken in [&b"{\"choices\":["[..], "[".repeat(100_000).as_bytes(), b"\xff\xfe", b"[DONE"] {
            assert!(Chunks::default().take(broken, &mut Read::default()).is_err());
        }
    }

    #[test]
    fn calls_come_in_parts_numbered_or_not() {
        let part = |index: Option<u32>, id: Option<&str>, name: Option<&str>, arguments: &str| {
            choice(json!({ "delta": { "tool_calls": [
                { "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }
            ] } }))
        };
        let end = choice(json!({ "delta": {}, "finish_reason": "stop" }));
        let numbered = read(&[
            part(Some(0), Some("a"), Some("f"), ""),
            part(Some(0), None, None, "{}"),
            part(Some(1), Some("b"), Some("g"), "{}"),
            end.clone(),
        ])
        .unwrap();
        let bare = read(&[
            part(None, Some("a"), Some("f"), ""),
            part(None, None, None, "{}"),
            part(None, Some("b"), Some("g"), "{}"),
            end,
        ])
        .unwrap();
        assert_eq!(numbered.ready, bare.ready);
        assert_eq!(numbered.finish, Some(Finish::ToolCalls));
        let begun = |event: &Event| matches!(event, Event::ToolCall(part) if part.id.is_some() && part.name.is_some());
        assert_eq!(numbered.ready.iter().map(begun).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn likelihoods_come_as_chats_or_as_completions_have_them() {
        let chat = read(&[choice(json!({ "delta": { "content": "a" }, "logprobs": { "content": [
            { "token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [
                { "token": "a", "logprob": -0.5, "bytes": null }, { "token": "b", "logprob": -1.5 } ] }
        ] } }))]);
        let completion = read(&[choice(json!({ "text": "a", "logprobs": {
            "tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{ "b": -1.5, "a": -0.5 }] } }))]);
        let chat = chat.unwrap().ready;
        assert_eq!(chat, completion.unwrap().ready);
        let Event::Tokens(tokens) = &chat[0] else { panic!("{chat:?}") };
        assert_eq!((tokens[0].token.logprob, tokens[0].top[1].bytes.as_slice()), (-0.5, &b"b"[..]));
    }
}
