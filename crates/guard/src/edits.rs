//! Where the places of a text are after parts of it were replaced.

/// The replacements in a text, from its beginning on. All lengths and places are in characters.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    edits: Vec<Edit>,
    taken: usize,
    given: usize,
}

/// A place at which the text is another now.
#[derive(Debug)]
struct Edit {
    taken: usize,
    taken_length: usize,
    given: usize,
    given_length: usize,
}

impl Edits {
    /// The next characters stay as they are.
    pub fn keep(&mut self, length: usize) {
        self.taken += length;
        self.given += length;
    }

    /// For the next `taken` characters there are `given` now.
    pub fn replace(&mut self, taken: usize, given: usize) {
        self.edits.push(Edit { taken: self.taken, taken_length: taken, given: self.given, given_length: given });
        self.taken += taken;
        self.given += given;
    }

    /// How many characters of the text are settled.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Where a place of the text is in what was given.
    pub fn place(&self, taken: usize) -> usize {
        let next = self.edits.partition_point(|edit| edit.taken < taken);
        let Some(edit) = next.checked_sub(1).and_then(|last| self.edits.get(last)) else { return taken };
        let behind = taken.saturating_sub(edit.taken + edit.taken_length);
        if behind > 0 || taken == edit.taken + edit.taken_length {
            edit.given + edit.given_length + behind
        } else {
            edit.given + (taken - edit.taken).min(edit.given_length)
        }
    }
}
