//! What `/v1/chat/completions` reads.

use base::ConversationId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serving::{ChatCall, Image, Message, Place, Role, Tool, ToolCall, ToolChoice, Tools};

use crate::error::ApiError;
use crate::openai::choices::{choices, seed_of};
use crate::openai::sampling::WireSampling;
use crate::openai::wire::{OneOrMany, Unknown, unknown};

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(super) model: String,
    messages: Vec<WireMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    sampling: WireSampling,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    stop: Option<OneOrMany>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    response_format: Option<ResponseFormat>,
    #[serde(default)]
    tools: Option<Vec<WireTool>>,
    #[serde(default)]
    tool_choice: Option<WireChoice>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<u32>,
    #[serde(default)]
    dure: Option<Extension>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    pub(crate) include_usage: bool,
}

/// What this API has beyond OpenAI's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    /// The conversation that this is a turn of.
    conversation: ConversationId,
    /// The turn that it follows, 0 for the beginning; later turns are replaced.
    #[serde(default)]
    after: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema },
}

#[derive(Debug, Deserialize)]
struct JsonSchema {
    #[serde(default)]
    schema: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: WireRole,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<WireCall>>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text {
        text: String,
    },
    Refusal {
        refusal: String,
    },
    ImageUrl {
        image_url: ImageUrl,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct ImageUrl {
    url: String,
}

#[derive(Debug, Deserialize)]
struct WireCall {
    id: String,
    function: CalledFunction,
}

#[derive(Debug, Deserialize)]
struct CalledFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WireTool {
    Function {
        function: WireFunction,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct WireFunction {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WireChoice {
    Word(ChoiceWord),
    Function { function: ChosenFunction },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChoiceWord {
    Auto,
    None,
    Required,
}

#[derive(Debug, Deserialize)]
struct ChosenFunction {
    name: String,
}

/// What a request asks for.
pub(super) struct Asked {
    /// One call for each choice.
    pub calls: Vec<ChatCall>,
    pub streamed: bool,
    pub usage_wanted: bool,
    pub unknown: Unknown,
    /// The place in a conversation that its only choice is kept at.
    pub place: Option<Place>,
}

impl Request {
    pub(super) fn read(self) -> Result<Asked, ApiError> {
        let unknown = unknown(&self.rest)?;
        let n = choices(self.n)?;
        let place = self.dure.map(|named| Place { conversation: named.conversation, after: named.after });
        if n > 1 && place.is_some() {
            return Err(ApiError::field("n", "is 1 in a conversation that is kept"));
        }
        let sampling = self.sampling.read()?;
        let tokens_max = self.max_completion_tokens.or(self.max_tokens);
        let logprobs = match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, top) => Some(top.unwrap_or(0)),
            (false, None) => None,
            (false, Some(_)) => return Err(ApiError::field("top_logprobs", "needs `logprobs` to be true")),
        };
        let call = ChatCall {
            model: self.model,
            messages: self.messages.into_iter().map(message).collect::<Result<_, _>>()?,
            text: None,
            sampling,
            tokens_max: tokens_max.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
            stop: self.stop.map(OneOrMany::into_vec).unwrap_or_default(),
            tools: tools(self.tools.unwrap_or_default(), self.tool_choice, self.parallel_tool_calls)?,
            schema: match self.response_format {
                None | Some(ResponseFormat::Text) => None,
                Some(ResponseFormat::JsonObject) => Some(json!({ "type": "object" })),
                Some(ResponseFormat::JsonSchema { json_schema }) => {
                    Some(json_schema.schema.unwrap_or_else(|| json!({ "type": "object" })))
                }
            },
            logprobs,
        };
        let calls = (0..n).map(|choice| {
            let mut call = call.clone();
            call.sampling.seed = seed_of(call.sampling.seed, choice);
            call
        });
        Ok(Asked {
            calls: calls.collect(),
            streamed: self.stream.unwrap_or(false),
            usage_wanted: self.stream_options.is_some_and(|options| options.include_usage),
            unknown,
            place,
        })
    }
}

fn message(message: WireMessage) -> Result<Message, ApiError> {
    let role = match message.role {
        WireRole::System | WireRole::Developer => Role::System,
        WireRole::User => Role::User,
        WireRole::Assistant => Role::Assistant,
        WireRole::Tool => Role::Tool,
    };
    let calls = message.tool_calls.unwrap_or_default().into_iter().map(|call| ToolCall {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    });
    let (content, images) = message.content.map_or(Ok(Default::default()), content)?;
    Ok(Message { role, content, images, tool_calls: calls.collect(), tool_call_id: message.tool_call_id })
}

fn content(content: Content) -> Result<(String, Vec<Image>), ApiError> {
    let parts = match content {
        Content::Text(text) => return Ok((text, Vec::new())),
        Content::Parts(parts) => parts,
    };
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text } | Part::Refusal { refusal: text } => texts.push(text),
            Part::ImageUrl { image_url } => {
                let image = Image::from_data_url(&image_url.url);
                images.push(image.map_err(|error| ApiError::field("messages", error))?);
            }
            Part::Other => {
                return Err(ApiError::field(
                    "messages",
                    "only parts of the types `text` and `image_url` are taken here",
                ));
            }
        }
    }
    Ok((texts.join("\n"), images))
}

fn tools(offered: Vec<WireTool>, choice: Option<WireChoice>, parallel: Option<bool>) -> Result<Tools, ApiError> {
    let offered = offered.into_iter().map(|tool| match tool {
        WireTool::Function { function } => {
            Ok(Tool { name: function.name, description: function.description, parameters: function.parameters })
        }
        WireTool::Other => Err(ApiError::field("tools", "only tools of the type `function` are taken here")),
    });
    Ok(Tools {
        offered: offered.collect::<Result<_, _>>()?,
        choice: match choice {
            None | Some(WireChoice::Word(ChoiceWord::Auto)) => ToolChoice::Auto,
            Some(WireChoice::Word(ChoiceWord::None)) => ToolChoice::None,
            Some(WireChoice::Word(ChoiceWord::Required)) => ToolChoice::Required,
            Some(WireChoice::Function { function }) => ToolChoice::Named(function.name),
        },
        parallel: parallel.unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut body: Value) -> Result<Asked, ApiError> {
        body["model"] = json!("m");
        if body["messages"].is_null() {
            body["messages"] = json!([{ "role": "user", "content": "hi" }]);
        }
        let request: Request = serde_json::from_value(body).map_err(|error| ApiError::invalid(error.to_string()))?;
        request.read()
    }

    #[test]
    fn tools_and_what_was_called_are_read() {
        let asked = read(json!({
            "messages": [
                { "role": "developer", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "call_1", "type": "function", "function": { "name": "now", "arguments": "{}" } },
                ] },
                { "role": "tool", "tool_call_id": "call_1", "content": "noon" },
            ],
            "tools": [{ "type": "function", "function": { "name": "now", "parameters": { "type": "object" } } }],
            "tool_choice": { "type": "function", "function": { "name": "now" } },
            "parallel_tool_calls": false,
        }));
        let call = asked.unwrap_or_else(|error| panic!("{error}")).calls.remove(0);
        assert_eq!((call.messages[0].role, call.messages[0].content.as_str()), (Role::System, "a\nb"));
        assert_eq!(call.messages[1].tool_calls[0].name, "now");
        assert_eq!(call.messages[2].tool_call_id.as_deref(), Some("call_1"));
        assert_eq!((call.tools.choice, call.tools.parallel), (ToolChoice::Named("now".into()), false));
        assert_eq!(call.tools.offered[0].parameters, Some(json!({ "type": "object" })));
    }

