//! The parent's end of the socket.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::Config;
use crate::process::Process;
use crate::wire::{self, FromChild, Setup, ToChild, WireError};

/// Messages of the child that wait to be taken; then the socket fills up, and the child waits.
const HEARD_MAX: usize = 256;

/// A child and the way to talk to it. Its drop ends both.
#[derive(Debug)]
pub struct Connection {
    /// The child.
    pub process: Process,
    heard: mpsc::Receiver<FromChild>,
    // What goes out is bounded by the work that the supervisor hands over.
    said: mpsc::UnboundedSender<Vec<u8>>,
    tasks: [AbortHandle; 2],
}

impl Connection {
    /// Starts a child and tells it how to run.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub async fn open(config: Config) -> io::Result<Self> {
        let setup = ToChild::Setup(Setup {
            context_tokens: config.context_tokens,
            slots: config.slots,
            threads: config.threads,
            batch_tokens: config.batch_tokens,
            shared_batch_tokens: config.shared_batch_tokens,
            ahead_max: config.ahead_max,
            stalled_max_ms: u64::try_from(config.stalled_max.as_millis()).unwrap_or(u64::MAX),
            chat_template: config.chat_template.clone(),
        });
        let started = tokio::task::spawn_blocking(move || {
            let program = config.program.display().to_string();
            Process::start(&config).map_err(|error| io::Error::new(error.kind(), format!("`{program}`: {error}")))
        });
        let (process, socket) = started.await.map_err(io::Error::other)??;
        socket.set_nonblocking(true)?;
        let (mut from, mut to) = UnixStream::from_std(socket)?.into_split();

        let (hear, heard) = mpsc::channel(HEARD_MAX);
        let listening = tokio::spawn(async move {
            loop {
                match wire::read_async::<FromChild>(&mut from).await {
                    Ok(message) => {
                        if hear.send(message).await.is_err() {
                            return;
                        }
                    }
                    Err(WireError::Closed) => return,
                    Err(error) => return tracing::warn!(%error, "the engine's child speaks wrongly"),
                }
            }
        });
        let (said, mut saying) = mpsc::unbounded_channel::<Vec<u8>>();
        let speaking = tokio::spawn(async move {
            while let Some(frame) = saying.recv().await {
                if to.write_all(&frame).await.is_err() {
                    return;
                }
            }
        });
        let tasks = [listening.abort_handle(), speaking.abort_handle()];
        let connection = Self { process, heard, said, tasks };
        connection.tell(&setup).map_err(io::Error::other)?;
        Ok(connection)
    }

    /// Says something to the child.
    ///
    /// # Errors
    /// [`WireError`] where it is over the bound, or the child is gone.
    pub fn tell(&self, message: &ToChild) -> Result<(), WireError> {
        self.said.send(wire::frame(message)?).map_err(|_| WireError::Closed)
    }

    /// What the child says next, or none when it is gone.
    pub async fn hear(&mut self) -> Option<FromChild> {
        self.heard.recv().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
