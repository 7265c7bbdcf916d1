//! The terminal, for as long as a screen is shown on it: one key at a time, and its own contents back at the end.

use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::screen::Line;

/// What somebody pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    End,
    Up,
    Down,
    Left,
    Right,
}

/// A terminal that shows a screen. Its drop gives the terminal back as it was.
pub struct Terminal {
    before: Termios,
    coloured: bool,
}

impl Terminal {
    /// Whether there is somebody who could look.
    pub fn is_there() -> bool {
        io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// When it is none.
    pub fn take() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        let terminal = Self { before, coloured: std::env::var_os("NO_COLOR").is_none() };
        // A screen of its own, without a cursor.
        write("\x1b[?1049h\x1b[?25l")?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
    }

    /// Shows these lines and nothing else.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn show(&self, lines: &[Line]) -> io::Result<()> {
        let (columns, _) = self.size();
        let lines: Vec<String> =
            lines.iter().map(|line| format!("{}\x1b[K", line.fit(columns, self.coloured))).collect();
        write(&format!("\x1b[H{}\x1b[J", lines.join("\r\n")))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = write("\x1b[?25h\x1b[?1049l");
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Keys as they are pressed. Reading them blocks, so a thread of its own does it; it ends with the program.
pub fn keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut pressed = [0; 16];
        while let Ok(count @ 1..) = io::stdin().lock().read(&mut pressed) {
            if let Some(key) = read(&pressed[..count])
                && sender.blocking_send(key).is_err()
            {
                return;
            }
        }
    });
    receiver
}

/// What a terminal sends for a key; what several keys sent together counts as the first.
fn read(pressed: &[u8]) -> Option<Key> {
    match pressed {
        [b'q' | 0x03 | 0x04, ..] | [0x1b] => Some(Key::End),
        [0x1b, b'[' | b'O', b'A', ..] => Some(Key::Up),
        [0x1b, b'[' | b'O', b'B', ..] => Some(Key::Down),
        [0x1b, b'[' | b'O', b'C', ..] => Some(Key::Right),
        [0x1b, b'[' | b'O', b'D', ..] => Some(Key::Left),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let cases: [(&[u8], Option<Key>); 8] = [
            (b"q", Some(Key::End)),
            (b"\x03", Some(Key::End)),
            (b"\x1b", Some(Key::End)),
            (b"\x1b[A", Some(Key::Up)),
            (b"\x1bOB", Some(Key::Down)),
            (b"\x1b[D\x1b[D", Some(Key::Left)),
            (b"x", None),
            (b"\x1b[1;5P", None),
        ];
        for (pressed, key) in cases {
            assert_eq!(read(pressed), key, "{pressed:?}");
        }
    }
}
