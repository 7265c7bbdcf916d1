//! Addresses in running text: where one begins, where it ends, and how it is shown once it leads nowhere.
//!
//! Looked for is more than any one reader of Markdown makes a link of: schemes in disguise (entities, percent escapes,
//! letters that are not seen, letters of full width), bare hosts, and hosts of other scripts.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use crate::mask::normal::{Normal, is_unseen, read};

/// Characters of a host that are shown, at most.
const SHOWN_CHARS_MAX: usize = 100;
/// Longest scheme that is looked for.
const SCHEME_CHARS_MAX: usize = 32;
/// Schemes that need no slashes.
const SPECIAL: [&str; 6] = ["http", "https", "ftp", "ws", "wss", "file"];
/// Schemes that need no host.
const OPAQUE: [&str; 5] = ["mailto", "xmpp", "blob", "view-source", "filesystem"];
/// What a host that stands without a path ends with where it is taken for one, though many names of files have dots.
const ENDINGS: [&str; 36] = [
    "com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "name", "pro", "mobi", "asia", "app", "dev",
    "page", "xyz", "top", "site", "online", "shop", "store", "tech", "live", "link", "click", "cloud", "club", "icu",
    "vip", "work", "zip", "mov", "kr", "example", "onion",
];
/// What a host of three names or more ends with, beside the two letters of a country, by where it stands without a path.
/// Names of files and of programs have fewer dots, or are code.
static ALL_ENDINGS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("endings.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
});
/// Ends of hosts that are not ASCII.
const ABROAD: [&str; 14] =
    ["한국", "닷컴", "닷넷", "삼성", "рф", "рус", "中国", "中國", "公司", "网络", "香港", "台灣", "みんな", "भारत"];

/// Where addresses of running text end at the latest.
pub(super) fn ends_address(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '<' | '>'
                | '"'
                | '`'
                | '['
                | ']'
                | '|'
                | '⟨'
                | '⟩'
                | '、'
                | '，'
                | '！'
                | '？'
                | '；'
                | '「'
                | '」'
                | '『'
                | '』'
                | '《'
                | '》'
                | '〈'
                | '〉'
                | '【'
                | '】'
                | '（'
                | '）'
                | '“'
                | '”'
                | '‘'
                | '’'
        )
}

/// Where the words end in which addresses are looked for.
pub(super) fn ends_word(c: char) -> bool {
    ends_address(c) || matches!(c, '(' | ')')
}

/// Where in a word the first address begins.
pub(super) fn begins(word: &str) -> Option<usize> {
    // No address has none of these, in disguise or not.
    if word.is_ascii() && !word.contains([':', '.', '&', '%', '\\']) {
        return None;
    }
    let mut room = Normal::default();
    let view = read(word, &mut room);
    let letters: Vec<(usize, char)> =
        view.text.char_indices().filter(|(_, c)| !is_unseen(*c)).map(|(at, c)| (at, c.to_ascii_lowercase())).collect();
    let scheme = scheme(&letters);
    let first = host(&letters[..scheme.unwrap_or(letters.len())]).or(scheme)?;
    let (at, c) = letters[first];
    let mut start = view.source(at..at + c.len_utf8()).start;
    // Letters that are not seen before an address belong to it.
    while let Some(before) = word[..start].chars().next_back().filter(|c| is_unseen(*c)) {
        start -= before.len_utf8();
    }
    Some(start)
}

fn scheme(letters: &[(usize, char)]) -> Option<usize> {
    let mut run = 0;
    for (place, (_, c)) in letters.iter().enumerate() {
        match c {
            'a'..='z' | '0'..='9' | '+' | '-' | '.' | '%' => continue,
            ':' => {
                let from = run.max(place.saturating_sub(SCHEME_CHARS_MAX));
                let begins = |(_, c): &(usize, char)| c.is_ascii_alphanumeric() || *c == '%';
                if let Some(from) = letters[from..place].iter().position(begins).map(|skip| from + skip)
                    && letters[from..place].iter().any(|(_, c)| c.is_ascii_alphabetic())
                    && leads(letters, from, place)
                {
                    return Some(from);
                }
            }
            // `https\://`: an escape of Markdown is not seen.
            '\\' if letters.get(place + 1).is_some_and(|(_, c)| matches!(c, ':' | '/')) => continue,
            _ => {}
        }
        run = place + 1;
    }
    None
}

