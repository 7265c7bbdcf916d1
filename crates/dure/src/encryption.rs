//! From the settings to whoever keeps the master key.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use seal::provider::{Command, KeyFile, Passphrase};
use seal::{Encryption, KeyProvider, Keys};
use zeroize::Zeroizing;

use crate::settings::{ProviderKind, Settings};

/// Bytes that the file of a passphrase may have.
const PASSPHRASE_BYTES_MAX: u64 = 4 << 10;

/// The provider that the settings name; none where they name none.
///
/// # Errors
/// When the master key is not there, or is none that can be used.
pub fn provider(settings: &Settings) -> anyhow::Result<Option<Box<dyn KeyProvider>>> {
    let named = &settings.encryption;
    Ok(match named.provider {
        ProviderKind::None => None,
        ProviderKind::File if named.file.as_os_str().is_empty() => {
            bail!("`encryption.provider` is \"file\", and `encryption.file` names none")
        }
        ProviderKind::File => Some(Box::new(KeyFile::read(&named.file, &settings.data)?)),
        ProviderKind::Passphrase => Some(Box::new(Passphrase::new(passphrase(settings)?)?)),
        ProviderKind::Command => {
            let wait = Duration::from_secs(named.command_wait_s.clamp(1, 3_600));
            Some(Box::new(Command::new(named.command.clone(), wait).context("`encryption.command`")?))
        }
    })
}

/// The keys of the folder, for a command that reads a secret of it while somebody else may have it open.
///
/// # Errors
/// When it is encrypted and its key is not to be had.
pub fn keys(settings: &Settings) -> anyhow::Result<Option<Keys>> {
    let Some(encryption) = Encryption::read(&settings.data)? else { return Ok(None) };
    let provider = provider(settings)?;
    let provider =
        provider.ok_or_else(|| store::StoreError::Encrypted { provider: encryption.key.provider.clone() })?;
    Ok(Some(encryption.unlock(provider.as_ref())?.keys()))
}

fn passphrase(settings: &Settings) -> anyhow::Result<Zeroizing<String>> {
    let (variable, file) = (settings.encryption.passphrase_env.as_str(), settings.encryption.passphrase_file.as_path());
    match (variable, file.as_os_str().is_empty()) {
        ("", true) => bail!(
            "`encryption.provider` is \"passphrase\", and neither `encryption.passphrase_env` nor \
             `encryption.passphrase_file` says where it is"
        ),
        ("", false) => read_passphrase(file),
        (variable, true) => {
            let text = std::env::var(variable).with_context(|| format!("${variable} holds no passphrase"))?;
            Ok(Zeroizing::new(text))
        }
        _ => bail!("`encryption.passphrase_env` and `encryption.passphrase_file` are both there; one is enough"),
    }
}

fn read_passphrase(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    use std::io::Read;
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(file).and_then(|file| file.take(PASSPHRASE_BYTES_MAX).read_to_string(&mut text));
    read.with_context(|| format!("the passphrase in `{}` cannot be read", file.display()))?;
    Ok(text)
}
