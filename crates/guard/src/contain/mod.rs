//! Answers that cannot fetch anything or carry anything out: links and images of a model's text become plain words.
//!
//! What must stay true: a stream contained in any pieces equals the whole; what is held back is what could still become
//! a link, and never more than 4 KiB; the work is linear in the text, whatever the text is; contained text stays as it is
//! when it is contained again; text without links stays as it is, byte for byte, and so does what is certainly code.
//!
//! Readers of Markdown differ. Where they could disagree about what is code, nothing counts as code, so that no link hides
//! in what one of them shows as text.

mod code;
mod container;
mod hosts;
mod inline;
mod link;

pub use container::{ContainError, Container};
pub use hosts::{HostError, Hosts};

/// Text that is held back, at most, in bytes. What has not become a link by then is not waited for.
pub(crate) const HELD_BYTES_MAX: usize = 4 << 10;
