//! `dure mask`: what would be hidden in a text, without a server.

use std::collections::BTreeMap;
use std::path::Path;

use guard::mask::{Bounds, Finding, Kinds, Masker, Packs, StandIns};
use serde_json::{Value, json};

use crate::cli::Mask;
use crate::house::masking_packs;
use crate::print;
use crate::settings::Settings;

/// Bytes of a text.
const TEXT_BYTES_MAX: u64 = 16 << 20;

pub fn run(mask: &Mask, settings: &Settings, json: bool) -> anyhow::Result<()> {
    let mut packs = masking_packs(settings)?;
    for dir in &mask.pack_dir {
        packs = packs.with(Packs::load(dir)?);
    }
    if mask.kinds_known {
        show_kinds(&packs, json);
        return Ok(());
    }
    let named: Vec<&String> = mask.pack.iter().chain(&mask.kinds).collect();
    let kinds = if named.is_empty() { Kinds::all() } else { Kinds::named(named.into_iter().cloned()) };
    let masker = Masker::new(&packs, &kinds)?;
    let file = mask.file.as_deref().unwrap_or(Path::new("-"));
    let text = super::log::read_text(file, TEXT_BYTES_MAX)?;
    let masked = masker.mask_within(&text, &mut StandIns::default(), Bounds::default())?;
    if json {
        print::out(&json!({ "text": masked.text, "findings": masked.findings }).to_string());
        return Ok(());
    }
    print::out_part(&masked.text);
    if !masked.text.ends_with('\n') {
        print::out("");
    }
    // Beside the text, so that the text alone can be piped on.
    eprintln!("{}", told(&masked.findings));
    Ok(())
}

fn told(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing to hide was found".to_owned();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        *counts.entry(&finding.kind).or_default() += 1;
    }
    let counted: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    format!("hidden: {}", counted.join(", "))
}

fn show_kinds(packs: &Packs, json: bool) {
    let kinds: Vec<_> = packs.kinds().collect();
    if json {
        let all: Vec<Value> = kinds
            .iter()
            .map(|(name, label, pack, default)| json!({ "kind": name, "label": label, "pack": pack, "default": default }))
            .collect();
        print::out(&Value::Array(all).to_string());
        return;
    }
    let mut rows = vec![["KIND", "LABEL", "PACK", "BY DEFAULT"].map(str::to_owned).to_vec()];
    for (name, label, pack, default) in kinds {
        let default = if default { "yes" } else { "no" };
        rows.push([name, label, pack, default].map(str::to_owned).to_vec());
    }
    print::table(&rows);
}
