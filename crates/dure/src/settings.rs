//! Settings, read once: defaults, then the file, then the environment, then flags.
//!
//! The defaults are the commented file `settings.toml`, embedded, so what is documented is what holds. All mistakes
//! are reported together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base::{Class, Country};
use serde::Deserialize;
use toml::{Table, Value};

use crate::upstreams::{self, Upstream};

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("../../../settings.toml");

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub tls: Tls,
    pub engine: Engine,
    pub models: Models,
    pub search: Search,
    pub metrics: Metrics,
    pub otel: Otel,
    pub history: History,
    pub answers: Answers,
    pub ledger: Ledger,
    pub encryption: Encryption,
    pub log: Log,
    /// Models that other servers serve.
    #[serde(default)]
    pub upstreams: Vec<Upstream>,
    /// The data folder.
    #[serde(skip)]
    pub data: PathBuf,
    /// The values as written, for showing.
    #[serde(skip)]
    pub table: Table,
    /// Where each value came from.
    #[serde(skip)]
    pub origins: BTreeMap<String, Origin>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub hosts: Vec<String>,
    pub body_bytes_max: usize,
    pub upload_bytes_max: usize,
    pub requests_max: usize,
    pub connections_max: usize,
    pub connections_per_peer_max: usize,
    pub drain_s: u64,
    pub console_dir: String,
}

/// Where contained answers may lead.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "AnswersWritten")]
pub struct Answers {
    pub hosts: guard::contain::Hosts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswersWritten {
    link_hosts: Vec<String>,
    image_hosts: Vec<String>,
}

impl TryFrom<AnswersWritten> for Answers {
    type Error = guard::contain::HostError;

    fn try_from(written: AnswersWritten) -> Result<Self, Self::Error> {
        Ok(Self { hosts: guard::contain::Hosts::new(&written.link_hosts, &written.image_hosts)? })
    }
}

/// TLS, where one of the files is named. What is not absolute lies in the data folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    Llama,
    Fake,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    pub kind: EngineKind,
    pub country: Country,
    pub class_max: Class,
    pub slots: u32,
    pub threads: u32,
    pub spins: u32,
    pub context_tokens: u32,
    pub queue_max: usize,
    pub queue_each_max: usize,
    pub fake_tokens_a_second: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    pub chat: String,
    pub embedding: String,
    pub python: PathBuf,
    pub hugging_face: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    pub index_threads: usize,
    pub index_memory_bytes: usize,
    pub searches_max: usize,
    pub background: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
}

/// An empty text stands for no address.
fn address_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otel {
    pub endpoint: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub enabled: bool,
    pub keep_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pub durability: guard::Durability,
    pub origin: String,
    pub memory: PathBuf,
    pub witnesses: Vec<String>,
    pub witness_every_s: u64,
}

/// Who keeps the master key, and where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    pub provider: ProviderKind,
    pub file: PathBuf,
    pub passphrase_env: String,
    pub passphrase_file: PathBuf,
    pub command: Vec<String>,
    pub command_wait_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    #[serde(rename = "")]
    None,
    File,
    Passphrase,
    Command,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "${name}"),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// What the command line says of settings.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub data: Option<PathBuf>,
    pub settings: Option<PathBuf>,
    pub listen: Option<String>,
}

impl Settings {
    /// The files of TLS, if this server is to speak it. Naming one of them is asking for TLS, so that a forgotten
    /// other one stops the server rather than TLS.
    pub fn tls_files(&self) -> Option<gateway::TlsFiles> {
        let Tls { certificate, key, client_ca } = &self.tls;
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        if ![certificate, key, client_ca].into_iter().any(named) {
            return None;
        }
        Some(gateway::TlsFiles {
            certificate: self.data.join(certificate),
            key: self.data.join(key),
            client_ca: named(client_ca).then(|| self.data.join(client_ca)),
        })
    }

    /// Reads all settings.
    ///
    /// # Errors
    /// One error that names every mistake.
    pub fn read(flags: &Flags) -> anyhow::Result<Self> {
        Self::read_from(flags, &|name| std::env::var(name).ok())
    }

