//! Why a file must not be loaded.

/// Why a file must not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// It does not begin as a GGUF file does.
    #[error("it is no GGUF file but {0}")]
    Magic(&'static str),
    /// It is of a version that is not read, or of the other byte order.
    #[error("it is of GGUF version {0}; versions 2 and 3, little-endian, are read")]
    Version(u32),
    /// It ends too early.
    #[error("it ends before {0} does")]
    Truncated(&'static str),
    /// A number in it is beyond what is allowed.
    #[error("{what} is {found}, and at most {max} is allowed")]
    TooLarge {
        /// What the number counts.
        what: &'static str,
        /// The number.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// A key or a tensor's name stands in it twice.
    #[error("`{0}` stands in it twice")]
    Twice(String),
    /// A key that every model has is missing or of the wrong type.
    #[error("`{0}` is missing or of the wrong type")]
    Missing(String),
    /// A value cannot be used.
    #[error("{0}")]
    Value(String),
    /// A tensor cannot be used.
    #[error("tensor `{name}` {reason}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// It goes on after its last tensor: another file may hide there.
    #[error("it goes on for {0} bytes after its last tensor")]
    Trailing(u64),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
}
