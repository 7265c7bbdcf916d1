//! What an upstream of Anthropic's kind is sent: one system text, turns that alternate, blocks in them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::reply_tool;
use crate::remote::Config;
use crate::{ChatRequest, EngineError, Message, Role, Sampling, Tool, ToolCall, ToolChoice};

/// A chat.
#[derive(Debug, Serialize)]
pub(in crate::remote) struct Messages<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    system: String,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Debug, Serialize)]
struct Turn<'a> {
    role: Side,
    content: Vec<Block<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    User,
    Assistant,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Value,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
    },
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: &'static str,
    data: &'a str,
}

#[derive(Debug, Serialize)]
struct Offered<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, Value>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Choice<'a> {
    Auto { disable_parallel_tool_use: bool },
    Any { disable_parallel_tool_use: bool },
    Tool { name: Cow<'a, str>, disable_parallel_tool_use: bool },
    None,
}

impl<'a> Messages<'a> {
    /// Says it as this API wants it.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], which names what the API has no way to say.
    pub fn of(config: &'a Config, request: &'a ChatRequest) -> Result<Self, EngineError> {
        check(config, request)?;
        let Sampling { temperature, top_p, top_k, .. } = &request.sampling;
        let (tools, tool_choice) = tools(&config.name, request)?;
        Ok(Self {
            model: &config.model,
            max_tokens: request.tokens_max,
            stream: true,
            system: system(&request.messages),
            messages: turns(&config.name, &request.messages)?,
            // What holds there where nothing is said is not said: newer models take not both of the first two.
            temperature: Some(*temperature).filter(|temperature| config.sampling && *temperature != 1.0),
            top_p: Some(*top_p).filter(|top_p| config.sampling && *top_p < 1.0),
            top_k: Some(*top_k).filter(|top_k| config.sampling && *top_k > 0),
            stop_sequences: &request.stop,
            tools,
            tool_choice,
        })
    }
}

fn refuse<T>(model: &str, what: &str) -> Result<T, EngineError> {
    Err(EngineError::Invalid(format!("the API of `{model}` has no {what}")))
}

fn check(config: &Config, request: &ChatRequest) -> Result<(), EngineError> {
    let Sampling { temperature, frequency_penalty, presence_penalty, seed, logit_bias, .. } = &request.sampling;
    let blank = |stop: &String| stop.chars().all(char::is_whitespace);
    for (asked, what) in [
        (request.text.is_some(), "plain text to continue, only chats"),
        (request.logprobs.is_some(), "`logprobs`"),
        (seed.is_some(), "`seed`"),
        (!logit_bias.is_empty(), "`logit_bias`"),
        (*frequency_penalty != 0.0, "`frequency_penalty`"),
        (*presence_penalty != 0.0, "`presence_penalty`"),
        (config.sampling && *temperature > 1.0, "`temperature` over 1"),
        (request.stop.iter().any(blank), "`stop` that is blank"),
        (request.tokens_max == 0, "answer without a token"),
    ] {
        if asked {
            return refuse(&config.name, what);
        }
    }
    Ok(())
}

/// All instructions, in their order, wherever they stand: this API has one place for them.
fn system(messages: &[Message]) -> String {
    let texts = messages.iter().filter(|message| message.role == Role::System && !is_blank(&message.content));
    texts.map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
}

/// What stands in a user's place where a chat begins with the model's words, as one does whose beginning was cut off.
const BEFORE: &str = "…";

/// The turns of both sides in alternation, a user's first and last. A tool's results are a user's turn there, and stand
/// before what the user says.
fn turns<'a>(model: &str, messages: &'a [Message]) -> Result<Vec<Turn<'a>>, EngineError> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for message in messages.iter().filter(|message| message.role != Role::System || !message.images.is_empty()) {
        let role = match message.role {
            Role::System => return refuse(model, "images in instructions"),
            Role::Assistant if !message.images.is_empty() => return refuse(model, "images in the model's own words"),
            Role::Assistant => Side::Assistant,
            Role::User | Role::Tool => Side::User,
        };
        let mut content = blocks(message);
        if content.is_empty() {
            continue;
        }
        match turns.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.append(&mut content),
            None => turns.push(Turn { role, content }),
        }
    }
    for turn in &mut turns {
        turn.content.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
    if turns.last().is_none_or(|last| last.role != Side::User) {
        return refuse(model, "chat that does not end with what a user or a tool says");
    }
    if turns.first().is_some_and(|first| first.role != Side::User) {
        turns.insert(0, Turn { role: Side::User, content: vec![Block::Text { text: BEFORE }] });
    }
    Ok(turns)
}

