//! From bytes to characters: UTF-8, UTF-16 and CP949, told apart by what they hold.

use encoding_rs::{EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{ExtractError, Warning, WarningKind};

/// Bytes that are looked at to tell what a record is.
const SAMPLE: usize = 64 << 10;

/// First bytes of formats that are not read, so that their names can be said.
const FORMATS: &[(&[u8], &str)] = &[
    (b"%PDF-", "PDF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE (HWP 5, DOC, XLS)"),
    (b"HWP Document File", "HWP 3"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"{\\rtf", "RTF"),
    (b"%!PS", "PostScript"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\x7fELF", "ELF"),
    (b"SQLite format 3\0", "SQLite"),
    (b"GGUF", "GGUF"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
];

/// Reads `bytes` as text. `charset` is what the record says of itself, believed only if it fits.
pub(super) fn decode(
    bytes: &[u8],
    charset: Option<&'static Encoding>,
    warnings: &mut Vec<Warning>,
) -> Result<String, ExtractError> {
    if let Some((_, format)) = FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(ExtractError::Format { format });
    }
    let text = if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        with(encoding, &bytes[mark..], warnings)
    } else {
        match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.contains(&0) => text.to_owned(),
            read => match utf16_without_mark(bytes) {
                Some(encoding) => with(encoding, bytes, warnings),
                None if read.is_ok() => with(UTF_8, bytes, warnings),
                None => with(best(bytes, charset)?, bytes, warnings),
            },
        }
    };
    if is_binary(&text) { Err(ExtractError::Binary) } else { Ok(text) }
}

fn with(encoding: &'static Encoding, bytes: &[u8], warnings: &mut Vec<Warning>) -> String {
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    if damaged {
        let count = text.chars().filter(|letter| *letter == '\u{fffd}').count();
        let detail = format!("{count} places are no text in {}", encoding.name());
        warnings.push(Warning::new(WarningKind::Encoding, detail));
    }
    text.into_owned()
}

/// UTF-16 shows itself by zero bytes on one side (spaces, digits, line ends) and Hangul or Latin when read.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE) & !1];
    if sample.len() < 4 {
        return None;
    }
    let zeros = |side: usize| sample.chunks_exact(2).filter(|pair| pair[side] == 0).count();
    let (high_last, high_first) = (zeros(1), zeros(0));
    let encoding = match high_last.cmp(&high_first) {
        std::cmp::Ordering::Greater => UTF_16LE,
        std::cmp::Ordering::Less => UTF_16BE,
        std::cmp::Ordering::Equal => return None,
    };
    let (text, _) = encoding.decode_without_bom_handling(sample);
    let usual = text.chars().filter(|letter| is_usual(*letter)).count();
    (usual * 100 >= text.chars().count() * 95).then_some(encoding)
}

fn is_usual(letter: char) -> bool {
    matches!(letter,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{a0}'..='\u{24f}' | '\u{2000}'..='\u{2bff}' | '\u{3000}'..='\u{318e}'
        | '\u{3200}'..='\u{33ff}' | '\u{4e00}'..='\u{9fff}' | '가'..='힣' | '\u{ff00}'..='\u{ffef}')
}

