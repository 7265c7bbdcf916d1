//! Anthropic's Messages API, as Anthropic itself and servers that copy it speak it.
//!
//! What it cannot do is refused by name, never left out in silence. An answer that follows a JSON schema is asked for as the
//! call of a tool whose arguments are the answer; this comes near, but is not enforced token by token.

mod blocks;
mod wire;

pub(super) use blocks::Blocks;
pub(super) use wire::Messages;

use crate::ChatRequest;

/// The name of the tool whose arguments are the answer, where the answer follows a schema.
fn reply_tool(request: &ChatRequest) -> Option<String> {
    request.schema.as_ref()?;
    let mut name = "reply".to_owned();
    while request.tools.offered.iter().any(|tool| tool.name == name) {
        name.push('_');
    }
    Some(name)
}
