//! HTTP: wire in, domain out, errors mapped once.
//!
//! What must stay true: every route but `/healthz` asks the one extractor in `caller` who asks, before anything
//! else happens; every body is bounded; nothing here decides what is allowed, that is the guard's.

mod app;
mod caller;
mod console;
mod error;
mod health;
mod host;
mod manage;
mod openai;
mod serve;
mod stream;

pub use app::{App, Bounds, OperatorKey, router};
pub use console::Console;
pub use serve::{ServeError, serve};
