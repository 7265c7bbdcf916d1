//! The crate at its public door: every way in which a model comes, and every way in which it must not.

#![allow(clippy::unwrap_used)]

mod catalogue;
mod conversion;
mod fixture;
mod gguf;
mod http;
mod import;
mod pip;
mod pull;
mod server;
