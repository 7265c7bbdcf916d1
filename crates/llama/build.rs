//! Puts the engine's native libraries into `lib` beside the programs that are built, as a release ships them, and
//! tells this crate's own programs to look there.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    // Old-style tags, because the libraries look for each other by the program's path.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib:$ORIGIN/../lib");
    let (Some(root), Some(backends), Some(out)) =
        (env::var_os("DEP_LLAMA_ROOT"), env::var_os("DEP_LLAMA_BACKENDS_DIR"), env::var_os("OUT_DIR"))
    else {
        return Err(io::Error::other("the crate `llama-cpp-sys-2` must be built with `dynamic-backends`"));
    };
    // OUT_DIR is <profile>/build/<crate>-<hash>/out.
    let out = PathBuf::from(out);
    let profile = out.ancestors().nth(3).ok_or_else(|| io::Error::other("OUT_DIR is not where it should be"))?;
    let target = profile.join("lib");
    fs::create_dir_all(&target)?;
    copy(&Path::new(&root).join("lib"), &target, |name| name.ends_with(".so.0"))?;
    copy(Path::new(&backends), &target, is_backend)?;
    remove_others(&target, Path::new(&backends))?;
    println!("cargo:rerun-if-changed={}", Path::new(&backends).display());
    for folder in [profile.to_path_buf(), profile.join("deps"), profile.join("examples")] {
        remove_dangling(&folder)?;
    }
    Ok(())
}

/// Removes links to libraries that lead nowhere. The native crate's build script leaves them in the folders of
/// programs, and fails over them when it runs again.
fn remove_dangling(folder: &Path) -> io::Result<()> {
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry?.path();
        let ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.ends_with(".so") && (name.starts_with("libllama") || name.starts_with("libggml")));
        if ours && path.is_symlink() && !path.exists() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn is_backend(name: &str) -> bool {
    name.starts_with("libggml-") && name.ends_with(".so")
}

/// Removes backends of an earlier build that this one has none of: the loader would take them with this engine.
fn remove_others(folder: &Path, backends: &Path) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_backend) && !backends.join(entry.file_name()).exists() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copies the files that `wanted` names, following links, so that each library lies there once, under the name that
/// the loader looks for.
fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| wanted(name)) else { continue };
        // A library that a running program has mapped must not change under it: a new file takes its name.
        let (staged, target) = (to.join(format!(".{name}.new")), to.join(name));
        fs::copy(&path, &staged)?;
        fs::rename(&staged, &target)?;
    }
    Ok(())
}
