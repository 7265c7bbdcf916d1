//! What is asked for, and the bounds on it. Everything from outside is checked here, once.

use engine::{Message, ToolChoice, Tools};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ChatError;

/// How tokens are chosen; what is not given is the route's, or the model's usual.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 to 2; 0 takes the likeliest token always.
    pub temperature: Option<f64>,
    /// Over 0 and at most 1.
    pub top_p: Option<f64>,
    /// Only the so many likeliest tokens; 0 for all.
    pub top_k: Option<u32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// The same seed draws the same tokens.
    pub seed: Option<u32>,
    /// What is added to the logits of single tokens, -100 to 100, by the token's number.
    pub logit_bias: Vec<(u32, f32)>,
}

/// A chat turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatCall {
    /// A route's or a model's name.
    pub model: String,
    /// What was said so far.
    pub messages: Vec<Message>,
    /// A text to continue as it stands; then there are no messages. For models, not for routes with records.
    pub text: Option<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub tokens_max: Option<u32>,
    /// The reply ends before the first of these.
    pub stop: Vec<String>,
    /// Tools that the model may call. For routes without records.
    pub tools: Tools,
    /// A JSON schema that the reply follows. For routes without records.
    pub schema: Option<Value>,
    /// Whether to tell how likely each token was, and so many of the likeliest ones. For routes without records.
    pub logprobs: Option<u32>,
}

/// How an answer from records is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerMode {
    /// The model's words, shown as they are, with what no passage supports flagged.
    Generated,
    /// The records' own sentences; no model is asked.
    Extractive,
    /// The model's words as long as at least half of its sentences are supported; otherwise the records' own
    /// sentences stand in their place.
    #[default]
    Both,
}

impl AnswerMode {
    /// The word for this mode.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Extractive => "extractive",
            Self::Both => "both",
        }
    }
}

impl std::str::FromStr for AnswerMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "generated" => Ok(Self::Generated),
            "extractive" => Ok(Self::Extractive),
            "both" => Ok(Self::Both),
            _ => Err(format!("a mode is `generated`, `extractive` or `both`, not `{text}`")),
        }
    }
}

/// A question to records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerCall {
    /// The corpora's names.
    pub corpora: Vec<String>,
    /// The question.
    pub question: String,
    /// Passages that the answer may be made of, 1 to 16; none for the usual number.
    pub passages_max: Option<u32>,
    /// How the answer is made.
    pub mode: AnswerMode,
    /// The chat model; none for the first one installed.
    pub model: Option<String>,
    /// Instructions beside the usual ones.
    pub instructions: String,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub tokens_max: Option<u32>,
}

/// Texts to embed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbedCall {
    /// The embedding model's name.
    pub model: String,
    /// The texts.
    pub texts: Vec<String>,
    /// Whether they are questions rather than passages; none embeds them as they are.
    pub query: Option<bool>,
    /// Numbers that a vector shall have; none for as many as the model makes.
    pub dimensions: Option<u32>,
}

/// How much one call may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages of one chat.
    pub messages_max: usize,
    /// Bytes of all messages together.
    pub bytes_max: usize,
    /// Characters of a question to records.
    pub question_chars_max: usize,
    /// Stop strings.
    pub stop_max: usize,
    /// Bytes of one stop string.
    pub stop_bytes_max: usize,
    /// Bytes of tools or of a schema as JSON.
    pub json_bytes_max: usize,
    /// Tools of one chat.
    pub tools_max: usize,
    /// Likeliest tokens that are told beside each token.
    pub logprobs_max: u32,
    /// Tokens with a bias of their own.
    pub biases_max: usize,
    /// Texts of one call to embed.
    pub texts_max: usize,
    /// Corpora of one search.
    pub corpora_max: usize,
    /// Passages that one answer may be made of.
    pub passages_max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            messages_max: 512,
            bytes_max: 2 << 20,
            question_chars_max: 4_000,
            stop_max: 4,
            stop_bytes_max: 256,
            json_bytes_max: 64 << 10,
            tools_max: 128,
            logprobs_max: 20,
            biases_max: 1_024,
            texts_max: 256,
            corpora_max: 16,
            passages_max: 16,
        }
    }
}

