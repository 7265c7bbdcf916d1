//! Items: what goes into a response and comes out of one, and the messages that a model sees of it.
//!
//! An item's id says which response it belongs to and where it stands there, so that a later request can name it without
//! sending it again.

use std::collections::BTreeMap;

use base::{Principal, ResponseId};
use serde::Deserialize;
use serde_json::{Value, json};
use serving::{Basis, Message, Role, ToolCall};

use super::request::Asked;
use crate::App;
use crate::error::ApiError;

/// Items of one request.
const ITEMS_MAX: usize = 512;
/// Responses whose items one request may name.
const REFERENCES_MAX: usize = 64;

/// A text, or items.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Input {
    Text(String),
    Items(Vec<Value>),
}

impl Default for Input {
    fn default() -> Self {
        Self::Items(Vec::new())
    }
}

/// The items of a request, each with an id.
pub(super) fn numbered(input: Input, response: ResponseId) -> Result<Vec<Value>, ApiError> {
    let mut items = match input {
        Input::Text(text) => {
            vec![json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })]
        }
        Input::Items(items) => items,
    };
    if items.len() > ITEMS_MAX {
        return Err(ApiError::field("input", format!("at most {ITEMS_MAX} items are taken")));
    }
    for (place, item) in items.iter_mut().enumerate() {
        let Some(fields) = item.as_object_mut() else { return Err(bad(place, "is no object")) };
        // A message may come without its type, and its content as a bare text.
        if !fields.contains_key("type") {
            let kind = if fields.contains_key("role") { "message" } else { "item_reference" };
            fields.insert("type".to_owned(), json!(kind));
        }
        if let Some(Value::String(text)) = fields.get("content") {
            let kind = if fields.get("role") == Some(&json!("assistant")) { "output_text" } else { "input_text" };
            let mut part = json!({ "type": kind, "text": text });
            if kind == "output_text" {
                part["annotations"] = json!([]);
            }
            fields.insert("content".to_owned(), json!([part]));
        }
        if fields.get("type") != Some(&json!("item_reference")) {
            fields.entry("status").or_insert_with(|| json!("completed"));
            let prefix = if fields.get("type") == Some(&json!("message")) { "msg" } else { "item" };
            let missing = fields.get("id").is_none_or(Value::is_null);
            if missing {
                fields.insert("id".to_owned(), json!(item_id(prefix, response, 'i', place)));
            }
        }
    }
    // Read once here, so that what cannot be taken is refused before anything is looked up.
    messages(items.iter(), &mut Vec::new())?;
    Ok(items)
}

/// The id of an item: `i` for one that went in, `o` for one that came out.
pub(super) fn item_id(prefix: &str, response: ResponseId, side: char, place: usize) -> String {
    let response = response.to_string();
    let digits = response.strip_prefix("resp_").unwrap_or(&response);
    format!("{prefix}_{digits}{side}{place}")
}

/// The response that an item of this id belongs to.
fn response_of(item: &str) -> Option<ResponseId> {
    let (_, rest) = item.split_once('_')?;
    format!("resp_{}", rest.get(..32)?).parse().ok()
}

/// What was said in the responses that a request goes on from. Items that the request only names are put in their places.
pub(super) async fn before(
    app: &App,
    principal: &Principal,
    asked: &mut Asked,
    basis: &mut Basis,
) -> Result<Vec<Value>, ApiError> {
    let history = app.serving.history();
    let mut before = Vec::new();
    if let Some(previous) = asked.previous {
        for kept in history.chain(principal, previous, basis).await? {
            before.extend(kept.input);
            before.extend(output(&kept.body));
        }
    }
    let mut known: BTreeMap<ResponseId, Vec<Value>> = BTreeMap::new();
    let mut input = Vec::with_capacity(asked.input.len());
    for item in std::mem::take(&mut asked.input) {
        if item["type"] != "item_reference" {
            input.push(item);
            continue;
        }
        let name = item["id"].as_str().unwrap_or_default();
        // An item that stands before already is not said twice.
        if before.iter().any(|item: &Value| item["id"] == name) {
            continue;
        }
        let response = response_of(name).ok_or(ApiError::NotFound("item"))?;
        if !known.contains_key(&response) {
            if known.len() == REFERENCES_MAX {
                let reason = format!("items of at most {REFERENCES_MAX} responses can be named");
                return Err(ApiError::field("input", reason));
            }
            let kept = history.response(principal, response, basis).await?;
            let items = kept.input.iter().cloned().chain(output(&kept.body)).collect();
            known.insert(response, items);
        }
        let item = known.get(&response).into_iter().flatten().find(|item| item["id"] == name);
        input.push(item.ok_or(ApiError::NotFound("item"))?.clone());
    }
    asked.input = input;
    Ok(before)
}

fn output(body: &Value) -> impl Iterator<Item = Value> {
    body["output"].as_array().cloned().unwrap_or_default().into_iter()
}

/// Items as the messages that a model sees.
pub(super) fn messages<'a>(
    items: impl Iterator<Item = &'a Value>,
    messages: &mut Vec<Message>,
) -> Result<(), ApiError> {
    for (place, item) in items.enumerate() {
        match item["type"].as_str() {
            Some("message") => {
                let role = match item["role"].as_str() {
                    Some("system" | "developer") => Role::System,
                    Some("user") => Role::User,
                    Some("assistant") => Role::Assistant,
                    _ => return Err(bad(place, "has no role that is known here")),
                };
                messages.push(Message::new(role, text(&item["content"], place)?));
            }
            Some("function_call") => {
                let field = |name: &str| match item[name].as_str() {
                    Some(text) => Ok(text.to_owned()),
                    None => Err(bad(place, &format!("has no `{name}`"))),
                };
                let call = ToolCall { id: field("call_id")?, name: field("name")?, arguments: field("arguments")? };
                // What the model said and called in one breath is one message.
                match messages.last_mut().filter(|last| last.role == Role::Assistant) {
                    Some(last) => last.tool_calls.push(call),
                    None => {
                        let mut message = Message::new(Role::Assistant, "");
                        message.tool_calls.push(call);
                        messages.push(message);
                    }
                }
            }
            Some("function_call_output") => {
                let id = item["call_id"].as_str().ok_or_else(|| bad(place, "has no `call_id`"))?;
                let mut message = Message::new(Role::Tool, text(&item["output"], place)?);
                message.tool_call_id = Some(id.to_owned());
                messages.push(message);
            }
            Some("item_reference") if item["id"].is_string() => {}
            // What a search found stands in the answer that follows it. No model here thinks in items of its own; clients
            // send back what other services gave them.
            Some("file_search_call" | "reasoning") => {}
            _ => return Err(bad(place, "is of a type that is not taken here")),
        }
    }
    Ok(())
}

/// The text of a content: bare, or in parts.
fn text(content: &Value, place: usize) -> Result<String, ApiError> {
    let parts = match content {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(parts) => parts,
        _ => return Err(bad(place, "has no content")),
    };
    let texts = parts.iter().map(|part| {
        let field = match part["type"].as_str() {
            Some("input_text" | "output_text" | "text") => "text",
            Some("refusal") => "refusal",
            _ => return Err(bad(place, "has a part that is no text")),
        };
        part[field].as_str().ok_or_else(|| bad(place, "has a part without its text"))
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn bad(place: usize, what: &str) -> ApiError {
    ApiError::field("input", format!("item {place} {what}"))
}
