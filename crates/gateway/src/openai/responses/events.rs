//! A response on its way: what serving tells, as the typed events of `/v1/responses`, numbered from 0.
//!
//! A whole response is the last event's: so what is streamed and what is not can never differ.

use std::collections::VecDeque;
use std::sync::Arc;

use base::Principal;
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use serving::{Basis, Citation, Done, Finish, NewResponse, ReplyEvent, ReplyStream, Source, ToolCallPart, Written};

use super::items::item_id;
use super::request::Asked;
use super::shape::{self, End};
use crate::App;
use crate::error::ApiError;
use crate::openai::chat::extension;

/// A response on its way. Dropped, it ends the engine's work, and is not kept.
pub(super) struct Going {
    app: Arc<App>,
    principal: Principal,
    asked: Asked,
    basis: Basis,
    created: Timestamp,
    reply: Option<ReplyStream>,
    ready: VecDeque<Value>,
    events: u64,
    /// Items that are finished.
    output: Vec<Value>,
    /// The item that is being written: at most one of the two.
    message: Option<Message>,
    call: Option<Call>,
    sources: Vec<Source>,
    extract: Vec<Citation>,
    error: Option<ApiError>,
}

/// A message that is being written. It has one part.
#[derive(Default)]
struct Message {
    id: String,
    text: String,
    annotations: Vec<Value>,
    tokens: Vec<Written>,
    /// Tokens whose text did not go out yet.
    fresh: Vec<Written>,
}

/// A call that is being written.
struct Call {
    id: String,
    index: u32,
    call_id: String,
    name: String,
    arguments: String,
}

impl Message {
    /// What is told of its part.
    fn part(&self, mut more: Value) -> Value {
        more["item_id"] = json!(self.id);
        more["content_index"] = json!(0);
        more
    }
}

impl Call {
    fn item(&self, status: &str) -> Value {
        shape::function_call(&self.id, status, &self.call_id, &self.name, &self.arguments)
    }
}

impl Going {
    pub fn new(app: Arc<App>, principal: Principal, asked: Asked, basis: Basis, reply: ReplyStream) -> Self {
        let mut going = Self {
            app,
            principal,
            asked,
            basis,
            created: Timestamp::now(),
            reply: Some(reply),
            ready: VecDeque::new(),
            events: 0,
            output: Vec::new(),
            message: None,
            call: None,
            sources: Vec::new(),
            extract: Vec::new(),
            error: None,
        };
        let begun = going.response(&End::Going);
        going.tell("response.created", json!({ "response": begun }));
        going.tell("response.in_progress", json!({ "response": begun }));
        if going.asked.search.is_some() {
            let (id, item) = going.search("in_progress", None);
            going.tell_item("response.output_item.added", json!({ "item": item }));
            for step in ["response.file_search_call.in_progress", "response.file_search_call.searching"] {
                going.tell_item(step, json!({ "item_id": id }));
            }
        }
        going
    }

    /// The events, the last one of which carries the whole response.
    pub fn events(self) -> impl Stream<Item = Value> + Send {
        stream::unfold(self, |mut going| async move { going.next().await.map(|event| (event, going)) })
    }

    /// The response once it has ended.
    pub async fn whole(mut self) -> Result<Value, ApiError> {
        let mut last = Value::Null;
        while let Some(event) = self.next().await {
            last = event;
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok(last["response"].take()),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.reply.as_mut()?.next().await {
                Some(Ok(ReplyEvent::Done(done))) => self.end(done).await,
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => self.fail(error.into()),
                None => self.fail(ApiError::Failed("the reply ended without its end".to_owned())),
            }
        }
    }

    fn take(&mut self, event: ReplyEvent) {
        match event {
            ReplyEvent::Sources(found) => self.found(found),
            ReplyEvent::Extract(found) => self.extract = found,
            ReplyEvent::Text(text) => self.write(&text),
            ReplyEvent::Tokens(more) => self.message().fresh.extend(more),
            ReplyEvent::Citation(citation) => self.annotate(&citation),
            ReplyEvent::ToolCall(part) => self.call(part),
            ReplyEvent::Unsupported(_) | ReplyEvent::Done(_) => {}
        }
    }

    fn found(&mut self, sources: Vec<Source>) {
        self.sources = sources;
        let Some(search) = &self.asked.search else { return };
        let told = search.told.then_some(self.sources.as_slice());
        let (id, item) = self.search("completed", told);
        self.tell_item("response.file_search_call.completed", json!({ "item_id": id }));
        self.tell_item("response.output_item.done", json!({ "item": item }));
        self.output.push(item);
    }

    /// The search in records: the first item that comes out.
    fn search(&self, status: &str, results: Option<&[Source]>) -> (String, Value) {
        let id = item_id("fs", self.asked.id, 'o', 0);
        let item = shape::file_search(&id, status, &self.asked.question, results);
        (id, item)
    }

    fn write(&mut self, more: &str) {
        let message = self.message();
        message.text.push_str(more);
        let told = std::mem::take(&mut message.fresh);
        let delta = message.part(json!({ "delta": more, "logprobs": shape::logprobs(&told) }));
        message.tokens.extend(told);
        self.tell_item("response.output_text.delta", delta);
    }

