//! llama.cpp as a [`Model`].

use std::ffi::{CStr, c_char, c_void};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use engine::template::Piece;
use engine::{Likelihood, Written};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_backend::{LlamaBackend, load_backends_from_path};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::token::logit_bias::LlamaLogitBias;
use llama_cpp_2::{DecodeError, json_schema_to_grammar, list_llama_ggml_backend_devices};

use super::cores;
use super::model::{Drawn, Entry, Model, StepError};
use crate::Role;
use crate::wire::{ChatJob, Hello, Setup};

/// The backends that were found for this processor.
pub struct Backends {
    backend: LlamaBackend,
    variant: String,
}

impl Backends {
    /// Loads the best backend for this processor from the folder beside the program.
    pub fn load() -> Result<Self, String> {
        quieten();
        let folder = folder().ok_or("the folder `lib` with the engine's libraries is missing beside the program")?;
        if folder.to_str().is_none_or(|path| path.contains('\0')) {
            return Err("the program's folder has a name that is no UTF-8".into());
        }
        load_backends_from_path(&folder);
        if list_llama_ggml_backend_devices().is_empty() {
            return Err("no backend of the engine runs on this processor".into());
        }
        let backend = LlamaBackend::init().map_err(|error| error.to_string())?;
        Ok(Self { backend, variant: variant() })
    }
}

/// `lib` beside the program, or beside its folder (`bin/dure`, and tests in `deps/`).
fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?;
    [beside.join("lib"), beside.join("../lib")].into_iter().find(|folder| {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libggml-cpu"))
    })
}

/// Which of the processor's variants was loaded: the loader does not say, but the memory map does.
fn variant() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let name = maps.lines().find_map(|line| line.split("/libggml-").nth(1).filter(|name| name.starts_with("cpu")));
    name.map_or_else(|| "cpu".into(), |name| name.trim_end_matches(".so").to_owned())
}

/// Lets only warnings and errors of the engine through, to the standard error that the parent keeps the end of. They
/// tell of files and numbers, never of a prompt.
fn quieten() {
    extern "C" fn log(level: llama_cpp_sys_2::ggml_log_level, text: *const c_char, _: *mut c_void) {
        if text.is_null()
            || !matches!(level, llama_cpp_sys_2::GGML_LOG_LEVEL_WARN | llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR)
        {
            return;
        }
        // SAFETY: the engine passes a string that ends with NUL and lives for the length of this call.
        let text = unsafe { CStr::from_ptr(text) };
        eprint!("{}", text.to_string_lossy());
    }
    // SAFETY: `log` is a function without state that may be called from any thread, and it never unwinds unless the
    // standard error is gone, when the process ends anyway.
    unsafe {
        llama_cpp_sys_2::llama_log_set(Some(log), std::ptr::null_mut());
        llama_cpp_sys_2::ggml_log_set(Some(log), std::ptr::null_mut());
    }
}

/// A model's file, mapped.
pub struct Loaded {
    model: LlamaModel,
}

impl Loaded {
    /// Maps a model's file.
    pub fn open(backends: &Backends, path: &Path) -> Result<Self, String> {
        if !path.is_file() {
            return Err("the model's file is missing".into());
        }
        let model = LlamaModel::load_from_file(&backends.backend, path, &LlamaModelParams::default())
            .map_err(|_| "the model's file cannot be loaded".to_owned())?;
        Ok(Self { model })
    }
}

/// A model with its context.
pub struct Native<'a> {
    model: &'a LlamaModel,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    hello: Hello,
}

/// Draws the tokens of one answer.
pub struct Sampler {
    chain: LlamaSampler,
    grammar: Option<LlamaSampler>,
}

