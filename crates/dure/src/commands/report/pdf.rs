//! A report as a PDF: its HTML, printed by a Chromium that is on this machine. None is brought along.
//!
//! The page has no script and names nothing outside of itself; the browser is told to find no host all the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Names under which distributions have it.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const WAIT_MAX: Duration = Duration::from_secs(120);

/// A browser that prints.
#[derive(Debug)]
pub struct Renderer(PathBuf);

/// Finds one on the path.
///
/// # Errors
/// When there is none, with what to do instead.
pub fn renderer() -> anyhow::Result<Renderer> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).flat_map(|dir| NAMES.map(|name| dir.join(name))).find(|file| file.is_file());
    match found {
        Some(browser) => Ok(Renderer(browser)),
        None => bail!(
            "a PDF is printed by Chromium, and none is on this machine's path; take `--format html`, open it in a browser \
             and print it"
        ),
    }
}

impl Renderer {
    /// Prints a page into a file.
    ///
    /// # Errors
    /// When the browser does not, or takes longer than two minutes.
    pub fn print(&self, page: &Path, out: &Path) -> anyhow::Result<()> {
        let page = std::path::absolute(page)?;
        let out = std::path::absolute(out)?;
        let beside = out.with_extension("pdf-new");
        let profile = Profile::make(&out)?;
        let mut command = Command::new(&self.0);
        command
            .args(["--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--no-pdf-header-footer"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND")
            .arg(format!("--user-data-dir={}", profile.0.display()))
            .arg(format!("--print-to-pdf={}", beside.display()));
        // Its own walls cannot be put up by root; the page is this program's and runs nothing.
        if rustix::process::geteuid().is_root() {
            command.arg("--no-sandbox");
        }
        command.arg(address(&page)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let browser = self.0.display();
        let mut child = command.spawn().with_context(|| format!("`{browser}` cannot be started"))?;
        let begun = Instant::now();
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if begun.elapsed() > WAIT_MAX => {
                    let _ = child.kill();
                    let _ = child.wait();
                    bail!("`{browser}` printed nothing within {} s", WAIT_MAX.as_secs());
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let is_pdf = std::fs::File::open(&beside).is_ok_and(|mut file| {
            let mut head = [0; 5];
            std::io::Read::read_exact(&mut file, &mut head).is_ok() && head == *b"%PDF-"
        });
        if !status.success() || !is_pdf {
            let _ = std::fs::remove_file(&beside);
            bail!("`{browser}` did not print the page; it is in `{}`", page.display());
        }
        std::fs::rename(&beside, &out).with_context(|| format!("`{}` cannot be written", out.display()))
    }
}

/// A browser's folder that is gone afterwards.
struct Profile(PathBuf);

impl Profile {
    fn make(out: &Path) -> anyhow::Result<Self> {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let dir = std::env::temp_dir().join(format!("dure-print-{}-{name}", std::process::id()));
        std::fs::create_dir(&dir).with_context(|| format!("`{}` cannot be made", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file's address, whatever its name has in it.
fn address(file: &Path) -> String {
    let path = file.to_string_lossy();
    let segments: Vec<String> = path.split('/').map(crate::client::percent_encoded).collect();
    format!("file://{}", segments.join("/"))
}
