//! HTML: what a reader of the page sees, line by line.
//!
//! A scanner of its own instead of a full parser: it looks at each byte once and keeps a bounded stack, so no nesting
//! and no number of attributes makes it slow (parsers that build the tree are quadratic in both). Names of
//! characters come from the table of the HTML standard.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::markup::{Hiding, behind_raw, find_end, hiding, reference, tag, unescape};
use super::writer::Writer;
use super::{Extracted, Limits, Warning, WarningKind, short};
use crate::flags::Unseen;

/// Bytes of the head in which a page may name its encoding (the HTML standard asks for 1,024).
const HEAD: usize = 4_096;
/// Open elements that an end tag looks through.
const LOOK_BACK: usize = 64;
/// Bytes of words that are not seen that are looked at, of one element, and elements of one page.
const UNSEEN_BYTES_MAX: usize = 4_096;
const UNSEEN_MAX: usize = 100;
/// Nesting of lists that is numbered.
const LISTS_MAX: usize = 16;

/// Elements without text of their own, which no end tag follows.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements whose text is not part of what the page says.
const LEFT_OUT: [&str; 15] = [
    "nav", "noscript", "template", "iframe", "object", "svg", "math", "canvas", "audio", "video", "select", "textarea",
    "dialog", "datalist", "head",
];
/// Elements whose inside is no markup.
const RAW: [&str; 5] = ["script", "style", "xmp", "noembed", "noframes"];
const BLOCK: [&str; 32] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "legend",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "ul",
    "hgroup",
];

/// The encoding that a page names in its head.
pub(super) fn charset(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).to_ascii_lowercase();
    let (_, after) = head.split_once("charset")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let length = value.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_:.".contains(letter))?;
    // A page that can be read up to here is not UTF-16, whatever it says.
    Encoding::for_label(&value.as_bytes()[..length]).filter(|encoding| ![UTF_16LE, UTF_16BE].contains(encoding))
}

pub(super) fn extract(text: &str, limits: &Limits, warnings: &mut Vec<Warning>) -> Extracted {
    let mut page = Page::new(limits);
    let mut rest = text;
    while !rest.is_empty() && !page.writer.is_full() {
        let next = rest.find('<').unwrap_or(rest.len());
        page.text(&rest[..next]);
        rest = page.markup(&rest[next..]);
    }
    page.finish(warnings)
}

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    hidden: bool,
    /// Where its white words begin.
    white: Option<usize>,
}

struct Page<'a> {
    writer: Writer,
    open: Vec<Open<'a>>,
    depth_max: usize,
    /// Elements open beyond the bound.
    beyond: usize,
    too_deep: bool,
    /// Open elements whose text is left out.
    hidden: usize,
    line: String,
    /// Whether white space stood before the next word.
    space: bool,
    heading: Option<u8>,
    /// The cells of the row so far.
    row: Option<Vec<String>>,
    /// For each open list the number of its last item, `None` for lists without numbers.
    lists: Vec<Option<u32>>,
    preformatted: usize,
    title: Option<String>,
    /// The words that the outermost hidden element has.
    unseen: Option<Unseen>,
    all_unseen: Vec<Unseen>,
}

