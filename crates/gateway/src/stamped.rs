//! The receipts of an answer, in its headers.

use std::convert::Infallible;

use axum::http::HeaderValue;
use axum::response::{IntoResponseParts, ResponseParts};
use guard::policy::Notice;
use serving::{ReplyStream, Stamp};

/// The id of the receipt that the answer's flow leaves; with several choices, one for each.
pub(crate) const RECEIPT: &str = "x-dure-receipt";

/// The salt of the receipt's commitments, for whoever wants to show later what was asked and answered. The house does
/// not keep it.
pub(crate) const SALT: &str = "x-dure-receipt-salt";

/// How the answer is marked as made by a model: `metadata`, or `visible` where its text says so, too.
const GENERATED: &str = "x-dure-generated";

/// What whoever asked is to be told, in English and, percent-encoded, in Korean.
const NOTICE: &str = "x-dure-notice";
const NOTICE_KO: &str = "x-dure-notice-ko";

/// Puts an answer's receipts, and what goes with them, into its headers.
pub(crate) struct Stamped(Vec<Stamp>);

impl Stamped {
    pub fn of(replies: &[ReplyStream]) -> Self {
        Self(replies.iter().map(|reply| reply.stamp().clone()).collect())
    }

    pub fn one(stamp: Stamp) -> Self {
        Self(vec![stamp])
    }
}

impl IntoResponseParts for Stamped {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let joined = |each: &dyn Fn(&Stamp) -> String| self.0.iter().map(each).collect::<Vec<_>>().join(", ");
        let told = |each: fn(&Notice) -> String| {
            // Choices of one request are told the same.
            let notices = self.0.first().map(|stamp| stamp.notices.iter().map(each).collect::<Vec<_>>());
            notices.unwrap_or_default().join(" ")
        };
        let marking = self.0.iter().filter_map(|stamp| stamp.marking).max();
        for (name, value) in [
            (RECEIPT, joined(&|stamp| stamp.receipt.to_string())),
            (SALT, joined(&|stamp| stamp.salt.to_string())),
            (GENERATED, marking.map_or(String::new(), |marking| marking.to_string())),
            (NOTICE, told(|notice| notice.en.clone())),
            (NOTICE_KO, told(|notice| percent_encoded(&notice.ko))),
        ] {
            if value.is_empty() {
                continue;
            }
            if let Ok(value) = HeaderValue::try_from(value) {
                parts.headers_mut().insert(name, value);
            }
        }
        Ok(parts)
    }
}

/// Header values are ASCII.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
