//! Upstreams in the settings: `[[upstreams]]`, one table for each model that another server serves.
//!
//! Where a model runs and how much it may see has no default: the operator says it, or the upstream is not taken. A key
//! stands in a variable or a file that the settings name, never in the settings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use base::{Class, Country};
use engine::remote::{Address, Config, Key, Limits};
use guard::EngineTerms;
use serde::Deserialize;
use toml::{Table, Value};

const UPSTREAMS_MAX: usize = 64;
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

/// Every setting of an upstream, so that each can be tried by itself and the others are there.
const SAMPLE: &str = r#"
name = "n"
base_url = "http://127.0.0.1/v1"
model = "m"
key_env = "K"
key_file = "/k"
country = "KR"
class_max = "open"
context_tokens = 8192
chats = true
dimensions = 1
query_prefix = ""
passage_prefix = ""
cache_salt = true
requests_max = 1
connect_wait_s = 1
first_wait_s = 1
event_wait_s = 1
read_wait_s = 1
total_wait_s = 1
event_bytes_max = 1024
answer_bytes_max = 1024
retries_max = 0
"#;

const NEEDED: [&str; 6] = ["name", "base_url", "model", "country", "class_max", "context_tokens"];

/// One upstream as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub name: String,
    pub base_url: String,
    pub model: String,
    pub key_env: Option<String>,
    pub key_file: Option<PathBuf>,
    pub country: Country,
    pub class_max: Class,
    pub context_tokens: u32,
    pub chats: Option<bool>,
    pub dimensions: Option<u32>,
    #[serde(default)]
    pub query_prefix: String,
    #[serde(default)]
    pub passage_prefix: String,
    pub cache_salt: Option<bool>,
    pub requests_max: Option<usize>,
    pub connect_wait_s: Option<u64>,
    pub first_wait_s: Option<u64>,
    pub event_wait_s: Option<u64>,
    pub read_wait_s: Option<u64>,
    pub total_wait_s: Option<u64>,
    pub event_bytes_max: Option<usize>,
    pub answer_bytes_max: Option<usize>,
    pub retries_max: Option<u32>,
}

impl Upstream {
    /// Whether it continues chats: what embeds does not, unless it is said.
    fn chats(&self) -> bool {
        self.chats.unwrap_or(self.dimensions.is_none())
    }

    /// What governs its use.
    pub fn terms(&self) -> EngineTerms {
        EngineTerms { name: self.name.clone(), country: self.country, class_max: self.class_max, owner: None }
    }

    /// The key that it wants to see, if the settings name one.
    ///
    /// # Errors
    /// Why it cannot be had; nothing of it is shown.
    pub fn key(&self) -> Result<Option<Key>, String> {
        let (text, place) = match (&self.key_env, &self.key_file) {
            (Some(variable), _) => {
                let text = std::env::var(variable).map_err(|_| format!("`${variable}`, its key, is not set"))?;
                (text, format!("${variable}"))
            }
            (None, Some(path)) => {
                let place = path.display().to_string();
                let size = std::fs::metadata(path).map_err(|error| format!("its key in `{place}`: {error}"))?.len();
                if size > KEY_FILE_BYTES_MAX {
                    return Err(format!("`{place}` is too large for a key"));
                }
                let text = std::fs::read_to_string(path).map_err(|error| format!("its key in `{place}`: {error}"))?;
                (text, place)
            }
            (None, None) => return Ok(None),
        };
        Key::new(&text).map(Some).map_err(|reason| format!("its key in `{place}`: {reason}"))
    }

    /// What the engine is told.
    ///
    /// # Errors
    /// As for [`Upstream::key`].
    pub fn config(&self) -> Result<Config, String> {
        let usual = Limits::default();
        let seconds = |given: Option<u64>, usual: Duration| given.map_or(usual, Duration::from_secs);
        Ok(Config {
            name: self.name.clone(),
            model: self.model.clone(),
            address: Address::parse(&self.base_url)?,
            key: self.key()?,
            chats: self.chats(),
            dimensions: self.dimensions,
            context_tokens: self.context_tokens,
            query_prefix: self.query_prefix.clone(),
            passage_prefix: self.passage_prefix.clone(),
            cache_salt: self.cache_salt.unwrap_or(true),
            limits: Limits {
                requests_max: self.requests_max.unwrap_or(usual.requests_max),
                connect_wait_max: seconds(self.connect_wait_s, usual.connect_wait_max),
                first_wait_max: seconds(self.first_wait_s, usual.first_wait_max),
                event_wait_max: seconds(self.event_wait_s, usual.event_wait_max),
                read_wait_max: seconds(self.read_wait_s, usual.read_wait_max),
                total_wait_max: seconds(self.total_wait_s, usual.total_wait_max),
                event_bytes_max: self.event_bytes_max.unwrap_or(usual.event_bytes_max),
                answer_bytes_max: self.answer_bytes_max.unwrap_or(usual.answer_bytes_max),
                retries_max: self.retries_max.unwrap_or(usual.retries_max),
            },
        })
    }