impl<'a> Page<'a> {
    fn new(limits: &Limits) -> Self {
        Self {
            writer: Writer::new(limits),
            open: Vec::new(),
            depth_max: limits.depth_max.saturating_mul(4),
            beyond: 0,
            too_deep: false,
            hidden: 0,
            line: String::new(),
            space: false,
            heading: None,
            row: None,
            lists: Vec::new(),
            preformatted: 0,
            title: None,
            unseen: None,
            all_unseen: Vec::new(),
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden > 0 || self.beyond > 0 || text.is_empty() {
            if let Some(unseen) = &mut self.unseen {
                let room = UNSEEN_BYTES_MAX.saturating_sub(unseen.words.len());
                unseen.words.push_str(&text[..text.floor_char_boundary(room)]);
            }
            return;
        }
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                '&' => {
                    let (decoded, after) = reference(rest);
                    for letter in decoded.into_iter().flatten() {
                        self.letter(letter);
                    }
                    rest = after;
                }
                letter => self.letter(letter),
            }
        }
    }

    fn letter(&mut self, letter: char) {
        if letter == '\n' && self.preformatted > 0 {
            self.flush();
        } else if letter.is_ascii_whitespace() && self.preformatted == 0 || letter == '\u{a0}' {
            self.space = true;
        } else {
            if std::mem::take(&mut self.space) && !self.line.is_empty() {
                self.line.push(' ');
            }
            self.line.push(letter);
        }
    }

    /// Reads what begins with `<` and gives what is left.
    fn markup(&mut self, text: &'a str) -> &'a str {
        let Some(inside) = text.strip_prefix('<') else { return text };
        if let Some(comment) = inside.strip_prefix("!--") {
            return comment.find("-->").map_or("", |end| &comment[end + 3..]);
        }
        match inside.bytes().next() {
            Some(b'!' | b'?') => inside.find('>').map_or("", |end| &inside[end + 1..]),
            Some(b'/') if inside[1..].starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
                let (name, _, after) = tag(&inside[1..]);
                self.end(&name.to_ascii_lowercase());
                after
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                let (name, attributes, after) = tag(inside);
                self.start(name, attributes, after)
            }
            _ => {
                self.text("<");
                inside
            }
        }
    }

    fn start(&mut self, written: &'a str, attributes: &'a str, after: &'a str) -> &'a str {
        let name = &*written.to_ascii_lowercase();
        if RAW.contains(&name) {
            return behind_raw(after, name);
        }
        if name == "title" && self.title.is_none() && self.open.iter().all(|open| open.name.len() <= 4) {
            let end = find_end(after, name).unwrap_or(after.len());
            self.title = Some(short(&unescape(&after[..end])));
            return behind_raw(after, name);
        }
        if VOID.contains(&name) {
            match name {
                "br" | "hr" => self.flush(),
                _ => {}
            }
            return after;
        }
        if attributes.ends_with('/') && matches!(name, "svg" | "math" | "path") {
            return after;
        }
        while self.open.last().is_some_and(|top| closes(name, top.name)) && self.beyond == 0 {
            self.pop();
        }
        if self.open.len() >= self.depth_max {
            self.beyond += 1;
            self.too_deep = true;
            return after;
        }
        let hides = hiding(attributes);
        let hidden = LEFT_OUT.contains(&name) || matches!(hides, Hiding::Hidden | Hiding::NoSize);
        self.begin(name);
        let place = self.place();
        if hidden && self.hidden == 0 {
            let (how, always) = match hides {
                Hiding::NoSize => ("letters without size", true),
                _ => ("hidden element", false),
            };
            self.unseen = Some(Unseen { how, words: String::new(), span: place..place, always });
        }
        self.hidden += usize::from(hidden);
        let white = (hides == Hiding::White && self.hidden == 0).then_some(place);
        self.open.push(Open { name: written, hidden, white });
        after
    }

    /// About where in the text we are.
    fn place(&self) -> usize {
        let row = self.row.iter().flatten().map(|cell| cell.len() + 3).sum::<usize>();
        self.writer.extracted.text.len() + row + self.line.len()
    }

    /// What the beginning of an element means for lines.
    fn begin(&mut self, name: &str) {
        if self.hidden > 0 {
            return;
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush();
                self.heading = name[1..].parse().ok();
            }
            "tr" => {
                self.end_row();
                self.flush();
                self.row = Some(Vec::new());
            }
            "td" | "th" => self.end_cell(),
            "li" => {
                self.flush();
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{number}. ")
                    }
                    _ => "- ".to_owned(),
                };
                self.line.push_str(&mark);
            }
            "ol" | "ul" => {
                self.flush();
                if self.lists.len() < LISTS_MAX {
                    self.lists.push((name == "ol").then_some(0));
                }
            }
            "pre" => {
                self.flush();
                self.preformatted += 1;
            }
            name if BLOCK.contains(&name) => self.flush(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let from = self.open.len().saturating_sub(LOOK_BACK);
        let Some(place) = self.open[from..].iter().rposition(|open| open.name.eq_ignore_ascii_case(name)) else {
            return;
        };
        while self.open.len() > from + place {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let was_hidden = self.hidden > 0;
        self.hidden -= usize::from(closed.hidden);
        if self.hidden == 0
            && let Some(unseen) = self.unseen.take()
        {
            self.found(unseen);
        }
        if was_hidden {
            return;
        }
        if let Some(start) = closed.white {
            let span = start..self.place();
            if !span.is_empty() && self.all_unseen.len() < UNSEEN_MAX {
                self.all_unseen.push(Unseen { how: "white letters", words: String::new(), span, always: true });
            }
        }
        match &*closed.name.to_ascii_lowercase() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.end_heading(),
            "tr" | "table" => self.end_row(),
            "ol" | "ul" => {
                self.flush();
                self.lists.pop();
                self.writer.gap();
            }
            "pre" => {
                self.flush();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            "p" | "blockquote" if self.row.is_none() => {
                self.flush();
                if self.lists.is_empty() {
                    self.writer.gap();
                }
            }
            "li" | "caption" => self.flush(),
            name if BLOCK.contains(&name) => self.flush(),
            _ => {}
        }
    }

    /// Ends the line; inside a cell or a heading it only parts words.
    fn flush(&mut self) {
        if self.row.is_some() || self.heading.is_some() {
            self.space = true;
            return;
        }
        self.space = false;
        let line = std::mem::take(&mut self.line);
        if !line.trim().is_empty() && line != "- " {
            self.writer.line(&line);
        } else if self.preformatted > 0 {
            self.writer.gap();
        }
    }

    fn end_heading(&mut self) {
        if let Some(level) = self.heading.take() {
            let title = std::mem::take(&mut self.line);
            self.space = false;
            match &mut self.row {
                // A heading inside a table is a cell's text.
                Some(_) => self.line = title,
                None => self.writer.heading(level, &title),
            }
        }
    }

    fn end_cell(&mut self) {
        let cell = std::mem::take(&mut self.line).trim().to_owned();
        self.space = false;
        if let Some(cells) = &mut self.row
            && !cell.is_empty()
        {
            cells.push(cell);
        }
    }

    fn end_row(&mut self) {
        if self.row.is_some() {
            self.heading = None;
            self.end_cell();
            let cells = self.row.take().unwrap_or_default();
            if !cells.is_empty() {
                self.writer.line(&cells.join(" | "));
            }
        }
    }

    fn found(&mut self, unseen: Unseen) {
        if !unseen.words.trim().is_empty() && self.all_unseen.len() < UNSEEN_MAX {
            self.all_unseen.push(unseen);
        }
    }

    fn finish(mut self, warnings: &mut Vec<Warning>) -> Extracted {
        if let Some(unseen) = self.unseen.take() {
            self.found(unseen);
        }
        self.end_heading();
        self.end_row();
        self.flush();
        if self.too_deep {
            let detail = format!("elements nested deeper than {} were left out", self.depth_max);
            warnings.push(Warning::new(WarningKind::TooDeep, detail));
        }
        let mut extracted = self.writer.finish(warnings);
        let first = extracted.headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
        extracted.title = first.or(self.title);
        extracted.unseen = self.all_unseen;
        extracted
    }
}

