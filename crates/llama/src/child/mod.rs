//! The child's side: `dure engine --model PATH --role chat|embed`.
//!
//! It reads its parent's messages from its standard input, which is a socket, computes, and leaves when its parent
//! does. It runs a stranger's file through native code, so it stands behind `walls`.

mod chats;
mod cores;
mod echo;
mod embeds;
mod link;
mod model;
mod native;
mod slots;
mod text;
mod walls;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use engine::template::ChatTemplate;

use self::model::Model;
use crate::wire::{FromChild, Setup, ToChild};
use crate::{Config, Role};

/// The hidden command by which the binary becomes the child.
pub const COMMAND: &str = "engine";

/// The arguments with which `config.program` is run as the child, [`COMMAND`] first.
pub fn command_args(config: &Config) -> Vec<OsString> {
    let role = match config.role {
        Role::Chat => "chat",
        Role::Embed => "embed",
    };
    let mut args: Vec<OsString> =
        vec![COMMAND.into(), "--model".into(), config.model_path.clone().into(), "--role".into(), role.into()];
    if config.selftest {
        args.push("--selftest".into());
    }
    args
}

/// Runs as the child. `args` are those that follow [`COMMAND`]. Call it first thing in `main`, before any thread and
/// any runtime is started, since the walls hold for threads that come later.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Args::parse(args).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Args {
    model: PathBuf,
    role: Role,
    selftest: bool,
}

impl Args {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.into_iter();
        let (mut model, mut role, mut selftest) = (None, None, false);
        while let Some(word) = args.next() {
            match word.to_str() {
                Some("--model") => model = args.next().map(PathBuf::from),
                Some("--role") => {
                    role = match args.next().as_deref().and_then(|role| role.to_str()) {
                        Some("chat") => Some(Role::Chat),
                        Some("embed") => Some(Role::Embed),
                        _ => None,
                    }
                }
                Some("--selftest") => selftest = true,
                _ => return Err("this command is started by the server, not by hand".into()),
            }
        }
        match (model, role) {
            (Some(model), Some(role)) => Ok(Self { model, role, selftest }),
            _ => Err("this command is started by the server, not by hand".into()),
        }
    }
}

fn run(args: Args) -> Result<(), String> {
    let (mut from, mut out) = link::inherited().map_err(|error| error.to_string())?;
    let Ok(ToChild::Setup(setup)) = crate::wire::read(&mut from) else {
        return Err("this command is started by the server, not by hand".into());
    };
    check(&setup)?;
    if args.selftest {
        let standing = walls::put_up(&args.model);
        return serve(echo::Echo::new(args.role, &setup), args.role, setup, standing, from, &mut out);
    }
    let backends = native::Backends::load()?;
    let standing = walls::put_up(&args.model);
    let loaded = native::Loaded::open(&backends, &args.model)?;
    let native = native::Native::new(&backends, &loaded, args.role, &setup)?;
    serve(native, args.role, setup, standing, from, &mut out)
}

/// A parent's numbers are checked here too: native code takes them at their word.
fn check(setup: &Setup) -> Result<(), String> {
    let fits = (1..=64).contains(&setup.slots)
        && (8..=1 << 20).contains(&setup.context_tokens)
        && setup.threads <= 1024
        && (1..=8192).contains(&setup.batch_tokens)
        && (1..=8192).contains(&setup.shared_batch_tokens)
        && setup.ahead_max > 0;
    if fits { Ok(()) } else { Err("the settings are out of bounds".into()) }
}

fn serve<M: Model>(
    model: M,
    role: Role,
    setup: Setup,
    standing: Vec<String>,
    from: std::fs::File,
    out: &mut dyn Write,
) -> Result<(), String> {
    let (inside, bos, eos) = model.template().unwrap_or_default();
    let source = setup.chat_template.as_deref().unwrap_or(&inside);
    let template = if role == Role::Embed || source.is_empty() {
        None
    } else {
        Some(ChatTemplate::compile(source, &bos, &eos).map_err(|error| error.to_string())?)
    };
    let mut hello = model.hello();
    hello.walls = standing;
    match walls::bound_memory() {
        Ok(()) => hello.walls.push("bounded memory".into()),
        Err(reason) => eprintln!("no bound on memory here: {reason}"),
    }
    let inbox = link::inbox(from).map_err(|error| error.to_string())?;
    link::say(out, &FromChild::Hello(hello)).map_err(|error| error.to_string())?;
    out.flush().map_err(|error| error.to_string())?;
    let outcome = match role {
        Role::Chat => chats::Chats::new(model, setup, template, out).serve(&inbox),
        Role::Embed => embeds::serve(model, &inbox, out),
    };
    outcome.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_understands_what_the_parent_runs() {
        let mut config = Config::chat("dure", "qwen", "/models/모델.gguf");
        config.selftest = true;
        let args = command_args(&config);
        assert_eq!(args[0], COMMAND);
        let expected = Args { model: "/models/모델.gguf".into(), role: Role::Chat, selftest: true };
        assert_eq!(Args::parse(args.into_iter().skip(1)), Ok(expected));
        for wrong in [&["--model"][..], &["--model", "x", "--role", "cook"], &["-h"], &[]] {
            assert!(Args::parse(wrong.iter().map(OsString::from)).is_err(), "{wrong:?}");
        }
    }
}
