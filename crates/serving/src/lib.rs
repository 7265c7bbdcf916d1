//! The one road to a model: routes, chat turns, cited answers, embeddings.
//!
//! What must stay true: nothing reaches an engine without an egress permit for the joined label of all that goes;
//! nothing is found without a search permit; tokens are reserved before an engine works and settled on every way out
//! with what was really used; a citation's quote is the stored text at its span, or the citation is not built; what is
//! kept of a conversation is its owner's alone.

mod answer;
mod call;
mod converse;
mod engines;
mod error;
mod evidence;
mod hedge;
mod history;
mod meter;
mod metrics;
mod reply;
mod respond;
mod rewritten;
mod routes;
mod salt;
mod schema;
mod serving;
mod stopwatch;
mod stream;
mod talk;
mod turns;
mod vectors;
mod veil;
mod way;
mod ways;
mod weighing;

pub use call::{AnswerCall, AnswerMode, Bounds, ChatCall, EmbedCall, Sampling};
pub use converse::{Place, Turned};
pub use engine::choice::{Candidate, Candidates, CandidatesError, Conditions, Order};
pub use engine::within_trace;
pub use engine::{
    Abilities, Currency, Finish, Image, ImageError, Likelihood, Message, Money, Role, Tool, ToolCall, ToolCallPart,
    ToolChoice, Tools, Written,
};
pub use engines::{EngineSource, ServedEngine, ServedModel};
pub use error::{ChatError, RouteError};
pub use history::{
    Basis, Conversation, Conversations, Found, Hidden, History, HistoryConfig, HistoryError, KeptResponse, NewResponse,
    Page, Shown, Told, Turn, TurnEnd,
};
pub use reply::{
    AnswerKind, Citation, Done, Embedded, ListedModel, Reply, ReplyEvent, ReplyStream, Source, Stamp, Unsupported,
};
pub use respond::Records;
pub use routes::{NewRoute, Route, Routes};
pub use schema::SCHEMA;
pub use serving::{Config, Parts, Serving};
pub use turns::TurnBounds;
pub use weighing::{WeighedSentence, Weighing};
