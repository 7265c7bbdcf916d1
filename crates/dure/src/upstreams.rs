//! Upstreams in the settings: `[[upstreams]]`, one table for each model that another server serves.
//!
//! Where a model runs and how much it may see has no default: the operator says it, or the upstream is not taken. A key
//! stands in a variable or a file that the settings name, never in the settings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Class, Country};
use engine::remote::{Address, Api, Authority, Config, Key, Limits};
use engine::{Abilities, Currency, Offer, Price};
use guard::EngineTerms;
use serde::Deserialize;
use toml::{Table, Value};

const UPSTREAMS_MAX: usize = 64;
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;
const CA_FILE_BYTES_MAX: u64 = 1 << 20;
/// Words for people: who owns an upstream, and what happens to texts there.
const WORDS_BYTES_MAX: usize = 1_024;
const LANGUAGES_MAX: usize = 64;

/// Every setting of an upstream, so that each can be tried by itself and the others are there.
const SAMPLE: &str = r#"
name = "n"
api = "openai"
base_url = "http://127.0.0.1/v1"
model = "m"
ca_file = "/c"
key_env = "K"
key_file = "/k"
country = "KR"
class_max = "open"
context_tokens = 8192
owner = "o"
retention = "r"
retention_days = 0
price_currency = "KRW"
price_in = 0
price_out = 0
tools = true
vision = false
languages = ["ko"]
chats = true
dimensions = 1
query_prefix = ""
passage_prefix = ""
cache_salt = true
sampling = true
requests_max = 1
connect_wait_s = 1
first_wait_s = 1
event_wait_s = 1
read_wait_s = 1
total_wait_s = 1
event_bytes_max = 1024
answer_bytes_max = 1024
retries_max = 0
retry_wait_s = 0
failures_max = 0
rest_wait_s = 1
"#;

const NEEDED: [&str; 6] = ["name", "base_url", "model", "country", "class_max", "context_tokens"];

/// One upstream as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub name: String,
    #[serde(default)]
    pub api: Api,
    pub base_url: String,
    pub model: String,
    pub ca_file: Option<PathBuf>,
    pub key_env: Option<String>,
    pub key_file: Option<PathBuf>,
    pub country: Country,
    pub class_max: Class,
    pub context_tokens: u32,
    pub owner: Option<String>,
    pub retention: Option<String>,
    pub retention_days: Option<u32>,
    pub price_currency: Option<Currency>,
    pub price_in: Option<u64>,
    pub price_out: Option<u64>,
    pub tools: Option<bool>,
    pub vision: Option<bool>,
    #[serde(default)]
    pub languages: Vec<String>,
    pub chats: Option<bool>,
    pub dimensions: Option<u32>,
    #[serde(default)]
    pub query_prefix: String,
    #[serde(default)]
    pub passage_prefix: String,
    pub cache_salt: Option<bool>,
    pub sampling: Option<bool>,
    pub requests_max: Option<usize>,
    pub connect_wait_s: Option<u64>,
    pub first_wait_s: Option<u64>,
    pub event_wait_s: Option<u64>,
    pub read_wait_s: Option<u64>,
    pub total_wait_s: Option<u64>,
    pub event_bytes_max: Option<usize>,
    pub answer_bytes_max: Option<usize>,
    pub retries_max: Option<u32>,
    pub retry_wait_s: Option<u64>,
    pub failures_max: Option<u32>,
    pub rest_wait_s: Option<u64>,
}

/// An owner's name as one word: `Example Inc.` is `example-inc.`.
fn one_word(name: &str) -> Option<base::Name> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect::<String>().parse().ok()
}

impl Upstream {
    /// Whether it continues chats: what embeds does not, unless it is said.
    fn chats(&self) -> bool {
        self.chats.unwrap_or(self.dimensions.is_none())
    }

    /// What governs its use.
    pub fn terms(&self) -> EngineTerms {
        // Whoever is not said to be the house is somebody else. Policies know the owner as one word.
        let owner = match self.owner.as_deref() {
            Some("house") => None,
            named => named.and_then(one_word).or_else(|| one_word("elsewhere")),
        };
        EngineTerms { name: self.name.clone(), country: self.country, class_max: self.class_max, owner }
    }

