//! The child's end of the socket, which it inherits as its standard input.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};

use crate::wire::{self, FromChild, ToChild, WireError};

/// Where the child's messages go.
pub type Out<'a> = &'a mut dyn Write;

/// Both ends of the socket as files.
///
/// # Errors
/// Why the standard input cannot be had.
pub fn inherited() -> Result<(File, BufWriter<File>), WireError> {
    let socket: OwnedFd = rustix::io::dup(std::io::stdin()).map_err(std::io::Error::from)?;
    let socket = File::from(socket);
    Ok((socket.try_clone()?, BufWriter::new(socket)))
}

/// Reads the parent's messages on a thread of their own, so that a cancellation is seen between two steps. When the
/// parent is gone, so is the child, in whatever it is doing.
///
/// # Errors
/// Why no thread can be started.
pub fn inbox(mut from: File) -> Result<Receiver<ToChild>, WireError> {
    let (send, receive) = channel();
    let read = move || {
        loop {
            match wire::read::<ToChild>(&mut from) {
                Ok(message) => {
                    if send.send(message).is_err() {
                        return;
                    }
                }
                Err(WireError::Closed) => leave(0),
                Err(error) => {
                    eprintln!("the engine's parent speaks wrongly: {error}");
                    leave(2);
                }
            }
        }
    };
    std::thread::Builder::new().name("inbox".into()).spawn(read)?;
    Ok(receive)
}

/// Says one thing to the parent; what is said together is flushed together.
///
/// # Errors
/// [`WireError`] when the parent is gone.
pub fn say(out: Out<'_>, message: &FromChild) -> Result<(), WireError> {
    wire::write(&mut &mut *out, message)
}

/// Ends the process at once: native code may be computing on other threads, and would trip over a tidy end.
fn leave(code: i32) -> ! {
    // SAFETY: `_exit` takes a number and does not come back.
    unsafe { libc::_exit(code) }
}
