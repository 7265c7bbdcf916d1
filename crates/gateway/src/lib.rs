//! HTTP: wire in, domain out, errors mapped once.
//!
//! What must stay true: every route but the console's files, the contract's and the two of health asks the one extractor
//! in `caller` who asks, before anything else happens; every route of an API is described in the OpenAPI document; every
//! body is bounded; nothing here decides what is allowed, that is the guard's.

mod about;
mod app;
mod caller;
mod console;
mod contract;
mod error;
mod etag;
mod host;
mod idempotency;
mod incoming;
mod input;
mod jobs;
mod keeper;
mod manage;
mod mcp;
mod messages;
mod openai;
mod patience;
mod serve;
mod stage;
mod stamped;
mod stream;
mod tls;
mod trail;
mod visit;
mod watch;

pub use about::{About, Setting};
pub use app::{App, Bounds, OperatorKey, router};
pub use console::Console;
pub use contract::document as openapi;
pub use jobs::Jobs;
pub use keeper::{BackupWish, Checked, Keeper, KeeperError, KeeperProgress, Tell};
pub use serve::{ServeError, serve, serve_apart};
pub use stage::Stage;
pub use tls::{Tls, TlsError, TlsFiles};
pub use watch::{Readiness, Watch};