/// Whether what stands before and behind a colon leads somewhere.
fn leads(letters: &[(usize, char)], from: usize, colon: usize) -> bool {
    let name: String = letters[from..colon].iter().map(|(_, c)| *c).filter(|c| *c != '\\').collect();
    let mut behind = letters[colon + 1..].iter().map(|(_, c)| *c);
    let (first, second) = (behind.next(), behind.next());
    let slash = |c: Option<char>| matches!(c, Some('/' | '\\'));
    if slash(first) && slash(second) {
        return true;
    }
    match name.as_str() {
        name if SPECIAL.contains(&name) || name.ends_with("http") || name.ends_with("https") => {
            slash(first) || first.is_some_and(|c| c.is_ascii_alphanumeric())
        }
        "data" => {
            let mut kind = letters[colon + 1..].iter().take(64).map(|(_, c)| *c);
            first.is_some_and(|c| matches!(c, ',' | ';'))
                || kind.find(|c| !c.is_ascii_alphanumeric()).is_some_and(|c| matches!(c, '/' | ';' | ','))
        }
        name => {
            first.is_some() && (OPAQUE.contains(&name) || name.ends_with("javascript") || name.ends_with("vbscript"))
        }
    }
}

fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn host(letters: &[(usize, char)]) -> Option<usize> {
    let mut place = 0;
    while place < letters.len() {
        let length = letters[place..].iter().take_while(|(_, c)| is_of_host(*c)).count();
        let (mut first, mut end) = (None, place + length);
        // Prose may stand between two hosts, and what is left before the last one may end in another.
        while end > place
            && let Some(start) = host_in(letters, place..end)
        {
            (first, end) = (Some(start), start);
        }
        if first.is_some() {
            return first;
        }
        place += length + 1;
    }
    None
}

/// Where in a run of letters that hosts have a host begins, if there is one.
fn host_in(letters: &[(usize, char)], run: Range<usize>) -> Option<usize> {
    let text = |range: Range<usize>| letters[range].iter().map(|(_, c)| *c).collect::<String>();
    let dotless = letters[run.clone()].iter().rposition(|(_, c)| *c != '.')?;
    let mut end = run.start + dotless + 1;
    let last = letters[run.start..end].iter().rposition(|(_, c)| *c == '.')? + run.start + 1;
    let mut ending = text(last..end);
    if ending.starts_with(|c: char| c.is_ascii_alphabetic()) && !ending.starts_with("xn--") {
        // A Korean particle may follow at once: `city.go.kr에서`.
        ending.truncate(ending.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(ending.len()));
        if letters.get(last + ending.len()).is_some_and(|(_, c)| c.is_ascii_digit() || matches!(c, '-' | '_')) {
            return None;
        }
        end = last + ending.len();
        if ending.len() < 2 {
            return None;
        }
    } else if !ending.starts_with("xn--") && !ABROAD.iter().any(|one| ending.starts_with(one)) {
        return None;
    }
    // Labels from the right, as long as there are letters between the dots.
    let mut start = last - 1;
    let mut labels = 1;
    while start > run.start {
        let label =
            letters[run.start..start].iter().rposition(|(_, c)| *c == '.').map_or(run.start, |dot| run.start + dot + 1);
        let plain = letters[label..start].iter().all(|(_, c)| c.is_ascii());
        // Prose before a host belongs to it only where it has no label of its own: `하십시오.city.example`.
        if label == start || !plain && labels >= 2 {
            break;
        }
        labels += 1;
        if label == run.start {
            start = label;
            break;
        }
        start = label - 1;
    }
    if letters[start].1 == '.' {
        start += 1;
    }
    if labels < 2 {
        return None;
    }
    let behind = |place: usize| letters.get(place).map(|(_, c)| *c);
    let figures = letters[(end + 1).min(letters.len())..].iter().take_while(|(_, c)| c.is_ascii_digit()).count();
    let path = matches!(behind(end), Some('/' | '?' | '#' | '\\' | '%'))
        || behind(end) == Some(':') && figures > 0 && matches!(behind(end + 1 + figures), Some('/' | '?' | '#'));
    if path {
        return Some(start);
    }
    // An address of mail fetches nothing.
    let mail = behind(end) == Some('@') || run.start > 0 && letters[run.start - 1].1 == '@';
    let named = text(start..end).starts_with("www.") && labels >= 3
        || ENDINGS.contains(&ending.as_str())
        || ending.starts_with("xn--")
        || !ending.is_ascii()
        || labels >= 3 && (ending.len() == 2 || ALL_ENDINGS.contains(ending.as_str()));
    (named && !mail).then_some(start)
}

