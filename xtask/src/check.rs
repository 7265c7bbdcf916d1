//! What must hold before anything lands, quickest first.

use anyhow::Result;

use crate::house::{cargo, has_cargo_command, step};
use crate::{advisories, book};

pub fn run() -> Result<()> {
    step("format", &mut cargo(["fmt", "--all", "--check"]))?;
    dependencies()?;
    book::make()?;
    let lints = ["clippy", "--release", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step("lints", &mut cargo(lints))?;
    let tests: &[&str] = if has_cargo_command("nextest") {
        &["nextest", "run", "--release", "--locked", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--release", "--locked", "--workspace", "--all-targets", "--no-fail-fast"]
    };
    step("tests", &mut cargo(tests))?;
    step("tests in the documentation", &mut cargo(["test", "--release", "--locked", "--workspace", "--doc"]))?;
    let mut documentation = cargo(["doc", "--release", "--locked", "--workspace", "--no-deps"]);
    step("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    println!("==> everything holds");
    Ok(())
}

/// Whether licences, advisories and sources of all dependencies are what `deny.toml` allows.
pub fn dependencies() -> Result<()> {
    step("dependencies", &mut advisories::cargo_deny()?)
}

/// Writes the book's generated pages from the command line and the settings as they are.
pub fn write_reference() -> Result<()> {
    let mut tests = cargo(["test", "--release", "--locked", "--package", "dure", "--bin", "dure", "book::reference"]);
    step("reference", tests.env("DURE_WRITE_REFERENCE", "1"))
}
