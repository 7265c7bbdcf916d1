//! The way to an upstream: pooled connections to one host, bounded in time and size.
//!
//! A request goes to the configured address with the configured key and nowhere else: redirects are not followed, and
//! the environment's proxies are not used. It is sent again only if it brought nothing, for a reason that passes, and
//! within a budget that a failing upstream uses up, so that it is not buried under what it failed at.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::{Config, Limits};
use crate::EngineError;

/// Bytes of an answer's head, and of the body of a refusal.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Servers in Python close a connection that was idle for five seconds; one that may be closing is not used.
const IDLE_MAX: Duration = Duration::from_secs(4);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
const PAUSE: Duration = Duration::from_millis(50);

/// One upstream's connections.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    headers: HeaderMap,
    name: String,
    context_tokens: u32,
    limits: Limits,
    retries: Retries,
}

/// What is wanted of an answer's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The media type.
    pub kind: &'static str,
    /// When the head must be there.
    pub until: Instant,
}

impl Upstream {
    /// No connection yet; the first request makes one.
    ///
    /// # Errors
    /// When this machine's certificates cannot be used.
    pub fn new(config: &Config) -> Result<Self, EngineError> {
        let unusable = |reason: String| EngineError::Unavailable { model: config.name.clone(), reason };
        let tls = tls(config).map_err(|error| unusable(format!("TLS cannot be used: {error}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static("dure"));
        if let Some(key) = &config.key {
            headers.insert(AUTHORIZATION, key.header());
        }
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(config.limits.requests_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .build(Connector { to: connector(&config.limits, tls), wait_max: config.limits.connect_wait_max });
        Ok(Self {
            client,
            headers,
            name: config.name.clone(),
            context_tokens: config.context_tokens,
            limits: config.limits,
            retries: Retries::default(),
        })
    }

    /// Sends a request until an answer of the wanted kind begins.
    ///
    /// # Errors
    /// Why none does. Nothing of the upstream's own words is repeated: they may quote the prompt.
    pub async fn post(&self, door: &Uri, body: Bytes, wanted: Wanted) -> Result<Response<Incoming>, EngineError> {
        self.retries.earn();
        let mut tries = 0;
        loop {
            let missed = match self.send(door, body.clone(), wanted).await {
                Ok(response) if response.status().is_success() => return self.checked(response, wanted.kind),
                Ok(response) if !passes(response.status()) => return Err(self.refusal(response, wanted.until).await),
                Ok(response) => Missed::Answered(response),
                Err(error) if error.is_connect() => Missed::Unreached,
                Err(error) => return Err(self.broken(reason(&error))),
            };
            if tries == self.limits.retries_max || !self.retries.spend() {
                return Err(match missed {
                    Missed::Answered(response) => self.refusal(response, wanted.until).await,
                    Missed::Unreached => self.unavailable("no connection to its upstream can be made"),
                });
            }
            drop(missed);
            tokio::time::sleep(pause(tries)).await;
            tries += 1;
        }
    }

    async fn send(&self, door: &Uri, body: Bytes, wanted: Wanted) -> Result<Response<Incoming>, Unsent> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = door.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(wanted.kind));
        if let Some(trace) = crate::traceparent().and_then(|trace| HeaderValue::try_from(trace).ok()) {
            request.headers_mut().insert("traceparent", trace);
        }
        match timeout_at(wanted.until, self.client.request(request)).await {
            Ok(sent) => sent.map_err(Unsent::Failed),
            Err(_) => Err(Unsent::Late),
        }
    }

    fn checked(&self, response: Response<Incoming>, kind: &str) -> Result<Response<Incoming>, EngineError> {
        let headers = response.headers();
        let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let said = said.split(';').next().unwrap_or_default().trim();
        let plain = headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
        if !said.eq_ignore_ascii_case(kind) || !plain {
            return Err(self.unavailable("its upstream does not answer in the form that was asked for"));
        }
        Ok(response)
    }

    /// What a status that is no success means to whoever asked.
    async fn refusal(&self, response: Response<Incoming>, until: Instant) -> EngineError {
        let status = response.status();
        let model = self.name.clone();
        let retry_after = retry_after(response.headers());
        // The operator reads the status here; the caller learns only what is to be done.
        tracing::warn!(model, status = status.as_u16(), "an upstream refused");
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                EngineError::Busy { model, retry_after: retry_after.unwrap_or(Duration::from_secs(1)) }
            }
            StatusCode::SERVICE_UNAVAILABLE if let Some(retry_after) = retry_after => {
                EngineError::Busy { model, retry_after }
            }
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                self.not_taken(response, until).await
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unavailable("its upstream does not take our key"),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                self.unavailable("its upstream has no such model or no such address")
            }
            _ if status.is_redirection() => self.unavailable("its upstream points elsewhere, where nothing is sent"),
            _ => self.unavailable(&format!("its upstream answers {}", status.as_u16())),
        }
    }

    /// A request that the upstream does not take: its prompt is too long, or something in it is.
    async fn not_taken(&self, response: Response<Incoming>, until: Instant) -> EngineError {
        let model = self.name.clone();
        let body = timeout_at(until, Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect()).await;
        let said = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        let error = said.get("error").unwrap_or(&said);
        match too_long(error) {
            Some(tokens) => EngineError::TooLong {
                model,
                tokens: tokens.unwrap_or_else(|| self.context_tokens.saturating_add(1)),
                tokens_max: self.context_tokens,
            },
            None => EngineError::Invalid(format!("the upstream of `{model}` does not take this request")),
        }
    }

    pub fn unavailable(&self, reason: &str) -> EngineError {
        EngineError::Unavailable { model: self.name.clone(), reason: reason.to_owned() }
    }

    pub fn broken(&self, reason: &'static str) -> EngineError {
        tracing::warn!(model = self.name, reason, "an upstream's answer broke off");
        EngineError::Broken { model: self.name.clone(), reason }
    }
}

