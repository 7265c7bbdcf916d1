//! How commands reach the house: over the running server's API, or, where none runs, in this very process.
//!
//! Both ways go through the same doors with the same requests, so a command does the same thing either way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{DataLock, StoreError};
use tower::ServiceExt;

use crate::house::{House, read_operator_key};
use crate::pinned;
use crate::settings::Settings;

/// How long a command waits for another command to let go of the data folder.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Whoever acts: the key in this variable of the environment, or the operator where there is none.
const KEY: &str = "DURE_KEY";

/// The house, as commands reach it.
pub struct Client {
    way: Way,
    key: String,
    tenant: String,
}

enum Way {
    Server { address: SocketAddr, certificate: Option<PathBuf> },
    Here(Box<House>),
}

/// What the API said no with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The error's code.
    pub code: String,
    /// What it says.
    pub message: String,
}

impl Client {
    /// Finds the server that owns the data folder, or opens the folder.
    ///
    /// # Errors
    /// When another command holds the folder for longer than ten seconds.
    pub async fn connect(settings: &Settings, tenant: &str) -> anyhow::Result<Self> {
        let begun = Instant::now();
        loop {
            let way = match DataLock::owner(&settings.data)? {
                Some(store::Owner { address: Some(address), .. }) => Some(Way::Server {
                    address: from_here(address),
                    certificate: settings.tls_files().map(|files| files.certificate),
                }),
                Some(owner) if begun.elapsed() > WAIT_MAX => {
                    bail!(StoreError::InUse { dir: settings.data.clone(), pid: owner.pid })
                }
                Some(_) => None,
                None => match House::open(settings).await {
                    Ok(house) => Some(Way::Here(Box::new(house))),
                    Err(error) if error.downcast_ref::<StoreError>().is_some_and(in_use) => None,
                    Err(error) => return Err(error),
                },
            };
            match way {
                Some(way) => {
                    let key = match std::env::var(KEY) {
                        Ok(key) if !key.is_empty() => key,
                        _ => read_operator_key(settings).with_context(|| {
                            format!("you may not act as the operator of `{}`", settings.data.display())
                        })?,
                    };
                    return Ok(Self { way, key, tenant: percent_encoded(tenant) });
                }
                // Another command is at work; it is soon done, or becomes a server that can be asked.
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Where the server listens; none where the work is done in this process.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.way {
            Way::Server { address, .. } => Some(address),
            Way::Here(_) => None,
        }
    }

    /// Whether the work is done in this process.
    pub fn is_here(&self) -> bool {
        matches!(self.way, Way::Here(_))
    }

    /// Asks for a value.
    ///
    /// # Errors
    /// [`Refused`] if the house says no.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<T> {
        let response = self.send(method, path, body).await?;
        let bytes = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&bytes).context("the server's answer is not what this program reads")
    }

    /// Gets a text.
    ///
    /// # Errors
    /// [`Refused`] if the house says no.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let bytes = self.send(Method::GET, path, None).await?.into_body().collect().await?.to_bytes();
        String::from_utf8(bytes.into()).context("the server's answer is not what this program reads")
    }

    /// Gets a document as it is, with its head.
    ///
    /// # Errors
    /// [`Refused`] if the house says no.
    pub async fn document(&self, path: &str) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
        let (head, body) = self.send(Method::GET, path, None).await?.into_parts();
        let bytes = body.collect().await.context("the server ended in the middle of its answer")?.to_bytes();
        Ok((head.headers, bytes.into()))
    }

    /// Asks for a stream of JSON lines and hands each on as it comes.
    ///
    /// # Errors
    /// [`Refused`] if the house says no, also as the stream's last line; whatever `each` says.
    pub async fn follow(
        &self,
        path: &str,
        body: Value,
        mut each: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let response = self.send(Method::POST, path, Some(body)).await?;
        let mut body = response.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame.context("the server ended in the middle of its answer")?.data_ref() {
                rest.extend_from_slice(data);
            }
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let value: Value = serde_json::from_slice(&line).context("the server's answer has a broken line")?;
                if let Some(refused) = refusal(500, &value) {
                    return Err(refused.into());
                }
                each(value)?;
            }
        }
        Ok(())
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Response<Body>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json")
            .header("x-dure-tenant", &self.tenant)
            .body(body.map_or_else(Body::empty, |value| Body::from(value.to_string())))?;
        let response = match &self.way {
            Way::Server { address, certificate } => {
                let response = pinned::send(*address, certificate.as_ref(), request).await;
                response.with_context(|| format!("the server at {address} does not answer"))?
            }
            Way::Here(house) => house.router().oneshot(request).await?,
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Err(refusal(status, &value)
            .map_or_else(|| anyhow::anyhow!("the server answered {status}"), anyhow::Error::from))
    }

    /// Lets go of the data folder, if this process has it.
    ///
    /// # Errors
    /// When the folder could not be closed cleanly.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.way {
            Way::Here(house) => house.close().await,
            Way::Server { .. } => Ok(()),
        }
    }
}

/// Where a server that listens on every address is reached from its own machine.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn in_use(error: &StoreError) -> bool {
    matches!(error, StoreError::InUse { .. })
}

fn refusal(status: u16, value: &Value) -> Option<Refused> {
    let error = value.get("error")?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Refused { status, code: text("code"), message: text("message") })
}

/// A text as one segment of a path, or one value of a query.
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
