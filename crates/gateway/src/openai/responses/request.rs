//! What `/v1/responses` reads.

use std::collections::BTreeMap;
use std::ops::Range;

use base::ResponseId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serving::{ChatCall, Message, Records, Role, Tool, ToolChoice, Tools};

use super::items::{self, Input};
use crate::error::ApiError;
use crate::openai::sampling::WireSampling;
use crate::openai::wire::{Unknown, unknown};

/// Bounds of OpenAI's own API.
const METADATA_MAX: usize = 16;
const METADATA_KEY_CHARS_MAX: usize = 64;
const METADATA_VALUE_CHARS_MAX: usize = 512;

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    #[serde(default)]
    input: Option<Input>,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    previous_response_id: Option<String>,
    #[serde(default)]
    store: Option<bool>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(flatten)]
    sampling: WireSampling,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    text: Option<Text>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    truncation: Option<Truncation>,
    #[serde(default)]
    include: Option<Vec<String>>,
    #[serde(default)]
    top_logprobs: Option<u32>,
    #[serde(default)]
    background: Option<bool>,
    #[serde(default)]
    user: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(default)]
    format: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Truncation {
    Auto,
    #[default]
    Disabled,
}

/// Fields by which work is asked for that is done nowhere here. What only tunes a service, such as a cache's key, is
/// read over.
const UNSERVED: &[&str] = &["background_options", "context_management", "conversation", "moderation", "prompt"];

/// Parts of a response that can be asked for beside the usual ones. Those of tools that are not here ask for nothing.
const LOGPROBS: &str = "message.output_text.logprobs";
const RESULTS: &str = "file_search_call.results";

/// The most passages that an answer is made of, however many results are asked for.
const PASSAGES_MAX: u64 = 16;

/// What a request asks for.
pub(super) struct Asked {
    pub id: ResponseId,
    pub streamed: bool,
    pub store: bool,
    pub unknown: Unknown,
    pub previous: Option<ResponseId>,
    /// The items that came with the request, each with an id.
    pub input: Vec<Value>,
    /// What the response repeats of the request.
    pub echo: Map<String, Value>,
    pub instructions: Option<String>,
    truncation: Truncation,
    /// Records that are searched for the answer.
    pub search: Option<Search>,
    /// The last thing that the user said.
    pub question: String,
    /// The chat turn, as yet without what was said before.
    pub call: Option<ChatCall>,
}

/// A search in records, as the tool `file_search` asks for it.
pub(super) struct Search {
    pub records: Records,
    /// Whether the response tells what was found.
    pub told: bool,
}

