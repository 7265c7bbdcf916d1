//! Tools for templates that know nothing of them: what is offered, called and answered goes in as plain messages.

use serde_json::{Value, json};

use crate::{Message, Role, ToolCall};

const OFFER: &str = "You may call tools. To call one, write nothing but one line for each call:\n<tool_call>{\"name\": \
                     NAME, \"arguments\": {…}}</tool_call>\nThese tools are there, each with the JSON schema of its \
                     arguments:\n";

/// The same chat without a tool's role and without calls.
pub fn messages(messages: &[Message], offered: Option<&Value>) -> Vec<Message> {
    let mut plain: Vec<Message> = messages.iter().map(message).collect();
    if let Some(offered) = offered {
        let offer: Vec<String> = offered.as_array().into_iter().flatten().map(Value::to_string).collect();
        let offer = format!("{OFFER}{}", offer.join("\n"));
        match plain.first_mut().filter(|first| first.role == Role::System) {
            Some(first) => first.content = format!("{}\n\n{offer}", first.content),
            None => plain.insert(0, Message::new(Role::System, offer)),
        }
    }
    plain
}

fn message(message: &Message) -> Message {
    if message.role == Role::Tool {
        return Message::new(Role::User, format!("<tool_response>\n{}\n</tool_response>", message.content));
    }
    let calls = message.tool_calls.iter().map(|call| format!("<tool_call>{}</tool_call>", written(call)));
    let lines: Vec<String> =
        std::iter::once(message.content.clone()).filter(|said| !said.is_empty()).chain(calls).collect();
    Message::new(message.role, lines.join("\n"))
}

fn written(call: &ToolCall) -> Value {
    json!({ "name": call.name, "arguments": arguments(call) })
}

/// A call's arguments as JSON, or as the text that they are.
pub fn arguments(call: &ToolCall) -> Value {
    serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::String(call.arguments.clone()))
}