impl<'a> Native<'a> {
    /// Makes a context with the bounds of `setup`.
    pub fn new(backends: &Backends, loaded: &'a Loaded, role: Role, setup: &Setup) -> Result<Self, String> {
        let model = &loaded.model;
        let trained = model.n_ctx_train();
        let context_tokens = if trained == 0 { setup.context_tokens } else { setup.context_tokens.min(trained) };
        let threads = if setup.threads == 0 { cores::physical() } else { setup.threads };
        let threads_i32 = i32::try_from(threads).unwrap_or(1);
        // Flash attention skips what a sequence does not see, which is most of a cache that others share.
        let params = LlamaContextParams::default()
            .with_n_threads(threads_i32)
            .with_n_threads_batch(threads_i32)
            .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_ENABLED)
            .with_no_perf(true);
        let (params, batch_tokens) = match role {
            Role::Chat => {
                let cells = context_tokens.saturating_mul(setup.slots);
                let batch = setup.batch_tokens.max(setup.shared_batch_tokens) + setup.slots;
                let params = params
                    .with_n_ctx(NonZeroU32::new(cells))
                    .with_n_batch(batch)
                    .with_n_ubatch(batch)
                    .with_n_seq_max(setup.slots)
                    .with_kv_unified(true);
                (params, batch)
            }
            Role::Embed => {
                let pooling = match metadata(model, "pooling_type") {
                    Some(_) => LlamaPoolingType::Unspecified,
                    None => LlamaPoolingType::Mean,
                };
                let params = params
                    .with_n_ctx(NonZeroU32::new(context_tokens))
                    .with_n_batch(context_tokens)
                    .with_n_ubatch(context_tokens)
                    .with_n_seq_max(1)
                    .with_embeddings(true)
                    .with_pooling_type(pooling);
                (params, context_tokens)
            }
        };
        let context = model
            .new_context(&backends.backend, params)
            .map_err(|_| "there is not enough memory for the model's context".to_owned())?;
        let dimensions = if role == Role::Embed { u32::try_from(model.n_embd_out()).unwrap_or(0) } else { 0 };
        let hello = Hello {
            context_tokens,
            context_trained: trained,
            dimensions,
            threads,
            backend: backends.variant.clone(),
            walls: Vec::new(),
        };
        let batch = LlamaBatch::new(batch_tokens as usize, 1);
        let mut native = Self { model, context, batch, hello };
        native.warm_up(role);
        Ok(native)
    }

    /// Computes once, so that what is set up with the first step is set up before memory is bounded.
    fn warm_up(&mut self, role: Role) {
        match role {
            Role::Embed => drop(self.embed("warm")),
            Role::Chat => {
                let token = self.model.vocab().tokenize(b"a", false, false).first().map_or(0, |token| token.0);
                if self.step(&[Entry { token, position: 0, sequence: 0, wanted: true }]).is_ok() {
                    self.truncate(0, 0);
                }
            }
        }
    }

    fn biases(&self, biases: &[(u32, f32)]) -> Result<LlamaSampler, String> {
        let n_vocab = self.model.n_vocab();
        let biases = biases.iter().map(|&(token, bias)| match i32::try_from(token) {
            Ok(token) if token < n_vocab => Ok(LlamaLogitBias::new(LlamaToken(token), bias)),
            _ => Err(format!("the model has {n_vocab} tokens, and `{token}` is none of them")),
        });
        Ok(LlamaSampler::logit_bias(n_vocab, &biases.collect::<Result<Vec<_>, _>>()?))
    }

    fn sequence(&self, sequence: usize) -> i32 {
        i32::try_from(sequence).unwrap_or(0)
    }

    /// How many tokens a sequence holds if they are its first ones; otherwise it is emptied.
    fn whole(&mut self, sequence: usize, kept: usize) -> usize {
        let id = self.sequence(sequence);
        let starts = self.context.kv_cache_seq_pos_min(id) == 0;
        let ends = usize::try_from(self.context.kv_cache_seq_pos_max(id) + 1) == Ok(kept);
        if starts && ends {
            return kept;
        }
        self.truncate(sequence, 0)
    }
}

/// An entry of the file's metadata under its architecture's name.
fn metadata(model: &LlamaModel, key: &str) -> Option<String> {
    let architecture = model.meta_val_str("general.architecture").ok()?;
    model.meta_val_str(&format!("{architecture}.{key}")).ok()
}