impl Request {
    pub(super) fn read(self) -> Result<Asked, ApiError> {
        let unknown = unknown(&self.rest)?;
        if let Some(field) = UNSERVED.iter().find(|field| self.rest.get(**field).is_some_and(|value| !value.is_null()))
        {
            return Err(ApiError::field(field, "is not served here"));
        }
        if self.background == Some(true) {
            return Err(ApiError::field(
                "background",
                "is not served here: a response is written while its client reads",
            ));
        }
        let metadata = self.metadata.unwrap_or_default();
        check_metadata(&metadata)?;
        let id = ResponseId::new();
        let input = items::numbered(self.input.unwrap_or_default(), id)?;
        let include = self.include.unwrap_or_default();
        let logprobs = include.iter().any(|part| part == LOGPROBS).then(|| self.top_logprobs.unwrap_or(0));
        if logprobs.is_none() && self.top_logprobs.is_some_and(|top| top > 0) {
            return Err(ApiError::field("top_logprobs", format!("needs `{LOGPROBS}` in `include`")));
        }
        let format = self.text.and_then(|text| text.format).filter(|format| !format.is_null());
        let format = format.unwrap_or_else(|| json!({ "type": "text" }));
        let wire_tools = self.tools.unwrap_or_default();
        let parallel = self.parallel_tool_calls.unwrap_or(true);
        let (offered, records) = tools(&wire_tools)?;
        let search = records.map(|records| Search { records, told: include.iter().any(|part| part == RESULTS) });
        let tools = Tools { offered, choice: choice(self.tool_choice.as_ref())?, parallel };
        let previous: Option<ResponseId> = match &self.previous_response_id {
            None => None,
            Some(id) => Some(id.parse().map_err(|_| ApiError::NotFound("response"))?),
        };
        let truncation = self.truncation.unwrap_or_default();
        let sampling = self.sampling.read()?;
        let echo = json!({
            "model": self.model,
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": metadata,
            "parallel_tool_calls": parallel,
            "previous_response_id": previous,
            "store": self.store.unwrap_or(true),
            "temperature": sampling.temperature,
            "text": { "format": format },
            "tool_choice": self.tool_choice.unwrap_or_else(|| json!("auto")),
            "tools": wire_tools,
            "top_logprobs": logprobs.unwrap_or(0),
            "top_p": sampling.top_p,
            "truncation": if truncation == Truncation::Auto { "auto" } else { "disabled" },
            "user": self.user,
        });
        let Value::Object(echo) = echo else { return Err(ApiError::Internal) };
        let call = ChatCall {
            model: self.model,
            sampling,
            tokens_max: self.max_output_tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
            tools,
            schema: schema(&format)?,
            logprobs,
            ..ChatCall::default()
        };
        Ok(Asked {
            id,
            streamed: self.stream.unwrap_or(false),
            store: self.store.unwrap_or(true),
            unknown,
            previous,
            input,
            echo,
            instructions: self.instructions,
            truncation,
            search,
            question: String::new(),
            call: Some(call),
        })
    }
}

impl Asked {
    /// Makes the messages: instructions, what was said before, what came with the request. Says which of them may go
    /// where the window is too small.
    pub(super) fn put_before(&mut self, before: Vec<Value>) -> Result<Range<usize>, ApiError> {
        let Some(call) = &mut self.call else { return Err(ApiError::Internal) };
        let instructions = self.instructions.as_ref().filter(|text| !text.is_empty());
        let mut messages: Vec<Message> =
            instructions.map(|text| Message::new(Role::System, text)).into_iter().collect();
        let start = messages.len();
        items::messages(before.iter(), &mut messages)?;
        items::messages(self.input.iter(), &mut messages)?;
        if messages.len() == start {
            return Err(ApiError::field("input", "nothing was asked"));
        }
        let last = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(start).max(start);
        self.question = messages.get(last).map(|message| message.content.clone()).unwrap_or_default();
        call.messages = messages;
        Ok(if self.truncation == Truncation::Auto { start..last } else { start..start })
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let fits = metadata.len() <= METADATA_MAX
        && metadata.iter().all(|(key, value)| {
            key.chars().count() <= METADATA_KEY_CHARS_MAX && value.chars().count() <= METADATA_VALUE_CHARS_MAX
        });
    if fits {
        return Ok(());
    }
    Err(ApiError::field(
        "metadata",
        format!(
            "has at most {METADATA_MAX} names of {METADATA_KEY_CHARS_MAX} characters with values of \
             {METADATA_VALUE_CHARS_MAX}"
        ),
    ))
}

/// The functions that are offered, and the records that are searched instead.
fn tools(wire: &[Value]) -> Result<(Vec<Tool>, Option<Records>), ApiError> {
    let (searches, functions): (Vec<&Value>, Vec<&Value>) = wire.iter().partition(|tool| tool["type"] == "file_search");
    let offered = functions.into_iter().map(tool).collect::<Result<Vec<_>, _>>()?;
    let refused = |reason| Err(ApiError::field("tools", reason));
    match searches.as_slice() {
        [] => Ok((offered, None)),
        [search] if offered.is_empty() => Ok((offered, Some(records(search)?))),
        [_] => refused("functions and `file_search` cannot be asked for in one response"),
        _ => refused("one `file_search` is taken; it may name several vector stores"),
    }
}

/// What `file_search` searches: vector stores are corpora here, by their names.
fn records(wire: &Value) -> Result<Records, ApiError> {
    if wire.get("filters").is_some_and(|filters| !filters.is_null()) {
        return Err(ApiError::field("tools", "`filters` are not served here"));
    }
    let names = wire["vector_store_ids"].as_array().into_iter().flatten();
    let corpora = names.map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let corpora = corpora.filter(|corpora| !corpora.is_empty());
    let corpora = corpora.ok_or_else(|| ApiError::field("tools", "`file_search` names `vector_store_ids`"))?;
    let wanted = wire["max_num_results"].as_u64().map(|wanted| wanted.min(PASSAGES_MAX));
    Ok(Records { corpora, passages_max: wanted.and_then(|wanted| u32::try_from(wanted).ok()) })
}

fn tool(wire: &Value) -> Result<Tool, ApiError> {
    let named = |name: &str| wire[name].as_str().map(str::to_owned);
    match (wire["type"].as_str(), named("name")) {
        (Some("function"), Some(name)) => {
            let parameters = wire.get("parameters").filter(|parameters| !parameters.is_null()).cloned();
            Ok(Tool { name, description: named("description"), parameters })
        }
        (Some("function"), None) => Err(ApiError::field("tools", "a function has a `name`")),
        _ => Err(ApiError::field("tools", "only tools of the types `function` and `file_search` are taken here")),
    }
}

fn choice(wire: Option<&Value>) -> Result<ToolChoice, ApiError> {
    let unknown = || ApiError::field("tool_choice", "is `auto`, `none`, `required` or a function by its name");
    match wire {
        None | Some(Value::Null) => Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(unknown()),
        },
        Some(named) => match (named["type"].as_str(), named["name"].as_str()) {
            (Some("function"), Some(name)) => Ok(ToolChoice::Named(name.to_owned())),
            (Some("file_search"), _) => Ok(ToolChoice::Auto),
            _ => Err(unknown()),
        },
    }
}

