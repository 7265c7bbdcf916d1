//! What a request may ask for. Checked in the parent, before anything reaches the child.

use engine::{ChatRequest, EngineError, Sampling, tools};

use crate::schema;

/// Tools, as JSON.
pub const TOOLS_BYTES_MAX: usize = 256 * 1024;
/// Stop strings.
pub const STOPS_MAX: usize = 16;
/// One stop string.
pub const STOP_BYTES_MAX: usize = 256;
/// Likeliest tokens that are told beside each token.
pub const LOGPROBS_MAX: u32 = 20;
/// Tokens with a bias of their own.
pub const BIASES_MAX: usize = 1024;
/// One text to embed.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Texts of one request.
pub const TEXTS_MAX: usize = 4096;
/// All that is said in one chat, whatever the window.
pub const CHAT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// No tokenizer makes fewer tokens of real text than one for so many bytes.
const TOKEN_BYTES_MAX: usize = 64;

fn invalid(reason: impl Into<String>) -> EngineError {
    EngineError::Invalid(reason.into())
}

/// Checks a chat.
///
/// # Errors
/// [`EngineError::Invalid`], which names what is out of bounds.
pub fn check(request: &ChatRequest, context_tokens: u32) -> Result<(), EngineError> {
    check_prompt(request, context_tokens)?;
    check_sampling(&request.sampling)?;
    if request.tokens_max == 0 {
        return Err(invalid("an answer has at least one token"));
    }
    if request.stop.len() > STOPS_MAX {
        return Err(invalid(format!("at most {STOPS_MAX} stop strings are taken")));
    }
    if request.stop.iter().any(|stop| stop.is_empty() || stop.len() > STOP_BYTES_MAX) {
        return Err(invalid(format!("a stop string has 1 to {STOP_BYTES_MAX} bytes")));
    }
    if request.logprobs.is_some_and(|top| top > LOGPROBS_MAX) {
        return Err(invalid(format!("at most {LOGPROBS_MAX} likeliest tokens are told")));
    }
    tools::schema(&request.tools, request.schema.as_ref())
        .map_or(Ok(()), |schema| schema::check(&schema))
        .map_err(invalid)
}