fn blocks(message: &Message) -> Vec<Block<'_>> {
    let shown = message.images.iter().map(|image| Block::Image {
        source: Source { r#type: "base64", media_type: image.media_type(), data: image.base64() },
    });
    // A text without a letter is none there.
    let said = Some(Block::Text { text: &message.content }).filter(|_| !is_blank(&message.content));
    let content = shown.chain(said);
    match (message.role, &message.tool_call_id) {
        (Role::Tool, id) => {
            let id = id.as_deref().unwrap_or_default();
            vec![Block::ToolResult { tool_use_id: id_of(id), content: content.collect() }]
        }
        _ => content.chain(message.tool_calls.iter().map(called)).collect(),
    }
}

fn called(call: &ToolCall) -> Block<'_> {
    // A model may have written what is no object, and its tool have said so; here it must be one.
    let input = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ if is_blank(&call.arguments) => json!({}),
        _ => json!({ "text": call.arguments }),
    };
    Block::ToolUse { id: id_of(&call.id), name: &call.name, input }
}

/// A call's id in the few letters that ids have there. Equal ids stay equal, and others stay others.
fn id_of(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !id.is_empty() && id.bytes().all(plain) && !id.starts_with("b64-") {
        return id.into();
    }
    format!("b64-{}", URL_SAFE_NO_PAD.encode(id)).into()
}

fn tools<'a>(model: &str, request: &'a ChatRequest) -> Result<(Vec<Offered<'a>>, Option<Choice<'a>>), EngineError> {
    let callable = request.tools.callable();
    let mut tools = callable.iter().map(|tool| offered(model, tool)).collect::<Result<Vec<_>, _>>()?;
    let disable_parallel_tool_use = !request.tools.parallel;
    let choice = match (reply_tool(request), &request.schema) {
        (Some(name), Some(schema)) => {
            tools.push(reply(model, name.clone(), schema)?);
            Some(match &request.tools.choice {
                ToolChoice::Auto if !callable.is_empty() => Choice::Any { disable_parallel_tool_use: true },
                ToolChoice::Auto | ToolChoice::None => {
                    Choice::Tool { name: name.into(), disable_parallel_tool_use: true }
                }
                // A call is the answer then, and nothing is left for the schema.
                ToolChoice::Required | ToolChoice::Named(_) => {
                    tools.pop();
                    forced(&request.tools.choice, disable_parallel_tool_use)
                }
            })
        }
        _ if !callable.is_empty() => Some(forced(&request.tools.choice, disable_parallel_tool_use)),
        _ => {
            // A chat with calls in it is taken only with tools.
            tools = mentioned(&request.messages);
            (!tools.is_empty()).then_some(Choice::None)
        }
    };
    Ok((tools, choice))
}

fn forced(choice: &ToolChoice, disable_parallel_tool_use: bool) -> Choice<'_> {
    match choice {
        ToolChoice::Auto => Choice::Auto { disable_parallel_tool_use },
        ToolChoice::None => Choice::None,
        ToolChoice::Required => Choice::Any { disable_parallel_tool_use },
        ToolChoice::Named(name) => Choice::Tool { name: name.into(), disable_parallel_tool_use },
    }
}

fn offered<'a>(model: &str, tool: &'a Tool) -> Result<Offered<'a>, EngineError> {
    let input_schema = match &tool.parameters {
        None => Cow::Owned(json!({ "type": "object" })),
        Some(schema) => object(schema).map_or_else(|| refuse(model, "tool whose `parameters` are no object"), Ok)?,
    };
    Ok(Offered { name: tool.name.as_str().into(), description: tool.description.as_deref(), input_schema })
}

fn reply<'a>(model: &str, name: String, schema: &'a Value) -> Result<Offered<'a>, EngineError> {
    let input_schema = object(schema).map_or_else(|| refuse(model, "answer by a schema of no object"), Ok)?;
    let description = Some("Gives the answer. The arguments are the answer.");
    Ok(Offered { name: name.into(), description, input_schema })
}

/// A schema as one of an object, which it must say of itself there.
fn object(schema: &Value) -> Option<Cow<'_, Value>> {
    let fields = schema.as_object()?;
    match fields.get("type") {
        Some(kind) => (kind == "object").then_some(Cow::Borrowed(schema)),
        None => {
            let mut whole = Map::from_iter([("type".to_owned(), json!("object"))]);
            whole.extend(fields.clone());
            Some(Cow::Owned(Value::Object(whole)))
        }
    }
}

/// The tools that were called so far.
fn mentioned(messages: &[Message]) -> Vec<Offered<'_>> {
    let names: BTreeSet<&str> =
        messages.iter().flat_map(|message| &message.tool_calls).map(|call| call.name.as_str()).collect();
    let bare = |name| Offered {
        name: Cow::Borrowed(name),
        description: None,
        input_schema: Cow::Owned(json!({ "type": "object" })),
    };
    names.into_iter().map(bare).collect()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests;
