//! What people and CI run on this repository: checks, the release bundle, the list of benchmarks.
//!
//! Each command is a list of steps that stops at the first one that fails, and says what it runs.

mod advisories;
mod bench;
mod book;
mod bundle;
mod check;
mod dist;
mod house;
mod licences;
mod sbom;

use std::process::ExitCode;

const HELP: &str = "usage: cargo xtask COMMAND

check                     format, lints, dependencies, tests, documentation: exactly what CI runs
book                      the book of docs/ as HTML, in both languages; needs mdbook
reference                 writes the book's generated pages anew: commands, settings
deny                      the dependencies alone: licences, advisories, sources
dist [--data DIR] [--without-models]
                          one bundle that installs and runs with no route out; the default models come from
                          the data folder DIR (DURE_DATA, or ~/.local/share/dure)
bench                     the benchmarks and how to run them
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["check"] => check::run(),
        ["deny"] => check::dependencies(),
        ["dist", options @ ..] => match dist::Options::read(options) {
            Ok(options) => dist::run(&options),
            Err(error) => return usage(&format!("xtask: {error:#}\n\n")),
        },
        ["book"] => book::make().map(|_| ()),
        ["reference"] => check::write_reference(),
        ["bench"] => bench::list(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => return usage(""),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage(why: &str) -> ExitCode {
    eprint!("{why}{HELP}");
    ExitCode::from(2)
}