/// The encoding in which the fewest places are damaged, for bytes that are not all UTF-8.
fn best(bytes: &[u8], charset: Option<&'static Encoding>) -> Result<&'static Encoding, ExtractError> {
    if let Some(charset) = charset.filter(|charset| *charset != UTF_8) {
        let (good, bad) = count(charset, bytes);
        if bad * 20 <= good {
            return Ok(charset);
        }
    }
    let (utf8_good, utf8_bad) = count(UTF_8, bytes);
    let (korean_good, korean_bad) = count(EUC_KR, bytes);
    // Shares of damage, compared without dividing; on a tie UTF-8, which is hard to hit by chance.
    let utf8 = utf8_bad * (korean_good + korean_bad).max(1);
    let korean = korean_bad * (utf8_good + utf8_bad).max(1);
    let (encoding, good, bad) =
        if utf8 <= korean { (UTF_8, utf8_good, utf8_bad) } else { (EUC_KR, korean_good, korean_bad) };
    if bad * 4 <= good {
        return Ok(encoding);
    }
    let high = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    if high * 5 <= bytes.len() && !bytes.contains(&0) {
        return Ok(if bad * 2 <= good { encoding } else { WINDOWS_1252 });
    }
    if bad <= good { Ok(encoding) } else { Err(ExtractError::Binary) }
}

/// Characters beyond ASCII that were read, and places that could not be.
fn count(encoding: &'static Encoding, bytes: &[u8]) -> (u64, u64) {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let mut counts = (0, 0);
    for letter in text.chars().filter(|letter| !letter.is_ascii()) {
        match letter {
            '\u{fffd}' => counts.1 += 1,
            // Private use and rare extensions are where misread bytes land.
            '\u{e000}'..='\u{f8ff}' | '\u{80}'..='\u{9f}' => counts.1 += 1,
            _ => counts.0 += 1,
        }
    }
    counts
}

fn is_binary(text: &str) -> bool {
    let sample = &text[..text.floor_char_boundary(SAMPLE)];
    let mut letters = 0_u64;
    let mut odd = 0_u64;
    for letter in sample.chars() {
        letters += 1;
        let control = letter.is_control() && !matches!(letter, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}' | '\u{85}');
        odd += u64::from(control);
    }
    odd * 50 > letters
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "제1조(목적) 이 조례는 수도 급수에 필요한 사항을 정한다.\n하루 36,000세제곱미터, 10:30.\n";

    fn check(bytes: &[u8], expected: &str, warnings_expected: usize) {
        let mut warnings = Vec::new();
        assert_eq!(decode(bytes, None, &mut warnings).unwrap(), expected);
        assert_eq!(warnings.len(), warnings_expected, "{warnings:?}");
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn every_usual_encoding_of_korean_is_read() {
        check(TEXT.as_bytes(), TEXT, 0);
        check(format!("\u{feff}{TEXT}").as_bytes(), TEXT, 0);
        check(&utf16(&format!("\u{feff}{TEXT}"), u16::to_le_bytes), TEXT, 0);
        check(&utf16(&format!("\u{feff}{TEXT}"), u16::to_be_bytes), TEXT, 0);
        check(&utf16(TEXT, u16::to_le_bytes), TEXT, 0);
        check(&utf16(TEXT, u16::to_be_bytes), TEXT, 0);
        check(&EUC_KR.encode(TEXT).0, TEXT, 0);
        // Syllables that only CP949 has, not the old EUC-KR.
        check(&EUC_KR.encode("똠방각하 펲시콜라 뷁").0, "똠방각하 펲시콜라 뷁", 0);
        check("plain ASCII\r\n".as_bytes(), "plain ASCII\r\n", 0);
        check(b"", "", 0);
        check(b"un caf\xe9 noir, s'il vous pla\xeet", "un café noir, s'il vous plaît", 0);
    }

    #[test]
    fn damaged_bytes_cost_their_place_and_no_more() {
        let mut bytes = TEXT.repeat(20).into_bytes();
        bytes[300] = 0xff;
        bytes.truncate(bytes.len() - 2);
        let mut warnings = Vec::new();
        let text = decode(&bytes, None, &mut warnings).unwrap();
        assert!(text.starts_with("제1조(목적)") && text.contains("세제곱미터"));
        assert_eq!(warnings[0].kind, WarningKind::Encoding);

        let mut bytes = EUC_KR.encode(&TEXT.repeat(20)).0.into_owned();
        bytes[200] = 0xff;
        let text = decode(&bytes, None, &mut warnings).unwrap();
        assert!(text.contains("급수에 필요한"), "{text}");
    }

    #[test]
    fn what_is_not_text_is_refused_by_name() {
        let mut warnings = Vec::new();
        assert_eq!(decode(b"%PDF-1.7 ...", None, &mut warnings), Err(ExtractError::Format { format: "PDF" }));
        assert_eq!(decode(b"PK\x03\x04...", None, &mut warnings), Err(ExtractError::Format { format: "ZIP" }));
        let mut noise: u32 = 1;
        let bytes: Vec<u8> = (0..50_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        assert_eq!(decode(&bytes, None, &mut warnings), Err(ExtractError::Binary));
        assert_eq!(decode(&[0; 4096], None, &mut warnings), Err(ExtractError::Binary));
    }
}
