//! JSON, and JSON a line: each object becomes lines of `key: value` that a person can read and cite.
//!
//! Values are written as they are parsed and never held as a tree, which would be many times the size of its source.

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;

use super::writer::Writer;
use super::{ExtractError, Extracted, Limits, Warning, WarningKind};
use crate::dated;

const TITLE_KEYS: [&str; 4] = ["title", "제목", "name", "이름"];
/// Lines that are looked at to tell JSON lines from broken JSON.
const SAMPLE_LINES: usize = 20;

/// One JSON value. The elements of a list, at the top or one level below, are passages of their own.
pub(super) fn extract(text: &str, limits: &Limits, warnings: &mut Vec<Warning>) -> Result<Extracted, ExtractError> {
    let mut page = Page::new(limits);
    let mut source = Deserializer::from_str(text);
    let read =
        Value { page: &mut page, place: Place::Top, depth: 0 }.deserialize(&mut source).and_then(|()| source.end());
    if let Err(error) = read {
        // One value a line under a wrong name is read for what it is.
        if is_lines(text) {
            return extract_lines(text, limits, warnings);
        }
        if page.writer.extracted.text.is_empty() {
            return Err(ExtractError::Damaged { format: "JSON", reason: error.to_string() });
        }
        warnings.push(Warning::new(WarningKind::Damaged, format!("read up to where it is no JSON: {error}")));
    }
    let (title, date) = (page.title.take().map(|(_, title)| title), page.date);
    let mut extracted = page.finish(warnings);
    extracted.title = title;
    extracted.dated = date;
    Ok(extracted)
}

/// One JSON value a line, each a passage of its own.
pub(super) fn extract_lines(
    text: &str,
    limits: &Limits,
    warnings: &mut Vec<Warning>,
) -> Result<Extracted, ExtractError> {
    let mut page = Page::new(limits);
    let (mut read, mut broken) = (0_u64, 0_u64);
    let mut reason = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        // A broken line is left out whole.
        let checked = serde_json::from_str::<IgnoredAny>(line).and_then(|_| {
            page.begin_element();
            let mut source = Deserializer::from_str(line);
            Value { page: &mut page, place: Place::Element, depth: 0 }.deserialize(&mut source)
        });
        match checked {
            Ok(()) => read += 1,
            Err(error) => {
                broken += 1;
                reason = error.to_string();
            }
        }
        if page.writer.is_full() {
            break;
        }
    }
    if read == 0 && broken > 0 {
        return Err(ExtractError::Damaged { format: "JSON lines", reason });
    }
    if broken > 0 {
        warnings.push(Warning::new(WarningKind::Damaged, format!("{broken} lines are no JSON")));
    }
    Ok(page.finish(warnings))
}

fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(SAMPLE_LINES);
    text.trim().contains('\n') && lines.all(|line| serde_json::from_str::<IgnoredAny>(line).is_ok())
}

struct Page {
    writer: Writer,
    depth_max: usize,
    too_deep: u64,
    /// The best title so far, with its key's rank.
    title: Option<(usize, String)>,
    date: Option<jiff::civil::Date>,
}

impl Page {
    fn new(limits: &Limits) -> Self {
        Self { writer: Writer::new(limits), depth_max: limits.depth_max, too_deep: 0, title: None, date: None }
    }

    fn begin_element(&mut self) {
        self.writer.gap();
        self.writer.begin_passage();
    }

    /// Takes notice of what a field at the top says of the whole record.
    fn note(&mut self, key: &str, value: &str) {
        let rank = TITLE_KEYS.iter().position(|name| *name == key);
        if let Some(rank) = rank.filter(|rank| self.title.as_ref().is_none_or(|(other, _)| rank < other)) {
            self.title = Some((rank, value.to_owned()));
        }
        self.date = self.date.or_else(|| dated::parse(value));
    }

