//! How values of the standard library look in the API. Only the OpenAPI document is made of these.

use utoipa::ToSchema;

/// A range of a text; what it counts, bytes or characters, is said where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
pub struct Span {
    /// Where it begins.
    pub start: u64,
    /// Where it has ended.
    pub end: u64,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
pub struct Time {
    /// Whole seconds.
    pub secs: u64,
    /// Nanoseconds beyond.
    pub nanos: u32,
}
