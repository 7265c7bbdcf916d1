//! Whether a JSON schema may become a grammar.
//!
//! The grammar is made and followed by native code, so what could make it vast, endless or ambiguous beyond measure
//! is refused here, by counting: size, depth, choices, repetitions, references that come back to themselves, patterns
//! that repeat what repeats.

use std::collections::BTreeSet;
use std::io;

use serde_json::Value;

const BYTES_MAX: usize = 64 * 1024;
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 4096;
const CHOICES_MAX: usize = 1000;
const REPEATS_MAX: u64 = 1000;
const REPEATS_TOTAL_MAX: u64 = 4000;
const PATTERN_BYTES_MAX: usize = 256;

/// Checks a schema.
///
/// # Errors
/// What is wrong with it.
pub fn check(schema: &Value) -> Result<(), String> {
    if bytes(schema) > BYTES_MAX {
        return Err(format!("the schema has more than {BYTES_MAX} bytes"));
    }
    if !schema.is_object() {
        return Err("the schema is no object".into());
    }
    let mut count = Count::default();
    count.walk(schema, 0)?;
    follow(schema, schema, &mut BTreeSet::new(), &mut BTreeSet::new(), 0)
}

/// Bytes of a value when written, counted without writing them down.
pub fn bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

#[derive(Default)]
struct Count {
    nodes: usize,
    repeats: u64,
}

impl Count {
    fn walk(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            return Err(format!("the schema is nested more than {DEPTH_MAX} deep"));
        }
        if self.nodes > NODES_MAX {
            return Err(format!("the schema has more than {NODES_MAX} parts"));
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.walk(item, depth + 1)),
            Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
                self.field(key, value)?;
                self.walk(value, depth + 1)
            }),
            _ => Ok(()),
        }
    }

    fn field(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match (key, value) {
            ("enum" | "anyOf" | "oneOf" | "allOf" | "type", Value::Array(choices)) if choices.len() > CHOICES_MAX => {
                Err(format!("the schema has a list of more than {CHOICES_MAX} choices"))
            }
            ("minItems" | "maxItems" | "minLength" | "maxLength", Value::Number(number)) => {
                let repeats = number.as_u64().filter(|&n| n <= REPEATS_MAX);
                self.repeats += repeats.ok_or_else(|| format!("the schema's `{key}` is at most {REPEATS_MAX}"))?;
                if self.repeats > REPEATS_TOTAL_MAX {
                    return Err(format!("the schema's lengths add up to more than {REPEATS_TOTAL_MAX}"));
                }
                Ok(())
            }
            ("pattern", Value::String(pattern)) => check_pattern(pattern),
            _ => Ok(()),
        }
    }
}

/// Follows references; one that comes back to itself has no end as a grammar's depth.
fn follow<'a>(
    root: &'a Value,
    value: &'a Value,
    open: &mut BTreeSet<&'a str>,
    done: &mut BTreeSet<&'a str>,
    depth: usize,
) -> Result<(), String> {
    // References multiply depth, so it is bounded here again.
    if depth > 4 * DEPTH_MAX {
        return Err("the schema's references are nested too deep".into());
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| follow(root, item, open, done, depth + 1)),
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let path = reference.strip_prefix('#').ok_or("the schema refers to another document")?;
                let target = root.pointer(path).ok_or("the schema refers to what it does not have")?;
                if !done.contains(path) {
                    if !open.insert(path) {
                        return Err("the schema refers to itself".into());
                    }
                    follow(root, target, open, done, depth + 1)?;
                    open.remove(path);
                    done.insert(path);
                }
            }
            fields.values().try_for_each(|value| follow(root, value, open, done, depth + 1))
        }
        _ => Ok(()),
    }
}

/// Takes a pattern that stays small and plain as a grammar.
fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
    }
    // For each open group, whether something inside it repeats.
    let mut groups = vec![false];
    let mut closed_repeats = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let inside = std::mem::replace(&mut closed_repeats, false);
        match c {
            '\\' => drop(chars.next()),
            '[' => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        ']' => break,
                        _ => {}
                    }
                }
            }
            '(' => groups.push(false),
            ')' => {
                let inner = groups.pop().unwrap_or(false);
                let Some(outer) = groups.last_mut() else { return Err("a pattern closes what it did not open".into()) };
                *outer |= inner;
                closed_repeats = inner;
            }
            '*' | '+' | '{' => {
                if inside {
                    return Err("a pattern repeats what repeats already".into());
                }
                if let Some(group) = groups.last_mut() {
                    *group = true;
                }
                if c == '{' {
                    let bounds: String = chars.by_ref().take_while(|&c| c != '}').collect();
                    let too_many = bounds.split(',').any(|bound| bound.trim().parse::<u64>().is_ok_and(|n| n > 256));
                    if too_many || bounds.len() > 16 {
                        return Err("a pattern repeats at most 256 times".into());
                    }
                }
            }
            _ => {}
        }
    }
    if groups.len() == 1 { Ok(()) } else { Err("a pattern does not close what it opens".into()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_schemas_are_taken() {
        for schema in [
            json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 40}}, "required": ["city"]}),
            json!({"type": "array", "items": {"$ref": "#/$defs/day"}, "$defs": {"day": {"enum": ["월", "화"]}}}),
            json!({"type": "string", "pattern": "^\\d{6}-\\d{7}$"}),
            json!({"type": "string", "pattern": "^[a-z+*(]+(x|y)$"}),
            json!({"properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}}, "$defs": {"x": {}}}),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn schemas_without_end_are_refused() {
        let mut deep = json!({"type": "string"});
        for _ in 0..40 {
            deep = json!({"type": "array", "items": deep});
        }
        let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
        let repeats: Vec<Value> = (0..10).map(|_| json!({"type": "string", "maxLength": 900})).collect();
        let chain: serde_json::Map<String, Value> =
            (0..200).map(|n| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)}))).collect();
        let mut chain = chain;
        chain.insert("d200".into(), json!({}));
        for schema in [
            json!("string"),
            deep,
            json!({ "enum": many }),
            json!({"anyOf": repeats}),
            json!({"type": "array", "maxItems": 1_000_000_000}),
            json!({"type": "array", "minItems": 1e300}),
            json!({"type": "string", "minLength": -1}),
            json!({"$ref": "#"}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}}),
            json!({"$ref": "#/nowhere"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$ref": "#/$defs/d0", "$defs": chain}),
            json!({"type": "string", "pattern": "^(a+)+$"}),
            json!({"type": "string", "pattern": "^((a{2})){99}$"}),
            json!({"type": "string", "pattern": "^a{100000}$"}),
            json!({"type": "string", "pattern": "((("}),
            json!({"type": "string", "pattern": ")"}),
            json!({"type": "string", "pattern": "x".repeat(1000)}),
            json!({"description": "x".repeat(BYTES_MAX)}),
        ] {
            let shown: String = schema.to_string().chars().take(80).collect();
            assert!(check(&schema).is_err(), "{shown}");
        }
    }
}
