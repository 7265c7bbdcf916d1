//! Policy: what an institution itself says may happen, in files that its data-protection officer reads.
//!
//! The language is Cedar. The built-in rule comes first, and no policy opens what it closes; a policy
//! narrows further, or attaches [`Obligations`]. An answer is a pure function of the question and of the policies'
//! version, so it can be cached, explained, tried on cases and replayed.
//!
//! In Cedar a `forbid` that errs is skipped, and the answer is then "allow". Here it never is: every policy is held
//! strictly to the schema before it counts, every question is built with the schema, the schema has no fact that may
//! be missing, and whatever still errs is a no.

mod boxes;
mod cases;
mod check;
mod decision;
mod explain;
mod facts;
pub(crate) mod floor;
mod grid;
mod lint;
mod obligations;
mod policies;
mod question;
mod simulate;
mod source;

pub use cases::{Case, CaseResult, Cases, Expected, test};
pub use check::{Changes, Closed, Report, check, compare};
pub use decision::{Answer, Decision};
pub use explain::{Explanation, Near, Voice};
pub use obligations::{Containing, Marking, Notice, Obligations};
pub use policies::{Bounds, Policies, SCHEMA};
pub(crate) use question::word;
pub use question::{Act, CorpusFacts, Kind, Question, Who};
pub use simulate::{Difference, Simulation, simulate};
pub use source::Problem;