/// How an address is shown once it leads nowhere: its host alone, with dots that no reader takes for a host's.
pub(super) fn shown(address: &str) -> String {
    let plain: String = if address.contains(['&', '\\']) {
        let mut room = Normal::default();
        read(address, &mut room).text.replace("\\:", ":").replace("\\/", "/")
    } else {
        address.chars().filter(|c| !is_unseen(*c)).collect()
    };
    let scheme = plain
        .find(':')
        .filter(|colon| plain[..*colon].bytes().all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b)));
    let (scheme, rest) = scheme.map_or(("", plain.as_str()), |colon| (&plain[..colon], &plain[colon + 1..]));
    let lower = scheme.to_ascii_lowercase();
    let hosted =
        scheme.is_empty() || rest.starts_with(['/', '\\', '／']) || SPECIAL.iter().any(|one| lower.ends_with(one));
    let rest = rest.trim_start_matches(['/', '\\', '／']);
    let authority = rest.split(['/', '?', '#', '\\', '%', '／']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    let host = host.split(':').next().unwrap_or("").trim_matches('.');
    // A host of another script is written in the letters that machines use, so that none looks like another.
    let ascii = if host.is_ascii() { Some(host.to_ascii_lowercase()) } else { idna::domain_to_ascii(host).ok() };
    let named = ascii.filter(|host| hosted && !host.is_empty()).unwrap_or(lower);
    let named = if named.is_empty() { "…".to_owned() } else { named };
    let mut shown = String::from("⟨");
    for c in named.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '…')).take(SHOWN_CHARS_MAX)
    {
        if c == '.' { shown.push_str("[.]") } else { shown.push(c) }
    }
    shown.push('⟩');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_disguise_too() {
        for (word, expected) in [
            ("https://evil.example/x", Some(0)),
            ("보기:https://evil.example", Some("보기:".len())),
            ("합니다.https://evil.example", Some("합니다.".len())),
            ("HTTPS://evil", Some(0)),
            ("https:evil.example", Some(0)),
            ("https:\\\\evil.example", Some(0)),
            ("https\\://evil.example", Some(0)),
            ("htt\u{200b}ps://evil", Some(0)),
            ("\u{2060}https://evil", Some(0)),
            ("&#104;ttps://evil", Some(0)),
            ("https&colon;//evil", Some(0)),
            ("https&#58;&#47;&#47;evil", Some(0)),
            ("%68ttps://evil", Some(0)),
            ("ｈｔｔｐｓ：／／evil", Some(0)),
            ("javascript:alert", Some(0)),
            ("java\u{ad}script:alert", Some(0)),
            ("data:text/html,x", Some(0)),
            ("data:,x", Some(0)),
            ("mailto:a@b.example?body=x", Some(0)),
            ("evil.ru/?q=SECRET", Some(0)),
            ("evil.example", Some(0)),
            ("www.evil.ru", Some(0)),
            ("secret.evil.ru", Some(0)),
            ("evil。example/x", Some(0)),
            ("xn--80ak6aa92e.com", Some(0)),
            ("한글.한국", Some(0)),
            ("city.go.kr에서", Some(0)),
            ("하십시오.city.example/a", Some("하십시오.".len())),
            ("evil.ru:8080/x", Some(0)),
            ("//evil.ru/x", Some(2)),
            ("x:y", None),
            ("제3조", None),
            ("합니다.다만", None),
            ("및/또는", None),
            ("README.md", None),
            ("main.rs:12", None),
            ("b.py", None),
            ("os.path.join", None),
            // Three names may carry something, whatever they end with.
            ("a.b.py", Some(0)),
            ("secret.evil.website", Some(0)),
            ("3.14", None),
            ("192.168.0.1/24", None),
            ("e.g.", None),
            ("data:값", None),
            ("12:30", None),
            ("Vec::new", None),
            ("gildong.hong@city.go.kr", None),
            ("std::fs", None),
            ("A.1/B", None),
        ] {
            assert_eq!(begins(word), expected, "{word}");
        }
    }

    #[test]
    fn only_the_host_is_shown() {
        for (address, expected) in [
            ("https://evil.example/p?q=SECRET", "⟨evil[.]example⟩"),
            ("https://user:SECRET@Evil.example:8443/", "⟨evil[.]example⟩"),
            ("https://evil.example\\@ok.example", "⟨evil[.]example⟩"),
            ("https:evil.example", "⟨evil[.]example⟩"),
            ("https://аpple.com/", "⟨xn--pple-43d[.]com⟩"),
            ("htt\u{200b}ps://ev\u{200b}il.example", "⟨evil[.]example⟩"),
            ("https&colon;//evil.example/SECRET", "⟨evil[.]example⟩"),
            ("data:text/html;base64,SECRET", "⟨data⟩"),
            ("javascript:fetch('SECRET')", "⟨javascript⟩"),
            ("mailto:a@evil.example", "⟨mailto⟩"),
            ("evil.ru/?q=SECRET", "⟨evil[.]ru⟩"),
            ("https://", "⟨https⟩"),
            ("https://?SECRET", "⟨https⟩"),
        ] {
            assert_eq!(shown(address), expected, "{address}");
        }
    }
}