    fn annotate(&mut self, citation: &Citation) {
        let kind = if self.asked.search.is_some() { shape::file_annotation } else { shape::annotation };
        let message = self.message();
        let (place, annotation) = (message.annotations.len(), kind(citation));
        let added = message.part(json!({ "annotation_index": place, "annotation": annotation }));
        message.annotations.push(annotation);
        self.tell_item("response.output_text.annotation.added", added);
    }

    fn call(&mut self, part: ToolCallPart) {
        if let (Some(call_id), Some(name)) = (part.id, part.name) {
            self.close("completed");
            let id = item_id("fc", self.asked.id, 'o', self.output.len());
            let call = Call { id, index: part.index, call_id, name, arguments: String::new() };
            self.tell_item("response.output_item.added", json!({ "item": call.item("in_progress") }));
            self.call = Some(call);
        }
        let Some(call) = self.call.as_mut().filter(|call| call.index == part.index) else { return };
        if !part.arguments.is_empty() {
            call.arguments.push_str(&part.arguments);
            let delta = json!({ "item_id": call.id, "delta": part.arguments });
            self.tell_item("response.function_call_arguments.delta", delta);
        }
    }

    /// The message that is being written; begins one where none is.
    fn message(&mut self) -> &mut Message {
        let mut begun = None;
        if self.message.is_none() {
            self.close("completed");
            let id = item_id("msg", self.asked.id, 'o', self.output.len());
            let message = Message { id, ..Message::default() };
            let item = shape::message(&message.id, "in_progress", Vec::new());
            self.tell_item("response.output_item.added", json!({ "item": item }));
            let part = message.part(json!({ "part": shape::output_text("", &[], &[]) }));
            self.tell_item("response.content_part.added", part);
            begun = Some(message);
        }
        self.message.get_or_insert_with(|| begun.unwrap_or_default())
    }

    /// Ends the item that is being written.
    fn close(&mut self, status: &str) {
        let item = if let Some(mut message) = self.message.take() {
            message.tokens.append(&mut message.fresh);
            let part = shape::output_text(&message.text, &message.annotations, &message.tokens);
            let done = json!({ "text": message.text, "logprobs": shape::logprobs(&message.tokens) });
            self.tell_item("response.output_text.done", message.part(done));
            self.tell_item("response.content_part.done", message.part(json!({ "part": part })));
            shape::message(&message.id, status, vec![part])
        } else if let Some(call) = self.call.take() {
            let done = json!({ "item_id": call.id, "name": call.name, "arguments": call.arguments });
            self.tell_item("response.function_call_arguments.done", done);
            call.item(status)
        } else {
            return;
        };
        self.tell_item("response.output_item.done", json!({ "item": item }));
        self.output.push(item);
    }

    async fn end(&mut self, done: Done) {
        self.reply = None;
        if self.call.is_none() && !self.output.iter().any(|item| item["type"] == "function_call") {
            // Also a reply without a word is a message.
            self.message();
        }
        let cut = done.finish == Finish::Length;
        self.close(if cut { "incomplete" } else { "completed" });
        let extension = (!self.sources.is_empty()).then(|| extension(&self.sources, &self.extract, &done));
        let mut response = self.response(&End::Done(done));
        if let Some(extension) = extension {
            response["dure"] = extension;
        }
        self.keep(&mut response).await;
        let event = if cut { "response.incomplete" } else { "response.completed" };
        self.tell(event, json!({ "response": response }));
    }

    /// Keeps the response before its client learns of the end, so that the next one can go on from it. What could not be
    /// kept says so.
    async fn keep(&mut self, response: &mut Value) {
        let history = self.app.serving.history();
        if !self.asked.store || !history.is_enabled() {
            response["store"] = json!(false);
            return;
        }
        let new = NewResponse {
            id: self.asked.id,
            previous: self.asked.previous,
            input: std::mem::take(&mut self.asked.input),
            body: response.clone(),
        };
        if let Err(error) = history.keep_response(&self.principal, &new, &self.basis).await {
            tracing::error!(%error, "a response was not kept");
            response["store"] = json!(false);
        }
    }

    fn fail(&mut self, error: ApiError) {
        self.reply = None;
        let (code, message) = (error.response_code(), error.to_string());
        let response = self.response(&End::Failed { code, message });
        self.tell("response.failed", json!({ "response": response }));
        self.error = Some(error);
    }

    fn response(&self, end: &End) -> Value {
        shape::response(&self.asked.id.to_string(), self.created, &self.asked.echo, &self.output, end)
    }

    fn tell(&mut self, kind: &str, more: Value) {
        let mut event = json!({ "type": kind, "sequence_number": self.events });
        if let (Some(fields), Value::Object(more)) = (event.as_object_mut(), more) {
            fields.extend(more);
        }
        self.events += 1;
        self.ready.push_back(event);
    }

    /// Tells something of the item that is being written.
    fn tell_item(&mut self, kind: &str, mut more: Value) {
        more["output_index"] = json!(self.output.len());
        self.tell(kind, more);
    }
}
