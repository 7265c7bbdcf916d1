//! How many tokens a text has, where nobody can be asked: more, as a rule, than a tokenizer finds.
//!
//! An upstream's tokenizer is not here, and asking for it would cost a second round trip for each request. What is set
//! aside of a quota is this estimate; what is settled is the upstream's own count.

use crate::ChatRequest;

/// What a chat template puts around each message, and around the whole.
const MESSAGE_TOKENS: u32 = 8;
const CHAT_TOKENS: u32 = 32;

/// Letters and digits in a row that can be a word; what is longer is a number or a code of some kind.
const WORD_MAX: u32 = 16;

/// Adds up what bytes cost, in thirds of a token, as tokenizers of the last years cut texts: letters and blanks go three
/// and more to a token, each digit and each sign may be one, and so may each letter of a code; a character beyond ASCII,
/// of two to four bytes, is one token in most and two in few.
#[derive(Default)]
struct Costs {
    /// Letters and digits in a row so far.
    row: u32,
}

impl Costs {
    fn of(&mut self, byte: u8) -> u64 {
        self.row = if byte.is_ascii_alphanumeric() { self.row.saturating_add(1) } else { 0 };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b' ' if self.row <= WORD_MAX => 1,
            0..=0x7f => 3,
            // The first byte of a character; those that follow it cost nothing.
            0xc0..=0xef => 4,
            0xf0..=0xff => 6,
            0x80..=0xbf => 0,
        }
    }
}

/// An upper guess of a text's tokens.
pub fn tokens_of(text: &str) -> u32 {
    let mut costs = Costs::default();
    u32::try_from(text.bytes().map(|byte| costs.of(byte)).sum::<u64>().div_ceil(3)).unwrap_or(u32::MAX)
}

/// An upper guess of the tokens of a chat's prompt.
pub fn prompt_tokens(request: &ChatRequest) -> u32 {
    let mut tokens = request.text.as_deref().map_or(0, tokens_of).saturating_add(CHAT_TOKENS);
    for message in &request.messages {
        tokens = tokens.saturating_add(tokens_of(&message.content)).saturating_add(MESSAGE_TOKENS);
        tokens = message.images.iter().fold(tokens, |sum, image| sum.saturating_add(image.tokens()));
        for call in &message.tool_calls {
            tokens = tokens.saturating_add(tokens_of(&call.name)).saturating_add(tokens_of(&call.arguments));
            tokens = tokens.saturating_add(MESSAGE_TOKENS);
        }
    }
    for tool in request.tools.callable() {
        tokens = tokens.saturating_add(tokens_of(&tool.name)).saturating_add(2 * MESSAGE_TOKENS);
        tokens = tokens.saturating_add(tool.description.as_deref().map_or(0, tokens_of));
        tokens = tokens.saturating_add(tool.parameters.as_ref().map_or(0, |schema| tokens_of(&schema.to_string())));
    }
    tokens
}

/// The beginning of a text that has at most so many tokens by this estimate.
pub(crate) fn cut(text: &str, tokens_max: u32) -> &str {
    let (mut left, mut costs) = (u64::from(tokens_max) * 3, Costs::default());
    for (at, byte) in text.bytes().enumerate() {
        let cost = costs.of(byte);
        if cost > left {
            return &text[..at];
        }
        left -= cost;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_no_more_tokens_than_are_guessed() {
        // Counted with the tokenizer of Qwen 2.5.
        for (text, counted) in [
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("let total: u64 = items.iter().map(|item| item.price).sum();", 19),
            ("2026-11-25 16:31:07", 19),
            ("個人情報保護法 第十五條 個人情報의 蒐集ㆍ利用", 19),
            ("ㄱㄴㄷㅏㅑ 뷁쒧꿻 ᄀᄁ ก็ไม่ใช่ ދިވެހި", 33),
            (&"🙂🎉👩‍👩‍👧‍👦🇰🇷".repeat(5), 70),
            (&"aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3Qgb2YgYmFzZTY0IHRva2Vucw==".repeat(4), 180),
            (&"d41d8cd98f00b204e9800998ecf8427e".repeat(4), 117),
        ] {
            let guessed = tokens_of(text);
            assert!((counted..=2 * counted).contains(&guessed), "{text}: {guessed}");
        }
        assert_eq!(tokens_of(""), 0);
        assert_eq!(tokens_of("한국어"), 4);
    }

    #[test]
    fn a_cut_is_at_a_character_and_never_over_the_bound() {
        for text in ["", "abc", "수도요금은 언제까지 내야 하나요?", "🙂🙂🙂", "a한b글c"] {
            for tokens in 0..40 {
                let part = cut(text, tokens);
                assert!(text.starts_with(part) && tokens_of(part) <= tokens, "{text} {tokens}");
            }
            assert_eq!(cut(text, 100), text);
        }
    }
}
