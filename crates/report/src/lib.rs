//! Reports that a law asks for, made of what the ledger recorded.
//!
//! A report counts what receipts say and joins it with what the house is: its people, its upstreams, its models. Each row
//! names the receipts that it stands on, and each receipt can be proved to stand in the log at the checkpoint that the report
//! names. What a form says (title, law, drafts, working hours) is data of a country's pack; what is counted is code.

mod cell;
mod collect;
mod facts;
mod form;
mod office;
mod period;
mod print;
mod sheet;
mod sum;
mod words;

pub use cell::Cell;
pub use facts::{Facts, Model, Upstream};
pub use form::{FormError, Forms, Law, Read, Told};
pub use office::{Given, Listed, ReportError, Reports, Whom, Wish};
pub use period::{Period, PeriodError, moment};
pub use print::{Format, Printed};
pub use sheet::{Cited, Column, Draft, DraftItem, Figure, Proof, Report, Table};
pub use words::Language;
