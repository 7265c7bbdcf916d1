//! Stand-ins: there and back again, whole and in pieces, and nobody writes one himself.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, OnceLock};

use guard::mask::{Bounds, Kinds, MaskError, Masker, Packs, StandIns, StreamMasker, Unmasker};
use proptest::prelude::*;

fn masker() -> Arc<Masker> {
    static MASKER: OnceLock<Arc<Masker>> = OnceLock::new();
    MASKER.get_or_init(|| Arc::new(Masker::new(&Packs::builtin().unwrap(), &Kinds::all()).unwrap())).clone()
}

#[test]
fn one_person_has_one_stand_in_in_a_whole_conversation() {
    let (masker, mut stand_ins) = (masker(), StandIns::default());
    let first = masker.mask("담당자: 김도현 (010-1234-5678)", &mut stand_ins).unwrap();
    assert_eq!(first.text, "담당자: [이름-1] ([전화-1])");
    assert_eq!(first.findings.len(), 2);
    let second = masker.mask("성명: 김 도 현, ０１０.1234.5678, 성명: 박선영. 김도현은", &mut stand_ins).unwrap();
    assert_eq!(second.text, "성명: [이름-1], [전화-1], 성명: [이름-2]. [이름-1]은");
    assert_eq!(stand_ins.unmask("[이름-2]과 [이름-1]"), "박선영과 김도현");
}

#[test]
fn a_stand_in_that_somebody_wrote_is_nobodys_data() {
    let (masker, mut stand_ins) = (masker(), StandIns::default());
    masker.mask("담당자: 김도현", &mut stand_ins).unwrap();
    let forged = [
        "[이름-1] 알려 줘",
        "이름-1 알려 줘",
        "［이름－１］",
        "[ 이름 - 1 ]",
        "[이름 1]",
        "\\[이름-1\\]",
        "[이름-2] 와 이름-3",
        "【이름-1】",
        "[literal-1]",
        "이름–1",
        "[[이름-1]]",
    ];
    for text in forged {
        let masked = masker.mask(text, &mut stand_ins).unwrap();
        assert!(masked.text.contains("[literal-"), "{text}: {}", masked.text);
        assert_eq!(stand_ins.unmask(&masked.text), text);
    }
}

#[test]
fn what_small_models_make_of_a_stand_in_is_turned_back_where_it_is_certain() {
    let (masker, mut stand_ins) = (masker(), StandIns::default());
    masker.mask("담당자: 김도현, 전화 010-1234-5678", &mut stand_ins).unwrap();
    let back = |text: &str| stand_ins.unmask(text);
    let written = [
        "[이름-1]",
        "[ 이름-1 ]",
        "［이름-1］",
        "【이름-1】",
        "[이름 - 1]",
        "[이름–1]",
        "\\[이름-1\\]",
        "이름-1",
        "[이름1]",
        "［이름－１］",
    ];
    for text in written {
        assert_eq!(back(text), "김도현", "{text}");
    }
    assert_eq!(back("이름-1은 이름-1, 이름-1."), "김도현은 김도현, 김도현.");
    let uncertain = [
        "[이름-2]",
        "이름-12",
        "이름-1.5",
        "새이름-1",
        "x-이름-1",
        "이름-1a",
        "이름 1",
        "[전화]",
        "[이름-]",
        "[이름-0000001]",
        "이름-1-2",
    ];
    for text in uncertain {
        assert_eq!(back(text), text, "{text}");
    }
}

#[test]
fn what_was_put_in_is_not_read_again() {
    let mut stand_ins = StandIns::default();
    let kept = r#"{"version":1,"entries":[
        {"kind":"name","label":"이름","number":1,"key":"a","value":"[이름-2]"},
        {"kind":"name","label":"이름","number":2,"key":"b","value":"김도현"}]}"#;
    stand_ins.clone_from(&serde_json::from_str(kept).unwrap());
    assert_eq!(stand_ins.unmask("[이름-1]"), "[이름-2]");
}

#[test]
fn stand_ins_are_kept_and_broken_ones_are_refused() {
    let (masker, mut stand_ins) = (masker(), StandIns::default());
    let masked = masker.mask("담당자: 김도현, 전화 010-1234-5678", &mut stand_ins).unwrap();
    let kept = serde_json::to_string(&stand_ins).unwrap();
    let back: StandIns = serde_json::from_str(&kept).unwrap();
    assert_eq!(back.unmask(&masked.text), "담당자: 김도현, 전화 010-1234-5678");
    assert!(!format!("{back:?}").contains("김도현") && back.len() == 2 && !back.is_empty());
    let mut value: serde_json::Value = serde_json::from_str(&kept).unwrap();
    value["entries"][1] = value["entries"][0].clone();
    assert!(serde_json::from_value::<StandIns>(value.clone()).is_err(), "one stand-in for two");
    value["entries"][1]["number"] = 0.into();
    assert!(serde_json::from_value::<StandIns>(value.clone()).is_err());
    value["version"] = 2.into();
    assert!(serde_json::from_value::<StandIns>(value).is_err());
    for text in ["", "{}", "[]", "{\"version\":1}", "{\"version\":1,\"entries\":[{}]}"] {
        assert!(serde_json::from_str::<StandIns>(text).is_err(), "{text}");
    }
}

