//! The wiring: an open data folder with every capability in its place.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use gateway::{App, Bounds, Console, OperatorKey};
use store::{DataLock, Schema, Store};
use tokio::task::JoinHandle;

use crate::engines::{Embedder, Engines};
use crate::settings::Settings;

const SCHEMAS: &[Schema] = &[tenancy::SCHEMA, models::SCHEMA, corpus::SCHEMA, retrieval::SCHEMA, serving::SCHEMA];

/// The tenant that is there from the first day.
const FIRST_TENANT: &str = "default";

/// An open data folder.
pub struct House {
    pub app: Arc<App>,
    store: Arc<Store>,
    following: JoinHandle<()>,
}

impl House {
    /// Opens the data folder of the settings, which nobody else may have open.
    ///
    /// # Errors
    /// When the folder is in use or damaged.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let lock = DataLock::take(&settings.data)?;
        let operator = operator_key(&settings.data)?;
        let store = Arc::new(Store::open(&settings.data, lock, SCHEMAS).await?);
        let tenancy = Arc::new(tenancy::Tenancy::open(Arc::clone(&store)).await?);
        if tenancy.tenants().is_empty() {
            tenancy.create_tenant(FIRST_TENANT, None).await?;
        }
        let models = Arc::new(models::Models::open(
            Arc::clone(&store),
            models::Config {
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
        let parts = serving::Parts {
            store: Arc::clone(&store),
            tenancy: Arc::clone(&tenancy),
            search: Arc::clone(&search),
            engines: source,
        };
        let serving = serving::Serving::open(parts, serving::Config::default()).await?;
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
        let app = Arc::new(App {
            tenancy,
            guard: guard::Guard,
            corpora,
            search,
            models,
            serving: Arc::new(serving),
            models_changed,
            operator: OperatorKey::new(&operator),
            bounds: Bounds {
                body_bytes_max: settings.server.body_bytes_max,
                requests_max: settings.server.requests_max,
                hosts: settings.server.hosts.clone(),
            },
            console: match settings.server.console_dir.as_str() {
                "" => Console::Embedded,
                folder => Console::Folder(folder.into()),
            },
        });
        Ok(Self { app, store, following })
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
        let flushed = self.app.tenancy.flush().await;
        // Background work holds readers; it must let go before the database folds its log in.
        self.app.search.close().await;
        let _ = tokio::time::timeout(Duration::from_secs(5), self.store.close()).await;
        Ok(flushed?)
    }
}

/// The secret by which the command line on this machine is known, made at the first start.
///
/// # Errors
/// When it is there and cannot be read: then nothing starts, rather than starting with another secret.
pub fn operator_key(dir: &Path) -> anyhow::Result<String> {
    let path = operator_key_path(dir);
    match read_operator_key(dir) {
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
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(text)
}

/// Reads the secret of a folder that is somebody's already.
///
/// # Errors
/// When it is not there, not readable, or no secret.
pub fn read_operator_key(dir: &Path) -> io::Result<String> {
    let text = fs::read_to_string(operator_key_path(dir))?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no operator key"))
    }
}

fn operator_key_path(dir: &Path) -> PathBuf {
    dir.join("operator.key")
}
