//! A ledger by hand: what the tests outside this crate and the measurements drive.
//!
//! ```text
//! ledger_tool --dir DIR --memory FILE --secret HEX append --count 70000 --callers 64
//! ledger_tool --dir DIR --memory FILE --secret HEX append --callers 8 --print     (until it is killed)
//! ledger_tool --dir DIR --key VKEY verify --older FILE
//! ledger_tool --dir DIR --key VKEY prove 17
//! ```
//!
//! The secret comes as an argument, which other processes can read: for trials only.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use ledger::{
    Ed25519Signer, FileMemory, KeyKind, Ledger, Log, Options, Proof, Signer, Transport, VerifierKey, Witness,
    WitnessReply,
};

const SECONDS_MAX: u64 = 10;

#[derive(Parser)]
struct Arguments {
    /// The log's folder.
    #[arg(long)]
    dir: PathBuf,
    /// The log's name.
    #[arg(long, default_value = "ledger.example/trial")]
    origin: String,
    /// The file that remembers the highest checkpoint.
    #[arg(long)]
    memory: Option<PathBuf>,
    /// 64 hexadecimal digits.
    #[arg(long)]
    secret: Option<String>,
    /// The log's public key; derived from the secret if that is given.
    #[arg(long)]
    key: Option<VerifierKey>,
    /// How long an entry may wait for its publishing.
    #[arg(long, default_value_t = 1000)]
    publish_ms: u64,
    /// Opens a log of which no checkpoint is remembered.
    #[arg(long)]
    accept_forgotten: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the public key.
    Key,
    /// Appends entries, publishes, and prints the number of entries in the log.
    Append {
        /// How many; without it, until the process is killed.
        #[arg(long)]
        count: Option<u64>,
        #[arg(long, default_value_t = 1)]
        callers: u64,
        /// The least bytes of an entry.
        #[arg(long, default_value_t = 0)]
        bytes: usize,
        /// What each entry begins with.
        #[arg(long, default_value = "entry")]
        tag: String,
        /// Prints index and leaf hash of each entry that was acknowledged.
        #[arg(long)]
        print: bool,
    },
    /// Verifies the whole folder with the public key.
    Verify {
        /// A checkpoint seen before.
        #[arg(long)]
        older: Option<PathBuf>,
        /// Verifies the folder once for each line of the standard input, and prints `ok` or what is wrong.
        #[arg(long)]
        each: bool,
    },
    /// Prints the proof of an entry.
    Prove { index: u64 },
    /// Prints the bytes of an entry.
    Entry { index: u64 },
    /// Verifies a proof's file against the entry on the standard input; asks for nothing else.
    Check { proof: PathBuf },
    /// Prints index and leaf hash of every entry.
    Leaves,
    /// Checks a log that nobody has open.
    Fsck,
    /// Has a witness at HOST:PORT cosign the checkpoint, and prints it.
    Cosign {
        address: String,
        #[arg(long)]
        witness: VerifierKey,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Command::Key => println!("{}", key(&arguments)?),
        command @ Command::Append { .. } => append(&open(&arguments)?, command)?,
        Command::Verify { older, each: false } => {
            let older = older.as_ref().map(std::fs::read).transpose()?;
            let checkpoint = ledger::verify(&arguments.dir, &key(&arguments)?, older.as_deref())?;
            println!("{} entries, root {}", checkpoint.size(), checkpoint.root());
        }
        Command::Verify { each: true, .. } => {
            for line in std::io::stdin().lock().lines() {
                line?;
                match ledger::verify(&arguments.dir, &key(&arguments)?, None) {
                    Ok(_) => println!("ok"),
                    Err(error) => println!("{error}"),
                }
            }
        }
        Command::Prove { index } => print!("{}", Log::open(&arguments.dir, &key(&arguments)?)?.prove(*index)?),
        Command::Entry { index } => {
            std::io::stdout().write_all(&Log::open(&arguments.dir, &key(&arguments)?)?.entry(*index)?)?;
        }
        Command::Check { proof } => {
            let mut entry = Vec::new();
            std::io::stdin().read_to_end(&mut entry)?;
            let proof = Proof::parse(&std::fs::read(proof)?)?;
            let checkpoint = proof.verify(&entry, &key(&arguments)?)?;
            println!("entry {} of {}", proof.index(), checkpoint.size());
        }
        Command::Leaves => {
            let log = Log::open(&arguments.dir, &key(&arguments)?)?;
            for entry in log.entries_from(0) {
                let (index, entry) = entry?;
                println!("{index} {}", ledger::leaf_hash(&entry));
            }
        }
        Command::Fsck => {
            let remembered = arguments.memory.as_ref().map(std::fs::read).transpose()?;
            let found = ledger::fsck(&arguments.dir, &key(&arguments)?, remembered.as_deref())?;
            println!("{} entries, {} waiting, {} torn bytes", found.checkpoint.size(), found.waiting, found.torn_bytes);
            ensure!(found.strangers.is_empty(), "files that are no tiles: {:?}", found.strangers);
        }
        Command::Cosign { address, witness } => {
            let log = Log::open(&arguments.dir, &key(&arguments)?)?;
            let mut witness = Witness::new(witness.clone(), 0)?;
            print!("{}", witness.cosign(&log, &mut PlainHttp { address: address.clone() })?);
        }
    }
    Ok(())
}