fn schema(format: &Value) -> Result<Option<Value>, ApiError> {
    match format["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({ "type": "object" }))),
        Some("json_schema") if format["schema"].is_object() => Ok(Some(format["schema"].clone())),
        _ => Err(ApiError::field("text", "a format is `text`, `json_object`, or `json_schema` with its `schema`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut body: Value) -> Result<Asked, ApiError> {
        body["model"] = json!("m");
        if body["input"].is_null() {
            body["input"] = json!("hi");
        }
        let request: Request = serde_json::from_value(body).map_err(|error| ApiError::invalid(error.to_string()))?;
        let mut asked = request.read()?;
        asked.put_before(Vec::new())?;
        Ok(asked)
    }

    fn call(body: Value) -> ChatCall {
        read(body).unwrap_or_else(|error| panic!("{error}")).call.unwrap()
    }

    #[test]
    fn items_become_messages() {
        let call = call(json!({
            "instructions": "be brief",
            "input": [
                { "role": "developer", "content": "a" },
                { "type": "message", "role": "user", "content": [
                    { "type": "input_text", "text": "b" }, { "type": "input_text", "text": "c" },
                ] },
                { "type": "reasoning", "id": "rs_1", "summary": [] },
                { "type": "function_call", "call_id": "call_1", "name": "now", "arguments": "{}" },
                { "type": "function_call", "call_id": "call_2", "name": "where", "arguments": "{}" },
                { "type": "function_call_output", "call_id": "call_1", "output": "noon" },
                { "type": "function_call_output", "call_id": "call_2", "output": [
                    { "type": "input_text", "text": "here" },
                ] },
                { "type": "message", "role": "assistant", "content": [
                    { "type": "output_text", "text": "d", "annotations": [] },
                ] },
            ],
        }));
        let seen: Vec<_> = call.messages.iter().map(|message| (message.role, message.content.as_str())).collect();
        let (system, user, tool) = (Role::System, Role::User, Role::Tool);
        let said = [(system, "be brief"), (system, "a"), (user, "b\nc"), (Role::Assistant, "")];
        assert_eq!(seen[..4], said);
        assert_eq!(seen[4..], [(tool, "noon"), (tool, "here"), (Role::Assistant, "d")]);
        let names: Vec<_> = call.messages[3].tool_calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["now", "where"], "what was called together stands together");
        assert_eq!(call.messages[5].tool_call_id.as_deref(), Some("call_2"));
    }

    #[test]
    fn tools_and_formats_are_read() {
        let call = call(json!({
            "tools": [{ "type": "function", "name": "now", "parameters": { "type": "object" }, "strict": true }],
            "tool_choice": { "type": "function", "name": "now" },
            "parallel_tool_calls": false,
            "text": { "format": { "type": "json_schema", "name": "x", "schema": { "type": "object" } } },
            "max_output_tokens": 7,
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "top_logprobs": 2,
            "reasoning": { "effort": "low" },
        }));
        assert_eq!((call.tools.choice, call.tools.parallel), (ToolChoice::Named("now".into()), false));
        assert_eq!((call.schema, call.tokens_max), (Some(json!({ "type": "object" })), Some(7)));
        assert_eq!(call.logprobs, Some(2));
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let many: BTreeMap<String, String> = (0..17).map(|n| (n.to_string(), String::new())).collect();
        for (body, field) in [
            (json!({ "background": true }), "background"),
            (json!({ "conversation": "conv_1" }), "conversation"),
            (json!({ "prompt": { "id": "x" } }), "prompt"),
            (json!({ "tools": [{ "type": "web_search" }] }), "tools"),
            (json!({ "tools": [{ "type": "function" }] }), "tools"),
            (json!({ "tools": [{ "type": "file_search" }] }), "tools"),
            (json!({ "tools": [{ "type": "file_search", "vector_store_ids": [7] }] }), "tools"),
            (json!({ "tools": [{ "type": "file_search", "vector_store_ids": ["a"], "filters": {} }] }), "tools"),
            (
                json!({ "tools": [{ "type": "file_search", "vector_store_ids": ["a"] }, { "type": "function", "name": "b" }] }),
                "tools",
            ),
            (json!({ "tool_choice": "whenever" }), "tool_choice"),
            (json!({ "tool_choice": { "type": "mcp" } }), "tool_choice"),
            (json!({ "text": { "format": { "type": "xml" } } }), "text"),
            (json!({ "text": { "format": { "type": "json_schema" } } }), "text"),
            (json!({ "top_logprobs": 3 }), "top_logprobs"),
            (json!({ "metadata": many }), "metadata"),
            (json!({ "metadata": { "a": "x".repeat(513) } }), "metadata"),
            (json!({ "input": [] }), "input"),
            (json!({ "input": [{ "type": "computer_call" }] }), "input"),
            (json!({ "input": [{ "role": "user", "content": [{ "type": "input_image" }] }] }), "input"),
            (json!({ "input": [{ "role": "wizard", "content": "x" }] }), "input"),
            (json!({ "input": [{ "type": "function_call_output", "output": "x" }] }), "input"),
            (json!({ "input": [17] }), "input"),
            (json!({ "base_url": "http://evil.example" }), "base_url"),
        ] {
            let named = match read(body.clone()) {
                Err(ApiError::Invalid { field: Some(field), .. }) => field,
                Err(other) => panic!("{body}: {other}"),
                Ok(_) => panic!("{body} is taken"),
            };
            assert_eq!(named, field, "{body}");
        }
        assert!(matches!(read(json!({ "previous_response_id": "../x" })), Err(ApiError::NotFound("response"))));
    }

    #[test]
    fn only_what_stands_before_the_question_may_go() {
        let input = json!([
            { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }, { "role": "user", "content": "c" },
        ]);
        for (truncation, range) in [("auto", 1..3), ("disabled", 1..1)] {
            let body = json!({ "model": "m", "instructions": "i", "input": input, "truncation": truncation });
            let request: Request = serde_json::from_value(body).unwrap();
            let mut asked = request.read().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(asked.put_before(Vec::new()).unwrap_or_else(|error| panic!("{error}")), range);
        }
    }
}
