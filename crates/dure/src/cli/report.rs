//! What can be said of reports.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum Report {
    /// List the reports with the law's texts that their forms follow
    List {
        /// The language
        #[arg(long, value_name = "LANGUAGE", default_value = "ko", value_parser = ["ko", "en"])]
        language: String,
    },
    /// Transfers out of the country and entrusted processing, by upstream
    CrossBorder {
        #[command(flatten)]
        period: Period,
    },
    /// The monthly check of the access log: who looked at, took out or changed what
    AccessLog {
        #[command(flatten)]
        period: Period,
    },
    /// Answers that a model wrote, with what explains each
    AutomatedDecisions {
        #[command(flatten)]
        period: Period,
        #[command(flatten)]
        whom: Whom,
        /// When the explanation was asked for; the law's clock runs from then
        #[arg(long, value_name = "TIME")]
        requested_at: Option<String>,
    },
    /// How generated output was marked and announced, by version of the policies
    NoticeAndLabel {
        #[command(flatten)]
        period: Period,
    },
    /// Models, engines and upstreams in use: an AI bill of materials
    Models {
        #[command(flatten)]
        period: Period,
    },
    /// What a key, a person, a document or an upstream touched, with drafts of the notices
    Breach {
        #[command(flatten)]
        period: Period,
        #[command(flatten)]
        whom: Whom,
        /// When the breach was known; the law's clock runs from then
        #[arg(long, value_name = "TIME")]
        known_at: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One page that prints on A4 and needs nothing else
    Html,
    /// All of it, with the proofs
    Json,
    /// The main table alone
    Csv,
    /// The HTML, printed by a Chromium on this machine; the HTML is kept beside it
    Pdf,
}

#[derive(Debug, Args)]
pub struct Period {
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: String,
    /// The last day, which is in it
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: String,
    /// The format [default: html, or json with --json]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The language
    #[arg(long, value_name = "LANGUAGE", default_value = "ko", value_parser = ["ko", "en"])]
    pub language: String,
    /// The file to write [default: the screen]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Whom {
    /// Only this person's flows and acts
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub person: Option<String>,
    /// Only this key's; of a person's key, the person's
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Only those that this document, by its id, was used in
    #[arg(long, value_name = "ID")]
    pub document: Option<String>,
    /// Only those that went to this upstream
    #[arg(long, value_name = "NAME")]
    pub upstream: Option<String>,
}
