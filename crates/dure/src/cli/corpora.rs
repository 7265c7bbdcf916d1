//! What can be said of corpora.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CLASSES;

#[derive(Debug, Subcommand)]
pub enum Corpus {
    /// Make a corpus
    Create(CreateCorpus),
    /// Add files, folders and archives; what did not change is left as it is
    Add {
        /// The corpus
        name: String,
        /// Files, folders, .tar.zst, .tar, .zip
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// A class stricter than the corpus's, for these documents
        #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
        class: Option<String>,
        /// Groups that may read these documents, beyond what the corpus asks
        #[arg(long, value_name = "GROUP")]
        readers: Vec<String>,
        /// A TOML file of rules that say who may read which of them, by path or by the machine's group
        #[arg(long, value_name = "FILE")]
        access: Option<PathBuf>,
    },
    /// List corpora
    List,
    /// Show what a corpus holds and how far its indexes are
    Status {
        /// The corpus
        name: Option<String>,
        /// Wait until every passage can be found by meaning, too
        #[arg(long)]
        wait: bool,
    },
    /// List a corpus's documents, or show one as the model sees it
    Show {
        /// The corpus
        name: String,
        /// The document's path or id
        document: Option<String>,
    },
    /// Say which groups may read a corpus; none means the whole tenant
    Readers {
        /// The corpus
        name: String,
        /// Groups
        groups: Vec<String>,
    },
    /// Give a document a lower class, once somebody has approved it: as the person whose key is in DURE_KEY, or the operator
    Declassify {
        /// The corpus
        name: String,
        /// The document's path or id
        document: String,
        /// The class that it is to have
        #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
        to: String,
        /// Why; whoever approves reads it
        #[arg(long)]
        reason: String,
    },
    /// Remove a corpus, or one document of it
    Remove {
        /// The corpus
        name: String,
        /// The document's path or id
        document: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct CreateCorpus {
    /// Its name: letters of any script, digits, `-_.`
    pub name: String,
    /// What people read
    #[arg(long, default_value = "")]
    pub title: String,
    /// How much it must be guarded (N2SF's O, S, C)
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    pub class: String,
    /// Countries where it may be processed; `anywhere` draws no border
    #[arg(long, value_name = "COUNTRY", value_delimiter = ',', default_value = "KR")]
    pub residency: Vec<String>,
    /// Licences that the records came with
    #[arg(long, value_name = "LICENCE", value_delimiter = ',')]
    pub licence: Vec<String>,
    /// What the records may be used for; a corpus for nothing cannot be searched
    #[arg(long, value_name = "PURPOSE", value_delimiter = ',', required = true)]
    pub purpose: Vec<String>,
    /// Groups that may read it [default: everybody of the tenant]
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub readers: Vec<String>,
}