impl Bounds {
    pub(crate) fn chat(&self, call: &ChatCall) -> Result<(), ChatError> {
        name(&call.model)?;
        match (&call.text, call.messages.is_empty()) {
            (None, true) => return Err(ChatError::invalid("messages", "at least one is needed")),
            (Some(_), false) => return Err(ChatError::invalid("prompt", "and messages exclude each other")),
            (Some(text), true) if text.is_empty() => return Err(ChatError::invalid("prompt", "is empty")),
            _ => {}
        }
        if call.messages.len() > self.messages_max {
            return Err(ChatError::invalid("messages", format!("at most {} are taken", self.messages_max)));
        }
        let bytes: usize = call.messages.iter().map(Message::bytes).sum();
        if bytes + call.text.as_ref().map_or(0, String::len) > self.bytes_max {
            return Err(ChatError::invalid("messages", format!("at most {} bytes are taken", self.bytes_max)));
        }
        if call.stop.len() > self.stop_max {
            return Err(ChatError::invalid("stop", format!("at most {} are taken", self.stop_max)));
        }
        if call.stop.iter().any(|stop| stop.is_empty() || stop.len() > self.stop_bytes_max) {
            return Err(ChatError::invalid("stop", format!("each has 1 to {} bytes", self.stop_bytes_max)));
        }
        self.tools(&call.tools)?;
        self.json("response_format", call.schema.as_ref())?;
        if call.logprobs.is_some_and(|top| top > self.logprobs_max) {
            return Err(ChatError::invalid("top_logprobs", format!("is 0 to {}", self.logprobs_max)));
        }
        if call.sampling.logit_bias.len() > self.biases_max {
            return Err(ChatError::invalid("logit_bias", format!("at most {} tokens are taken", self.biases_max)));
        }
        tokens(call.tokens_max)?;
        call.sampling.check()
    }

