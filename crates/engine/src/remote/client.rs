//! The way to an upstream: pooled connections to one host, bounded in time and size.
//!
//! A request goes to the configured address with the configured key and nowhere else: redirects are not followed, and
//! the environment's proxies are not used. It is sent again only if it brought nothing, for a reason that passes, and
//! within a budget that a failing upstream uses up, so that it is not buried under what it failed at.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use base::Usage;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::breaker::{Breaker, Pass};
use super::budget::{Budget, pause};
use super::{Api, Config, Limits, refusal, tls};
use crate::{Circuit, EngineError};

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
/// Servers in Python close a connection that was idle for five seconds; one that may be closing is not used.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// The version of its API that an upstream of Anthropic's kind is asked for.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// One upstream's connections.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    headers: HeaderMap,
    pub name: String,
    pub context_tokens: u32,
    limits: Limits,
    budget: Budget,
    breaker: Arc<Breaker>,
}

/// A request on its way, and how often it was sent already.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    door: Uri,
    body: Bytes,
    /// The trace that it belongs to: whoever sends it again may be another task than the one that asked.
    trace: Option<HeaderValue>,
    pub tries: u32,
}

impl Sending {
    /// One that was not sent yet.
    pub fn new(door: &Uri, body: Bytes) -> Self {
        let trace = crate::traceparent().and_then(|trace| HeaderValue::try_from(trace).ok());
        Self { door: door.clone(), body, trace, tries: 0 }
    }
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
        let tls = tls::client_config(config).map_err(|error| unusable(format!("TLS cannot be used: {error}")))?;
        let limits = config.limits;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(limits.requests_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .build(Connector { to: connector(&limits, tls), wait_max: limits.connect_wait_max });
        let now = Instant::now();
        Ok(Self {
            client,
            headers: headers(config),
            name: config.name.clone(),
            context_tokens: config.context_tokens,
            limits,
            budget: Budget::new(now),
            breaker: Arc::new(Breaker::new(limits.failures_max, limits.rest_wait, now)),
        })
    }

    /// Lets a request through to the upstream, unless it is left alone just now.
    ///
    /// # Errors
    /// [`EngineError::LeftAlone`].
    pub fn enter(&self) -> Result<Pass, EngineError> {
        let passed = self.breaker.enter(Instant::now());
        passed.map_err(|retry_after| EngineError::LeftAlone { model: self.name.clone(), retry_after })
    }

    /// Whether requests go through.
    pub fn state(&self) -> Circuit {
        self.breaker.state(Instant::now())
    }

    /// What a request's end says of the upstream: one that does not take what it is sent is well, one that is busy is
    /// neither well nor ill.
    pub fn judge(&self, pass: Pass, error: &EngineError) {
        match error {
            EngineError::Unavailable { .. } | EngineError::Broken { .. } => self.failed(pass),
            EngineError::TooLong { .. } | EngineError::Invalid(_) => pass.served(Instant::now()),
            _ => {}
        }
    }

    /// The upstream failed.
    pub fn failed(&self, pass: Pass) {
        if pass.failed(Instant::now()) {
            tracing::warn!(model = self.name, "an upstream failed too often and is left alone");
        }
    }

    /// Sends a request until an answer of the wanted kind begins.
    ///
    /// # Errors
    /// Why none does. Nothing of the upstream's own words is repeated: they may quote the prompt.
    pub async fn post(&self, sending: &mut Sending, wanted: Wanted) -> Result<Response<Incoming>, EngineError> {
        if sending.tries == 0 {
            self.budget.made(Instant::now());
        }
        loop {
            let missed = match self.send(sending, wanted).await {
                Ok(response) if response.status().is_success() => return self.checked(response, wanted.kind),
                Ok(response) if !refusal::passes(&response) => return Err(self.refused(response, wanted.until).await),
                Ok(response) => Missed::Answered(response),
                Err(Unsent::Failed(error)) if error.is_connect() => match tls::mistrust(&error) {
                    Some(reason) => return Err(self.unavailable(reason)),
                    None => Missed::Unreached,
                },
                Err(error) => return Err(self.broken(reason(&error), None)),
            };
            let told = match &missed {
                Missed::Answered(response) => refusal::retry_after(response.headers()),
                Missed::Unreached => None,
            };
            if !self.again(sending, told, wanted.until).await {
                return Err(match missed {
                    Missed::Answered(response) => self.refused(response, wanted.until).await,
                    Missed::Unreached => self.unavailable("no connection to its upstream can be made"),
                });
            }
        }
    }

    /// Waits until a request that brought nothing may be sent again, or says that it is not to be: tried often enough, the
    /// budget used up, or told to wait for longer than it can.
    pub async fn again(&self, sending: &mut Sending, told: Option<Duration>, until: Instant) -> bool {
        let random = RandomState::new().hash_one(sending.tries) as f64 / u64::MAX as f64;
        let pause = pause(sending.tries, told, random);
        let bearable = told.is_none_or(|told| told <= self.limits.retry_wait_max);
        if sending.tries >= self.limits.retries_max || !bearable || Instant::now() + pause >= until {
            return false;
        }
        if !self.budget.repeat(Instant::now()) {
            return false;
        }
        tokio::time::sleep(pause).await;
        sending.tries += 1;
        true
    }

    async fn send(&self, sending: &Sending, wanted: Wanted) -> Result<Response<Incoming>, Unsent> {
        let mut request = Request::new(Full::new(sending.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = sending.door.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(wanted.kind));
        if let Some(trace) = &sending.trace {
            request.headers_mut().insert("traceparent", trace.clone());
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

    async fn refused(&self, response: Response<Incoming>, until: Instant) -> EngineError {
        refusal::read(&self.name, self.context_tokens, response, until).await
    }

    pub fn unavailable(&self, reason: &str) -> EngineError {
        EngineError::Unavailable { model: self.name.clone(), reason: reason.to_owned() }
    }

    pub fn busy(&self, retry_after: Duration) -> EngineError {
        EngineError::Busy { model: self.name.clone(), retry_after }
    }

    pub fn broken(&self, reason: &'static str, used: Option<Usage>) -> EngineError {
        tracing::warn!(model = self.name, reason, "an upstream's answer broke off");
        EngineError::Broken { model: self.name.clone(), reason, used }
    }
}

/// What every request carries.
fn headers(config: &Config) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static("dure"));
    if config.api == Api::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    if let Some(key) = &config.key {
        match config.api {
            Api::OpenAi => headers.insert(AUTHORIZATION, key.bearer()),
            Api::Anthropic => headers.insert("x-api-key", key.plain()),
        };
    }
    headers
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

fn reason(unsent: &Unsent) -> &'static str {
    match unsent {
        Unsent::Late => "its upstream did not begin in time",
        Unsent::Failed(_) => "its upstream ended the connection",
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
