//! Ids. Each noun has a type of its own, so that a key's id cannot be handed in where a corpus is asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is no id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form `{prefix}_` and 32 hexadecimal digits")]
pub struct IdError {
    /// The prefix that an id of this kind begins with.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id; later ids sort after earlier ones (UUID version 7, RFC 9562).
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The 16 bytes, as the database keeps them.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-9a-f]{32}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| IdError { prefix: $prefix })
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text
                    .strip_prefix(concat!($prefix, "_"))
                    .filter(|digits| digits.len() == 32)
                    .ok_or(IdError { prefix: $prefix })?;
                Uuid::try_parse(digits).map(Self).map_err(|_| IdError { prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// One institution on this installation; nothing of one tenant is seen by another.
    TenantId, "tenant"
);
id!(
    /// A set of people and keys of one tenant, named as the reader of corpora and documents.
    GroupId, "group"
);
id!(
    /// A person of a tenant.
    PersonId, "person"
);
id!(
    /// A secret that stands for a person or a service.
    KeyId, "key"
);
id!(
    /// One flow through the house, and the receipt that it leaves.
    ReceiptId, "receipt"
);
id!(
    /// A question that waits for somebody's approval.
    ApprovalId, "approval"
);
id!(
    /// A named set of documents with one label.
    CorpusId, "corpus"
);
id!(
    /// One document in one corpus, over all its contents in time.
    DocumentId, "doc"
);
id!(
    /// One call of a tool, in the words of a model.
    CallId, "call"
);
id!(
    /// A conversation that is kept for whoever had it.
    ConversationId, "conv"
);
id!(
    /// A response that is kept for whoever asked for it.
    ResponseId, "resp"
);

id!(
    /// A file that was uploaded to be used later.
    FileId, "file"
);

/// The number of a passage in the passage log of one data folder, from 1 upward. Numbers are never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct PassageId(pub u32);

impl fmt::Display for PassageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PassageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "passage {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_written_and_only_as_its_own_kind() {
        let id = CorpusId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<DocumentId>().is_err());
        assert!("corpus_".parse::<CorpusId>().is_err());
        assert!("corpus_../../../../../../../../../../x".parse::<CorpusId>().is_err());
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let first = DocumentId::new();
        let second = DocumentId::new();
        assert!(first < second);
    }
}
