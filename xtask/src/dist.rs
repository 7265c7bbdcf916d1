//! The release: one bundle with everything that a machine without a route out needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::bundle::{Bundle, sum_of};
use crate::sbom::{self, ModelPart};
use crate::{book, house, licences};

/// Files and folders of the repository that go along as they are.
const FILES: [&str; 7] =
    ["LICENSE", "README.md", "README.ko.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "models.toml", "settings.toml"];
const FOLDERS: [&str; 4] = ["console/vendor/LICENSES", "docs", "examples", "suites"];

/// Where shells look for completions, below a `share`.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/dure"),
    ("zsh", "zsh/site-functions/_dure"),
    ("fish", "fish/vendor_completions.d/dure.fish"),
];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    data: Option<PathBuf>,
    without_models: bool,
}

impl Options {
    pub fn read(mut words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        loop {
            words = match words {
                [] => return Ok(options),
                ["--without-models", rest @ ..] => {
                    options.without_models = true;
                    rest
                }
                ["--data", dir, rest @ ..] => {
                    options.data = Some(PathBuf::from(dir));
                    rest
                }
                [other, ..] => bail!("`dist` does not know `{other}`"),
            };
        }
    }

    fn data(&self) -> Result<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let home = || variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        let data = self.data.clone().or_else(|| variable("DURE_DATA"));
        data.or_else(|| home().map(|home| home.join("dure"))).context("name the data folder with `--data DIR`")
    }
}

pub fn run(options: &Options) -> Result<()> {
    let metadata = house::metadata()?;
    let parts = sbom::parts(&metadata, "dure")?;
    let version = &parts.iter().find(|part| part.name.as_str() == "dure").context("no package `dure`")?.version;
    let name = format!("dure-{version}-x86_64-linux");
    let mut bundle = Bundle::default();

    let program = build()?;
    let stage = program.with_file_name("dist-stage");
    bundle.file("dure", without_debugging(&program, &stage)?)?;
    for library in libraries(&program.with_file_name("lib"))? {
        let place = library.file_name().and_then(|name| name.to_str()).context("a library's name is no text")?;
        bundle.file(format!("lib/{place}"), without_debugging(&library, &stage)?)?;
    }
    for file in FILES.iter().filter(|file| house::root().join(file).is_file()) {
        bundle.file(*file, house::root().join(file))?;
    }
    for folder in FOLDERS.iter().filter(|folder| house::root().join(folder).is_dir()) {
        bundle.folder(folder, &house::root().join(folder))?;
    }
    bundle.file("install.sh", house::root().join("scripts/install.sh"))?;
    bundle.folder("book", &book::make()?)?;
    add_share(&mut bundle, &program, &stage)?;

    let models = if options.without_models { Vec::new() } else { add_models(&mut bundle, &options.data()?)? };
    let extra = [
        ("libgomp (GCC's OpenMP runtime)", "GPL-3.0-or-later WITH GCC-exception-3.1"),
        ("mdBook: pages, styles and scripts of book/", "MPL-2.0"),
        ("highlight.js in book/", "BSD-3-Clause"),
        ("elasticlunr.js, mark.js, clipboard.js in book/", "MIT"),
        ("Font Awesome's icons in book/", "CC-BY-4.0"),
        ("Open Sans in book/", "Apache-2.0"),
        ("Source Code Pro in book/", "OFL-1.1"),
    ];
    let extra = extra
        .map(|(name, terms)| (name, terms.to_owned()))
        .into_iter()
        .chain(models.iter().map(|model| (model.name.as_str(), model.licence.clone())))
        .collect::<Vec<_>>();
    bundle.text("THIRD-PARTY.txt", licences::third_party(&parts, &extra)?);
    bundle.text("sbom.cdx.json", sbom::sbom(&metadata, "dure", &parts, &models)?);

    let dist = house::root().join("dist");
    fs::create_dir_all(&dist)?;
    let path = dist.join(format!("{name}.tar.zst"));
    println!("==> writing {}", path.display());
    bundle.write(&name, &path)?;
    println!("{}  {}", sum_of(&path)?, path.display());
    Ok(())
}

/// Builds the program and asks cargo where it is.
fn build() -> Result<PathBuf> {
    println!("==> building dure");
    let way = house::root().join("scripts/engine-for-all.sh");
    if !Command::new("bash").arg(&way).status().context("`bash` cannot be run")?.success() {
        bail!("`{}` failed", way.display());
    }
    let arguments = ["build", "--release", "--locked", "--package", "dure", "--message-format"];
    let mut command = house::cargo(arguments.into_iter().chain(["json-render-diagnostics"]));
    // A crate that is compiled in pieces, to be compiled again in pieces, is a slower one.
    command.env("CARGO_INCREMENTAL", "0");
    // For whatever processor it is carried to.
    command.env("GGML_THIS_MACHINE", "OFF");
    let mut child = command.stdout(Stdio::piped()).spawn().context("`cargo` cannot be run")?;
    let output = child.stdout.take().context("`cargo` says nothing")?;
    let mut program = None;
    for message in Message::parse_stream(std::io::BufReader::new(output)) {
        match message? {
            Message::CompilerArtifact(artifact) if artifact.target.name == "dure" && artifact.executable.is_some() => {
                program = artifact.executable.map(PathBuf::from);
            }
            _ => {}
        }
    }
    if !child.wait()?.success() {
        bail!("dure cannot be built");
    }
    program.context("cargo named no program `dure`")
}