/// Checks what becomes a chat's prompt.
///
/// # Errors
/// As for [`check`].
pub fn check_prompt(request: &ChatRequest, context_tokens: u32) -> Result<(), EngineError> {
    if request.messages.is_empty() == request.text.is_none() {
        return Err(invalid("a chat has at least one message, and a text to continue has none"));
    }
    if request.messages.len() > engine::template::MESSAGES_MAX {
        return Err(invalid(format!("a chat has at most {} messages", engine::template::MESSAGES_MAX)));
    }
    if request.shows_images() {
        return Err(invalid("models that run here see no images"));
    }
    let bytes_max = CHAT_BYTES_MAX.min(context_tokens as usize * TOKEN_BYTES_MAX);
    let bytes = request.bytes();
    if bytes > bytes_max {
        return Err(invalid(format!("the chat has {bytes} bytes, and at most {bytes_max} are taken")));
    }
    if tools::offered(&request.tools).is_some_and(|tools| schema::bytes(&tools) > TOOLS_BYTES_MAX) {
        return Err(invalid(format!("the tools have more than {TOOLS_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn check_sampling(sampling: &Sampling) -> Result<(), EngineError> {
    let within = |value: f32, low: f32, high: f32| value.is_finite() && (low..=high).contains(&value);
    if !within(sampling.temperature, 0.0, 2.0) {
        return Err(invalid("`temperature` is between 0 and 2"));
    }
    if !within(sampling.top_p, 0.0, 1.0) || sampling.top_p == 0.0 {
        return Err(invalid("`top_p` is over 0 and at most 1"));
    }
    if !within(sampling.frequency_penalty, -2.0, 2.0) || !within(sampling.presence_penalty, -2.0, 2.0) {
        return Err(invalid("penalties are between -2 and 2"));
    }
    if sampling.logit_bias.len() > BIASES_MAX {
        return Err(invalid(format!("at most {BIASES_MAX} tokens have a bias")));
    }
    if sampling.logit_bias.iter().any(|(_, bias)| !within(*bias, -100.0, 100.0)) {
        return Err(invalid("a token's bias is between -100 and 100"));
    }
    Ok(())
}

/// Checks the texts of one request.
///
/// # Errors
/// [`EngineError::Invalid`].
pub fn check_texts(texts: &[String]) -> Result<(), EngineError> {
    if texts.len() > TEXTS_MAX {
        return Err(invalid(format!("at most {TEXTS_MAX} texts are embedded together")));
    }
    if texts.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(invalid(format!("a text to embed has at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use engine::{CacheSalt, Message, Role, Tool, ToolChoice, Tools};
    use serde_json::json;

    use super::*;

    fn request() -> ChatRequest {
        ChatRequest::new(vec![Message::new(Role::User, "hi")], CacheSalt([0; 16]))
    }

    fn offering(parameters: serde_json::Value) -> Tools {
        let tool = Tool { name: "t".into(), description: None, parameters: Some(parameters) };
        Tools { offered: vec![tool], ..Tools::default() }
    }

    fn refused(change: impl FnOnce(&mut ChatRequest)) -> String {
        let mut request = request();
        change(&mut request);
        check(&request, 1024).unwrap_err().to_string()
    }

    fn gif() -> engine::Image {
        engine::Image::from_data_url("data:image/gif;base64,R0lGODlhEAAQAAAAAA==").unwrap()
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        assert_eq!(check(&request(), 1024), Ok(()));
        for (part, message) in [
            ("message", refused(|r| r.messages.clear())),
            ("messages", refused(|r| r.messages = vec![r.messages[0].clone(); 100_000])),
            ("bytes", refused(|r| r.messages[0].content = "x".repeat(1024 * 64 + 1))),
            ("images", refused(|r| r.messages[0].images.push(gif()))),
            ("temperature", refused(|r| r.sampling.temperature = f32::NAN)),
            ("temperature", refused(|r| r.sampling.temperature = 1e30)),
            ("temperature", refused(|r| r.sampling.temperature = -0.1)),
            ("top_p", refused(|r| r.sampling.top_p = 0.0)),
            ("top_p", refused(|r| r.sampling.top_p = f32::INFINITY)),
            ("penalties", refused(|r| r.sampling.frequency_penalty = -1e9)),
            ("at least one token", refused(|r| r.tokens_max = 0)),
            ("stop strings", refused(|r| r.stop = vec!["x".into(); 100_000])),
            ("stop string", refused(|r| r.stop = vec![String::new()])),
            ("stop string", refused(|r| r.stop = vec!["x".repeat(100_000)])),
            ("tools", refused(|r| r.tools = offering(json!("x".repeat(TOOLS_BYTES_MAX))))),
            (
                "schema",
                refused(|r| {
                    r.tools = offering(json!({"$ref": "#"}));
                    r.tools.choice = ToolChoice::Required;
                }),
            ),
            ("likeliest", refused(|r| r.logprobs = Some(1_000_000))),
            ("bias", refused(|r| r.sampling.logit_bias = vec![(1, 0.0); 100_000])),
            ("bias", refused(|r| r.sampling.logit_bias = vec![(1, f32::NAN)])),
            ("message", refused(|r| r.text = Some("both".into()))),
            ("schema", refused(|r| r.schema = Some(json!({"$ref": "https://evil.example/x"})))),
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn texts_have_bounds_too() {
        assert_eq!(check_texts(&["x".into()]), Ok(()));
        assert!(check_texts(&vec![String::new(); TEXTS_MAX + 1]).is_err());
        assert!(check_texts(&["x".repeat(TEXT_BYTES_MAX + 1)]).is_err());
    }
}
