//! JSON on its way through a template: tools in, Python's way of writing them out.
//!
//! Key order is kept. Words of tools that could spell more than a name are marked as data, as messages are.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::{marked as mark, unmarked};

const DEPTH_MAX: usize = 32;

/// Turns a client's JSON into a template's value, with every text that is no plain name marked as data.
pub fn marked(json: &serde_json::Value) -> Result<Value, String> {
    convert(json, 0)
}

fn convert(json: &serde_json::Value, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("tools are nested more than {DEPTH_MAX} deep"));
    }
    Ok(match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (_, Some(whole)) => Value::from(whole),
            _ => Value::from(number.as_f64().unwrap_or_default()),
        },
        // Templates compare names (`tool.type == "function"`), and a plain name spells no token of theirs.
        serde_json::Value::String(text) if is_name(text) => Value::from(text.as_str()),
        serde_json::Value::String(text) => Value::from(mark(text)),
        serde_json::Value::Array(items) => {
            Value::from(items.iter().map(|item| convert(item, depth + 1)).collect::<Result<Vec<_>, _>>()?)
        }
        serde_json::Value::Object(fields) => {
            let mut converted = Vec::with_capacity(fields.len());
            for (key, value) in fields {
                if !is_name(key) {
                    return Err(
                        "the field names of tools and of arguments are letters, digits, `_`, `-`, `.`, `$` and spaces"
                            .into(),
                    );
                }
                converted.push((key.clone(), convert(value, depth + 1)?));
            }
            Value::from_pairs(converted)
        }
    })
}

/// Whether a text spells no more than a name.
pub fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "_-.$ ".contains(c))
}

/// Writes a value as Python's `json.dumps(value, ensure_ascii=False)` does, which is what models were trained on.
pub fn write(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let mut out = String::new();
    put(&mut out, value, indent, 0)?;
    Ok(out)
}

fn put(out: &mut String, value: &Value, indent: Option<usize>, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "the value is nested too deep"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => {
            let text = unmarked(value.as_str().unwrap_or_default());
            out.push_str(&serde_json::Value::String(text).to_string());
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            put_all(out, ('[', ']'), &items, indent, depth, |out, item| put(out, item, indent, depth + 1))?;
        }
        ValueKind::Map => {
            let keys: Vec<Value> = value.try_iter()?.collect();
            put_all(out, ('{', '}'), &keys, indent, depth, |out, key| {
                let name = unmarked(key.as_str().map_or_else(|| key.to_string(), str::to_owned).as_str());
                out.push_str(&serde_json::Value::String(name).to_string());
                out.push_str(": ");
                put(out, &value.get_item(key)?, indent, depth + 1)
            })?;
        }
        _ => return Err(Error::new(ErrorKind::InvalidOperation, "the value cannot be written as JSON")),
    }
    Ok(())
}

fn put_all(
    out: &mut String,
    brackets: (char, char),
    items: &[Value],
    indent: Option<usize>,
    depth: usize,
    mut put_one: impl FnMut(&mut String, &Value) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    out.push(brackets.0);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        line(out, depth + 1);
        put_one(out, item)?;
    }
    if !items.is_empty() {
        line(out, depth);
    }
    out.push(brackets.1);
    Ok(())
}
