//! What can be said of tenants, and of those who are in them.

use clap::{Args, Subcommand};

use super::CLASSES;

#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Make a tenant
    Create {
        /// Its name
        name: String,
        /// Tokens that it may use in all [default: no bound]
        #[arg(long, value_name = "N")]
        quota_tokens: Option<u64>,
    },
    /// List tenants with what they used
    List,
    /// Change how many tokens a tenant may use in all
    Quota {
        /// Its name
        name: String,
        /// Tokens; leave out for no bound
        tokens: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Group {
    /// Make a group
    Create {
        /// Its name
        name: String,
    },
    /// List groups
    List,
}

#[derive(Debug, Subcommand)]
pub enum Person {
    /// Make a person
    Create {
        /// The person's name
        name: String,
        /// Groups that the person is in
        #[arg(long, value_delimiter = ',')]
        group: Vec<String>,
    },
    /// List people
    List,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key; it is shown once
    Create {
        /// Its name
        name: String,
        /// The person that it stands for; none makes it a service's
        #[arg(long, value_name = "NAME")]
        person: Option<String>,
        /// Groups whose corpora a service's key may read
        #[arg(long, value_delimiter = ',')]
        group: Vec<String>,
        /// The class that text sent with it takes at least
        #[arg(long, value_name = "CLASS", default_value = "open", value_parser = CLASSES)]
        input_class: String,
        /// The highest class that it may read
        #[arg(long, value_name = "CLASS", default_value = "open", value_parser = CLASSES)]
        read_class: String,
        /// Let it change what the tenant has: corpora, routes, groups, people, keys. The console needs such a key
        #[arg(long)]
        administrator: bool,
    },
    /// List keys
    List,
    /// End a key at once
    Revoke {
        /// Its name or id
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Approval {
    /// List what waits for an approval, and what was answered
    List {
        /// Only those that stand so
        #[arg(long, value_name = "STATE", value_parser = ["open", "approved", "declined", "expired"])]
        state: Option<String>,
    },
    /// Show one request
    Show {
        /// Its id
        id: String,
    },
    /// Approve what somebody else asked for: as the person whose key is in DURE_KEY
    Approve {
        #[command(flatten)]
        answer: Answer,
        /// Days that the approval is good for
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=30))]
        days: u32,
    },
    /// Decline what somebody else asked for: as the person whose key is in DURE_KEY
    Decline {
        #[command(flatten)]
        answer: Answer,
    },
}

#[derive(Debug, Args)]
pub struct Answer {
    /// The request's id
    pub id: String,
    /// Why
    #[arg(long)]
    pub reason: String,
}
