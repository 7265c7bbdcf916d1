//! The command line: what can be said. How it is explained is in `help`.

pub mod report;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

#[derive(Debug, Subcommand)]
pub enum Approval {
    /// List what waits for an approval, and what was answered
    List {
        /// Only those that stand so
        #[arg(long, value_enum)]
        state: Option<ApprovalState>,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ApprovalState {
    Open,
    Approved,
    Declined,
    Expired,
}

impl ApprovalState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }
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
