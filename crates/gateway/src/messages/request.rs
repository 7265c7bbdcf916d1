//! What `/v1/messages` reads.

use serde::Deserialize;
use serde_json::{Map, Value};
use serving::{ChatCall, Image, ImageError, Message, Role, Sampling, Tool, ToolCall, ToolChoice, Tools};

use crate::error::ApiError;
use crate::openai::{Unknown, unknown};

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    max_tokens: u64,
    messages: Vec<WireMessage>,
    #[serde(default)]
    system: Option<Content>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stop_sequences: Vec<String>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    top_k: Option<u32>,
    #[serde(default)]
    tools: Vec<WireTool>,
    #[serde(default)]
    tool_choice: Option<WireChoice>,
    /// Names the caller's own user; nothing here is done by it.
    #[serde(default, rename = "metadata")]
    _metadata: Option<Value>,
    #[serde(default)]
    thinking: Option<Thinking>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: WireRole,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    User,
    Assistant,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    Image {
        source: ImageSource,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(default)]
        content: Option<Content>,
    },
    /// What a model thought before it answered goes to no other model.
    Thinking {},
    RedactedThinking {},
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ImageSource {
    Base64 {
        media_type: String,
        data: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct WireTool {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    input_schema: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireChoice {
    #[serde(flatten)]
    kind: ChoiceKind,
    #[serde(default)]
    disable_parallel_tool_use: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ChoiceKind {
    Auto,
    Any,
    None,
    Tool { name: String },
}

/// What a request asks for.
pub(super) struct Asked {
    pub call: ChatCall,
    pub streamed: bool,
    pub unknown: Unknown,
}

impl Request {
    pub(super) fn read(self) -> Result<Asked, ApiError> {
        let unknown = unknown(&self.rest)?;
        if self.thinking.is_some_and(|thinking| thinking.kind != "disabled") {
            return Err(ApiError::field("thinking", "is not to be had here"));
        }
        if self.max_tokens == 0 {
            return Err(ApiError::field("max_tokens", "is at least 1"));
        }
        let mut messages = Vec::with_capacity(self.messages.len() + 1);
        if let Some(system) = self.system {
            messages.push(Message::new(Role::System, text_of("system", system)?));
        }
        for message in self.messages {
            read(message, &mut messages)?;
        }
        let choice = self.tool_choice;
        let call = ChatCall {
            model: self.model,
            messages,
            sampling: Sampling {
                temperature: self.temperature,
                top_p: self.top_p,
                top_k: self.top_k,
                ..Sampling::default()
            },
            tokens_max: Some(u32::try_from(self.max_tokens).unwrap_or(u32::MAX)),
            stop: self.stop_sequences,
            tools: Tools {
                offered: self.tools.into_iter().map(tool).collect::<Result<_, _>>()?,
                parallel: choice.as_ref().is_none_or(|choice| !choice.disable_parallel_tool_use),
                choice: match choice.map(|choice| choice.kind) {
                    None | Some(ChoiceKind::Auto) => ToolChoice::Auto,
                    Some(ChoiceKind::Any) => ToolChoice::Required,
                    Some(ChoiceKind::None) => ToolChoice::None,
                    Some(ChoiceKind::Tool { name }) => ToolChoice::Named(name),
                },
            },
            ..ChatCall::default()
        };
        Ok(Asked { call, streamed: self.stream.unwrap_or(false), unknown })
    }
}

fn tool(tool: WireTool) -> Result<Tool, ApiError> {
    if tool.kind.as_deref().is_some_and(|kind| kind != "custom") {
        return Err(ApiError::field("tools", "only tools of the type `custom` are taken here"));
    }
    Ok(Tool { name: tool.name, description: tool.description, parameters: tool.input_schema })
}

/// A message of theirs may be several of ours: each tool's result is one.
fn read(message: WireMessage, messages: &mut Vec<Message>) -> Result<(), ApiError> {
    let role = if message.role == WireRole::User { Role::User } else { Role::Assistant };
    let blocks = match message.content {
        Content::Text(text) => {
            messages.push(Message::new(role, text));
            return Ok(());
        }
        Content::Blocks(blocks) => blocks,
    };
    let (mut texts, mut images, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        match (block, message.role) {
            (Block::Text { text }, _) => texts.push(text),
            (Block::Image { source }, WireRole::User) => images.push(image(source)?),
            (Block::ToolUse { id, name, input }, WireRole::Assistant) => {
                calls.push(ToolCall { id, name, arguments: input.to_string() });
            }
            (Block::ToolResult { tool_use_id, content }, WireRole::User) => {
                let said = content.map_or(Ok(String::new()), |content| text_of("messages", content))?;
                messages.push(Message { tool_call_id: Some(tool_use_id), ..Message::new(Role::Tool, said) });
            }
            (Block::Thinking {} | Block::RedactedThinking {}, WireRole::Assistant) => {}
            _ => {
                return Err(ApiError::field(
                    "messages",
                    "only text, images, tools' calls and their results are taken here",
                ));
            }
        }
    }
    if !texts.is_empty() || !images.is_empty() || !calls.is_empty() {
        messages.push(Message { images, tool_calls: calls, ..Message::new(role, texts.join("\n")) });
    }
    Ok(())
}

fn image(source: ImageSource) -> Result<Image, ApiError> {
    let url = match source {
        ImageSource::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
        ImageSource::Other => return Err(ApiError::field("messages", ImageError::Elsewhere)),
    };
    Image::from_data_url(&url).map_err(|error| ApiError::field("messages", error))
}

fn text_of(field: &str, content: Content) -> Result<String, ApiError> {
    let blocks = match content {
        Content::Text(text) => return Ok(text),
        Content::Blocks(blocks) => blocks,
    };
    let texts = blocks.into_iter().map(|block| match block {
        Block::Text { text } => Ok(text),
        _ => Err(ApiError::field(field, "only text is taken here")),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: Value) -> Result<Asked, ApiError> {
        let mut whole = json!({ "model": "m", "max_tokens": 8, "messages": [{ "role": "user", "content": "hi" }] });
        for (name, value) in body.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let request: Request = serde_json::from_value(whole).map_err(|error| ApiError::invalid(error.to_string()))?;
        request.read()
    }

    #[test]
    fn a_round_of_tools_is_read() {
        let asked = asked(json!({
            "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
            "messages": [
                { "role": "user", "content": "What time is it?" },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "...", "signature": "x" },
                    { "type": "text", "text": "I look." },
                    { "type": "tool_use", "id": "toolu_1", "name": "now", "input": { "zone": "KST" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "toolu_1", "content": [{ "type": "text", "text": "noon" }] },
                    { "type": "text", "text": "So?" },
                ] },
            ],
            "tools": [{ "name": "now", "input_schema": { "type": "object" } }],
            "tool_choice": { "type": "tool", "name": "now", "disable_parallel_tool_use": true },
            "stop_sequences": ["\n\nHuman:"],
        }));
        let call = asked.unwrap_or_else(|error| panic!("{error}")).call;
        let roles: Vec<_> = call.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
        assert_eq!(call.messages[2].tool_calls[0].arguments, r#"{"zone":"KST"}"#);
        assert_eq!(call.messages[3].tool_call_id.as_deref(), Some("toolu_1"));
        assert_eq!((call.tools.choice, call.tools.parallel), (ToolChoice::Named("now".into()), false));
        assert_eq!((call.tokens_max, call.stop.len()), (Some(8), 1));
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let image = json!({ "type": "image", "source": { "type": "url", "url": "http://127.0.0.1/" } });
        for (body, field) in [
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "thinking": { "type": "enabled", "budget_tokens": 1024 } }), "thinking"),
            (json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }), "tools"),
            (json!({ "messages": [{ "role": "user", "content": [image] }] }), "messages"),
            (
                json!({ "messages": [{ "role": "assistant", "content": [
                { "type": "tool_result", "tool_use_id": "t", "content": "x" },
            ] }] }),
                "messages",
            ),
            (json!({ "base_url": "http://evil.example" }), "base_url"),
        ] {
            let named = match asked(body.clone()) {
                Err(ApiError::Invalid { field: Some(field), .. }) => field,
                Err(other) => panic!("{body}: {other}"),
                Ok(_) => panic!("{body} is taken"),
            };
            assert_eq!(named, field, "{body}");
        }
    }
}