/// What the program says of itself to `man` and to shells, under the names that they look for.
fn add_share(bundle: &mut Bundle, program: &Path, stage: &Path) -> Result<()> {
    let pages = stage.join("man1");
    if pages.exists() {
        fs::remove_dir_all(&pages)?;
    }
    let ask = |words: &[&std::ffi::OsStr]| -> Result<String> {
        let output = Command::new(program).args(words).output().context("the program cannot be run")?;
        if !output.status.success() {
            bail!("`dure {}` failed", words.join(" ".as_ref()).display());
        }
        Ok(String::from_utf8(output.stdout)?)
    };
    ask(&["man".as_ref(), pages.as_ref()])?;
    bundle.folder("share/man/man1", &pages)?;
    for (shell, place) in COMPLETIONS {
        bundle.text(format!("share/{place}"), ask(&["completions".as_ref(), shell.as_ref()])?);
    }
    Ok(())
}

/// A copy without what only debuggers read: a quarter of the size. Symbols stay, so a crash still names functions.
fn without_debugging(file: &Path, stage: &Path) -> Result<PathBuf> {
    fs::create_dir_all(stage)?;
    let copy = stage.join(file.file_name().context("a file without a name")?);
    let mut command = Command::new("objcopy");
    let status = command.arg("--strip-debug").arg(file).arg(&copy).status().context("`objcopy` cannot be run")?;
    if !status.success() {
        bail!("`objcopy` failed on {}", file.display());
    }
    Ok(copy)
}

/// The engine's libraries, as the build laid them beside the program: under the names that the loader looks for, one
/// backend for each kind of processor; and the OpenMP runtime that they need.
fn libraries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("no libraries in {}", dir.display()))? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_loaded) {
            found.push(path);
        }
    }
    for needed in ["libllama.so.0", "libggml-cpu-x64.so"] {
        if !found.iter().any(|path| path.ends_with(needed)) {
            bail!("no `{needed}` in {}", dir.display());
        }
    }
    found.push(openmp_runtime()?);
    Ok(found)
}

/// Whether a library is asked for under this name: with just its major version, or as a backend.
fn is_loaded(name: &str) -> bool {
    let major = |version: &str| !version.is_empty() && version.bytes().all(|letter| letter.is_ascii_digit());
    let library = name.starts_with("libllama") || name.starts_with("libggml");
    let backend = name.starts_with("libggml-cpu-") && name.ends_with(".so");
    backend || library && name.split_once(".so.").is_some_and(|(_, version)| major(version))
}

fn openmp_runtime() -> Result<PathBuf> {
    let output = Command::new("g++").arg("-print-file-name=libgomp.so.1").output();
    let path = PathBuf::from(String::from_utf8(output.context("`g++` cannot be run")?.stdout)?.trim());
    if path.is_absolute() { Ok(path) } else { bail!("`g++` knows no libgomp.so.1") }
}

/// Adds the default models from a data folder where they were pulled, each proved by its hash.
fn add_models(bundle: &mut Bundle, data: &Path) -> Result<Vec<ModelPart>> {
    let catalogue: toml::Table = fs::read_to_string(house::root().join("models.toml"))?.parse()?;
    let settings: toml::Table = fs::read_to_string(house::root().join("settings.toml"))?.parse()?;
    let defaults = settings.get("models").context("settings.toml has no [models]")?;
    let entries = catalogue.get("model").and_then(toml::Value::as_array).context("models.toml has no models")?;
    let text = |entry: &toml::Value, key: &str| entry.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let mut models = Vec::new();
    for key in ["chat", "embedding"] {
        let name = text(defaults, key).with_context(|| format!("settings.toml names no `models.{key}`"))?;
        let entry = entries.iter().find(|entry| text(entry, "name").as_ref() == Some(&name));
        let entry = entry.with_context(|| format!("models.toml has no `{name}`"))?;
        let sha256 = text(entry, "sha256").with_context(|| format!("`{name}` has no sha256"))?;
        let licence = entry.get("licence").and_then(|licence| text(licence, "name"));
        let directory = sha256.get(..2).with_context(|| format!("`{name}`'s sha256 is short"))?;
        let blob = data.join("blobs").join(directory).join(&sha256);
        if !blob.is_file() {
            bail!("`{name}` is not in {}: `dure model pull {name}` first, or --without-models", data.display());
        }
        let found = sum_of(&blob)?;
        if found != sha256 {
            bail!("`{name}` in {} has SHA-256 {found}, not {sha256}", data.display());
        }
        bundle.file(format!("models/{name}.gguf"), blob)?;
        models.push(ModelPart { name, licence: licence.unwrap_or_default(), sha256 });
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused() {
        assert_eq!(Options::read(&[]).unwrap(), Options::default());
        let given = Options::read(&["--data", "/d", "--without-models"]).unwrap();
        assert_eq!(given, Options { data: Some("/d".into()), without_models: true });
        assert!(Options::read(&["--data"]).is_err());
        assert!(Options::read(&["--with-models"]).is_err());
    }

    #[test]
    fn only_the_names_that_are_looked_for_go_along() {
        let check = |name: &str, expected: bool| assert_eq!(is_loaded(name), expected, "{name}");
        check("libllama.so.0", true);
        check("libggml-base.so.0", true);
        check("libggml-cpu-zen4.so", true);
        check("libllama.so", false);
        check("libllama.so.0.6.0", false);
        check("libstdc++.so.6", false);
        check(".libllama.so.0.new", false);
    }
}