    /// What reports say of it. Of its address only where it is, not how one gets in.
    pub fn for_reports(&self) -> report::Upstream {
        let authority = self.base_url.split("://").nth(1).unwrap_or_default();
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        report::Upstream {
            name: self.name.clone(),
            model: self.model.clone(),
            host: authority.rsplit('@').next().unwrap_or_default().to_owned(),
            country: self.country,
            owner: self.owner.clone().filter(|owner| owner != "house"),
            own: self.terms().owner.is_none(),
            class_max: self.class_max,
            retention: self.retention.clone(),
            retention_days: self.retention_days,
        }
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
                let bytes =
                    small_file(path, KEY_FILE_BYTES_MAX).map_err(|why| format!("its key in `{place}`: {why}"))?;
                let text = String::from_utf8(bytes).map_err(|_| format!("its key in `{place}`: it is no text"))?;
                (text, place)
            }
            (None, None) => return Ok(None),
        };
        Key::new(&text).map(Some).map_err(|reason| format!("its key in `{place}`: {reason}"))
    }

    /// Who may vouch for it, if the settings name a file of certificates.
    fn authority(&self) -> Result<Option<Authority>, String> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let place = path.display();
        let pem = small_file(path, CA_FILE_BYTES_MAX).map_err(|why| format!("its certificates in `{place}`: {why}"))?;
        Authority::from_pem(&pem).map(Some).map_err(|why| format!("its certificates in `{place}`: {why}"))
    }

    /// What is said of it: whose it is, on what terms, for how much, and what it can do.
    fn offer(&self) -> Offer {
        let price = |((currency, micro_in), micro_out)| Price { currency, micro_in, micro_out };
        Offer {
            abilities: Abilities {
                tools: self.tools.unwrap_or(self.chats()),
                vision: self.vision.unwrap_or(false),
                embeddings: self.dimensions.is_some(),
                languages: self.languages.clone(),
            },
            owner: self.owner.clone(),
            retention: self.retention.clone(),
            retention_days: self.retention_days,
            price: self.price_currency.zip(self.price_in).zip(self.price_out).map(price),
        }
    }

    /// What the engine is told.
    ///
    /// # Errors
    /// As for [`Upstream::key`], and where its certificates cannot be had.
    pub fn config(&self) -> Result<Config, String> {
        let usual = Limits::default();
        let seconds = |given: Option<u64>, usual: Duration| given.map_or(usual, Duration::from_secs);
        Ok(Config {
            name: self.name.clone(),
            model: self.model.clone(),
            api: self.api,
            address: Address::parse(&self.base_url)?,
            authority: self.authority()?,
            key: self.key()?,
            chats: self.chats(),
            dimensions: self.dimensions,
            context_tokens: self.context_tokens,
            query_prefix: self.query_prefix.clone(),
            passage_prefix: self.passage_prefix.clone(),
            cache_salt: self.cache_salt.unwrap_or(true),
            sampling: self.sampling.unwrap_or(true),
            offer: self.offer(),
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
                retry_wait_max: seconds(self.retry_wait_s, usual.retry_wait_max),
                failures_max: self.failures_max.unwrap_or(usual.failures_max),
                rest_wait: seconds(self.rest_wait_s, usual.rest_wait),
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
        let owner = self.owner.as_ref().map_or(String::new(), |owner| format!(" of {owner}"));
        format!("{model} at {base_url}{owner}, in {country}, up to {}, {key}", class_max.as_str())
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
        if self.api == Api::Anthropic && self.dimensions.is_some() {
            mistakes.push("`dimensions`: the API `anthropic` has no embeddings".to_owned());
        }
        if !self.chats() && (self.tools == Some(true) || self.vision == Some(true)) {
            mistakes.push("`tools` and `vision` are for what chats".to_owned());
        }
        for (field, words) in [("owner", &self.owner), ("retention", &self.retention)] {
            let long = |words: &String| words.trim().is_empty() || words.len() > WORDS_BYTES_MAX;
            if words.as_ref().is_some_and(|words| long(words) || words.chars().any(char::is_control)) {
                mistakes.push(format!("`{field}`: has 1 to {WORDS_BYTES_MAX} bytes"));
            }
        }
        let priced = [self.price_currency.is_some(), self.price_in.is_some(), self.price_out.is_some()];
        if priced.contains(&true) && priced.contains(&false) {
            mistakes.push("`price_currency`, `price_in` and `price_out` are there together or not at all".to_owned());
        }
        if self.languages.len() > LANGUAGES_MAX || !self.languages.iter().all(|code| is_language(code)) {
            mistakes.push("`languages`: are codes of two or three small letters, `ko`".to_owned());
        }
        if self.ca_file.is_some() && Address::parse(&self.base_url).is_ok_and(|address| address.is_plain()) {
            mistakes.push("`ca_file`: `base_url` is no `https`".to_owned());
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
            ("retry_wait_s", self.retry_wait_s, 0, 60),
            ("failures_max", self.failures_max.map(u64::from), 0, 1_000),
            ("rest_wait_s", self.rest_wait_s, 1, 3_600),
            ("retention_days", self.retention_days.map(u64::from), 0, 36_500),
        ];
        for (field, value, least, most) in sizes {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                mistakes.push(format!("`{field}`: is {least} to {most}"));
            }
        }
        mistakes
    }
}

