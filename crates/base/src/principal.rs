//! Who asks.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Class, GroupId, KeyId, PersonId, TenantId};

/// What kind of principal asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Subject {
    /// Whoever can read the data folder of this installation: the command line on the machine itself.
    Operator,
    /// A person, through one of the person's keys.
    Person(PersonId),
    /// A program, through a key of its own.
    Service(KeyId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Operator => f.write_str("operator"),
            Subject::Person(id) => id.fmt(f),
            Subject::Service(id) => id.fmt(f),
        }
    }
}

/// Somebody who asks for something, always inside one tenant.
///
/// Invariant: only `tenancy` makes one from a key, and only after the key was checked; the command line's
/// operator is made by the wiring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Where the principal belongs.
    pub tenant: TenantId,
    /// Who it is.
    pub subject: Subject,
    /// The groups whose corpora and documents it may read.
    pub groups: BTreeSet<GroupId>,
    /// The class that text sent by this principal takes at least.
    pub input_class: Class,
    /// The highest class that this principal may read.
    pub read_class_max: Class,
    /// Whether it may change what its tenant has. It gives no right to read.
    pub administrator: bool,
}

impl Principal {
    /// Whether this is the operator of the installation.
    pub fn is_operator(&self) -> bool {
        self.subject == Subject::Operator
    }
}