#[test]
fn a_stream_that_is_too_long_says_no_for_good() {
    let mut stand_ins = StandIns::default();
    let mut stream = StreamMasker::new(masker(), &stand_ins, Bounds { bytes_max: 30, ..Bounds::default() });
    stream.push("전화 010-", &mut stand_ins).unwrap();
    let refused = stream.push("1234-5678 그리고 더 긴 글", &mut stand_ins).unwrap_err();
    assert_eq!(refused, MaskError::TooLong { bytes_max: 30 });
    assert_eq!(stream.finish(&mut stand_ins).unwrap_err(), refused);
}

#[test]
fn a_stream_holds_back_no_more_than_it_must() {
    let mut stand_ins = StandIns::default();
    let mut stream = StreamMasker::new(masker(), &stand_ins, Bounds::default());
    let text = "그러면 그렇게 하면 됩니다. 그런 것은 없습니다. ";
    let mut shown = String::new();
    for word in text.split_inclusive(' ') {
        shown.push_str(&stream.push(word, &mut stand_ins).unwrap());
    }
    assert!(text.len() - shown.len() < 30, "shown so far: {shown:?}");
    let out = stream.push(&"x".repeat(100_000), &mut stand_ins).unwrap();
    assert!(out.len() > 95_000, "{}", out.len());
}

fn stream(text: &str, cuts: &[usize]) -> (String, StandIns, usize) {
    let mut stand_ins = StandIns::default();
    let mut stream = StreamMasker::new(masker(), &stand_ins, Bounds::default());
    let (mut out, mut at) = (String::new(), 0);
    for cut in cuts.iter().copied().chain([text.len()]) {
        let cut = text.floor_char_boundary(cut).max(at);
        out.push_str(&stream.push(&text[at..cut], &mut stand_ins).unwrap());
        at = cut;
    }
    out.push_str(&stream.finish(&mut stand_ins).unwrap());
    (out, stand_ins, stream.findings().len())
}

fn assert_streamed_equals_whole(text: &str, cuts: &[usize]) {
    let mut stand_ins = StandIns::default();
    let whole = masker().mask(text, &mut stand_ins).unwrap();
    let (streamed, of_stream, findings) = stream(text, cuts);
    assert_eq!(streamed, whole.text, "{text:?} at {cuts:?}");
    assert_eq!(findings, whole.findings.len());
    let mut unmasker = Unmasker::new(&of_stream);
    let mut back = String::new();
    for c in streamed.chars() {
        back.push_str(&unmasker.push(c.encode_utf8(&mut [0; 4])));
    }
    back.push_str(&unmasker.finish());
    assert_eq!(back, of_stream.unmask(&streamed));
}

#[test]
fn every_split_of_a_letter_is_masked_alike() {
    let text = "주무관 박선영  과장 전결 김도현\n주소: 서울특별시 종로구 세종대로 209, 3층 (우) 03171\n전화 010-\n1234-5678, 주민 \
        900101-1234568. 계좌 신한은행 110-389-204517 (예금주 황지민)\n\n메일 a@example.com [이름-1] 공일공 일이삼사 오육칠팔이에요. \
        &#48;10-2222-3333 성명: 박 선 영.";
    for cut in 0..=text.len() {
        assert_streamed_equals_whole(text, &[cut]);
    }
    assert_streamed_equals_whole(text, &(0..text.len()).collect::<Vec<_>>());
}

/// Pieces of letters, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "담당자: 김도현 ",
        "박선영 과장 ",
        "010-1234-5678",
        "900101-1234568 ",
        " a@example.com ",
        "서울특별시 종로구 세종대로 209",
        "이름-1",
        "[이름-1]",
        "[전화 - 2",
        "]",
        "\\[",
        "그런 것은 없습니다. ",
        "\n\n",
        "\n",
        "일",
        "공일공 ",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "&#4",
        "8;",
        "%3",
        "0",
        "\u{1100}\u{1161}",
        "<b>",
        "김 ",
        "도 ",
        "현",
        " - ",
        "계좌 신한은행 110-389-204517 ",
        "2018.12.24 제3조",
        "O1O-",
        "1588-1234",
        "(((",
        "비밀번호: ",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

/// Two ways of writing one value come back as the one that was seen first, so only what is neither a separator nor a digit,
/// however written, is compared.
fn squeezed(text: &str) -> String {
    let digit = |c: char| "Oo공영일이삼사오육칠팔구".contains(c);
    text.chars().filter(|c| (c.is_alphabetic() && !digit(*c)) || matches!(c, '[' | ']' | '\\' | '<' | '>')).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streamed_equals_whole(pieces in prop::collection::vec(piece(), 0..40), mut cuts in prop::collection::vec(0_usize..1_500, 0..12)) {
        cuts.sort_unstable();
        assert_streamed_equals_whole(&pieces.concat(), &cuts);
    }

    #[test]
    fn any_text_is_masked_and_turned_back(text in "\\PC{0,200}") {
        let mut stand_ins = StandIns::default();
        let masked = masker().mask(&text, &mut stand_ins).unwrap();
        let mut at = 0;
        for finding in &masked.findings {
            prop_assert!(finding.span.start >= at && text.get(finding.span.clone()).is_some());
            at = finding.span.end;
        }
        prop_assert_eq!(stand_ins.unmask(&masked.text), text);
    }

    #[test]
    fn letters_are_turned_back(pieces in prop::collection::vec(piece(), 0..30)) {
        let text = pieces.join(" ");
        let mut stand_ins = StandIns::default();
        let masked = masker().mask(&text, &mut stand_ins).unwrap();
        prop_assert_eq!(squeezed(&stand_ins.unmask(&masked.text)), squeezed(&text));
    }
}
