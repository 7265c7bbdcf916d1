//! Masking of personal data: found by packs of rules, replaced by stand-ins, turned back in answers.
//!
//! What must stay true: a text is masked whole or not at all; a stream masked in any pieces equals the whole; the work
//! is linear in the text, whatever the text is; what is hidden can be turned back only with the conversation's own
//! stand-ins, and nobody can write a stand-in himself.

mod answer;
mod atom;
mod check;
mod find;
mod hide;
mod lexicon;
mod name;
pub(crate) mod normal;
mod number;
mod pack;
mod rules;
mod stand_in;
mod stream;
mod unmask;
mod words;

pub use answer::{AnswerMasker, AnswerText};
pub use find::{Checked, Finding, Kinds, Masker};
pub use hide::{Hidden, Hiding, Maskers};
pub use pack::{PackError, Packs};
pub use stand_in::{STAND_IN_BYTES_MAX, STAND_INS_MAX, StandIns};
pub use stream::{Bounds, MaskError, Masked, StreamMasker};
pub use unmask::Unmasker;
