//! Starting the child, and seeing it end.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::sync::oneshot;

use crate::Config;
use crate::child::command_args;

/// Lines of the child's last words that are kept, and how long each may be.
const LINES_MAX: usize = 8;
const LINE_BYTES_MAX: u64 = 300;

/// A running child. Its drop ends it.
#[derive(Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Tells of its end.
    pub ended: oneshot::Receiver<Ended>,
    handle: OwnedFd,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status, if it could be learnt.
    pub status: Option<ExitStatus>,
    /// What it said last on its standard error.
    pub last_words: String,
}

impl Process {
    /// Starts `config.program` as the child and returns it with the parent's end of the socket.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub fn start(config: &Config) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let command = command(config, theirs.into());
        let (started, start) = std::sync::mpsc::sync_channel(1);
        let (ended_send, ended) = oneshot::channel();
        // The kernel ends the child with the thread that started it, so that thread stays for as long as the child
        // does: a runtime's threads may come and go.
        thread::Builder::new().name("engine-child".into()).spawn(move || {
            let outcome = watch(command, &started);
            let _ = ended_send.send(outcome);
        })?;
        let (pid, handle) = start.recv().map_err(|_| io::Error::other("the watching thread ended"))??;
        Ok((Self { pid, ended, handle }, ours))
    }

    /// Ends the child at once.
    pub fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(config: &Config, socket: OwnedFd) -> Command {
    let mut command = Command::new(&config.program);
    command
        .args(command_args(config))
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // The house's secrets are in its environment; the child needs none of it.
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("OMP_WAIT_POLICY", "passive")
        .env("GOMP_SPINCOUNT", config.spins.to_string())
        // A failing assertion would start a debugger.
        .env("GGML_NO_BACKTRACE", "1");
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec only three system calls are made; none allocates or takes a lock.
    unsafe {
        command.pre_exec(move || {
            // Whatever files and sockets the server has open stay with the server.
            if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) != 0 {
                return Err(io::Error::last_os_error());
            }
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            if rustix::process::getppid() != Some(parent) {
                return Err(io::Error::other("the parent is gone"));
            }
            Ok(())
        });
    }
    command
}

type Started = std::sync::mpsc::SyncSender<io::Result<(u32, OwnedFd)>>;

fn watch(mut command: Command, started: &Started) -> Ended {
    let nothing = Ended { status: None, last_words: String::new() };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return nothing;
        }
    };
    // The command keeps the child's end of the socket; the parent must see it close.
    drop(command);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let handle = pid
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
        .map_err(io::Error::from);
    if let Err(error) = &handle {
        tracing::warn!(%error, "the engine's child cannot be watched");
        let _ = child.kill();
    }
    let id = child.id();
    let _ = started.send(handle.map(|handle| (id, handle)));
    let last_words = child.stderr.take().map(listen).unwrap_or_default();
    Ended { status: child.wait().ok(), last_words }
}

/// Reads a child's standard error to its end and keeps the last of it.
fn listen(stderr: ChildStderr) -> String {
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut reader = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return Vec::from(lines).join("; "),
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        tracing::debug!(line, "the engine's child says");
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