    #[test]
    fn several_choices_have_seeds_of_their_own() {
        let asked = read(json!({ "n": 3, "seed": 7 })).unwrap_or_else(|error| panic!("{error}"));
        let seeds: Vec<_> = asked.calls.iter().map(|call| call.sampling.seed).collect();
        assert_eq!(seeds, [Some(7), Some(8), Some(9)]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (body, field) in [
            (json!({ "n": 0 }), "n"),
            (json!({ "n": 1_000_000_000 }), "n"),
            (json!({ "n": 2, "dure": { "conversation": base::ConversationId::new() } }), "n"),
            (json!({ "top_logprobs": 3 }), "top_logprobs"),
            (json!({ "logit_bias": { "x": 1 } }), "logit_bias"),
            (json!({ "logit_bias": { "1": "much" } }), "logit_bias"),
            (json!({ "tools": [{ "type": "web_search" }] }), "tools"),
            (
                json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "http://127.0.0.1/a.png" } }] }] }),
                "messages",
            ),
            (json!({ "api_base": "http://evil.example" }), "api_base"),
        ] {
            let named = match read(body.clone()) {
                Err(ApiError::Invalid { field: Some(field), .. }) => field,
                Err(other) => panic!("{body}: {other}"),
                Ok(_) => panic!("{body} is taken"),
            };
            assert_eq!(named, field, "{body}");
        }
    }
}
