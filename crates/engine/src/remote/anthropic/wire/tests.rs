//! What is sent by Anthropic's API, and what it has no way to say.

use super::*;
use crate::remote::Api;
use crate::remote::tests::config;
use crate::{CacheSalt, Tools};

fn user(text: &str) -> Message {
    Message::new(Role::User, text)
}

fn call(id: &str, arguments: &str) -> Message {
    let call = ToolCall { id: id.into(), name: "weather".into(), arguments: arguments.into() };
    Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") }
}

fn result(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.into()), ..Message::new(Role::Tool, text) }
}

fn tool(name: &str, parameters: Option<Value>) -> Tool {
    Tool { name: name.into(), description: None, parameters }
}

fn request(messages: Vec<Message>) -> ChatRequest {
    ChatRequest {
        sampling: Sampling { temperature: 1.0, ..Sampling::default() },
        ..ChatRequest::new(messages, CacheSalt([0; 16]))
    }
}

fn asking(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = request(vec![user("hello")]);
    change(&mut request);
    request
}

fn sent(request: &ChatRequest) -> Result<Value, String> {
    let config = Config { api: Api::Anthropic, ..config("http://127.0.0.1:1/v1") };
    let said = Messages::of(&config, request).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(said).unwrap())
}

#[test]
fn nothing_is_sent_that_was_not_asked_for() {
    assert_eq!(
        sent(&request(vec![user("안녕")])).unwrap(),
        json!({
            "model": "upstreams-own-name",
            "max_tokens": 256,
            "stream": true,
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "안녕" }] }],
        })
    );
}

#[test]
fn how_tokens_are_chosen_and_where_they_end_is_said() {
    let request = asking(|request| {
        request.sampling = Sampling { temperature: 0.0, top_p: 0.5, top_k: 7, ..Sampling::default() };
        request.stop = vec!["END".into()];
    });
    let body = sent(&request).unwrap();
    assert_eq!((&body["temperature"], &body["top_p"], &body["top_k"]), (&json!(0.0), &json!(0.5), &json!(7)));
    assert_eq!(body["stop_sequences"], json!(["END"]));
    let config = Config { api: Api::Anthropic, sampling: false, ..config("http://127.0.0.1:1/v1") };
    let body = serde_json::to_value(Messages::of(&config, &request).unwrap()).unwrap();
    assert!(["temperature", "top_p", "top_k"].iter().all(|field| body.get(field).is_none()), "{body}");
}

#[test]
fn turns_alternate_and_instructions_stand_apart() {
    let body = sent(&request(vec![
        Message::new(Role::System, "Be brief."),
        user("one"),
        user(" \n"),
        user("two"),
        Message::new(Role::Assistant, "three"),
        Message::new(Role::System, "Be kind."),
        Message::new(Role::Assistant, "four"),
        user("five"),
    ]));
    let text = |text: &str| json!({ "type": "text", "text": text });
    let body = body.unwrap();
    assert_eq!(body["system"], "Be brief.\n\nBe kind.");
    assert_eq!(
        body["messages"],
        json!([
            { "role": "user", "content": [text("one"), text("two")] },
            { "role": "assistant", "content": [text("three"), text("four")] },
            { "role": "user", "content": [text("five")] },
        ])
    );
    // One whose beginning was cut off has something in its place.
    let body = sent(&request(vec![Message::new(Role::Assistant, "hi"), user("?")])).unwrap();
    assert_eq!(body["messages"][0], json!({ "role": "user", "content": [text("…")] }));
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn calls_and_their_results_are_blocks_and_results_come_first() {
    let mut both = call("c1", "{\"city\":\"Seoul\"}");
    both.content = "I ask.".into();
    both.tool_calls.push(ToolCall { id: "c 2/한".into(), name: "time".into(), arguments: " ".into() });
    let messages = vec![user("?"), both, user("and?"), result("c1", "rain"), result("c 2/한", "")];
    let body = sent(&request(messages)).unwrap();
    let odd = "b64-YyAyL-2VnA";
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            { "type": "text", "text": "I ask." },
            { "type": "tool_use", "id": "c1", "name": "weather", "input": { "city": "Seoul" } },
            { "type": "tool_use", "id": odd, "name": "time", "input": {} },
        ])
    );
    assert_eq!(
        body["messages"][2]["content"],
        json!([
            { "type": "tool_result", "tool_use_id": "c1", "content": [{ "type": "text", "text": "rain" }] },
            { "type": "tool_result", "tool_use_id": odd },
            { "type": "text", "text": "and?" },
        ])
    );
    // Tools must be there where calls are, though none may be called.
    let names: Vec<&Value> = body["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["time", "weather"]);
    assert_eq!(body["tool_choice"], json!({ "type": "none" }));
    // What a model wrote wrongly stays readable.
    for (arguments, input) in [("{", json!({ "text": "{" })), ("[1]", json!({ "text": "[1]" })), ("", json!({}))] {
        let body = sent(&request(vec![user("?"), call("c1", arguments), result("c1", "no JSON")])).unwrap();
        assert_eq!(body["messages"][1]["content"][0]["input"], input);
    }
}

