//! Who asks: the one extractor that every door uses.
//!
//! A credential comes as `Authorization: Bearer KEY` or as `x-api-key: KEY`, and both are judged here by the same
//! code. More than one credential is refused, so that no two parts of the program can judge different ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base::{Class, Principal, Subject};

use crate::App;
use crate::error::ApiError;
use crate::tls::Proof;
use crate::trail::Asker;
use crate::visit::Visit;

const API_KEY: &str = "x-api-key";
const TENANT: &str = "x-dure-tenant";
const KEY_BYTES_MAX: usize = 512;

/// Whoever sent the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Principal);

/// Somebody who may change what the tenant has.
#[derive(Debug, Clone)]
pub(crate) struct Administrator(pub(crate) Principal);

/// Somebody who keeps the house: who may change which models of the catalogue are here, and see how busy it is.
#[derive(Debug, Clone)]
pub(crate) struct Steward(pub(crate) Principal);

/// The command line on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Principal);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let principal = who(parts, app)?;
        tracing::Span::current().record("tenant", tracing::field::display(principal.tenant));
        if let Some(visit) = parts.extensions.get::<Visit>() {
            let key = credential(&parts.headers).and_then(tenancy::key_id);
            visit.belongs_to(principal.tenant, key);
        }
        if let Some(asker) = parts.extensions.get::<Asker>() {
            asker.is(&principal).await?;
        }
        Ok(Self(principal))
    }
}

fn who(parts: &Parts, app: &App) -> Result<Principal, ApiError> {
    let key = credential(&parts.headers).ok_or(ApiError::Unauthenticated)?;
    if !app.operator.matches(key) {
        if parts.extensions.get::<Proof>() == Some(&Proof::Owed) {
            return Err(ApiError::NoCertificate);
        }
        return app.tenancy.authenticate(key).map_err(|_| ApiError::Unauthenticated);
    }
    let name = parts.headers.get(TENANT).map_or(Ok("default"), |name| name.to_str());
    let name = name.map_err(|_| ApiError::NotFound("tenant"))?;
    let tenant = app.tenancy.tenant(&percent_decoded(name))?;
    Ok(Principal {
        tenant: tenant.id,
        subject: Subject::Operator,
        groups: BTreeSet::new(),
        input_class: Class::Open,
        read_class_max: Class::Classified,
        administrator: false,
    })
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Caller(principal) = Caller::from_request_parts(parts, app).await?;
        app.guard.may_operate(&principal)?;
        Ok(Operator(principal))
    }
}

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Caller(principal) = Caller::from_request_parts(parts, app).await?;
        app.guard.may_administer(&principal)?;
        Ok(Administrator(principal))
    }
}

impl FromRequestParts<Arc<App>> for Steward {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Caller(principal) = Caller::from_request_parts(parts, app).await?;
        let house = app.tenancy.house().ok_or(ApiError::NotFound("tenant"))?;
        app.guard.may_change_models(&principal, house)?;
        Ok(Steward(principal))
    }
}

fn credential(headers: &HeaderMap) -> Option<&str> {
    let mut shown = headers
        .get_all(AUTHORIZATION)
        .iter()
        .map(|value| value.to_str().ok().and_then(bearer))
        .chain(headers.get_all(API_KEY).iter().map(|value| value.to_str().ok()));
    let key = shown.next()??;
    (shown.next().is_none() && key.len() <= KEY_BYTES_MAX).then_some(key)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start_matches(' '))
}

/// Header values are ASCII, and a tenant's name may be Korean.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).filter(|_| *first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        credential(&map).map(str::to_owned)
    }

    #[test]
    fn one_credential_is_read_and_two_are_none() {
        assert_eq!(seen(&[("authorization", "Bearer k")]).as_deref(), Some("k"));
        assert_eq!(seen(&[("authorization", "bearer  k")]).as_deref(), Some("k"));
        assert_eq!(seen(&[("x-api-key", "k")]).as_deref(), Some("k"));
        for headers in [
            &[][..],
            &[("authorization", "k")],
            &[("authorization", "Basic k")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("authorization", "Bearer a"), ("x-api-key", "a")],
            &[("authorization", "Basic x"), ("x-api-key", "a")],
            &[("cookie", "key=k")],
        ] {
            assert_eq!(seen(headers), None, "{headers:?}");
        }
        assert_eq!(seen(&[("x-api-key", &"k".repeat(513))]), None);
    }

    #[test]
    fn a_korean_tenants_name_fits_a_header() {
        assert_eq!(percent_decoded("%EB%91%90%EB%A0%88-1%"), "두레-1%");
    }
}
