//! Settings as they are shown: each value with where it came from, and no secret.

use gateway::Setting;
use serde_json::Value;

use crate::settings::Settings;

/// Words of a setting's name that make it a secret.
const SECRET: &[&str] = &["key", "password", "secret", "token"];

/// Every setting, by section and name.
pub fn settings(settings: &Settings) -> Vec<Setting> {
    let mut shown = Vec::new();
    for (section, values) in &settings.table {
        for (name, value) in values.as_table().into_iter().flatten() {
            let full = format!("{section}.{name}");
            let secret = name.split('_').any(|word| SECRET.contains(&word));
            let value = if secret { Value::Null } else { without_password(serde_json::to_value(value)) };
            let from = settings.origins.get(&full).map(ToString::to_string).unwrap_or_default();
            shown.push(Setting { name: full, value, from, secret });
        }
    }
    let from = settings.origins.get("upstreams").map(ToString::to_string).unwrap_or_default();
    for upstream in &settings.upstreams {
        let value = Value::from(upstream.summary());
        shown.push(Setting { name: format!("upstreams.{}", upstream.name), value, from: from.clone(), secret: false });
    }
    shown
}

/// An address may carry a name and a password before its host.
fn without_password(value: Result<Value, serde_json::Error>) -> Value {
    match value {
        Ok(Value::String(text)) => Value::String(match text.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                match authority.rsplit_once('@') {
                    Some((_, host)) => format!("{scheme}://…@{host}{path}"),
                    None => text,
                }
            }
            None => text,
        }),
        Ok(value) => value,
        Err(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;

    #[test]
    fn secrets_are_not_shown_and_everything_else_is() {
        let flags = Flags { data: Some("/nonexistent".into()), ..Flags::default() };
        let mut read = Settings::read(&flags).unwrap();
        let toml = "[upstream]\napi_key = 'hidden'\nurl = 'https://me:hidden@host.example/v1'";
        read.table.extend(toml.parse::<toml::Table>().unwrap());
        let shown = settings(&read);
        let text = serde_json::to_string(&shown).unwrap();
        assert!(!text.contains("hidden"), "{text}");
        let value = |name: &str| shown.iter().find(|setting| setting.name == name).unwrap().clone();
        assert!(value("upstream.api_key").secret);
        assert_eq!(value("upstream.url").value, "https://…@host.example/v1");
        assert_eq!(value("server.listen").from, "default");
        assert!(!value("engine.context_tokens").secret, "tokens of a window are no secret");
    }
}