    fn finish(self, warnings: &mut Vec<Warning>) -> Extracted {
        if self.too_deep > 0 {
            let detail = format!("{} values nested deeper than {} were left out", self.too_deep, self.depth_max);
            warnings.push(Warning::new(WarningKind::TooDeep, detail));
        }
        self.writer.finish(warnings)
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place<'k> {
    /// It is the record.
    Top,
    /// In a list.
    Element,
    /// Under a key of the record itself.
    TopField(&'k str),
    /// Under a key.
    Field(&'k str),
}

impl Place<'_> {
    fn key(&self) -> Option<&str> {
        match self {
            Place::TopField(key) | Place::Field(key) => Some(key),
            Place::Top | Place::Element => None,
        }
    }
}

/// Writes one value while it is parsed.
struct Value<'p, 'k> {
    page: &'p mut Page,
    place: Place<'k>,
    depth: usize,
}

impl Value<'_, '_> {
    /// Nesting shows as indentation, of bounded width.
    fn indent(&self) -> String {
        "  ".repeat(self.depth.min(8))
    }

    fn scalar(self, value: &str) {
        let value = value.trim();
        if let Place::TopField(key) = self.place {
            self.page.note(key, value);
        }
        let line = match self.place.key() {
            Some(key) => format!("{}{key}: {value}", self.indent()),
            None => value.to_owned(),
        };
        self.page.writer.line(&line);
    }

    /// Whether what is inside is still followed.
    fn enters(&mut self) -> bool {
        let enters = self.depth < self.page.depth_max;
        self.page.too_deep += u64::from(!enters);
        enters && !self.page.writer.is_full()
    }

    /// The key of a value that has lines of its own.
    fn header(&mut self) {
        if let Some(key) = self.place.key() {
            let line = format!("{}{key}:", self.indent());
            self.page.writer.line(&line);
        }
    }
}

/// The visits of values that hold no others: each goes to a method as its text.
macro_rules! scalars {
    ($method:ident) => {
        fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
            self.$method(if value { "true" } else { "false" });
            Ok(())
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
            self.$method(&value.to_string());
            Ok(())
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
            self.$method(&value.to_string());
            Ok(())
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
            self.$method(&value.to_string());
            Ok(())
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
            self.$method(value);
            Ok(())
        }
    };
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    scalars!(scalar);

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        if !self.enters() {
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let depth = self.depth + usize::from(self.place.key().is_some());
        let mut first = true;
        while let Some(key) = fields.next_key::<String>()? {
            if std::mem::take(&mut first) {
                self.header();
            }
            let place = if matches!(self.place, Place::Top) { Place::TopField(&key) } else { Place::Field(&key) };
            fields.next_value_seed(Value { page: &mut *self.page, place, depth })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        if !self.enters() {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut list = List { words: String::new(), opened: false, value: self };
        while elements.next_element_seed(&mut list)?.is_some() {}
        list.finish();
        Ok(())
    }
}

/// A list: words and numbers stand on one line, whatever has parts gets lines of its own.
struct List<'p, 'k> {
    value: Value<'p, 'k>,
    /// The words and numbers so far.
    words: String,
    opened: bool,
}

impl List<'_, '_> {
    fn word(&mut self, word: &str) {
        let page = &mut *self.value.page;
        if matches!(self.value.place, Place::Top) {
            page.begin_element();
            page.writer.line(word.trim());
        } else if self.words.len() + page.writer.extracted.text.len() < page.writer.bytes_max() {
            if !self.words.is_empty() {
                self.words.push_str(", ");
            }
            self.words.push_str(word.trim());
        }
    }

    /// Makes room for an element with parts.
    fn open(&mut self) -> Value<'_, '_> {
        let words = std::mem::take(&mut self.words);
        let value = &mut self.value;
        if !std::mem::replace(&mut self.opened, true) {
            match value.place {
                Place::TopField(key) => value.page.writer.heading(2, key),
                _ => value.header(),
            }
        }
        if !words.is_empty() {
            value.page.writer.line(&words);
        }
        if matches!(value.place, Place::Top | Place::TopField(_)) {
            value.page.begin_element();
        }
        let within = !matches!(value.place, Place::Top | Place::TopField(_));
        Value { page: &mut *value.page, place: Place::Element, depth: value.depth + usize::from(within) }
    }

    fn finish(self) {
        if self.words.is_empty() {
            return;
        }
        if self.opened {
            self.value.page.writer.line(&self.words);
        } else {
            self.value.scalar(&self.words);
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut List<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    scalars!(word);

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        self.open().visit_map(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        self.open().visit_seq(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str, breaks: usize) -> Extracted {
        let mut warnings = Vec::new();
        let extracted = extract(input, &Limits::default(), &mut warnings).unwrap();
        assert_eq!(extracted.text.trim_end(), expected);
        assert_eq!(extracted.breaks.len(), breaks);
        extracted
    }

    #[test]
    fn objects_read_as_lines_in_their_own_order() {
        let extracted = check(
            r#"{"title":"자주 묻는 질문","updated":"2025-06-30","items":[{"질문":"요금?","답":"냅니다.","n":[1,2],"o":{"부서":"요금과"}},{"질문":"수질?"}]}"#,
            "title: 자주 묻는 질문\nupdated: 2025-06-30\n\nitems\n\n질문: 요금?\n답: 냅니다.\nn: 1, 2\no:\n  부서: 요금과\n\n질문: 수질?",
            2,
        );
        assert_eq!(extracted.title.as_deref(), Some("자주 묻는 질문"));
        assert_eq!(extracted.dated, Some(jiff::civil::date(2025, 6, 30)));
        assert_eq!(extracted.headings[0].title, "items");
        check("[1,\"둘\",null]", "1\n\n둘", 2);
        check("{\"가\":{},\"나\":[],\"다\":[1,{\"라\":[[2],3]}]}", "다\n1\n\n라:\n2\n3", 1);
        check("\"혼자\"", "혼자", 0);
    }

    #[test]
    fn each_line_of_jsonl_is_a_passage_and_a_broken_one_is_named() {
        let mut warnings = Vec::new();
        let text = "{\"질문\":\"하나\"}\n{broken\n\n{\"질문\":\"둘\\u0000\\u202e\"}\n";
        let extracted = extract_lines(text, &Limits::default(), &mut warnings).unwrap();
        assert_eq!(extracted.text, "질문: 하나\n\n질문: 둘\n");
        assert_eq!(extracted.breaks.len(), 2);
        assert_eq!(warnings[0].kind, WarningKind::Damaged);
        assert!(extract_lines("{x\n{y\n", &Limits::default(), &mut warnings).is_err());
        assert_eq!(extract("{\"a\":1}\n{\"a\":2}\n", &Limits::default(), &mut warnings).unwrap().breaks.len(), 2);
    }

    #[test]
    fn hostile_json_is_an_error_or_shortened() {
        let mut warnings = Vec::new();
        let limits = Limits { depth_max: 4, text_bytes_max: 1_000, ..Limits::default() };
        assert!(extract(&"[".repeat(1_000_000), &limits, &mut warnings).is_err());
        assert!(extract("{\"a\":", &limits, &mut warnings).is_err());
        let cut = extract("{\"a\":\"하나\",\"b\":[{\"c\":\"둘\"},{\"c\":", &limits, &mut warnings).unwrap();
        assert_eq!(cut.text, "a: 하나\n\nb\n\nc: 둘\n\n");
        assert_eq!(warnings.pop().map(|warning| warning.kind), Some(WarningKind::Damaged));
        let deep = format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60));
        extract(&deep, &limits, &mut warnings).unwrap();
        assert!(warnings.iter().any(|warning| warning.kind == WarningKind::TooDeep));
        let long = format!("[{}1]", "1,".repeat(100_000));
        assert!(extract(&long, &limits, &mut warnings).unwrap().text.len() <= 1_000);
        assert!(warnings.iter().any(|warning| warning.kind == WarningKind::Shortened));
    }
}
