//! Gathers folders into a data folder and prints what it took as one line of JSON.
//!
//! `cargo run --release -p corpus --example gather -- DATA_FOLDER PATH…`

use std::path::PathBuf;
use std::sync::Arc;

use base::{Class, Label, Residency, TenantId};
use corpus::{AddOptions, Corpora, NewCorpus, SCHEMA};
use store::{DataLock, Store};

const TENANT: &str = "tenant_00000000000000000000000000000001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let data = arguments.next().ok_or("name a data folder and what to gather")?;
    let paths: Vec<PathBuf> = arguments.collect();
    let store = Arc::new(Store::open(&data, DataLock::take(&data)?, &[SCHEMA]).await?);
    let corpora = Corpora::new(store.clone());
    let tenant: TenantId = TENANT.parse()?;
    let corpus = match corpora.find(tenant, "gathered").await? {
        Some(corpus) => corpus,
        None => corpora.create(tenant, new_corpus()?).await?,
    };
    let report = corpora.add(&corpus, &paths, &AddOptions::default(), &|_| {}).await?;
    let status = corpora.status(corpus.id).await?;
    store.close().await;
    let peak_kib = std::fs::read_to_string("/proc/self/status")?
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    let line = serde_json::json!({ "report": report, "status": status, "peak_kib": peak_kib });
    println!("{line}");
    Ok(())
}

fn new_corpus() -> Result<NewCorpus, base::LabelError> {
    Ok(NewCorpus {
        name: "gathered".to_owned(),
        title: String::new(),
        label: Label {
            class: Class::Open,
            residency: Residency::Anywhere,
            purposes: ["answering".parse()?].into(),
            licences: [].into(),
        },
        readers: [].into(),
    })
}
