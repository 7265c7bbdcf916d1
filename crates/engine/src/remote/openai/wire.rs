//! What an upstream is sent: OpenAI's chat completions, completions and embeddings, as far as this house uses them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::remote::Config;
use crate::{ChatRequest, Image, Message, Sampling, Tool, ToolCall, ToolChoice};

/// A chat, or a text to continue.
#[derive(Debug, Serialize)]
pub(in crate::remote) struct Chat<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Said<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "is_all")]
    top_p: f32,
    #[serde(skip_serializing_if = "is_zero")]
    top_k: u32,
    #[serde(skip_serializing_if = "is_nothing")]
    frequency_penalty: f32,
    #[serde(skip_serializing_if = "is_nothing")]
    presence_penalty: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    logit_bias: BTreeMap<u32, f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Logprobs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Function<Offered<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_salt: Option<String>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// A chat is asked whether, a completion how many.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Logprobs {
    Whether(bool),
    Top(u32),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Debug, Serialize)]
struct Schema<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a Value,
}

#[derive(Debug, Serialize)]
struct Said<'a> {
    role: crate::Role,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// A text goes as it is, since not every server knows parts; what is shown goes before it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    ImageUrl { image_url: Shown },
    Text { text: &'a str },
}

#[derive(Debug, Serialize)]
struct Shown {
    url: String,
}

#[derive(Debug, Serialize)]
struct Called<'a> {
    id: &'a str,
    #[serde(flatten)]
    call: Function<Arguments<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "function")]
struct Function<T> {
    function: T,
}

#[derive(Debug, Serialize)]
struct Arguments<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct Offered<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Named(Function<Named<'a>>),
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
}

impl<'a> Chat<'a> {
    pub fn of(config: &'a Config, request: &'a ChatRequest) -> Self {
        let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
            &request.sampling;
        let offered = request.tools.callable();
        let chat = request.text.is_none();
        let sampling = config.sampling;
        let given = |value: f32, usual: f32| if sampling { value } else { usual };
        Self {
            model: &config.model,
            messages: chat.then(|| request.messages.iter().map(said).collect()),
            prompt: request.text.as_deref(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            // OpenAI's models that take no temperature take no `max_tokens` either; most other servers know only that.
            max_tokens: sampling.then_some(request.tokens_max),
            max_completion_tokens: (!sampling).then_some(request.tokens_max),
            temperature: sampling.then_some(*temperature),
            top_p: given(*top_p, 1.0),
            top_k: if sampling { *top_k } else { 0 },
            frequency_penalty: given(*frequency_penalty, 0.0),
            presence_penalty: given(*presence_penalty, 0.0),
            seed: *seed,
            stop: &request.stop,
            logit_bias: logit_bias.iter().copied().collect(),
            logprobs: request.logprobs.map(|top| if chat { Logprobs::Whether(true) } else { Logprobs::Top(top) }),
            top_logprobs: request.logprobs.filter(|top| chat && *top > 0),
            response_format: request.schema.as_ref().map(response_format),
            tools: offered.iter().map(function).collect(),
            tool_choice: if offered.is_empty() { None } else { choice(&request.tools.choice) },
            parallel_tool_calls: (!offered.is_empty()).then_some(request.tools.parallel),
            cache_salt: config.cache_salt.then(|| salt(&request.salt.0)),
        }
    }
}

/// A salt as text.
fn salt(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn said(message: &Message) -> Said<'_> {
    Said {
        role: message.role,
        content: content(message),
        tool_calls: message.tool_calls.iter().map(called).collect(),
        tool_call_id: message.tool_call_id.as_deref(),
    }
}

fn content(message: &Message) -> Content<'_> {
    if message.images.is_empty() {
        return Content::Text(&message.content);
    }
    let shown = |image: &Image| Part::ImageUrl { image_url: Shown { url: image.data_url() } };
    let text = Some(Part::Text { text: &message.content }).filter(|_| !message.content.is_empty());
    Content::Parts(message.images.iter().map(shown).chain(text).collect())
}

fn called(call: &ToolCall) -> Called<'_> {
    Called { id: &call.id, call: Function { function: Arguments { name: &call.name, arguments: &call.arguments } } }
}

fn function(tool: &Tool) -> Function<Offered<'_>> {
    Function {
        function: Offered {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
        },
    }
}

fn choice(choice: &ToolChoice) -> Option<Choice<'_>> {
    match choice {
        // What holds where nothing is said.
        ToolChoice::Auto | ToolChoice::None => None,
        ToolChoice::Required => Some(Choice::Word("required")),
        ToolChoice::Named(name) => Some(Choice::Named(Function { function: Named { name } })),
    }
}

/// More servers know `json_object` than schemas, so the schema that takes any object is sent as that.
fn response_format(schema: &Value) -> ResponseFormat<'_> {
    match schema.as_object() {
        Some(fields) if fields.len() == 1 && fields.get("type").is_some_and(|kind| kind == "object") => {
            ResponseFormat::JsonObject
        }
        _ => ResponseFormat::JsonSchema { json_schema: Schema { name: "reply", strict: true, schema } },
    }
}

/// Texts to embed.
#[derive(Debug, Serialize)]
pub(in crate::remote) struct Embed<'a> {
    pub model: &'a str,
    pub input: Vec<Text<'a>>,
    pub encoding_format: &'static str,
}

