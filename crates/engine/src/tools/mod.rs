//! Tools: how they are offered to a model, and how its calls are read out of what it writes.
//!
//! Models write calls as text, each family in its own dress: JSON between `<tool_call>` marks (Hermes, Qwen, EXAONE),
//! bare JSON (Llama, Mistral, whose marks are control tokens that are no text), JSON in a code fence (small models),
//! JSON behind an arrow (HyperCLOVA X). Inside, it is always an object with a `name` and `arguments` or `parameters`,
//! or a list of such. [`read`] finds them in a stream, whichever dress they wear.

mod call;
mod reader;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{Event, EventStream, Finish, Tool, Tools};
use reader::Reader;

/// The tools that an answer may call, as chat templates take them; none if it may call none.
pub fn offered(tools: &Tools) -> Option<Value> {
    let callable = tools.callable();
    (!callable.is_empty()).then(|| callable.iter().map(offer).collect())
}

fn offer(tool: &Tool) -> Value {
    let mut function = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        function["description"] = json!(description);
    }
    function["parameters"] = tool.parameters.clone().unwrap_or_else(any_object);
    json!({ "type": "function", "function": function })
}

fn any_object() -> Value {
    json!({ "type": "object", "properties": {} })
}

/// The schema that the whole answer follows: a call where one is forced, the caller's own schema or a call where the
/// model decides, the caller's own schema without tools.
pub fn schema(tools: &Tools, own: Option<&Value>) -> Option<Value> {
    let callable = tools.callable();
    match (tools.forced() && !callable.is_empty(), own) {
        (true, _) => Some(calls(callable)),
        (false, Some(own)) if callable.is_empty() => Some(own.clone()),
        (false, Some(own)) => Some(either(own.clone(), calls(callable))),
        (false, None) => None,
    }
}

/// The schema of one call. Definitions that a tool's parameters refer to move with them.
fn calls(callable: &[Tool]) -> Value {
    let mut alternatives: Vec<Value> = callable
        .iter()
        .enumerate()
        .map(|(at, tool)| {
            let mut parameters = tool.parameters.clone().unwrap_or_else(any_object);
            rebase(&mut parameters, &call_place(callable.len(), at));
            json!({
                "type": "object",
                "properties": { "name": { "const": tool.name }, "arguments": parameters },
                "required": ["name", "arguments"],
                "additionalProperties": false,
            })
        })
        .collect();
    if alternatives.len() == 1 { alternatives.remove(0) } else { json!({ "anyOf": alternatives }) }
}

fn call_place(calls: usize, at: usize) -> String {
    if calls == 1 { "/properties/arguments".to_owned() } else { format!("/anyOf/{at}/properties/arguments") }
}

fn either(mut own: Value, mut calls: Value) -> Value {
    rebase(&mut own, "/anyOf/0");
    rebase(&mut calls, "/anyOf/1");
    json!({ "anyOf": [own, calls] })
}

/// Makes a schema's references to itself name the place that it moves to.
fn rebase(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(reference) if key == "$ref" && reference.starts_with('#') => {
                        *reference = format!("#{place}{}", &reference[1..]);
                    }
                    other => rebase(other, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, place)),
        _ => {}
    }
}

/// Turns what a model writes into text and calls. Without callable tools the stream is left as it is.
pub fn read(events: EventStream, tools: &Tools) -> EventStream {
    if tools.callable().is_empty() {
        return events;
    }
    let reader = Reader::new(tools);
    Box::pin(
        stream::unfold(Some((events, reader)), async |state| {
            let (mut events, mut reader) = state?;
            let mut out = Vec::new();
            while out.is_empty() {
                match events.next().await {
                    Some(Ok(Event::Text(text))) => reader.push(&text, &mut out),
                    Some(Ok(Event::Done { finish, usage })) => {
                        reader.finish(&mut out);
                        // An answer that was cut off in a call is no call.
                        let finish = if reader.called() && finish == Finish::Stop { Finish::ToolCalls } else { finish };
                        out.push(Event::Done { finish, usage });
                        return Some((out.into_iter().map(Ok).collect(), None));
                    }
                    Some(other) => return Some((vec![other], Some((events, reader)))),
                    None => return None,
                }
            }
            Some((out.into_iter().map(Ok).collect::<Vec<_>>(), Some((events, reader))))
        })
        .flat_map(stream::iter),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolChoice;

    fn tool(name: &str, parameters: Option<Value>) -> Tool {
        Tool { name: name.into(), description: None, parameters }
    }

    fn tools(choice: ToolChoice) -> Tools {
        let parameters = json!({ "$ref": "#/$defs/x", "$defs": { "x": { "type": "object" } } });
        Tools { offered: vec![tool("a", None), tool("b", Some(parameters))], choice, parallel: false }
    }

    #[test]
    fn only_what_may_be_called_is_offered() {
        assert_eq!(offered(&tools(ToolChoice::None)), None);
        assert_eq!(offered(&tools(ToolChoice::Auto)).and_then(|all| Some(all.as_array()?.len())), Some(2));
        let named = offered(&tools(ToolChoice::Named("b".into()))).unwrap();
        assert_eq!(named.pointer("/0/function/name"), Some(&json!("b")));
        assert_eq!(offered(&tools(ToolChoice::Named("c".into()))), None);
    }

    #[test]
    fn a_forced_call_has_a_schema_and_a_free_one_only_beside_the_callers() {
        assert_eq!(schema(&tools(ToolChoice::Auto), None), None);
        let own = json!({ "type": "string" });
        assert_eq!(schema(&tools(ToolChoice::None), Some(&own)), Some(own.clone()));
        let both = schema(&tools(ToolChoice::Auto), Some(&own)).unwrap();
        assert_eq!(both.pointer("/anyOf/0"), Some(&own));
        for (choice, place) in [
            (ToolChoice::Named("b".into()), "/properties/arguments"),
            (ToolChoice::Required, "/anyOf/1/properties/arguments"),
        ] {
            let forced = schema(&tools(choice), None).unwrap();
            let reference = forced.pointer(&format!("{place}/$ref")).and_then(Value::as_str).unwrap();
            assert_eq!(forced.pointer(&reference[1..]), Some(&json!({ "type": "object" })), "{reference}");
        }
        let reference = both.pointer("/anyOf/1/anyOf/1/properties/arguments/$ref").and_then(Value::as_str).unwrap();
        assert!(both.pointer(&reference[1..]).is_some(), "{reference}");
    }
}
