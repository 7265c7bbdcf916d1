//! The wiring: an open data folder with every capability in its place.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use gateway::{App, Bounds, Console, OperatorKey, Watch};
use prometheus_client::registry::Registry;
use seal::Keys;
use store::{DataLock, Schema, Store};
use tokio::task::JoinHandle;

use crate::commands::policy::mistakes;
use crate::engines::{Embedder, Engines};
use crate::keeper::Keeper;
use crate::settings::Settings;
use crate::upstreams::Upstream;
use crate::watch::{EngineLoads, Machine, Probe};

/// The tables of every crate, in the order in which they are brought to their newest step.
pub const SCHEMAS: &[Schema] =
    &[guard::SCHEMA, tenancy::SCHEMA, models::SCHEMA, corpus::SCHEMA, retrieval::SCHEMA, serving::SCHEMA];

/// The tenant that is there from the first day.
const FIRST_TENANT: &str = "default";

const POLICIES_LOOKED_AT_EVERY: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// An open data folder.
pub struct House {
    pub app: Arc<App>,
    store: Arc<Store>,
    following: JoinHandle<()>,
    probing: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    filing: JoinHandle<()>,
    ruling: JoinHandle<()>,
}

impl House {
    /// Opens the data folder of the settings, which nobody else may have open.
    ///
    /// # Errors
    /// When the folder is in use or damaged.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let lock = DataLock::take(&settings.data)?;
        let provider = crate::encryption::provider(settings)?;
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let store = Arc::new(match store::unlock(&settings.data, &lock, provider.as_deref(), now)? {
            Some(keys) => Store::open_encrypted(&settings.data, lock, SCHEMAS, keys).await?,
            None => Store::open(&settings.data, lock, SCHEMAS).await?,
        });
        let operator = secret(&settings.data, OPERATOR_KEY, store.keys())?;
        let guard = guard(settings)?;
        let receipts = guard::Receipts::open(
            &ledger_place(settings, store.keys())?,
            Arc::clone(&store),
            settings.ledger.durability,
        )
        .await?;
        let filing = receipts.follow();
        let ruling = tokio::spawn(follow_policies(guard.clone(), settings.data.join(POLICY)));
        let tenancy = Arc::new(tenancy::Tenancy::open(Arc::clone(&store)).await?);
        if tenancy.tenants().is_empty() {
            tenancy.create_tenant(FIRST_TENANT, None).await?;
        }
        let models = Arc::new(models::Models::open(
            Arc::clone(&store),
            models::Config {
                defaults: vec![settings.models.chat.clone(), settings.models.embedding.clone()],
                python: settings.models.python.clone(),
                hugging_face: settings.models.hugging_face.clone(),
                ..models::Config::default()
            },
        )?);
        let engines = Arc::new(Engines::new(settings)?);
        engines.refresh(&models).await?;
        let corpora = Arc::new(corpus::Corpora::new(Arc::clone(&store)));
        let embedder: Arc<dyn engine::Engine> = Arc::new(Embedder::new(Arc::clone(&engines), &models));
        let search = retrieval::Search::open(
            Arc::clone(&store),
            Arc::clone(&corpora),
            Some(embedder),
            retrieval::Config {
                threads: settings.search.index_threads,
                memory_bytes: settings.search.index_memory_bytes,
                searches_max: settings.search.searches_max,
                background: settings.search.background,
                ..retrieval::Config::new(settings.data.join("index").join("words"))
            },
        )
        .await?;
        let source: Arc<dyn serving::EngineSource> = Arc::clone(&engines) as _;
        let approvals = Arc::new(guard::Approvals::open(Arc::clone(&store), guard.clone()).await?);
        let parts = serving::Parts {
            store: Arc::clone(&store),
            tenancy: Arc::clone(&tenancy),
            search: Arc::clone(&search),
            engines: source,
            guard: guard.clone(),
            approvals: Arc::clone(&approvals),
            receipts: Arc::clone(&receipts),
        };
        let serving = Arc::new(serving::Serving::open(parts, serving_config(settings)).await?);
        let sweeping = tokio::spawn(sweep(Arc::clone(&serving)));
        let mut registry = Registry::default();
        tenancy.register(&mut registry);
        search.register(&mut registry);
        serving.register(&mut registry);
        registry.register_collector(Box::new(EngineLoads(Arc::clone(&engines))));
        registry.register_collector(Box::new(Machine { data: settings.data.clone() }));
        let probe = Probe { store: Arc::clone(&store), engines: Arc::clone(&engines), data: settings.data.clone() };
        let (ready, probing) = probe.start().await;
        let (models_changed, mut changes) = tokio::sync::watch::channel(0);
        let following = {
            let models = Arc::clone(&models);
            tokio::spawn(async move {
                while changes.changed().await.is_ok() {
                    if let Err(error) = engines.refresh(&models).await {
                        tracing::error!(%error, "what is installed could not be read");
                    }
                }
            })
        };
        let keeper = Keeper { store: Arc::clone(&store), corpora: Arc::clone(&corpora), models: Arc::clone(&models) };
        let files = Arc::new(corpus::Files::new(Arc::clone(&store), Arc::clone(&corpora)));
        let app = Arc::new(App {
            idempotency: tenancy::Idempotency::new(Arc::clone(&store)),
            keeper: Arc::new(keeper),
            tenancy,
            guard,
            approvals,
            corpora,
            files,
            search,
            models,
            serving,
            reports: reports(settings, &receipts)?,
            receipts,
            models_changed,
            jobs: gateway::Jobs::default(),
            about: gateway::About {
                data: settings.data.clone(),
                country: settings.engine.country,
                settings: crate::shown::settings(settings),
                started: jiff::Timestamp::now(),
            },
            operator: OperatorKey::new(&operator),
            stage: tokio::sync::watch::Sender::new(gateway::Stage::Serving),
            bounds: Bounds {
                body_bytes_max: settings.server.body_bytes_max,
                upload_bytes_max: settings.server.upload_bytes_max,
                requests_max: settings.server.requests_max,
                connections_max: settings.server.connections_max,
                connections_per_peer_max: settings.server.connections_per_peer_max,
                hosts: hosts(settings),
            },
            console: match settings.server.console_dir.as_str() {
                "" => Console::Embedded,
                folder => Console::Folder(folder.into()),
            },
            watch: Watch::new(registry, ready, !settings.otel.endpoint.is_empty()),
        });
        Ok(Self { app, store, following, probing, sweeping, filing, ruling })
    }

    /// The doors.
    pub fn router(&self) -> Router {
        gateway::router(Arc::clone(&self.app))
    }

    /// Writes down where the API listens.
    pub fn announce(&self, address: std::net::SocketAddr) -> anyhow::Result<()> {
        Ok(self.store.announce(Some(address))?)
    }

    /// Settles what is open and closes the folder.
    ///
    /// # Errors
    /// When the quota counters could not be written; what was leased then counts as used.
    pub async fn close(self) -> anyhow::Result<()> {
        self.following.abort();
        self.probing.abort();
        self.sweeping.abort();
        self.filing.abort();
        self.ruling.abort();
        self.app.serving.history().close().await;
        let flushed = self.app.tenancy.flush().await;
        // After whatever still leaves a receipt, before what is beside the ledger is closed.
        if let Err(error) = self.app.receipts.close().await {
            tracing::error!(%error, "the ledger was not closed cleanly");
        }
        // Background work holds readers; it must let go before the database folds its log in.
        self.app.search.close().await;
        let _ = tokio::time::timeout(Duration::from_secs(5), self.store.close()).await;
        Ok(flushed?)
    }
}