    fn tools(&self, tools: &Tools) -> Result<(), ChatError> {
        if tools.offered.len() > self.tools_max {
            return Err(ChatError::invalid("tools", format!("at most {} are taken", self.tools_max)));
        }
        let mut bytes = 0;
        for (place, tool) in tools.offered.iter().enumerate() {
            let plain = tool.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
            if !plain || !(1..=64).contains(&tool.name.len()) {
                return Err(ChatError::invalid("tools", "a tool's name has 1 to 64 letters, digits, `_`, `-` and `.`"));
            }
            if tools.offered[..place].iter().any(|other| other.name == tool.name) {
                return Err(ChatError::invalid("tools", format!("`{}` is there twice", tool.name)));
            }
            bytes += tool.description.as_ref().map_or(0, String::len);
            bytes += tool.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
        }
        if bytes > self.json_bytes_max {
            return Err(ChatError::invalid("tools", format!("at most {} bytes are taken", self.json_bytes_max)));
        }
        match &tools.choice {
            ToolChoice::Named(name) if !tools.offered.iter().any(|tool| tool.name == *name) => {
                Err(ChatError::invalid("tool_choice", format!("`{name}` is none of the tools")))
            }
            ToolChoice::Required if tools.offered.is_empty() => {
                Err(ChatError::invalid("tool_choice", "there are no tools to choose from"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn answer(&self, call: &AnswerCall) -> Result<(), ChatError> {
        self.records(&call.corpora, call.passages_max)?;
        self.question(&call.question)?;
        if call.instructions.len() > 16 << 10 {
            return Err(ChatError::invalid("instructions", "at most 16384 bytes are taken"));
        }
        if let Some(model) = &call.model {
            name(model)?;
        }
        tokens(call.tokens_max)?;
        call.sampling.check()
    }

    pub(crate) fn records(&self, corpora: &[String], passages_max: Option<u32>) -> Result<(), ChatError> {
        if corpora.is_empty() || corpora.len() > self.corpora_max {
            return Err(ChatError::invalid("corpora", format!("1 to {} are taken", self.corpora_max)));
        }
        self.passages(passages_max)
    }

    pub(crate) fn question(&self, question: &str) -> Result<(), ChatError> {
        if question.trim().is_empty() {
            return Err(ChatError::invalid("question", "is empty"));
        }
        if question.len() > 4 * self.question_chars_max || question.chars().count() > self.question_chars_max {
            return Err(ChatError::invalid("question", format!("has at most {} characters", self.question_chars_max)));
        }
        Ok(())
    }

    pub(crate) fn passages(&self, passages_max: Option<u32>) -> Result<(), ChatError> {
        match passages_max {
            Some(wanted) if !(1..=self.passages_max).contains(&wanted) => {
                Err(ChatError::invalid("passages_max", format!("is 1 to {}", self.passages_max)))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn embed(&self, call: &EmbedCall) -> Result<(), ChatError> {
        name(&call.model)?;
        if call.texts.is_empty() || call.texts.len() > self.texts_max {
            return Err(ChatError::invalid("input", format!("1 to {} texts are taken", self.texts_max)));
        }
        if call.texts.iter().map(String::len).sum::<usize>() > self.bytes_max {
            return Err(ChatError::invalid("input", format!("at most {} bytes are taken", self.bytes_max)));
        }
        if call.texts.iter().any(String::is_empty) {
            return Err(ChatError::invalid("input", "a text is empty"));
        }
        Ok(())
    }

    fn json(&self, field: &'static str, value: Option<&Value>) -> Result<(), ChatError> {
        match value.map(|value| value.to_string().len()) {
            Some(bytes) if bytes > self.json_bytes_max => {
                Err(ChatError::invalid(field, format!("at most {} bytes are taken", self.json_bytes_max)))
            }
            _ => Ok(()),
        }
    }
}

impl Sampling {
    pub(crate) fn check(&self) -> Result<(), ChatError> {
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, f64::MIN_POSITIVE, 1.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        self.logit_bias.iter().try_for_each(|(_, bias)| within("logit_bias", Some(f64::from(*bias)), -100.0, 100.0))
    }

    /// What the engine is told; `temperature` is what holds where the caller says nothing.
    pub(crate) fn resolve(&self, temperature: f64) -> engine::Sampling {
        engine::Sampling {
            temperature: self.temperature.unwrap_or(temperature) as f32,
            // A tiny share must not become zero, which no engine can draw from.
            top_p: (self.top_p.unwrap_or(1.0) as f32).max(f32::MIN_POSITIVE),
            top_k: self.top_k.unwrap_or(0),
            frequency_penalty: self.frequency_penalty.unwrap_or(0.0) as f32,
            presence_penalty: self.presence_penalty.unwrap_or(0.0) as f32,
            seed: self.seed,
            logit_bias: self.logit_bias.clone(),
        }
    }
}

fn within(field: &'static str, value: Option<f64>, low: f64, high: f64) -> Result<(), ChatError> {
    match value {
        // NaN is within nothing, so it lands here, too.
        Some(value) if !(low..=high).contains(&value) => {
            let low = if low == f64::MIN_POSITIVE { "over 0" } else { &low.to_string() };
            Err(ChatError::invalid(field, format!("is a number from {low} to {high}")))
        }
        _ => Ok(()),
    }
}

fn tokens(tokens_max: Option<u32>) -> Result<(), ChatError> {
    if tokens_max == Some(0) { Err(ChatError::invalid("max_tokens", "is at least 1")) } else { Ok(()) }
}

fn name(model: &str) -> Result<(), ChatError> {
    if (1..=256).contains(&model.len()) && !model.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(ChatError::invalid("model", "a name has 1 to 256 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use engine::{Role, Tool};

    use super::*;

    fn call(change: impl FnOnce(&mut ChatCall)) -> Result<(), ChatError> {
        let mut call =
            ChatCall { model: "m".into(), messages: vec![Message::new(Role::User, "hello")], ..ChatCall::default() };
        change(&mut call);
        Bounds::default().chat(&call)
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_anything_runs() {
        assert!(call(|_| {}).is_ok());
        assert!(call(|call| call.sampling.temperature = Some(2.0)).is_ok());
        for broken in [f64::NAN, f64::INFINITY, -0.1, 2.1] {
            assert!(call(|call| call.sampling.temperature = Some(broken)).is_err(), "{broken}");
        }
        for broken in [f64::NAN, 0.0, -1.0, 1.01] {
            assert!(call(|call| call.sampling.top_p = Some(broken)).is_err(), "{broken}");
        }
        assert!(call(|call| call.sampling.presence_penalty = Some(f64::NEG_INFINITY)).is_err());
        assert!(call(|call| call.messages.clear()).is_err());
        assert!(call(|call| call.model = String::new()).is_err());
        assert!(call(|call| call.model = "a\0b".into()).is_err());
        assert!(call(|call| call.tokens_max = Some(0)).is_err());
        assert!(call(|call| call.stop = vec![String::new()]).is_err());
        assert!(call(|call| call.stop = vec!["x".into(); 5]).is_err());
        let tool = |name: &str, description: &str| Tool {
            name: name.into(),
            description: Some(description.into()),
            parameters: None,
        };
        assert!(call(|call| call.tools.offered = vec![tool("a", ""), tool("b.c-d_1", "")]).is_ok());
        for broken in [
            vec![tool("a", &"x".repeat(70_000))],
            vec![tool("a", ""), tool("a", "")],
            vec![tool("", "")],
            vec![tool("a b", "")],
            vec![tool("<|im_end|>", "")],
            (0..129).map(|n| tool(&format!("t{n}"), "")).collect(),
        ] {
            assert!(call(|call| call.tools.offered = broken).is_err());
        }
        assert!(call(|call| call.tools.choice = ToolChoice::Named("a".into())).is_err());
        assert!(call(|call| call.tools.choice = ToolChoice::Required).is_err());
        assert!(call(|call| call.logprobs = Some(21)).is_err());
        assert!(call(|call| call.sampling.logit_bias = vec![(1, f32::NAN)]).is_err());
        assert!(call(|call| call.sampling.logit_bias = vec![(1, 1.0); 1025]).is_err());
        assert!(call(|call| call.text = Some("and messages".into())).is_err());
        let text = |text: &str| call(|call| (call.messages, call.text) = (vec![], Some(text.into())));
        assert!(text("once upon").is_ok() && text("").is_err());
        let message = Message::new(Role::User, "x");
        assert!(call(|call| call.messages = vec![message; 513]).is_err());
        assert!(call(|call| call.messages[0].content = "x".repeat(3 << 20)).is_err());
    }

    #[test]
    fn the_smallest_share_is_still_a_share() {
        let sampling = Sampling { top_p: Some(f64::MIN_POSITIVE), ..Sampling::default() };
        sampling.check().unwrap();
        assert!(sampling.resolve(0.0).top_p > 0.0);
    }
}