#[test]
fn ids_stay_apart() {
    let ids = ["", "a", "a b", "a_b", "a/b", "b64-YQ", "한", "b64-"];
    let mapped: BTreeSet<String> = ids.iter().map(|id| id_of(id).into_owned()).collect();
    assert_eq!(mapped.len(), ids.len());
    assert!(
        mapped.iter().all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)))
    );
}

#[test]
fn tools_and_the_choice_among_them_are_said() {
    let tools = |choice, parallel| {
        sent(&asking(|request| {
            let offered = vec![tool("weather", None), tool("time", Some(json!({ "properties": { "zone": {} } })))];
            request.tools = Tools { offered, choice, parallel };
        }))
        .unwrap()
    };
    let body = tools(ToolChoice::Auto, true);
    assert_eq!(
        body["tools"],
        json!([
            { "name": "weather", "input_schema": { "type": "object" } },
            { "name": "time", "input_schema": { "type": "object", "properties": { "zone": {} } } },
        ])
    );
    for (choice, parallel, expected) in [
        (ToolChoice::Auto, true, json!({ "type": "auto", "disable_parallel_tool_use": false })),
        (ToolChoice::Auto, false, json!({ "type": "auto", "disable_parallel_tool_use": true })),
        (ToolChoice::Required, true, json!({ "type": "any", "disable_parallel_tool_use": false })),
        (
            ToolChoice::Named("time".into()),
            false,
            json!({ "type": "tool", "name": "time", "disable_parallel_tool_use": true }),
        ),
        (ToolChoice::None, true, Value::Null),
    ] {
        assert_eq!(tools(choice, parallel).get("tool_choice").unwrap_or(&Value::Null), &expected);
    }
}

#[test]
fn an_answer_by_a_schema_is_the_call_of_a_tool() {
    let schema = json!({ "type": "object", "required": ["a"] });
    let with = |change: &dyn Fn(&mut Tools)| {
        sent(&asking(|request| {
            request.schema = Some(schema.clone());
            request.tools.parallel = true;
            change(&mut request.tools);
        }))
        .unwrap()
    };
    let body = with(&|_| {});
    assert_eq!((&body["tools"][0]["name"], &body["tools"][0]["input_schema"]), (&json!("reply"), &schema));
    assert_eq!(body["tool_choice"], json!({ "type": "tool", "name": "reply", "disable_parallel_tool_use": true }));
    // Another tool may stand in its place, and may have its name.
    let body = with(&|tools| tools.offered = vec![tool("reply", None)]);
    let names: Vec<&Value> = body["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["reply", "reply_"]);
    assert_eq!(body["tool_choice"], json!({ "type": "any", "disable_parallel_tool_use": true }));
    // Where a call is forced, that is the answer.
    let body = with(&|tools| {
        tools.offered = vec![tool("weather", None)];
        tools.choice = ToolChoice::Required;
    });
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
}

#[test]
fn images_stand_before_their_text() {
    let image = crate::image::tests::image();
    let mut message = user("what is this?");
    message.images.push(image.clone());
    let shown = json!({ "type": "image", "source":
        { "type": "base64", "media_type": "image/png", "data": image.base64() } });
    let body = sent(&request(vec![message])).unwrap();
    assert_eq!(body["messages"][0]["content"], json!([shown, { "type": "text", "text": "what is this?" }]));
}

#[test]
fn what_it_has_no_way_to_say_is_refused_by_name() {
    let image = crate::image::tests::image();
    let shown = |role| vec![Message { images: vec![image.clone()], ..Message::new(role, "x") }, user("?")];
    for (request, named) in [
        (asking(|r| r.text = Some("Once".into())), "plain text"),
        (asking(|r| r.logprobs = Some(0)), "`logprobs`"),
        (asking(|r| r.sampling.seed = Some(1)), "`seed`"),
        (asking(|r| r.sampling.logit_bias = vec![(1, 1.0)]), "`logit_bias`"),
        (asking(|r| r.sampling.frequency_penalty = 0.1), "`frequency_penalty`"),
        (asking(|r| r.sampling.presence_penalty = -0.1), "`presence_penalty`"),
        (asking(|r| r.sampling.temperature = 1.1), "`temperature`"),
        (asking(|r| r.stop = vec!["\n".into()]), "`stop`"),
        (asking(|r| r.tokens_max = 0), "without a token"),
        (asking(|r| r.schema = Some(json!({ "type": "array" }))), "schema"),
        (asking(|r| r.schema = Some(json!(true))), "schema"),
        (asking(|r| r.tools.offered = vec![tool("a", Some(json!([])))]), "`parameters`"),
        (request(vec![]), "does not end"),
        (request(vec![user(" ")]), "does not end"),
        (request(vec![Message::new(Role::System, "only")]), "does not end"),
        (request(vec![user("?"), Message::new(Role::Assistant, "It")]), "does not end"),
        (request(shown(Role::System)), "images"),
        (request(shown(Role::Assistant)), "images"),
    ] {
        let error = sent(&request).unwrap_err();
        assert!(error.starts_with("the API of `far` has no ") && error.contains(named), "{error}");
    }
}