    /// One line for people, without any secret.
    pub fn summary(&self) -> String {
        let key = match (&self.key_env, &self.key_file) {
            (Some(variable), _) => format!("key in ${variable}"),
            (None, Some(path)) => format!("key in {}", path.display()),
            (None, None) => "no key".to_owned(),
        };
        let Self { model, base_url, country, class_max, .. } = self;
        format!("{model} at {base_url}, in {country}, up to {}, {key}", class_max.as_str())
    }

    /// What an operator should look at: whether it is good, and a sentence.
    pub fn checks(&self) -> Vec<(bool, String)> {
        let name = &self.name;
        let mut checks = vec![match self.config() {
            Ok(_) => (true, format!("the upstream `{name}` can be used")),
            Err(reason) => (false, format!("the upstream `{name}` is not served: {reason}")),
        }];
        let named = self.key_env.is_some() || self.key_file.is_some();
        if let Ok(address) = Address::parse(&self.base_url)
            && address.is_plain()
            && !address.is_loopback()
        {
            let also = if named { ", and so can its key" } else { "" };
            checks.push((false, format!("what goes to `{name}` can be read on the way{also}: it has no TLS")));
        }
        checks
    }

    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let plain = |text: &str| (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
        if !plain(&self.name) || self.name.contains(char::is_whitespace) {
            mistakes.push("`name`: has 1 to 256 bytes and no blanks".to_owned());
        }
        if !plain(&self.model) {
            mistakes.push("`model`: has 1 to 256 bytes".to_owned());
        }
        if let Err(reason) = Address::parse(&self.base_url) {
            mistakes.push(format!("`base_url`: {reason}"));
        }
        if self.key_env.is_some() && self.key_file.is_some() {
            mistakes.push("`key_env` and `key_file` are both there; one is enough".to_owned());
        }
        if !self.chats() && self.dimensions.is_none() {
            mistakes.push("it neither chats nor has `dimensions`".to_owned());
        }
        if self.dimensions.is_some_and(|dimensions| !(1..=65_536).contains(&dimensions)) {
            mistakes.push("`dimensions`: is 1 to 65536".to_owned());
        }
        if self.context_tokens < 64 {
            mistakes.push("`context_tokens`: is at least 64".to_owned());
        }
        let sizes = [
            ("requests_max", self.requests_max.map(|value| value as u64), 1, 65_536),
            ("connect_wait_s", self.connect_wait_s, 1, 3_600),
            ("first_wait_s", self.first_wait_s, 1, 86_400),
            ("event_wait_s", self.event_wait_s, 1, 86_400),
            ("read_wait_s", self.read_wait_s, 1, 86_400),
            ("total_wait_s", self.total_wait_s, 1, 86_400),
            ("event_bytes_max", self.event_bytes_max.map(|value| value as u64), 1_024, 64 << 20),
            ("answer_bytes_max", self.answer_bytes_max.map(|value| value as u64), 1_024, 1 << 30),
            ("retries_max", self.retries_max.map(u64::from), 0, 10),
        ];
        for (field, value, least, most) in sizes {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                mistakes.push(format!("`{field}`: is {least} to {most}"));
            }
        }
        mistakes
    }
}

/// All that is wrong with the upstreams as written.
pub fn mistakes(written: &Value) -> Vec<String> {
    let tables: Option<Vec<&Table>> =
        written.as_array().and_then(|entries| entries.iter().map(Value::as_table).collect());
    let Some(tables) = tables else { return vec!["`upstreams`: each is a table, `[[upstreams]]`".to_owned()] };
    if tables.len() > UPSTREAMS_MAX {
        return vec![format!("`upstreams`: at most {UPSTREAMS_MAX} are taken")];
    }
    let (mut all, mut names) = (Vec::new(), BTreeSet::new());
    for (index, table) in tables.into_iter().enumerate() {
        let name = table.get("name").and_then(Value::as_str);
        let place = name.map_or_else(|| format!("upstreams.{}", index + 1), |name| format!("upstreams.{name}"));
        let mut found = mistakes_of(table);
        if name.is_some_and(|name| !names.insert(name)) {
            found.push("another has the same name".to_owned());
        }
        all.extend(found.into_iter().map(|mistake| format!("`{place}`: {mistake}")));
    }
    all
}

