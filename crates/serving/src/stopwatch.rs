//! Takes the time of one request to an engine.
//!
//! What must stay true: each request is counted as ended exactly once, on every way out; one that was dropped counts
//! as cancelled.

use std::time::Instant;

use base::Usage;
use engine::{EngineError, Event, EventStream};
use futures::{StreamExt, stream};

use crate::metrics::{Metrics, Operation};

/// The time of one request. Dropped before its end, it counts the request as cancelled.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    metrics: Metrics,
    operation: Operation,
    begun: Instant,
    first: Option<Instant>,
    written: u64,
    outcome: &'static str,
}

impl Metrics {
    /// Begins to take the time of a chat with `model`.
    pub fn chat(&self, model: &str) -> Stopwatch {
        self.begin("chat", model)
    }

    /// Begins to take the time of embedding with `model`.
    pub fn embeddings(&self, model: &str) -> Stopwatch {
        self.begin("embeddings", model)
    }

    fn begin(&self, operation: &'static str, model: &str) -> Stopwatch {
        Stopwatch {
            metrics: self.clone(),
            operation: Operation { gen_ai_operation_name: operation, gen_ai_request_model: model.to_owned() },
            begun: Instant::now(),
            first: None,
            written: 0,
            outcome: "cancelled",
        }
    }
}

impl Stopwatch {
    /// Watches an engine's answer go by.
    pub fn over(self, events: EventStream) -> EventStream {
        Box::pin(stream::unfold((events, self), |(mut events, mut watch)| async move {
            let event = events.next().await?;
            watch.saw(&event);
            Some((event, (events, watch)))
        }))
    }

    /// It ended well.
    pub fn ended(&mut self, usage: Usage) {
        self.outcome = "";
        self.metrics.used(&self.operation, usage);
        tracing::Span::current()
            .record("gen_ai.usage.input_tokens", usage.prompt_tokens)
            .record("gen_ai.usage.output_tokens", usage.completion_tokens);
    }

    /// It ended otherwise.
    pub fn failed(&mut self, error: &EngineError) {
        self.outcome = match error {
            EngineError::Unable { .. } => "unable",
            EngineError::TooLong { .. } => "too_long",
            EngineError::Invalid(_) => "invalid",
            EngineError::Busy { .. } => "busy",
            EngineError::Died { .. } => "died",
            EngineError::Broken { .. } => "broken",
            EngineError::LeftAlone { .. } => "left_alone",
            EngineError::Stalled { .. } => "stalled",
            EngineError::Quarantined { .. } => "quarantined",
            EngineError::Unavailable { .. } => "unavailable",
        };
    }

    fn saw(&mut self, event: &Result<Event, EngineError>) {
        match event {
            Ok(Event::Text(_) | Event::ToolCall(_)) => {
                if self.first.is_none() {
                    self.first = Some(Instant::now());
                    self.metrics.began(&self.operation, self.begun.elapsed());
                }
                // A piece has at least one token; the engine's own count makes up for the rest.
                self.written += 1;
                self.metrics.wrote(&self.operation, 1);
            }
            Ok(Event::Done { usage, .. }) => {
                let tokens = usage.completion_tokens;
                self.metrics.wrote(&self.operation, tokens.saturating_sub(self.written));
                if let Some(first) = self.first.filter(|_| tokens > 1) {
                    self.metrics.went_on(&self.operation, tokens - 1, first.elapsed());
                }
                self.ended(*usage);
            }
            Ok(Event::Tokens(_)) => {}
            Err(error) => self.failed(error),
        }
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.metrics.ended(self.operation.clone(), self.outcome, self.begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use engine::Finish;
    use prometheus_client::registry::Registry;

    use super::*;

    async fn seen(events: Vec<Result<Event, EngineError>>, read: usize) -> String {
        let metrics = Metrics::default();
        let stream = metrics.chat("m").over(Box::pin(stream::iter(events)));
        let _: Vec<_> = stream.take(read).collect().await;
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).unwrap();
        text
    }

    fn text() -> Result<Event, EngineError> {
        Ok(Event::Text("x".to_owned()))
    }

    fn done(tokens: u64) -> Result<Event, EngineError> {
        let usage = Usage { prompt_tokens: 7, cached_tokens: 3, completion_tokens: tokens };
        Ok(Event::Done { finish: Finish::Stop, usage })
    }

    const ENDED: &str = "gen_ai_server_request_duration_seconds_count{gen_ai_operation_name=\"chat\",\
                         gen_ai_request_model=\"m\",error_type=\"";

    #[tokio::test]
    async fn an_answer_is_counted_once_however_it_ends() {
        let whole = seen(vec![text(), text(), done(5)], 9).await;
        for line in [
            &format!("{ENDED}\"}} 1"),
            "dure_output_tokens_total{gen_ai_operation_name=\"chat\",gen_ai_request_model=\"m\"} 5",
            "gen_ai_token_type=\"input\"} 7.0",
            "gen_ai_token_type=\"input_cached\"} 3.0",
            "gen_ai_token_type=\"output\"} 5.0",
        ] {
            assert!(whole.contains(line), "{line} in {whole}");
        }
        let hung_up = seen(vec![text(), text(), done(5)], 1).await;
        assert!(hung_up.contains(&format!("{ENDED}cancelled\"}} 1")), "{hung_up}");
        assert!(!hung_up.contains("gen_ai_client_token_usage_sum"), "{hung_up}");
        let died = seen(vec![text(), Err(EngineError::Died { model: "m".to_owned() })], 9).await;
        assert!(died.contains(&format!("{ENDED}died\"}} 1")), "{died}");
    }

    #[tokio::test]
    async fn one_token_has_a_first_and_no_next() {
        let one = seen(vec![text(), done(1)], 9).await;
        assert!(one.contains("gen_ai_server_time_to_first_token_seconds_count"), "{one}");
        assert!(!one.contains("gen_ai_server_time_per_output_token_seconds_count"), "{one}");
    }
}