/// Whether the beginning of `name` ends the open element `top`, as the HTML standard's optional end tags say.
fn closes(name: &str, top: &str) -> bool {
    let top = &*top.to_ascii_lowercase();
    match top {
        "p" => {
            BLOCK.contains(&name) || matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "li" | "tr" | "td" | "th")
        }
        "li" => name == "li",
        "dt" | "dd" => matches!(name, "dt" | "dd"),
        "td" | "th" => matches!(name, "td" | "th" | "tr" | "tbody" | "thead" | "tfoot"),
        "tr" => matches!(name, "tr" | "tbody" | "thead" | "tfoot"),
        "tbody" | "thead" | "tfoot" => matches!(name, "tbody" | "thead" | "tfoot"),
        "option" => matches!(name, "option" | "optgroup"),
        "head" => name == "body" || BLOCK.contains(&name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) -> Extracted {
        let mut warnings = Vec::new();
        let extracted = extract(input, &Limits::default(), &mut warnings);
        assert_eq!(extracted.text.trim_end(), expected, "{input:?}");
        extracted
    }

    #[test]
    fn a_page_reads_as_a_reader_sees_it() {
        let extracted = check(
            "<!DOCTYPE html><html><head><title>대응 &amp; 절차 - 시</title><style>p{}</style></head><body>\
             <nav><a>처음</a></nav><h1>대응 <b>절차</b></h1><p>첫 문장.\n 둘째&nbsp;문장.<p>다음<br>줄\
             <ul><li>하나<li>둘 &lt;b&gt;</ul><ol><li>가</li><li>나</li></ol>\
             <table><tr><th>단계<th>농도<tr><td><p>주의</p><td>1&thinsp;ppm</table><script>var x = '</p>';</script></body>",
            "대응 절차\n첫 문장. 둘째 문장.\n\n다음\n줄\n\n- 하나\n- 둘 <b>\n\n1. 가\n2. 나\n\n단계 | 농도\n주의 | 1\u{2009}ppm",
        );
        assert_eq!(extracted.title.as_deref(), Some("대응 절차"));
        assert_eq!(extracted.headings[0].title, "대응 절차");
        assert_eq!(&extracted.text[extracted.headings[0].span.clone()], "대응 절차");
    }

    #[test]
    fn what_a_reader_does_not_see_is_not_text() {
        check("앞<div style='color:red; DISPLAY : none'>숨김<p>안</div>뒤", "앞\n뒤");
        check("<p hidden>숨김<p>보임", "보임");
        check("<span aria-hidden=\"true\">x</span><template><p>t</p></template>보임<!-- c -->", "보임");
        check("<noscript>n</noscript><svg><text>s</text></svg><select><option>o</select>글", "글");
        check("<li hidden>하나<li>둘", "- 둘");
        check("<a title=\"x > y\" hidden>숨김</a>글", "글");
    }

    #[test]
    fn references_are_read_and_what_is_none_stays() {
        check("&#44032;&#xAC01;&copy;&AMP &nosuch; & &#; &#x110000;&#150;", "가각©& &nosuch; & &#; \u{fffd}–");
        check("a < b, 1<2", "a < b, 1<2");
        check("<pre>한 줄\n  들여쓴 줄</pre>", "한 줄\n  들여쓴 줄");
    }

    #[test]
    fn the_page_names_its_encoding() {
        let korean = encoding_rs::EUC_KR.encode("<meta charset=\"euc-kr\"><p>한글 문서").0.into_owned();
        assert_eq!(charset(&korean), Some(encoding_rs::EUC_KR));
        let (extracted, _) = super::super::extract(&korean, super::super::Kind::Html, &Limits::default()).unwrap();
        assert_eq!(extracted.text.trim_end(), "한글 문서");
        assert_eq!(charset(b"<meta charset=utf-16>"), None);
        assert_eq!(charset(b"<p>charset"), None);
    }

    #[test]
    fn hostile_pages_take_no_longer_than_they_are_long() {
        let pieces = [
            "<div>",
            "<p",
            "<a x=\"",
            "<!--",
            "&",
            "<li><ul>",
            "<table><tr><td>",
            "</div>",
            "<a b c d e f g>",
            "<title>",
            "<script>",
            "</",
            "<td>",
            "&am",
            "<p hidden>",
            "<h1>",
            "<a b=c d='e' ",
            "<x ///// =",
        ];
        for piece in pieces {
            let began = std::time::Instant::now();
            let mut warnings = Vec::new();
            let extracted = extract(&piece.repeat(2_000_000 / piece.len()), &Limits::default(), &mut warnings);
            assert!(extracted.text.len() <= 8_000_000);
            assert!(began.elapsed().as_secs() < 20, "{piece:?}");
        }
        let mut warnings = Vec::new();
        let deep = format!("{}안{}밖", "<div>".repeat(5_000), "</div>".repeat(5_000));
        let extracted = extract(&deep, &Limits::default(), &mut warnings);
        assert_eq!(extracted.text.trim_end(), "밖");
        assert_eq!(warnings[0].kind, WarningKind::TooDeep);
    }
}