impl Model for Native<'_> {
    type Sampler = Sampler;

    fn hello(&self) -> Hello {
        self.hello.clone()
    }

    fn template(&self) -> Option<(String, String, String)> {
        let template = self.model.chat_template(None).ok()?.to_string().ok()?;
        let vocab = self.model.vocab();
        let text = |token: LlamaToken| {
            if token.0 < 0 {
                return String::new();
            }
            String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned()
        };
        Some((template, text(vocab.bos()), text(vocab.eos())))
    }

    fn tokens(&self, pieces: &[Piece]) -> Vec<i32> {
        let vocab = self.model.vocab();
        let tokens = pieces.iter().flat_map(|piece| vocab.tokenize(piece.text.as_bytes(), false, !piece.data));
        let mut tokens: Vec<i32> = tokens.map(|token| token.0).collect();
        let bos = vocab.bos().0;
        if vocab.should_add_bos() && bos >= 0 && tokens.first() != Some(&bos) {
            tokens.insert(0, bos);
        }
        tokens
    }

    fn bytes(&self, token: i32) -> Vec<u8> {
        self.model.vocab().token_to_piece(LlamaToken(token), false, None)
    }

    fn sampler(&self, job: &ChatJob) -> Result<Sampler, String> {
        let grammar = match &job.schema {
            None => None,
            Some(schema) => {
                let unusable = "the schema cannot be followed";
                let grammar = json_schema_to_grammar(schema).map_err(|_| unusable.to_owned())?;
                Some(LlamaSampler::grammar(self.model, &grammar, "root").map_err(|_| unusable.to_owned())?)
            }
        };
        let sampling = &job.sampling;
        let mut parts = Vec::new();
        if !sampling.logit_bias.is_empty() {
            parts.push(self.biases(&sampling.logit_bias)?);
        }
        if sampling.frequency_penalty != 0.0 || sampling.presence_penalty != 0.0 {
            let last = i32::try_from(self.hello.context_tokens).unwrap_or(i32::MAX);
            let (frequency, presence) = (sampling.frequency_penalty, sampling.presence_penalty);
            parts.push(LlamaSampler::penalties(self.model.n_vocab(), last, 1.0, frequency, presence));
        }
        if sampling.temperature <= 0.0 {
            parts.push(LlamaSampler::greedy());
        } else {
            if sampling.top_k > 0 {
                parts.push(LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)));
            }
            parts.push(LlamaSampler::top_p(sampling.top_p, 1));
            parts.push(LlamaSampler::temp(sampling.temperature));
            // The largest seed is llama.cpp's word for a random one.
            parts.push(LlamaSampler::dist(sampling.seed.unwrap_or(0).min(u32::MAX - 1)));
        }
        Ok(Sampler { chain: LlamaSampler::chain(parts, true), grammar })
    }

    fn truncate(&mut self, sequence: usize, kept: usize) -> usize {
        let (Ok(id), Ok(from)) = (u32::try_from(sequence), u32::try_from(kept)) else { return 0 };
        if kept > 0 && self.context.clear_kv_cache_seq(Some(id), Some(from), None) == Ok(true) {
            return self.whole(sequence, kept);
        }
        // Removing all of a sequence never fails.
        let _ = self.context.clear_kv_cache_seq(Some(id), None, None);
        0
    }

    fn copy(&mut self, from: usize, to: usize, kept: usize) -> usize {
        self.truncate(to, 0);
        let (source, target) = (self.sequence(from), self.sequence(to));
        let Ok(end) = u32::try_from(kept) else { return 0 };
        if self.context.copy_kv_cache_seq(source, target, Some(0), Some(end)).is_err() {
            return 0;
        }
        self.whole(to, kept)
    }

    fn step(&mut self, entries: &[Entry]) -> Result<(), StepError> {
        self.batch.clear();
        for entry in entries {
            let (position, sequence) = (i32::try_from(entry.position).unwrap_or(0), self.sequence(entry.sequence));
            let added = self.batch.add(LlamaToken(entry.token), position, &[sequence], entry.wanted);
            added.map_err(|_| StepError::Failed(0))?;
        }
        self.context.decode(&mut self.batch).map_err(|error| match error {
            DecodeError::NoKvCacheSlot => StepError::NoRoom,
            DecodeError::NTokensZero => StepError::Failed(-1),
            DecodeError::Unknown(code) => StepError::Failed(code),
        })
    }

    fn draw(&mut self, sampler: &mut Sampler, at: usize) -> Result<Drawn, String> {
        let at = i32::try_from(at).unwrap_or(0);
        let token = match &mut sampler.grammar {
            None => sampler.chain.sample(&self.context, at),
            Some(grammar) => {
                let token = draw_by_grammar(&self.context, &mut sampler.chain, grammar, at)?;
                grammar.try_accept(token).map_err(|_| "the schema cannot be followed any further".to_owned())?;
                sampler.chain.accept(token);
                token
            }
        };
        if self.model.vocab().is_eog(token) { Ok(Drawn::End) } else { Ok(Drawn::Token(token.0)) }
    }

    fn written(&self, at: usize, token: i32, top: usize) -> Written {
        let logits = self.context.get_logits_ith(i32::try_from(at).unwrap_or(0));
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mass: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
        let likelihood = |token: usize| Likelihood {
            bytes: self.bytes(i32::try_from(token).unwrap_or(0)),
            logprob: logits
                .get(token)
                .map_or(f32::NEG_INFINITY, |logit| (f64::from(logit - highest) - mass.ln()) as f32),
        };
        let mut places: Vec<usize> = (0..logits.len()).collect();
        let top = top.min(places.len());
        let by_logit = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
        if top > 0 && top < places.len() {
            places.select_nth_unstable_by(top - 1, by_logit);
        }
        places.truncate(top);
        places.sort_by(by_logit);
        Written {
            token: likelihood(usize::try_from(token).unwrap_or(usize::MAX)),
            top: places.into_iter().map(likelihood).collect(),
        }
    }

    fn embed(&mut self, text: &str) -> Result<(Vec<f32>, u32), String> {
        let mut tokens = self.model.vocab().tokenize(text.as_bytes(), true, false);
        let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        let window = self.hello.context_tokens as usize;
        if tokens.len() > window {
            // The last token tells the model that the text ends.
            let last = tokens[tokens.len() - 1];
            tokens.truncate(window);
            tokens[window - 1] = last;
        }
        if tokens.is_empty() {
            return Err("the text is empty".into());
        }
        self.context.clear_kv_cache();
        self.batch.clear();
        for (position, token) in (0..).zip(&tokens) {
            self.batch.add(*token, position, &[0], true).map_err(|error| error.to_string())?;
        }
        self.context.decode(&mut self.batch).map_err(|_| "the text cannot be embedded".to_owned())?;
        let vector = self.context.embeddings_seq_ith(0).map_err(|_| "the model does not embed".to_owned())?;
        Ok((vector.to_vec(), count))
    }
}

/// Draws freely first and asks the grammar about that one token, which is right most of the time; asking about the
/// whole vocabulary takes far longer.
fn draw_by_grammar(
    context: &LlamaContext<'_>,
    chain: &mut LlamaSampler,
    grammar: &mut LlamaSampler,
    at: i32,
) -> Result<LlamaToken, String> {
    let mut all = context.token_data_array_ith(at);
    chain.apply(&mut all);
    if let Some(token) = all.selected_token() {
        let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 1.0, 0.0)], false);
        grammar.apply(&mut one);
        if one.data.first().is_some_and(|token| token.logit().is_finite()) {
            return Ok(token);
        }
    }
    let mut all = context.token_data_array_ith(at);
    grammar.apply(&mut all);
    all.data.retain(|token| token.logit().is_finite());
    if all.data.is_empty() {
        return Err("the schema cannot be followed any further".into());
    }
    chain.apply(&mut all);
    all.selected_token().ok_or_else(|| "the schema cannot be followed any further".into())
}
