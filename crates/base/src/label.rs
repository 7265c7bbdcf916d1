//! Labels and their algebra.
//!
//! A label says how carefully a text must be handled. When texts come together (a document and its corpus,
//! passages in a prompt), their labels are joined, and the join is never laxer than either side. Joining is
//! associative, commutative and idempotent; the tests below hold it to that.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How secret a text is: the three grades of Korea's N2SF (국가 망 보안체계, guideline 1.0 of 2025-09-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// O: may be seen by everybody.
    Open,
    /// S: only for those it concerns.
    Sensitive,
    /// C: secrets of the state or of equal weight.
    Classified,
}

/// A country, as its two upper-case letters (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// A short word of an operator's own choice: a purpose, a licence. Letters, digits and `- . _ +`; the case of letters
/// does not count, so that `Apache-2.0` and `apache-2.0` are one licence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// What a text may be used for, such as `answering` or `training`.
pub type Purpose = Name;

/// Where a text may be processed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Residency {
    /// No border is drawn.
    Anywhere,
    /// In these countries only; an empty set means nowhere.
    Only(BTreeSet<Country>),
}

/// What governs a text: class, residency, purposes, licences.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Label {
    /// How secret it is.
    pub class: Class,
    /// Where it may be processed.
    pub residency: Residency,
    /// What it may be used for; an empty set means for nothing.
    pub purposes: BTreeSet<Purpose>,
    /// The licences that it came with; each of them must allow a use.
    pub licences: BTreeSet<Name>,
}

/// Why a text is no part of a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not one of the three classes.
    #[error("a class is `open`, `sensitive` or `classified`, not `{0}`")]
    Class(String),
    /// Not two letters.
    #[error("a country is two letters (ISO 3166-1), such as `KR`, not `{0}`")]
    Country(String),
    /// Not a name.
    #[error("a name has 1 to 64 letters, digits or `-._+`, not `{0}`")]
    Name(String),
}

impl Label {
    /// The label of two texts that have come together: the higher class, the countries and purposes that both
    /// allow, and the licences of both.
    #[must_use]
    pub fn join(&self, other: &Label) -> Label {
        Label {
            class: self.class.max(other.class),
            residency: self.residency.join(&other.residency),
            purposes: self.purposes.intersection(&other.purposes).cloned().collect(),
            licences: self.licences.union(&other.licences).cloned().collect(),
        }
    }

    /// Whether every use that this label allows is also allowed by `other`.
    pub fn is_at_least(&self, other: &Label) -> bool {
        self.join(other) == *self
    }
}

impl utoipa::PartialSchema for Country {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .pattern(Some("^[A-Z]{2}$"))
            .examples(["KR"])
            .into()
    }
}

impl utoipa::ToSchema for Country {}

impl utoipa::PartialSchema for Name {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .pattern(Some("^[A-Za-z0-9._+-]{1,64}$"))
            .into()
    }
}

impl utoipa::ToSchema for Name {}

impl Residency {
    /// The countries that both allow.
    #[must_use]
    pub fn join(&self, other: &Residency) -> Residency {
        match (self, other) {
            (Residency::Anywhere, side) | (side, Residency::Anywhere) => side.clone(),
            (Residency::Only(a), Residency::Only(b)) => Residency::Only(a & b),
        }
    }

    /// Whether a text may be processed in `country`.
    pub fn allows(&self, country: Country) -> bool {
        match self {
            Residency::Anywhere => true,
            Residency::Only(countries) => countries.contains(&country),
        }
    }
}

impl Country {
    /// The Republic of Korea.
    pub const KR: Country = Country(*b"KR");

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl Name {
    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Class {
    /// The word for this class.
    pub fn as_str(&self) -> &'static str {
        match self {
            Class::Open => "open",
            Class::Sensitive => "sensitive",
            Class::Classified => "classified",
        }
    }
}

impl FromStr for Class {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text {
            "open" => Ok(Class::Open),
            "sensitive" => Ok(Class::Sensitive),
            "classified" => Ok(Class::Classified),
            _ => Err(LabelError::Class(text.to_owned())),
        }
    }
}

impl FromStr for Country {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text.as_bytes() {
            &[a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Country([a, b])),
            _ => Err(LabelError::Country(text.to_owned())),
        }
    }
}

impl FromStr for Name {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+'));
        if fits { Ok(Name(text.to_ascii_lowercase())) } else { Err(LabelError::Name(text.to_owned())) }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = LabelError;

            fn try_from(text: String) -> Result<Self, LabelError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

as_text!(Country);
as_text!(Name);

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn country() -> impl Strategy<Value = Country> {
        prop_oneof![Just("KR"), Just("ID"), Just("FR"), Just("US")].prop_map(|text| text.parse().unwrap())
    }

    fn names() -> impl Strategy<Value = BTreeSet<Name>> {
        proptest::collection::btree_set(
            prop_oneof![Just("answering"), Just("training"), Just("kogl-1")].prop_map(|text| text.parse().unwrap()),
            0..3,
        )
    }

    fn label() -> impl Strategy<Value = Label> {
        let class = prop_oneof![Just(Class::Open), Just(Class::Sensitive), Just(Class::Classified)];
        let residency = prop_oneof![
            Just(Residency::Anywhere),
            proptest::collection::btree_set(country(), 0..4).prop_map(Residency::Only)
        ];
        (class, residency, names(), names()).prop_map(|(class, residency, purposes, licences)| Label {
            class,
            residency,
            purposes,
            licences,
        })
    }

    proptest! {
        #[test]
        fn joining_is_associative_commutative_and_idempotent(a in label(), b in label(), c in label()) {
            prop_assert_eq!(a.join(&b), b.join(&a));
            prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
            prop_assert_eq!(a.join(&a), a);
        }

        #[test]
        fn a_join_is_never_laxer_than_either_side(a in label(), b in label(), place in country()) {
            let joined = a.join(&b);
            prop_assert!(joined.is_at_least(&a) && joined.is_at_least(&b));
            prop_assert!(joined.class >= a.class);
            prop_assert!(!joined.residency.allows(place) || a.residency.allows(place) && b.residency.allows(place));
            prop_assert!(joined.purposes.is_subset(&a.purposes) && joined.licences.is_superset(&b.licences));
        }
    }

    #[test]
    fn nonsense_is_no_part_of_a_label() {
        assert!("Open".parse::<Class>().is_err());
        for text in ["", "K", "kr", "KOR", "한국"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
        for text in ["", "a b", "../x", "a\0", &"x".repeat(65)] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_licence_is_one_however_its_letters_are_written() {
        assert_eq!("CC0-1.0".parse::<Name>().unwrap(), "cc0-1.0".parse::<Name>().unwrap());
    }
}
