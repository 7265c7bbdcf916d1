//! The command line: what can be said. How it is explained is in `help`.

mod corpora;
pub mod report;
mod tenants;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use corpora::{Corpus, CreateCorpus};
pub use tenants::{Answer, Approval, Group, Key, Person, Tenant};

/// From a folder of records to cited answers, on your own machines.
#[derive(Debug, Parser)]
#[command(name = "dure", version, max_term_width = 110)]
pub struct Cli {
    /// The data folder [default: $DURE_DATA, or ~/.local/share/dure]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A settings file [default: settings.toml in the data folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The tenant to act in
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// Print JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// The classes of a label, lowest first (N2SF's O, S, C).
const CLASSES: [&str; 3] = ["open", "sensitive", "classified"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API until stopped
    Up(Up),
    /// Ask a corpus a question and get a cited answer
    Ask(Ask),
    /// Find the passages of a corpus that answer a question
    Search(Search),
    /// Corpora: named sets of documents with one label
    #[command(subcommand)]
    Corpus(Corpus),
    /// Models: what can be installed, and what is
    #[command(subcommand)]
    Model(Model),
    /// Routes: the names that clients call, each a model with corpora and instructions
    #[command(subcommand)]
    Route(Route),
    /// Tenants: the institutions on this installation
    #[command(subcommand)]
    Tenant(Tenant),
    /// Groups of people and keys that can be named as readers
    #[command(subcommand)]
    Group(Group),
    /// People
    #[command(subcommand)]
    Person(Person),
    /// Keys of people and services
    #[command(subcommand)]
    Key(Key),
    /// Watch the running server: requests, tokens, slots, errors
    Top {
        /// Print one sample and end
        #[arg(long)]
        once: bool,
    },
    /// Print the API's OpenAPI document
    Openapi,
    /// The ledger: what happened here, with proofs that others can check
    #[command(subcommand)]
    Ledger(Ledger),
    /// Reports that a law asks for, from live data, with the ledger's proof
    #[command(subcommand)]
    Report(report::Report),
    /// Policies: what may happen with which text, in files
    #[command(subcommand)]
    Policy(Policy),
    /// Approvals: what a policy lets happen once somebody else has approved it
    #[command(subcommand)]
    Approval(Approval),
    /// Show what personal data would be hidden in a text
    Mask(Mask),
    /// Show every setting with where it came from, and what is installed
    Doctor,
    /// Copy the whole data folder into one file, while it is in use
    Backup(Backup),
    /// Restore a backup into an empty data folder (`--data`)
    Restore {
        /// A file that `dure backup` wrote
        file: PathBuf,
    },
    /// Compare what is stored with what was written: database, models' and uploaded files, documents
    Check,
    /// Encryption of the data folder, with the master key elsewhere
    #[command(subcommand)]
    Encryption(Encryption),
    /// Print what makes a shell complete `dure`'s words
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, one for each command
    Man {
        /// The folder that they go into; `man` looks in `~/.local/share/man/man1`
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Up {
    /// Where to listen [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write, or the folder to write one into; nothing is written over
    pub path: PathBuf,
    /// Leave the models' files out: they are most of it, and can be fetched again
    #[arg(long)]
    pub without_models: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AnswerMode {
    /// The model's words if the records support them, else the records' own sentences
    Both,
    /// The model's words, with what no passage supports flagged
    Generated,
    /// The records' own sentences; no model is asked
    Extractive,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// The corpus
    pub corpus: String,
    /// The question, in any language
    pub question: String,
    /// How the answer is made
    #[arg(long, value_enum, default_value = "both")]
    pub mode: AnswerMode,
    /// Passages that the answer may be made of
    #[arg(long, value_name = "N")]
    pub top: Option<u32>,
    /// The chat model [default: the first installed]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SearchMode {
    /// By words and meaning
    Fused,
    /// By the words that question and passage share
    Words,
    /// By the nearness of what they mean
    Meaning,
}

#[derive(Debug, Args)]
pub struct Search {
    /// The corpus
    pub corpus: String,
    /// The question
    pub question: String,
    /// Hits to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// How passages are looked for
    #[arg(long, value_enum, default_value = "fused")]
    pub mode: SearchMode,
    /// Only documents whose path begins so
    #[arg(long, value_name = "PREFIX")]
    pub path: Option<String>,
    /// Only documents dated from this day on
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<String>,
    /// Only documents dated up to this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Option<String>,
    /// Only documents of this class or a lower one
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    pub class: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Show the log's public key, its size and its last signed checkpoint
    Status,
    /// List the last entries: flows with their receipts, and what was changed or looked at
    Tail(Tail),
    /// Show one entry by its receipt's id
    Find {
        /// The id, as the answer's header `x-dure-receipt` gave it
        receipt: String,
    },
    /// Get the proof that an entry stands in the log, for somebody who checks it without this server
    Prove {
        /// The receipt's id
        receipt: String,
        /// The file to write [default: the screen]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check a whole log: every entry, every hash, the signature; needs no server
    Verify {
        /// The log's folder, or a copy [default: the data folder's own]
        dir: Option<PathBuf>,
        /// The log's public key, from somebody else than the log [default: the data folder's own]
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// A checkpoint that was kept from before: the log must still hold all that it held then
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        /// A witness's public key: the older checkpoint must carry its cosignature [that checkpoint's default: what the
        /// witnesses cosigned last]
        #[arg(long, value_name = "KEY")]
        witness: Vec<String>,
    },
    /// Check one entry against a proof; needs no server and no log
    Check {
        /// The proof, as `prove` writes it
        proof: PathBuf,
        /// The log's public key
        #[arg(long, value_name = "KEY")]
        key: String,
        /// A witness's public key: the proof must carry its cosignature
        #[arg(long, value_name = "KEY")]
        witness: Vec<String>,
    },
    /// Take the log's folder as the newest there is, where its memory is gone; only if there is no newer copy
    Accept,
    /// Copy the log's files into a folder, for an auditor; needs no server
    Export {
        /// The folder; what is there already is not copied again
        to: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Copy the starting policies into a folder, to be changed there
    Init {
        /// The folder [default: `policy` in the data folder]
        dir: Option<PathBuf>,
    },
    /// Check a folder: grammar, facts, cases, what never applies, and what becomes possible with it
    Check {
        /// The folder [default: `policy` in the data folder]
        dir: Option<PathBuf>,
    },
    /// Answer one question and say which policies decided, and which nearly did
    Explain {
        /// The question, TOML or JSON as in a case; `-` reads standard input
        question: PathBuf,
        /// The policies [default: `policy` in the data folder]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Run the cases that stand beside the policies
    Test {
        /// The folder [default: `policy` in the data folder]
        dir: Option<PathBuf>,
    },
    /// Ask what the ledger recorded again, of other policies, and show what they would have answered otherwise
    Simulate {
        /// The folder of the other policies
        dir: PathBuf,
        /// So many of the last entries
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        last: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Encryption {
    /// Say whether the folder is encrypted, under which master key, and whether that is at hand
    Status,
    /// Encrypt a folder that holds something, for the provider of the settings; the server is stopped meanwhile
    On,
    /// Make an encrypted folder plain again; the server is stopped meanwhile
    Off,
    /// Wrap the data key anew: under another master key, or once more by the same provider
    Rotate {
        /// A settings file whose `[encryption]` names the new master key [default: the provider that is in use]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Mask {
    /// A text file, UTF-8 [default: standard input]
    pub file: Option<PathBuf>,
    /// Only the kinds of this pack
    #[arg(long, value_name = "NAME")]
    pub pack: Vec<String>,
    /// Only these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// A pack of your own, as a folder
    #[arg(long, value_name = "DIR")]
    pub pack_dir: Vec<PathBuf>,
    /// List the kinds that are known
    #[arg(long = "list")]
    pub kinds_known: bool,
}

#[derive(Debug, Args)]
pub struct Tail {
    /// How many
    #[arg(long, short, value_name = "N", default_value_t = 20)]
    pub number: u32,
    /// Only `receipt` (flows), `act` (changes and looks) or `intent` (flows that are open)
    #[arg(long, value_name = "KIND", value_parser = ["receipt", "act", "intent"])]
    pub kind: Option<String>,
    /// Only flows that ended so
    #[arg(long, value_name = "HOW", value_parser = ["served", "refused", "failed", "hung_up", "lost"])]
    pub outcome: Option<String>,
    /// Only flows that called this route or model
    #[arg(long, value_name = "NAME")]
    pub asked: Option<String>,
    /// Only flows whose text left the house
    #[arg(long)]
    pub outside: bool,
}

#[derive(Debug, Subcommand)]
pub enum Model {
    /// List the catalogue and what is installed
    List,
    /// Fetch a model of the catalogue, check it, install it
    Pull {
        /// Its name in the catalogue
        name: String,
        /// Accept the licence where it asks for that
        #[arg(long)]
        accept_licence: bool,
    },
    /// Install a GGUF file of your own
    Import {
        /// The file
        file: PathBuf,
        /// The name to give it [default: the file's]
        #[arg(long)]
        name: Option<String>,
        /// Accept the licence where it asks for that
        #[arg(long)]
        accept_licence: bool,
    },
    /// Show what is known of a model
    Show {
        /// Its name
        name: String,
    },
    /// Remove an installed model
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Route {
    /// Make a route
    Create(CreateRoute),
    /// List routes
    List,
    /// Show a route
    Show {
        /// Its name
        name: String,
    },
    /// Remove a route
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct CreateRoute {
    /// The name that clients call: lower-case letters, digits, `-._+`
    pub name: String,
    /// The chat models, in the order in which they are tried [default: the settings' own]
    #[arg(long, value_delimiter = ',')]
    pub model: Vec<String>,
    /// A TOML file of chat models with weights and conditions, in place of `--model`
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub models: Option<PathBuf>,
    /// Corpora that it answers from; none makes it a plain chat
    #[arg(long, value_delimiter = ',')]
    pub corpus: Vec<String>,
    /// Instructions that stand before every chat
    #[arg(long, default_value = "")]
    pub instructions: String,
    /// How answers are made
    #[arg(long, value_enum, default_value = "both")]
    pub mode: AnswerMode,
    /// Passages that an answer may be made of
    #[arg(long, value_name = "N")]
    pub top: Option<u32>,
}