    /// The settings as another file has them, with none of the environment's on encryption.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn read_other(&self, file: &Path) -> anyhow::Result<Self> {
        let flags = Flags { data: Some(self.data.clone()), settings: Some(file.to_owned()), listen: None };
        Self::read_from(&flags, &|name| std::env::var(name).ok().filter(|_| !name.starts_with("DURE_ENCRYPTION_")))
    }

    fn read_from(flags: &Flags, environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let data = data_folder(flags, environment)?;
        let mut table: Table = DEFAULTS.parse().context("the defaults are broken")?;
        let mut origins = BTreeMap::new();
        for (section, name) in names(&table) {
            origins.insert(format!("{section}.{name}"), Origin::Default);
        }
        let mut mistakes = Vec::new();
        if let Some((path, text)) = file(flags, &data)? {
            match text.parse::<Table>() {
                Ok(over) => lay_over(&mut table, over, &path, &mut origins, &mut mistakes),
                Err(error) => mistakes.push(format!("{}: {}", path.display(), error.message())),
            }
        }
        mistakes.extend(table.get("upstreams").map(upstreams::mistakes).unwrap_or_default());
        // What is laid over a wrong value must not hide it until the day when it is taken away.
        mistakes.extend(wrong_values(&table));
        for (section, name) in names(&table) {
            let variable = format!("DURE_{}_{}", section.to_uppercase(), name.to_uppercase());
            if let Some(text) = environment(&variable)
                && let Some(Value::Table(values)) = table.get_mut(&section)
            {
                let old = values.get(&name).cloned().unwrap_or(Value::Boolean(false));
                match like(&old, &text) {
                    Ok(value) => {
                        values.insert(name.clone(), value);
                        origins.insert(format!("{section}.{name}"), Origin::Environment(variable));
                    }
                    Err(wanted) => mistakes.push(format!("${variable}: `{text}` is not {wanted}")),
                }
            }
        }
        if let (Some(listen), Some(Value::Table(server))) = (&flags.listen, table.get_mut("server")) {
            server.insert("listen".to_owned(), Value::String(listen.clone()));
            origins.insert("server.listen".to_owned(), Origin::Flag("--listen"));
        }
        mistakes.extend(wrong_values(&table));
        let mut seen = std::collections::BTreeSet::new();
        mistakes.retain(|mistake| seen.insert(mistake.clone()));
        if !mistakes.is_empty() {
            bail!("the settings have mistakes:\n  {}", mistakes.join("\n  "));
        }
        let mut settings: Settings = Value::Table(table.clone()).try_into().context("the settings cannot be used")?;
        settings.data = data;
        settings.table = table;
        settings.origins = origins;
        Ok(settings)
    }
}

fn data_folder(flags: &Flags, environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<PathBuf> {
    let named = flags.data.clone().or_else(|| environment("DURE_DATA").map(PathBuf::from));
    let folder = match named {
        Some(folder) => folder,
        None => {
            let home = environment("XDG_DATA_HOME")
                .map(PathBuf::from)
                .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".local/share")))
                .context("name a data folder with `--data DIR`; neither HOME nor DURE_DATA is set")?;
            home.join("dure")
        }
    };
    std::path::absolute(&folder).with_context(|| format!("`{}` is not a usable path", folder.display()))
}

fn file(flags: &Flags, data: &Path) -> anyhow::Result<Option<(PathBuf, String)>> {
    let (path, needed) = match &flags.settings {
        Some(path) => (path.clone(), true),
        None => (data.join("settings.toml"), false),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !needed => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the settings in `{}` cannot be read", path.display())),
    }
}

fn names(table: &Table) -> Vec<(String, String)> {
    table
        .iter()
        .filter(|(section, _)| *section != "upstreams")
        .filter_map(|(section, values)| Some((section, values.as_table()?)))
        .flat_map(|(section, values)| values.keys().map(move |name| (section.clone(), name.clone())))
        .collect()
}

fn lay_over(
    table: &mut Table,
    over: Table,
    path: &Path,
    origins: &mut BTreeMap<String, Origin>,
    mistakes: &mut Vec<String>,
) {
    for (section, values) in over {
        if section == "upstreams" {
            table.insert(section.clone(), values);
            origins.insert(section, Origin::File(path.to_owned()));
            continue;
        }
        let (Some(Value::Table(known)), Value::Table(values)) = (table.get_mut(&section), values) else {
            mistakes.push(format!("{}: there is no section `[{section}]`", path.display()));
            continue;
        };
        for (name, value) in values {
            if !known.contains_key(&name) {
                mistakes.push(format!("{}: `[{section}]` has no setting `{name}`", path.display()));
                continue;
            }
            known.insert(name.clone(), value);
            origins.insert(format!("{section}.{name}"), Origin::File(path.to_owned()));
        }
    }
}

