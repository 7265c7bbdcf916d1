//! Where things are, and how a step is run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// The repository's root: where this was run, which is not where it was built if two checkouts share what is built.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let here = here.or_else(|| std::env::current_dir().ok()?.join("xtask").canonicalize().ok());
        here.and_then(|xtask| Some(xtask.parent()?.to_owned())).unwrap_or_else(|| ".".into())
    });
    &ROOT
}

/// A folder for what may be deleted at any time.
pub fn cache() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("DURE_CACHE") {
        return Ok(dir.into());
    }
    let home = std::env::var_os("HOME").context("`HOME` is not set")?;
    Ok(Path::new(&home).join(".cache/dure"))
}

/// The workspace and all that it is built from, for the processors that are supported.
pub fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned))
        .exec()
        .context("`cargo metadata` failed")
}

/// Cargo in the repository's root.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // `cargo run` tells this program about its package. Build scripts that look at the same variables would see them
    // change, and what they build would be built again each time that somebody types `cargo build` in between.
    for (name, _) in std::env::vars_os() {
        if is_about_a_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

fn is_about_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_PACKAGE"]
        .iter()
        .any(|beginning| variable.starts_with(beginning))
}

/// Runs one step to its end, saying first what it is.
pub fn step(name: &str, command: &mut Command) -> Result<()> {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    println!("==> {name}: {program} {}", words.join(" "));
    let status = command.status().with_context(|| format!("`{program}` cannot be run"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Whether `cargo NAME` is installed.
pub fn has_cargo_command(name: &str) -> bool {
    cargo([name, "--version"]).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_hears_nothing_of_this_package() {
        assert!(std::env::vars().any(|(name, _)| is_about_a_package(&name)), "cargo tells tests about their package");
        let command = cargo(["build"]);
        let told = command.get_envs().filter(|(_, value)| value.is_none()).count();
        assert!(told > 5, "only {told} variables are held back");
        assert!(!is_about_a_package("CARGO_TARGET_DIR") && !is_about_a_package("CARGO_HOME"));
    }
}