/// The names that requests may be addressed to. The address set apart for metrics is one of them: Prometheus asks it by
/// its number, and a number cannot be made to lead elsewhere.
fn hosts(settings: &Settings) -> Vec<String> {
    let apart = settings.metrics.listen.map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    settings.server.hosts.iter().cloned().chain(apart.map(|ip| ip.to_string())).collect()
}

fn serving_config(settings: &Settings) -> serving::Config {
    let turns = serving::TurnBounds {
        waiting_max: settings.engine.queue_max,
        waiting_each_max: settings.engine.queue_each_max,
    };
    let history = serving::HistoryConfig {
        enabled: settings.history.enabled,
        keep_days: settings.history.keep_days,
        ..serving::HistoryConfig::default()
    };
    serving::Config { turns, history, ..serving::Config::default() }
}

/// Reports, in the forms of the country that the house stands in.
///
/// # Errors
/// When the operator's own forms have a mistake.
fn reports(settings: &Settings, receipts: &Arc<guard::Receipts>) -> anyhow::Result<report::Reports> {
    let upstreams = settings.upstreams.iter().map(Upstream::for_reports).collect();
    let program = format!("dure {}", env!("CARGO_PKG_VERSION"));
    let packs = settings.data.join(PACKS);
    Ok(report::Reports::open(Arc::clone(receipts), settings.engine.country, &packs, upstreams, program)?)
}

/// Deletes what is older than it is kept, now and then.
async fn sweep(serving: Arc<serving::Serving>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if let Err(error) = serving.history().sweep().await {
            tracing::error!(%error, "what is older than it is kept was not deleted");
        }
    }
}

/// The secret by which the command line on this machine is known.
const OPERATOR_KEY: &str = "operator.key";
/// The secret that signs the ledger's checkpoints.
const LEDGER_KEY: &str = "ledger.key";

/// The folder of the operator's own packs, in the data folder.
const PACKS: &str = "packs";

/// What personal data looks like: the program's packs, and the operator's own.
///
/// # Errors
/// When one of them has a mistake.
pub fn masking_packs(settings: &Settings) -> Result<guard::mask::Packs, guard::mask::PackError> {
    guard::mask::Packs::of_house(&settings.data.join(PACKS))
}