fn mistakes_of(table: &Table) -> Vec<String> {
    let Ok(sample) = SAMPLE.parse::<Table>() else { return vec!["cannot be judged".to_owned()] };
    let mut mistakes = Vec::new();
    for needed in NEEDED.iter().filter(|needed| !table.contains_key(**needed)) {
        mistakes.push(format!("`{needed}` is missing"));
    }
    for (field, value) in table {
        if !sample.contains_key(field) {
            mistakes.push(format!("there is no setting `{field}`"));
            continue;
        }
        let mut alone = sample.clone();
        alone.insert(field.clone(), value.clone());
        if let Err(error) = Value::Table(alone).try_into::<Upstream>() {
            mistakes.push(format!("`{field}`: {}", error.message()));
        }
    }
    if mistakes.is_empty()
        && let Ok(upstream) = Value::Table(table.clone()).try_into::<Upstream>()
    {
        mistakes = upstream.mistakes();
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Option<Vec<Upstream>>) {
        let table: Table = text.parse().unwrap();
        let written = table.get("upstreams").cloned().unwrap();
        (mistakes(&written), written.try_into().ok())
    }

    const GOOD: &str = r#"
        [[upstreams]]
        name = "far"
        base_url = "https://llm.example/v1"
        model = "m"
        country = "US"
        class_max = "open"
        context_tokens = 4096
    "#;

    #[test]
    fn where_a_model_runs_and_what_it_may_see_has_no_default() {
        let (mistakes, upstreams) = read(GOOD);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let upstream = &upstreams.unwrap()[0];
        assert_eq!((upstream.terms().country, upstream.terms().class_max), ("US".parse().unwrap(), Class::Open));
        assert!(upstream.chats() && upstream.config().unwrap().cache_salt);
        let (mistakes, _) = read("[[upstreams]]\nname = \"far\"");
        assert_eq!(mistakes.len(), NEEDED.len() - 1, "{mistakes:?}");
    }

    #[test]
    fn all_mistakes_of_all_upstreams_are_named_together() {
        let text = GOOD.replace("\"open\"", "\"secret\"").replace("4096", "\"many\"") + "port = 1\n" + GOOD;
        let (mistakes, _) = read(&text);
        for part in ["class_max", "context_tokens", "no setting `port`", "the same name"] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{part} in {mistakes:?}");
        }
        let wrong = GOOD.replace("https://llm.example", "http://user:hidden@llm.example").replace("4096", "1")
            + "key_env = \"A\"\nkey_file = \"/b\"\nretries_max = 99\nchats = false\n";
        let (mistakes, _) = read(&wrong);
        for part in ["base_url", "context_tokens", "one is enough", "retries_max", "neither chats"] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{part} in {mistakes:?}");
        }
        assert!(!mistakes.join(" ").contains("hidden"), "{mistakes:?}");
        for not_tables in ["upstreams = 1", "upstreams = [1]", "[upstreams]\nname = \"x\""] {
            assert_eq!(read(not_tables).0.len(), 1, "{not_tables}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_had_keeps_its_upstream_out() {
        let (_, upstreams) = read(&(GOOD.to_owned() + "key_env = \"DURE_TEST_NO_SUCH_KEY\"\n"));
        let upstream = &upstreams.unwrap()[0];
        assert!(upstream.config().unwrap_err().contains("DURE_TEST_NO_SUCH_KEY"));
        assert!(!upstream.checks()[0].0);
        let path = std::env::temp_dir().join(format!("dure-key-{}", std::process::id()));
        std::fs::write(&path, "upstreams-key\n").unwrap();
        let (_, upstreams) = read(&format!("{GOOD}key_file = {:?}\n", path.to_str().unwrap()));
        let upstream = &upstreams.unwrap()[0];
        let config = upstream.config().unwrap();
        assert!(config.key.is_some());
        assert!(!format!("{config:?} {}", upstream.summary()).contains("upstreams-key"));
        std::fs::write(&path, "two words").unwrap();
        let error = upstream.config().unwrap_err();
        assert!(!error.contains("two words"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_example_in_the_commented_defaults_holds() {
        let lines = crate::settings::DEFAULTS.lines().skip_while(|line| *line != "# [[upstreams]]");
        let example: Vec<&str> = lines.take_while(|line| line.starts_with("# ")).map(|line| &line[2..]).collect();
        let (mistakes, upstreams) = read(&example.join("\n"));
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let sample: Table = SAMPLE.parse().unwrap();
        let known: Table = example.join("\n").parse().unwrap();
        let known = known["upstreams"][0].as_table().unwrap();
        for setting in sample.keys() {
            assert!(known.contains_key(setting) || example.iter().any(|line| line.contains(setting)), "{setting}");
        }
        let config = upstreams.unwrap()[0].config();
        assert!(config.is_err_and(|reason| reason.contains("is not set")), "the example names a key");
    }
}
