//! What must hold before anything lands, quickest first.

use anyhow::Result;

use crate::advisories;
use crate::house::{cargo, has_cargo_command, step};

pub fn run() -> Result<()> {
    step("format", &mut cargo(["fmt", "--all", "--check"]))?;
    dependencies()?;
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
