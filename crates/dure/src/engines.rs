//! Which engine serves which model: the only place that knows that models run in this house.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use engine::fake::{FakeEngine, Gate};
use engine::remote::Remote;
use engine::{ChatRequest, Description, EmbedRequest, Embedding, Engine, EngineError, EventStream, Load, Offer};
use guard::EngineTerms;
use models::{Installed, Kind, Models};
use serving::{EngineSource, ServedEngine, ServedModel};

use crate::settings::{EngineKind, Settings};
use crate::upstreams::Upstream;

/// Requests that an upstream is given at the same time. It has a queue of its own and says when that is full.
const UPSTREAM_AT_ONCE: usize = 4_096;

/// The name of the model that needs no model.
const FAKE: &str = "fake";

/// The engines of the models that are installed.
#[derive(Debug)]
pub struct Engines {
    settings: crate::settings::Engine,
    defaults: crate::settings::Models,
    program: PathBuf,
    /// Models that other servers serve.
    remote: Vec<Placed>,
    served: RwLock<Served>,
}

#[derive(Debug, Default)]
struct Served {
    /// By model name.
    engines: BTreeMap<String, Placed>,
    models: Vec<ServedModel>,
    embedder: Option<String>,
}

/// An engine, where it runs and what it may see.
#[derive(Debug, Clone)]
struct Placed {
    /// The model's file; the engine lives as long as it is the same. A model elsewhere has none.
    file: Option<base::ContentHash>,
    engine: Arc<dyn Engine>,
    terms: EngineTerms,
    /// Requests that it is given at the same time.
    at_once: usize,
}

impl Placed {
    fn served(&self) -> ServedEngine {
        ServedEngine {
            engine: Arc::clone(&self.engine),
            terms: self.terms.clone(),
            at_once: self.at_once,
            file: self.file,
        }
    }
}

impl Engines {
    /// No engine yet; [`Engines::refresh`] looks at what is installed.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            settings: settings.engine.clone(),
            defaults: settings.models.clone(),
            program: std::env::current_exe()?,
            remote: settings.upstreams.iter().filter_map(remote).collect(),
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
        for placed in &self.remote {
            add_remote(&mut new, placed);
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
            Some(placed) if placed.file == Some(installed.sha256) => Some(Arc::clone(&placed.engine)),
            _ => None,
        });
        let engine = match kept {
            Some(engine) => engine,
            None => Arc::new(llama::Engine::open(config)?),
        };
        new.engines.insert(name, self.here(engine, Some(installed.sha256)));
        Ok(())
    }

    fn add_fake(&self, new: &mut Served) {
        let engine: Arc<dyn Engine> = match self.settings.fake_tokens_a_second {
            0 => Arc::new(FakeEngine::echo(FAKE)),
            pace => paced_fake(pace),
        };
        let described = engine.describe();
        new.models.push(ServedModel {
            name: FAKE.to_owned(),
            chats: true,
            dimensions: described.dimensions,
            context_tokens: described.context_tokens,
            installed: 0,
        });
        new.embedder = Some(FAKE.to_owned());
        new.engines.insert(FAKE.to_owned(), self.here(engine, None));
    }

    /// An engine on this machine.
    fn here(&self, engine: Arc<dyn Engine>, file: Option<base::ContentHash>) -> Placed {
        let name = engine.describe().model.clone();
        let (country, class_max) = (self.settings.country, self.settings.class_max);
        let terms = EngineTerms { name, country, class_max, owner: None };
        // Two more than it has slots, so that it finds its next work beside it.
        Placed { file, engine, terms, at_once: self.settings.slots as usize + 2 }
    }

    /// How busy each engine is, by its model's name.
    pub fn loads(&self) -> Vec<(String, Load)> {
        let engines: Vec<_> = self.read(|served| {
            served.engines.iter().map(|(model, placed)| (model.clone(), Arc::clone(&placed.engine))).collect()
        });
        engines.into_iter().map(|(model, engine)| (model, engine.load())).collect()
    }

    fn read<T>(&self, look: impl FnOnce(&Served) -> T) -> T {
        look(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The engine of a model, if it can do what it is wanted for.
    fn find(&self, model: &str, can: impl Fn(&Description) -> bool) -> Option<ServedEngine> {
        self.read(|served| served.engines.get(model).filter(|placed| can(placed.engine.describe())).map(Placed::served))
    }
}

/// A fake that writes only so many tokens a second, for tests of what happens meanwhile.
fn paced_fake(tokens_a_second: u32) -> Arc<dyn Engine> {
    let gate = Gate::closed();
    let engine: Arc<dyn Engine> = Arc::new(FakeEngine::echo(FAKE).gated(&gate));
    let alive = Arc::downgrade(&engine);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1) / tokens_a_second);
        while alive.strong_count() > 0 {
            ticks.tick().await;
            gate.let_through(1);
        }
    });
    engine
}

/// The engine of an upstream. One that cannot be used is left out, and the others are served.
fn remote(upstream: &Upstream) -> Option<Placed> {
    let engine = upstream.config().and_then(|config| Remote::new(config).map_err(|error| error.to_string()));
    match engine {
        Ok(engine) => {
            let (engine, terms) = (Arc::new(engine), upstream.terms());
            Some(Placed { file: None, engine, terms, at_once: UPSTREAM_AT_ONCE })
        }
        Err(reason) => {
            tracing::error!(upstream = upstream.name, reason, "an upstream is not served");
            None
        }
    }
}

/// A name means the model that is here, if one is: what was meant to stay never leaves because of a name.
fn add_remote(new: &mut Served, placed: &Placed) {
    let described = placed.engine.describe();
    if new.engines.contains_key(&described.model) {
        tracing::warn!(upstream = described.model, "an upstream is not served: a model here has its name");
        return;
    }
    new.models.push(ServedModel {
        name: described.model.clone(),
        chats: described.chats,
        dimensions: described.dimensions,
        context_tokens: described.context_tokens,
        installed: 0,
    });
    new.engines.insert(described.model.clone(), placed.clone());
}

impl EngineSource for Engines {
    fn chat(&self, model: &str) -> Option<ServedEngine> {
        self.find(model, |described| described.chats)
    }

    fn embedding(&self, model: &str) -> Option<ServedEngine> {
        self.find(model, |described| described.dimensions.is_some())
    }

    fn embedder(&self) -> Option<ServedEngine> {
        self.read(|served| Some(served.engines.get(served.embedder.as_ref()?)?.served()))
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
                offer: Offer::of_this_house(false, true),
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