fn signer(arguments: &Arguments) -> Result<Ed25519Signer> {
    let secret = arguments.secret.as_deref().context("--secret is missing")?;
    ensure!(secret.len() == 64 && secret.is_ascii(), "--secret has 64 hexadecimal digits");
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&secret[2 * at..2 * at + 2], 16)?;
    }
    Ok(Ed25519Signer::from_secret(&bytes))
}

fn key(arguments: &Arguments) -> Result<VerifierKey> {
    if let Some(key) = &arguments.key {
        return Ok(key.clone());
    }
    Ok(VerifierKey::new(&arguments.origin, KeyKind::Ed25519, &signer(arguments)?.public_key())?)
}

fn open(arguments: &Arguments) -> Result<Ledger> {
    let memory = FileMemory::open(arguments.memory.as_deref().context("--memory is missing")?)?;
    let options = Options {
        publish_ms: arguments.publish_ms,
        accept_forgotten: arguments.accept_forgotten,
        ..Options::default()
    };
    let signer = Box::new(signer(arguments)?);
    Ok(Ledger::open(&arguments.dir, &arguments.origin, signer, Box::new(memory), options)?)
}

fn append(ledger: &Ledger, command: &Command) -> Result<()> {
    let Command::Append { count, callers, bytes, tag, print } = command else { return Ok(()) };
    let next = AtomicU64::new(0);
    let call = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if count.is_some_and(|count| number >= count) {
                return Ok(());
            }
            let appended = ledger.append_blocking(format!("{tag} {number:<bytes$}").into_bytes())?;
            if *print {
                // One write for each line, so that a kill leaves no half of one behind that counts.
                std::io::stdout().write_all(format!("{} {}\n", appended.index, appended.leaf).as_bytes())?;
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..*callers).map(|_| scope.spawn(call)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a caller panicked")))
    })?;
    writeln!(std::io::stdout(), "{} entries", ledger.close()?.size())?;
    Ok(())
}

/// HTTP as little as a witness on the same machine needs.
struct PlainHttp {
    address: String,
}

impl Transport for PlainHttp {
    fn add_checkpoint(&mut self, body: &[u8]) -> Result<WitnessReply, String> {
        self.post(body).map_err(|error| error.to_string())
    }
}

impl PlainHttp {
    fn post(&self, body: &[u8]) -> Result<WitnessReply> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(SECONDS_MAX)))?;
        let head = format!(
            "POST /add-checkpoint HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut reply = Vec::new();
        stream.take(65_536).read_to_end(&mut reply)?;
        let at = reply.windows(4).position(|window| window == b"\r\n\r\n").context("no HTTP reply")?;
        let status = std::str::from_utf8(&reply[..at])?.split(' ').nth(1).context("no status")?.parse()?;
        Ok(WitnessReply { status, body: reply[at + 4..].to_vec() })
    }
}