/// A language's code (ISO 639).
fn is_language(code: &str) -> bool {
    (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The bytes of a file that has no more than so many.
fn small_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > bytes_max {
        return Err("it is too large".to_owned());
    }
    std::fs::read(path).map_err(|error| error.to_string())
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
    fn what_is_said_of_an_upstream_is_read_from_its_engine() {
        let said = r#"
            api = "anthropic"
            owner = "Example Inc."
            retention = "kept for abuse reviews"
            retention_days = 30
            price_currency = "USD"
            price_in = 3000000
            price_out = 15000000
            vision = true
            languages = ["ko", "en"]
        "#;
        let (mistakes, upstreams) = read(&(GOOD.to_owned() + said));
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let config = upstreams.unwrap()[0].config().unwrap();
        assert_eq!(config.api, Api::Anthropic);
        let offer = engine::Engine::describe(&engine::remote::Remote::new(config).unwrap()).offer.clone();
        assert_eq!((offer.owner.as_deref(), offer.retention_days), (Some("Example Inc."), Some(30)));
        let price = Price { currency: Currency::Usd, micro_in: 3_000_000, micro_out: 15_000_000 };
        assert_eq!(offer.price, Some(price));
        let abilities =
            Abilities { tools: true, vision: true, embeddings: false, languages: vec!["ko".into(), "en".into()] };
        assert_eq!(offer.abilities, abilities);
    }

    #[test]
    fn what_is_said_wrongly_is_named() {
        for (said, part) in [
            ("price_in = 1", "together"),
            ("price_currency = \"KRW\"\nprice_in = 1.5\nprice_out = 1", "price_in"),
            ("price_currency = \"EUR\"", "price_currency"),
            ("price_in = -1", "price_in"),
            ("api = \"gemini\"", "api"),
            ("api = \"anthropic\"\ndimensions = 8\nchats = true", "no embeddings"),
            ("dimensions = 8\nvision = true", "for what chats"),
            ("languages = [\"Korean\"]", "languages"),
            ("owner = \"\"", "owner"),
            ("retention = \"a\\nb\"", "retention"),
            ("retention_days = 99999", "retention_days"),
            ("rest_wait_s = 0", "rest_wait_s"),
        ] {
            let (mistakes, _) = read(&format!("{GOOD}{said}\n"));
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{said}: {mistakes:?}");
        }
        let plain = GOOD.replace("https", "http") + "ca_file = \"/c\"\n";
        assert!(read(&plain).0[0].contains("ca_file"));
    }

    #[test]
    fn certificates_that_cannot_be_had_keep_their_upstream_out() {
        let path = std::env::temp_dir().join(format!("dure-ca-{}", std::process::id()));
        let (_, upstreams) = read(&format!("{GOOD}ca_file = {:?}\n", path.to_str().unwrap()));
        let upstream = &upstreams.unwrap()[0];
        assert!(upstream.config().unwrap_err().contains("its certificates in"));
        for wrong in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(upstream.config().unwrap_err().contains("its certificates in"), "{wrong}");
        }
        std::fs::remove_file(&path).unwrap();
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
