//! The shapes of a response and of the items that come out.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use serving::{Citation, Done, Likelihood, Source, Written};

use crate::openai::chat::{address, logprob};

/// A response, as far as it is.
pub(super) fn response(id: &str, created: Timestamp, echo: &Map<String, Value>, output: &[Value], end: &End) -> Value {
    let mut value = json!({
        "id": id,
        "object": "response",
        "created_at": created.as_second(),
        "status": end.status(),
        "background": false,
        "completed_at": null,
        "error": null,
        "incomplete_details": null,
        "usage": null,
    });
    match end {
        End::Going => {}
        End::Done(done) => {
            if end.status() == "completed" {
                value["completed_at"] = json!(Timestamp::now().as_second());
            } else {
                value["incomplete_details"] = json!({ "reason": "max_output_tokens" });
            }
            value["usage"] = usage(done);
        }
        End::Failed { code, message } => value["error"] = json!({ "code": code, "message": message }),
    }
    value["output"] = json!(output);
    value["reasoning"] = json!({ "effort": null, "summary": null });
    value["service_tier"] = json!("default");
    if let Some(fields) = value.as_object_mut() {
        fields.extend(echo.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    value
}

/// How far a response is.
pub(super) enum End {
    Going,
    Done(Done),
    Failed { code: &'static str, message: String },
}

impl End {
    pub fn status(&self) -> &'static str {
        match self {
            Self::Going => "in_progress",
            Self::Done(done) if done.finish == serving::Finish::Length => "incomplete",
            Self::Done(_) => "completed",
            Self::Failed { .. } => "failed",
        }
    }
}

pub(super) fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
}

pub(super) fn output_text(text: &str, annotations: &[Value], tokens: &[Written]) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs(tokens) })
}

pub(super) fn function_call(id: &str, status: &str, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    })
}

/// A search in records.
pub(super) fn file_search(id: &str, status: &str, query: &str, results: Option<&[Source]>) -> Value {
    let results = results.map(|sources| sources.iter().map(result).collect::<Vec<_>>());
    json!({ "id": id, "type": "file_search_call", "status": status, "queries": [query], "results": results })
}

fn result(source: &Source) -> Value {
    json!({
        "file_id": source.document,
        "filename": source.path,
        "text": source.excerpt,
        "attributes": {},
        "score": null,
    })
}

/// A citation of a file that a search found, as OpenAI's kind `file_citation`.
pub(super) fn file_annotation(citation: &Citation) -> Value {
    json!({
        "type": "file_citation",
        "index": citation.mark.end,
        "file_id": citation.document,
        "filename": citation.path,
        "citation": citation,
    })
}

/// A citation as OpenAI's kind `url_citation`; what that has no field for stands beside.
pub(super) fn annotation(citation: &Citation) -> Value {
    json!({
        "type": "url_citation",
        "start_index": citation.mark.start,
        "end_index": citation.mark.end,
        "title": citation.title,
        "url": address(citation),
        "citation": citation,
    })
}

pub(super) fn logprobs(tokens: &[Written]) -> Value {
    let likelihood = |likelihood: &Likelihood| {
        json!({
            "token": String::from_utf8_lossy(&likelihood.bytes),
            "logprob": logprob(likelihood),
            "bytes": likelihood.bytes,
        })
    };
    let tokens = tokens.iter().map(|written| {
        let mut token = likelihood(&written.token);
        token["top_logprobs"] = written.top.iter().map(likelihood).collect();
        token
    });
    tokens.collect()
}

fn usage(done: &Done) -> Value {
    json!({
        "input_tokens": done.usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": done.usage.cached_tokens, "cache_write_tokens": 0 },
        "output_tokens": done.usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": done.usage.total_tokens(),
    })
}