/// Why a request brought nothing, where it may be sent again.
enum Missed {
    Answered(Response<Incoming>),
    Unreached,
}

/// Why no head came.
enum Unsent {
    Failed(legacy::Error),
    Late,
}

impl Unsent {
    fn is_connect(&self) -> bool {
        matches!(self, Self::Failed(error) if error.is_connect())
    }
}

fn reason(unsent: &Unsent) -> &'static str {
    match unsent {
        Unsent::Late => "its upstream did not begin in time",
        Unsent::Failed(_) => "its upstream ended the connection",
    }
}

/// Whether a refusal is one that passes by itself.
fn passes(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// Whether a refusal says that the prompt is too long, and how long it is if it says so. OpenAI and vLLM have a code or
/// a sentence for it, llama-server a type with the numbers.
fn too_long(error: &serde_json::Value) -> Option<Option<u32>> {
    let word = |field: &str| error.get(field).and_then(|value| value.as_str()).unwrap_or_default();
    let told = word("code") == "context_length_exceeded"
        || word("type") == "exceed_context_size_error"
        || word("message").contains("maximum context length");
    let tokens = error.get("n_prompt_tokens").and_then(|value| value.as_u64());
    told.then(|| tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)))
}

/// When to come again: seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let when = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(when.duration_since(jiff::Timestamp::now())).unwrap_or_default()
        }
    };
    Some(wait.clamp(Duration::from_secs(1), RETRY_AFTER_MAX))
}

/// A little longer each time, and never the same for many that failed together.
fn pause(tries: u32) -> Duration {
    let random = RandomState::new().hash_one(tries) % 1_000;
    PAUSE.saturating_mul(1 << tries.min(5)).mul_f64(0.5 + random as f64 / 1_000.0)
}

/// How many requests may be sent again: one for ten that are made, and ten saved up at most.
#[derive(Debug)]
struct Retries(AtomicU32);

const RETRY_COST: u32 = 10;
const SAVED_MAX: u32 = 100;

impl Default for Retries {
    fn default() -> Self {
        Self(AtomicU32::new(SAVED_MAX))
    }
}

impl Retries {
    fn earn(&self) {
        let more = |saved: u32| (saved < SAVED_MAX).then_some(saved + 1);
        let _ = self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn spend(&self) -> bool {
        self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(RETRY_COST)).is_ok()
    }
}

/// Connects within a bound that holds for name, connection and TLS together.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    to: HttpsConnector<HttpConnector>,
    wait_max: Duration,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Stream = <HttpsConnector<HttpConnector> as tower::Service<Uri>>::Response;

impl tower::Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Failure>> {
        tower::Service::poll_ready(&mut self.to, context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = tower::Service::call(&mut self.to, to);
        let wait_max = self.wait_max;
        Box::pin(async move { tokio::time::timeout(wait_max, connecting).await? })
    }
}

fn connector(limits: &Limits, tls: rustls::ClientConfig) -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(limits.connect_wait_max));
    http.set_keepalive(Some(Duration::from_secs(30)));
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http)
}

/// The machine's own certificates: an institution may have its own authority. Where nothing is encrypted, none are read.
fn tls(config: &Config) -> Result<rustls::ClientConfig, rustls::Error> {
    use hyper_rustls::ConfigBuilderExt;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if config.address.is_plain() {
        return Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    }
    Ok(builder.try_with_platform_verifier()?.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failing_upstream_uses_its_retries_up() {
        let retries = Retries::default();
        assert_eq!((0..100).filter(|_| retries.spend()).count(), 10);
        (0..10).for_each(|_| retries.earn());
        assert!(retries.spend() && !retries.spend());
        (0..1_000).for_each(|_| retries.earn());
        assert_eq!((0..100).filter(|_| retries.spend()).count(), 10);
    }

    #[test]
    fn when_to_come_again_is_seconds_or_a_date() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(after("7"), Some(7));
        assert_eq!(after("0"), Some(1));
        assert_eq!(after("99999999999"), Some(3_600));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(1));
        assert_eq!(after("Fri, 31 Dec 2990 23:59:59 GMT"), Some(3_600));
        for nothing in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_by_the_words_of_each_server() {
        let llama = json!({ "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096 });
        assert_eq!(too_long(&llama), Some(Some(9_000)));
        assert_eq!(too_long(&json!({ "code": "context_length_exceeded", "message": "" })), Some(None));
        let vllm = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens";
        assert_eq!(too_long(&json!({ "message": vllm, "code": 400 })), Some(None));
        assert_eq!(too_long(&json!({ "message": "bad schema", "code": 400 })), None);
        assert_eq!(too_long(&json!(null)), None);
    }
}