/// A text with what stands before it.
#[derive(Debug)]
pub(in crate::remote) struct Text<'a> {
    pub prefix: &'a str,
    pub text: &'a str,
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.prefix, self.text))
    }
}

fn is_all(share: &f32) -> bool {
    *share >= 1.0
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_nothing(penalty: &f32) -> bool {
    *penalty == 0.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::remote::tests::config;
    use crate::{CacheSalt, Role, Tools};

    fn request() -> ChatRequest {
        ChatRequest::new(vec![Message::new(Role::User, "안녕")], CacheSalt([0; 16]))
    }

    #[test]
    fn nothing_is_sent_that_was_not_asked_for() {
        let config = config("http://127.0.0.1:1/v1");
        let sent = serde_json::to_value(Chat::of(&config, &request())).unwrap();
        assert_eq!(
            sent,
            json!({
                "model": "upstreams-own-name",
                "messages": [{ "role": "user", "content": "안녕" }],
                "stream": true,
                "stream_options": { "include_usage": true },
                "max_tokens": 256,
                "temperature": 0.0,
                "cache_salt": "AAAAAAAAAAAAAAAAAAAAAA",
            })
        );
    }

    #[test]
    fn all_that_was_asked_for_is_sent() {
        let config = Config { cache_salt: false, ..config("http://127.0.0.1:1/v1") };
        let mut request = request();
        let call = ToolCall { id: "c1".into(), name: "weather".into(), arguments: "{}".into() };
        let answer = Message { tool_call_id: Some("c1".into()), ..Message::new(Role::Tool, "rain") };
        request.messages.push(Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") });
        request.messages.push(answer);
        let tool = |name: &str| Tool { name: name.into(), description: None, parameters: Some(json!({})) };
        request.tools = Tools {
            offered: vec![tool("weather"), tool("other")],
            choice: ToolChoice::Named("weather".into()),
            parallel: false,
        };
        request.sampling = Sampling {
            temperature: 0.5,
            top_p: 0.25,
            top_k: 7,
            frequency_penalty: 1.0,
            presence_penalty: -1.0,
            seed: Some(3),
            logit_bias: vec![(17, -100.0)],
        };
        request.stop = vec!["END".into()];
        request.schema = Some(json!({ "type": "object", "required": ["a"] }));
        request.logprobs = Some(2);
        let sent = serde_json::to_value(Chat::of(&config, &request)).unwrap();
        let weather = json!({ "name": "weather", "arguments": "{}" });
        for (field, value) in [
            ("top_p", json!(0.25)),
            ("top_k", json!(7)),
            ("frequency_penalty", json!(1.0)),
            ("presence_penalty", json!(-1.0)),
            ("seed", json!(3)),
            ("logit_bias", json!({ "17": -100.0 })),
            ("stop", json!(["END"])),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(2)),
            ("tools", json!([{ "type": "function", "function": { "name": "weather", "parameters": {} } }])),
            ("tool_choice", json!({ "type": "function", "function": { "name": "weather" } })),
            ("parallel_tool_calls", json!(false)),
            ("cache_salt", Value::Null),
        ] {
            assert_eq!(sent.get(field).unwrap_or(&Value::Null), &value, "{field}");
        }
        assert_eq!(sent["response_format"]["json_schema"]["schema"]["required"], json!(["a"]));
        let calls = json!([{ "id": "c1", "type": "function", "function": weather }]);
        assert_eq!(sent["messages"][1]["tool_calls"], calls);
        assert_eq!(sent["messages"][2], json!({ "role": "tool", "content": "rain", "tool_call_id": "c1" }));
    }

    #[test]
    fn what_is_shown_goes_before_its_text() {
        let config = config("http://127.0.0.1:1/v1");
        let image = crate::image::tests::image();
        let mut request = request();
        request.messages[0].images.push(image.clone());
        let sent = serde_json::to_value(Chat::of(&config, &request)).unwrap();
        let shown = json!({ "type": "image_url", "image_url": { "url": image.data_url() } });
        assert_eq!(sent["messages"][0]["content"], json!([shown, { "type": "text", "text": "안녕" }]));
    }

    #[test]
    fn a_model_that_chooses_by_itself_is_told_nothing_of_it() {
        let mut config = config("http://127.0.0.1:1/v1");
        config.sampling = false;
        let mut request = request();
        request.sampling = Sampling { temperature: 1.0, top_p: 0.5, top_k: 3, ..Sampling::default() };
        let sent = serde_json::to_value(Chat::of(&config, &request)).unwrap();
        assert!(
            ["temperature", "top_p", "top_k", "max_tokens"].iter().all(|field| sent.get(field).is_none()),
            "{sent}"
        );
        assert_eq!(sent["max_completion_tokens"], 256);
    }

    #[test]
    fn a_text_to_continue_has_no_messages() {
        let config = config("http://127.0.0.1:1/v1");
        let request = ChatRequest { text: Some("Once".into()), messages: vec![], logprobs: Some(0), ..request() };
        let sent = serde_json::to_value(Chat::of(&config, &request)).unwrap();
        assert_eq!((&sent["prompt"], &sent["logprobs"]), (&json!("Once"), &json!(0)));
        assert!(sent.get("messages").is_none());
        let any = ChatRequest { schema: Some(json!({ "type": "object" })), ..request };
        assert_eq!(serde_json::to_value(Chat::of(&config, &any)).unwrap()["response_format"]["type"], "json_object");
    }
}