/// The folder of the institution's own policies, in the data folder.
pub const POLICY: &str = "policy";

/// What may happen: the policies of the data folder, or the starting ones where it has none.
///
/// # Errors
/// When a policy has a mistake: then nothing starts, rather than starting with other policies.
fn guard(settings: &Settings) -> anyhow::Result<guard::Guard> {
    let dir = settings.data.join(POLICY);
    let packs = masking_packs(settings)?;
    let policies = guard::policy::Policies::load(&dir, &packs).map_err(|problems| mistakes(&problems))?;
    let guard = guard::Guard::new(policies, settings.engine.country).masking(packs);
    Ok(guard.leading_to(settings.answers.hosts.clone()))
}

/// Takes changed policies when their folder changes. With a mistake in them the ones from before stay.
async fn follow_policies(guard: guard::Guard, dir: PathBuf) {
    let mut seen = fingerprint(&dir);
    loop {
        tokio::time::sleep(POLICIES_LOOKED_AT_EVERY).await;
        let now = fingerprint(&dir);
        if now == seen {
            continue;
        }
        seen = now;
        let (reading, folder) = (guard.clone(), dir.clone());
        match tokio::task::spawn_blocking(move || reading.reload(&folder)).await {
            Ok(Ok((before, after))) if before != after => tracing::info!(%before, %after, "the policies were renewed"),
            Ok(Ok(_)) => {}
            Ok(Err(problems)) => {
                for problem in problems {
                    tracing::error!(%problem, "the new policies cannot be used; the ones from before stay");
                }
            }
            Err(error) => tracing::error!(%error, "the policies were not read"),
        }
    }
}

/// What changes when somebody changes a file of the folder.
fn fingerprint(dir: &Path) -> Vec<(std::ffi::OsString, u64, Option<std::time::SystemTime>)> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((entry.file_name(), metadata.len(), metadata.modified().ok()))
        })
        .collect();
    files.sort();
    files
}

/// Where the ledger is, and what signs it.
///
/// # Errors
/// When there is a ledger and no key: a new key would begin another log, which is not done unasked.
fn ledger_place(settings: &Settings, keys: Option<&Keys>) -> anyhow::Result<guard::LedgerPlace> {
    let folder = settings.data.join("ledger");
    if folder.exists() && !settings.data.join(LEDGER_KEY).exists() {
        bail!(
            "`{}` holds a ledger, and the key that signs it is gone; put `{LEDGER_KEY}` back, or move the folder away \
             and begin a new one",
            folder.display()
        );
    }
    let mut key = [0; 32];
    hex::decode_to_slice(secret(&settings.data, LEDGER_KEY, keys)?, &mut key)
        .with_context(|| format!("`{LEDGER_KEY}` is no key"))?;
    let mut place = guard::LedgerPlace::new(&settings.data, key);
    if !settings.ledger.origin.is_empty() {
        place.origin.clone_from(&settings.ledger.origin);
    }
    place.memory = ledger_memory(settings);
    Ok(place)
}

/// The file that remembers the highest checkpoint that was signed.
pub fn ledger_memory(settings: &Settings) -> PathBuf {
    match settings.ledger.memory.as_os_str().is_empty() {
        true => settings.data.join("ledger.memory"),
        false => settings.data.join(&settings.ledger.memory),
    }
}

/// The key by which others verify this installation's ledger.
///
/// # Errors
/// When there is no ledger yet.
pub fn verifier_key(settings: &Settings) -> anyhow::Result<ledger::VerifierKey> {
    let path = settings.data.join(LEDGER_KEY);
    if !path.exists() {
        bail!("`{}` has no ledger of its own; name the log's folder and its key", settings.data.display());
    }
    Ok(ledger_place(settings, crate::encryption::keys(settings)?.as_ref())?.verifier_key()?)
}

/// A secret of this installation, made at the first start.
///
/// # Errors
/// When it is there and cannot be read: then nothing starts, rather than starting with another secret.
fn secret(dir: &Path, name: &str, keys: Option<&Keys>) -> anyhow::Result<String> {
    let path = dir.join(name);
    match read_secret(&path, keys) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.with_context(|| format!("`{}` cannot be read", path.display())),
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    let text = hex::encode(secret);
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&store::seal_secret(keys, name, &text)?)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(text)
}

fn read_secret(path: &Path, keys: Option<&Keys>) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = store::open_secret(keys, name, &fs::read(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no key of this installation"))
    }
}

/// Reads the secret by which the command line is known, of a folder that is somebody's already.
///
/// # Errors
/// When it is not there, not readable, or no secret.
pub fn read_operator_key(settings: &Settings) -> anyhow::Result<String> {
    let keys = crate::encryption::keys(settings)?;
    Ok(read_secret(&settings.data.join(OPERATOR_KEY), keys.as_ref())?)
}
