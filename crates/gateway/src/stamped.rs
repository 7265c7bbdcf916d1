//! The receipts of an answer, in its headers.

use std::convert::Infallible;

use axum::http::HeaderValue;
use axum::response::{IntoResponseParts, ResponseParts};
use serving::{ReplyStream, Stamp};

/// The id of the receipt that the answer's flow leaves; with several choices, one for each.
pub(crate) const RECEIPT: &str = "x-dure-receipt";

/// The salt of the receipt's commitments, for whoever wants to show later what was asked and answered. The house does
/// not keep it.
pub(crate) const SALT: &str = "x-dure-receipt-salt";

/// Puts receipts into an answer's headers.
pub(crate) struct Stamped(Vec<Stamp>);

impl Stamped {
    pub fn of(replies: &[ReplyStream]) -> Self {
        Self(replies.iter().map(ReplyStream::stamp).collect())
    }

    pub fn one(stamp: Stamp) -> Self {
        Self(vec![stamp])
    }
}

impl IntoResponseParts for Stamped {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let joined = |each: &dyn Fn(&Stamp) -> String| self.0.iter().map(each).collect::<Vec<_>>().join(", ");
        for (name, value) in [
            (RECEIPT, joined(&|stamp| stamp.receipt.to_string())),
            (SALT, joined(&|stamp| hex::encode(stamp.salt.0))),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                parts.headers_mut().insert(name, value);
            }
        }
        Ok(parts)
    }
}
