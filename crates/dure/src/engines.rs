//! Which engine serves which model: the only place that knows that models run in this house.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use engine::fake::FakeEngine;
use engine::{ChatRequest, Description, EmbedRequest, Embedding, Engine, EngineError, EventStream};
use guard::EngineTerms;
use models::{Installed, Kind, Models};
use serving::{EngineSource, ServedEngine, ServedModel};

use crate::settings::{EngineKind, Settings};

/// The name of the model that needs no model.
const FAKE: &str = "fake";

/// The engines of the models that are installed.
#[derive(Debug)]
pub struct Engines {
    settings: crate::settings::Engine,
    defaults: crate::settings::Models,
    program: PathBuf,
    served: RwLock<Served>,
}

#[derive(Debug, Default)]
struct Served {
    /// By model name; an engine lives as long as its model's file is the same.
    engines: BTreeMap<String, (base::ContentHash, Arc<dyn Engine>)>,
    models: Vec<ServedModel>,
    embedder: Option<String>,
}

impl Engines {
    /// No engine yet; [`Engines::refresh`] looks at what is installed.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            settings: settings.engine.clone(),
            defaults: settings.models.clone(),
            program: std::env::current_exe()?,
            served: RwLock::default(),
        })
    }

    /// Follows what is installed: engines for new models, none for removed ones.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn refresh(&self, models: &Models) -> anyhow::Result<()> {
        let mut new = Served::default();
        if self.settings.kind == EngineKind::Fake {
            self.add_fake(&mut new);
        } else {
            for listed in models.list().await? {
                let Some(installed) = listed.installed else { continue };
                let Some(path) = models.path(&installed.name).await? else { continue };
                if let Err(error) = self.add(&mut new, &installed, path) {
                    tracing::warn!(model = installed.name, %error, "a model is not served");
                }
            }
        }
        // The default comes first in lists, and stands where no model is named.
        new.models.sort_by_key(|model| model.name != self.defaults.chat);
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn add(&self, new: &mut Served, installed: &Installed, path: PathBuf) -> Result<(), EngineError> {
        let (metadata, name) = (&installed.metadata, installed.name.clone());
        let chats = installed.kind == Kind::Chat;
        let mut config = match installed.kind {
            Kind::Chat => llama::Config {
                context_tokens: self.settings.context_tokens.min(metadata.context_tokens.max(256)),
                slots: self.settings.slots,
                ..llama::Config::chat(&self.program, &name, path)
            },
            Kind::Embedding => llama::Config::embed(&self.program, &name, path),
        };
        config.threads = self.settings.threads;
        config.spins = self.settings.spins;
        config.queue_max = self.settings.queue_max;
        if let Some(embedding) = &installed.embedding {
            config.dimensions = Some(embedding.dimensions);
            config.unrelated_cosine = embedding.unrelated_cosine;
            config.query_prefix.clone_from(&embedding.query_prefix);
            config.passage_prefix.clone_from(&embedding.passage_prefix);
        }
        new.models.push(ServedModel {
            name: name.clone(),
            chats,
            dimensions: config.dimensions,
            context_tokens: config.context_tokens,
            installed: installed.installed_at.as_second(),
        });
        if !chats && (new.embedder.is_none() || name == self.defaults.embedding) {
            new.embedder = Some(name.clone());
        }
        let kept = self.read(|served| match served.engines.get(&name) {
            Some((hash, engine)) if *hash == installed.sha256 => Some(Arc::clone(engine)),
            _ => None,
        });
        let engine = match kept {
            Some(engine) => engine,
            None => Arc::new(llama::Engine::open(config)?),
        };
        new.engines.insert(name, (installed.sha256, engine));
        Ok(())
    }

    fn add_fake(&self, new: &mut Served) {
        let engine: Arc<dyn Engine> = Arc::new(FakeEngine::echo(FAKE));
        let described = engine.describe();
        new.models.push(ServedModel {
            name: FAKE.to_owned(),
            chats: true,
            dimensions: described.dimensions,
            context_tokens: described.context_tokens,
            installed: 0,
        });
        new.embedder = Some(FAKE.to_owned());
        new.engines.insert(FAKE.to_owned(), (base::ContentHash::of(FAKE), engine));
    }

    fn read<T>(&self, look: impl FnOnce(&Served) -> T) -> T {
        look(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn served_engine(&self, engine: Arc<dyn Engine>) -> ServedEngine {
        let name = engine.describe().model.clone();
        let terms = EngineTerms { name, country: self.settings.country, class_max: self.settings.class_max };
        ServedEngine { engine, terms }
    }
}

impl EngineSource for Engines {
    fn chat(&self, model: &str) -> Option<ServedEngine> {
        let engine = self.read(|served| served.engines.get(model).map(|(_, engine)| Arc::clone(engine)))?;
        engine.describe().chats.then(|| self.served_engine(engine))
    }

    fn embedder(&self) -> Option<ServedEngine> {
        let engine = self.read(|served| {
            let (_, engine) = served.engines.get(served.embedder.as_ref()?)?;
            Some(Arc::clone(engine))
        })?;
        Some(self.served_engine(engine))
    }

    fn models(&self) -> Vec<ServedModel> {
        self.read(|served| served.models.clone())
    }
}

/// The embedder as search knows it: always there, so that an embedding model that is installed later is used at once.
#[derive(Debug)]
pub struct Embedder {
    engines: Arc<Engines>,
    described: Description,
}

impl Embedder {
    /// Stands for the embedding model of the settings, whether it is installed yet or not.
    pub fn new(engines: Arc<Engines>, models: &Models) -> Self {
        let name = engines.defaults.embedding.clone();
        let installed = engines.embedder().map(|served| served.engine.describe().clone());
        let described = installed.unwrap_or_else(|| {
            let entry = models.catalogue().get(&name);
            let details = entry.and_then(|entry| entry.embedding.as_ref());
            Description {
                chats: false,
                dimensions: details.map(|details| details.dimensions),
                unrelated_cosine: details.and_then(|details| details.unrelated_cosine),
                context_tokens: entry.map_or(512, |entry| entry.context_tokens),
                model: name,
            }
        });
        Self { engines, described }
    }

    fn now(&self) -> Result<Arc<dyn Engine>, EngineError> {
        let model = &self.described.model;
        let served = self.engines.embedder().filter(|served| served.engine.describe().model == *model);
        served
            .map(|served| served.engine)
            .ok_or_else(|| EngineError::Unavailable { model: model.clone(), reason: "it is not installed".to_owned() })
    }
}

#[async_trait]
impl Engine for Embedder {
    fn describe(&self) -> &Description {
        &self.described
    }

    async fn chat(&self, request: ChatRequest) -> Result<EventStream, EngineError> {
        self.now()?.chat(request).await
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u32, EngineError> {
        self.now()?.count_tokens(request).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Vec<Embedding>, EngineError> {
        self.now()?.embed(request).await
    }
}
