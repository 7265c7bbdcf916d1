//! The analyzer as Tantivy asks for it.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::analyzer;

/// Cuts texts with [`analyzer::words`]. Keeps its buffers from text to text.
#[derive(Debug, Clone, Default)]
pub(super) struct WordTokenizer {
    text: String,
    ends: Vec<usize>,
    token: Token,
}

pub(super) struct WordStream<'a> {
    words: &'a mut WordTokenizer,
    next: usize,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.text.clear();
        self.ends.clear();
        self.token.reset();
        let (words, ends) = (&mut self.text, &mut self.ends);
        analyzer::words(text, &mut |word| {
            words.push_str(word);
            ends.push(words.len());
        });
        WordStream { words: self, next: 0 }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(&end) = self.words.ends.get(self.next) else { return false };
        let start = self.next.checked_sub(1).map_or(0, |before| self.words.ends[before]);
        let token = &mut self.words.token;
        token.text.clear();
        token.text.push_str(&self.words.text[start..end]);
        token.position = self.next;
        (token.offset_from, token.offset_to) = (start, end);
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.words.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.words.token
    }
}
