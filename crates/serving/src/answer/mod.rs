//! Cited answers: from passages that were found to a text whose sentences can be checked.

mod asked;
mod cite;
pub(crate) mod language;
mod marks;
mod number;
mod pack;
mod plain;
mod row;
mod sentence;
mod statement;
mod support;
mod terms;
mod weigh;
mod writer;

pub(crate) use cite::{Cited, extract, within};
pub(crate) use marks::disarm as marks_disarmed;
pub(crate) use pack::{choose, messages};
pub(crate) use weigh::{Question, Weighed, nearness};
pub(crate) use writer::Writer;
