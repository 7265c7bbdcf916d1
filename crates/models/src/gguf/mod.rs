//! GGUF files: read with suspicion before any engine loads them, and written.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. [`Gguf::open`] believes no number of the
//! file: every length is compared with what is left of it, all sums are checked, and nothing is allocated because a
//! count says so. What it lets through has each tensor whole, aligned and alone in its place.

mod error;
mod read;
mod types;
mod write;

pub use error::GgufError;
pub use read::{ElementType, Gguf, Tensor, Value};
pub use types::TensorType;
pub use write::{OutTensor, OutValue, Writer};
