//! How many tokens a text is for the embedder, near enough to size passages by.

/// Estimates the tokens of `text` for a multilingual unigram vocabulary such as e5's.
///
/// Counts by script, in hundredths of a token, from the statutes (1.8 characters a token, spaces included) and English
/// prose (about 4).
pub fn estimate(text: &str) -> usize {
    let hundredths: usize = text.chars().map(cost).sum();
    hundredths.div_ceil(100)
}

pub(crate) fn cost(letter: char) -> usize {
    match letter {
        ' ' | '\n' | '\t' => 0,
        'a'..='z' | 'A'..='Z' => 28,
        '0'..='9' => 60,
        '\0'..='\u{7f}' => 80,
        '가'..='힣' => 70,
        '\u{80}'..='\u{24f}' => 40,
        '\u{370}'..='\u{52f}' => 40,
        _ => 90,
    }
}
