//! The engine's child by itself, for tests and benchmarks: it takes the hidden command `engine` as `dure` does.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|word| word != llama::child::COMMAND) {
        eprintln!("usage: llama-child engine --model PATH ...");
        return ExitCode::FAILURE;
    }
    llama::child::main(args)
}
