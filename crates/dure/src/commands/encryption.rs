//! `dure encryption`: what the data folder is encrypted with, on, off, and under another master key.

use std::path::Path;

use anyhow::{Context, bail};
use seal::KeyProvider;
use serde_json::{Value, json};
use store::{DataLock, StoreError, Turned};

use super::text;
use crate::cli::Encryption;
use crate::encryption::provider;
use crate::print;
use crate::settings::Settings;

/// Runs one command. No server may have the folder, but for `status`.
pub async fn run(command: &Encryption, settings: &Settings, json: bool) -> anyhow::Result<()> {
    let told = match command {
        Encryption::Status => status(settings)?,
        Encryption::On => {
            let lock = DataLock::take(&settings.data)?;
            let turned = store::turn_on(&settings.data, &lock, named(settings)?.as_ref(), now()).await?;
            told(&turned, "encrypted")
        }
        Encryption::Off => {
            let lock = DataLock::take(&settings.data)?;
            let turned = store::turn_off(&settings.data, &lock, named(settings)?.as_ref()).await?;
            told(&turned, "plain")
        }
        Encryption::Rotate { to } => rotate(settings, to.as_deref())?,
    };
    if json {
        print::out(&told.to_string());
    } else {
        print::out(&sentence(command, &told));
    }
    Ok(())
}

fn named(settings: &Settings) -> anyhow::Result<Box<dyn KeyProvider>> {
    provider(settings)?.context("the settings name no key provider: see `[encryption]`")
}

fn status(settings: &Settings) -> anyhow::Result<Value> {
    let Some(encryption) = seal::Encryption::read(&settings.data)? else {
        return Ok(json!({ "encrypted": false, "data": settings.data }));
    };
    let opened = named(settings).and_then(|provider| Ok(encryption.unlock(provider.as_ref()).map(drop)?));
    Ok(json!({
        "encrypted": true,
        "data": settings.data,
        "since": encryption.since,
        "provider": encryption.key.provider,
        "key_id": encryption.key.key_id,
        "wrapped_at": encryption.wrapped_at,
        "opens": opened.is_ok(),
        "why_not": opened.err().map(|error| format!("{error:#}")),
    }))
}

fn rotate(settings: &Settings, to: Option<&Path>) -> anyhow::Result<Value> {
    let _lock = DataLock::take(&settings.data)?;
    let encryption = seal::Encryption::read(&settings.data)?.ok_or(StoreError::AlreadyPlain)?;
    let old = named(settings)?;
    let new = match to {
        None => None,
        Some(file) => Some(named(&settings.read_other(file)?).with_context(|| format!("`{}`", file.display()))?),
    };
    let wrapped = encryption.rewrap(old.as_ref(), new.as_deref().unwrap_or(old.as_ref()), now())?;
    if to.is_some() && wrapped.key.key_id == encryption.key.key_id && wrapped.key.provider == encryption.key.provider {
        bail!("that is the master key that the data key is wrapped under already");
    }
    wrapped.write(&settings.data)?;
    Ok(json!({
        "data": settings.data,
        "provider": wrapped.key.provider,
        "key_id": wrapped.key.key_id,
        "before": { "provider": encryption.key.provider, "key_id": encryption.key.key_id },
    }))
}

fn told(turned: &Turned, is: &str) -> Value {
    json!({ "is": is, "database_bytes": turned.database_bytes, "files": turned.files })
}

fn sentence(command: &Encryption, told: &Value) -> String {
    let database = || print::bytes(told.get("database_bytes").and_then(Value::as_u64).unwrap_or(0));
    match command {
        Encryption::Status if told["encrypted"] == false => format!("{} is not encrypted", text(told, "data")),
        Encryption::Status => {
            let opens = match told["why_not"].as_str() {
                None => "the provider of the settings unwraps it".to_owned(),
                Some(why) => format!("the provider of the settings does not unwrap it: {why}"),
            };
            format!(
                "{} is encrypted since {}\nits data key is wrapped by `{}` under `{}`, at {}\n{opens}",
                text(told, "data"),
                text(told, "since"),
                text(told, "provider"),
                text(told, "key_id"),
                text(told, "wrapped_at"),
            )
        }
        Encryption::On => format!(
            "Encrypted: the database ({}), {} uploaded files, the secrets. The word index is built again at the next start.\n\
             Without the master key nobody can read this folder, nor can you: keep a copy of that key apart.\n\
             Backups from before are not encrypted, and a disk may keep old blocks for a while.",
            database(),
            text(told, "files"),
        ),
        Encryption::Off => format!(
            "Plain again: the database ({}), {} uploaded files, the secrets. Take `[encryption]` out of the settings.",
            database(),
            text(told, "files"),
        ),
        Encryption::Rotate { .. } => format!(
            "The data key is wrapped by `{}` under `{}` from now on. What was encrypted stays as it is.",
            text(told, "provider"),
            text(told, "key_id"),
        ),
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