/// A text from the environment, as a value of the kind that the default has.
fn like(old: &Value, text: &str) -> Result<Value, &'static str> {
    match old {
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| "a whole number"),
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| "`true` or `false`"),
        Value::Array(_) => Ok(Value::Array(text.split(',').filter(|part| !part.is_empty()).map(Value::from).collect())),
        _ => Ok(Value::from(text)),
    }
}

/// Tries each value by itself in a table of defaults, so that one mistake does not hide the next.
fn wrong_values(table: &Table) -> Vec<String> {
    let Ok(defaults) = DEFAULTS.parse::<Table>() else { return Vec::new() };
    let mut wrong = Vec::new();
    for (section, name) in names(table) {
        let mut alone = defaults.clone();
        let value = table.get(&section).and_then(|values| values.get(&name)).cloned();
        if let (Some(Value::Table(values)), Some(value)) = (alone.get_mut(&section), value) {
            values.insert(name.clone(), value);
        }
        if let Err(error) = Value::Table(alone).try_into::<Settings>() {
            wrong.push(format!("`{section}.{name}`: {}", error.message()));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: Option<&str>, environment: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let dir = std::env::temp_dir().join(format!("dure-settings-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{:?}.toml", std::thread::current().id()));
        if let Some(text) = file {
            std::fs::write(&path, text)?;
        }
        let flags = Flags { data: Some(dir), settings: file.is_some().then_some(path), ..Flags::default() };
        Settings::read_from(&flags, &|name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_defaults_hold_and_each_layer_stands_above_the_one_before() {
        let settings = read(None, &[]).unwrap();
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:7400");
        assert!(settings.origins.values().all(|origin| *origin == Origin::Default));
        let settings = read(
            Some("[server]\nlisten = \"127.0.0.1:1\"\n[engine]\nslots = 2"),
            &[("DURE_SERVER_LISTEN", "127.0.0.1:2"), ("DURE_SERVER_HOSTS", "a.example,b.example")],
        )
        .unwrap();
        assert_eq!((settings.server.listen.port(), settings.engine.slots), (2, 2));
        assert_eq!(settings.server.hosts, ["a.example", "b.example"]);
        assert!(matches!(settings.origins["engine.slots"], Origin::File(_)));
        assert!(matches!(settings.origins["server.listen"], Origin::Environment(_)));
    }

    #[test]
    fn all_mistakes_are_named_together() {
        let text = "[server]\nlisten = \"nowhere\"\nport = 1\n[motor]\nx = 1\n[engine]\nclass_max = \"secret\"";
        let error = read(Some(text), &[("DURE_ENGINE_SLOTS", "many")]).unwrap_err().to_string();
        for part in ["server.listen", "no setting `port`", "`[motor]`", "engine.class_max", "$DURE_ENGINE_SLOTS"] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn what_is_laid_over_a_wrong_value_does_not_hide_it() {
        let error = read(Some("[server]\nlisten = \"nowhere\""), &[("DURE_SERVER_LISTEN", "127.0.0.1:2")]).unwrap_err();
        assert_eq!(error.to_string().matches("server.listen").count(), 1, "{error}");
    }

    #[test]
    fn a_host_that_is_none_is_named_before_anything_starts() {
        let hosts = |text| read(Some(text), &[]).unwrap().answers.hosts;
        assert_ne!(hosts("[answers]\nlink_hosts = [\"www.city.example\", \"*.law.example\"]"), Default::default());
        assert_eq!(hosts(""), Default::default());
        let text = "[answers]\nlink_hosts = [\"https://www.city.example\"]\nimage_hosts = [\"*\"]";
        let error = read(Some(text), &[]).unwrap_err().to_string();
        for part in
            ["answers.link_hosts", "`https://www.city.example` is no host", "answers.image_hosts", "`*` is no host"]
        {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_settings_file_that_is_named_must_be_there() {
        let flags = Flags {
            data: Some("/nonexistent".into()),
            settings: Some("/nonexistent/s.toml".into()),
            ..Flags::default()
        };
        assert!(Settings::read_from(&flags, &|_| None).is_err());
    }
}
