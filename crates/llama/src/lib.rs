//! The embedded engine: llama.cpp in a child process of the same binary, behind [`engine::Engine`].
//!
//! What must stay true: the parent never runs native model code, so that a crash costs the replies in flight and
//! nothing else; the child has one channel, the socket that it inherits; each message has a bound and is checked on
//! both sides. All `unsafe` of the house is in this crate.
#![allow(unsafe_code)]

pub mod child;
mod config;
mod connection;
mod embedded;
mod limits;
mod process;
mod schema;
mod supervisor;
mod suspicion;
mod wire;

pub use config::{Config, Role};
pub use embedded::Engine;
