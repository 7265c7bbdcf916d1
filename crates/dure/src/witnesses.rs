//! The way to the log's witnesses. What goes there is a checkpoint (a size, a hash, a signature) and hashes that show that
//! the log only grew; nothing of any entry.

use std::time::Duration;

use anyhow::{Context, bail};
use guard::{Receipts, WitnessLine};
use ledger::{KeyKind, Transport, VerifierKey, WitnessReply};
use tokio::task::JoinHandle;

use crate::outward;
use crate::settings::Settings;

/// Where the largest cosigned checkpoint is kept, in the data folder.
pub const KEPT: &str = "witnessed.note";

const REPLY_BYTES_MAX: u64 = 64 << 10;
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Has the log cosigned from now on, if the settings name witnesses.
///
/// # Errors
/// When a witness of the settings cannot be one.
pub fn start(settings: &Settings, receipts: &Receipts) -> anyhow::Result<Option<JoinHandle<()>>> {
    let lines = settings.ledger.witnesses.iter().map(|written| {
        line(written).with_context(|| format!("`ledger.witnesses`: `{written}` is no key and address of a witness"))
    });
    let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
    if lines.is_empty() {
        return Ok(None);
    }
    let every = Duration::from_secs(settings.ledger.witness_every_s.max(1));
    Ok(Some(receipts.witness(lines, every, settings.data.join(KEPT))))
}

/// Reads `KEY ADDRESS`.
fn line(written: &str) -> anyhow::Result<WitnessLine> {
    let (key, address) = written.split_once(' ').context("a space parts the key from the address")?;
    let key: VerifierKey = key.parse()?;
    if key.kind() != KeyKind::Cosignature {
        bail!("a witness's key is one for cosignatures");
    }
    let address: http::Uri = address.trim().parse()?;
    let host = address.host().context("the address has no host")?;
    let inside = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match address.scheme_str() {
        Some("https") => {}
        Some("http") if inside => {}
        _ => bail!("the address is `https`, or of this machine"),
    }
    let door = format!("{}/add-checkpoint", address.to_string().trim_end_matches('/'));
    Ok(WitnessLine { key, transport: Box::new(Post { agent: outward::agent(WAIT_MAX), door }) })
}

struct Post {
    agent: ureq::Agent,
    door: String,
}

impl Transport for Post {
    fn add_checkpoint(&mut self, body: &[u8]) -> Result<WitnessReply, String> {
        let mut reply = self.agent.post(&self.door).send(body).map_err(|error| error.to_string())?;
        let status = reply.status().as_u16();
        let body = reply.body_mut().with_config().limit(REPLY_BYTES_MAX).read_to_vec();
        Ok(WitnessReply { status, body: body.map_err(|error| error.to_string())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "witness.example/w1+3a2b6b9d+BAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    #[test]
    fn only_a_witnesss_key_and_a_safe_address_are_taken() {
        for wrong in [
            "",
            "witness.example",
            "https://witness.example",
            "witness.example+1+x https://witness.example",
            &format!("{KEY} http://witness.example"),
            &format!("{KEY} ftp://127.0.0.1"),
            &format!("{KEY} /add"),
        ] {
            assert!(line(wrong).is_err(), "{wrong}");
        }
    }
}
