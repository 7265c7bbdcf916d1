//! Answers whose personal data are hidden: what the asker wrote stays, in any pieces, and places go along.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, OnceLock};

use guard::mask::{AnswerMasker, Kinds, MaskError, Masker, Packs};
use proptest::prelude::*;

fn masker() -> Arc<Masker> {
    static MASKER: OnceLock<Arc<Masker>> = OnceLock::new();
    MASKER.get_or_init(|| Arc::new(Masker::new(&Packs::builtin().unwrap(), &Kinds::all()).unwrap())).clone()
}

const WRITTEN: &str = "제 번호는 010-1234-5678입니다. 담당자는 누구입니까?";
const ANSWER: &str = "번호 ０１０.1234.5678 확인했습니다 [1]. 담당자: 김도현 과장(010-9876-5432) [12]. [이름-1]은 그대로이고 김도현 과장에게 \
                      me@city.example로 쓰세요 [3].";
const SHOWN: &str = "번호 ０１０.1234.5678 확인했습니다 [1]. 담당자: [이름-1] 과장([전화-2]) [12]. [이름-1]은 그대로이고 [이름-1] 과장에게 \
                     [이메일-1]로 쓰세요 [3].";

fn answer() -> AnswerMasker {
    AnswerMasker::new(masker(), [WRITTEN]).unwrap()
}

#[test]
fn others_data_are_hidden_and_what_the_asker_wrote_is_not() {
    let mut answer = answer();
    assert_eq!(answer.whole(ANSWER).unwrap(), SHOWN);
    let counts: Vec<(&str, u32)> = answer.counts().iter().map(|(kind, count)| (&**kind, *count)).collect();
    assert_eq!(counts, [("email", 1), ("name", 2), ("phone", 1)]);
    // A name that was believed in one text of the answer is known in the next.
    assert_eq!(answer.whole("김도현").unwrap(), "[이름-1]");
}

#[test]
fn a_place_of_the_answer_is_found_again() {
    let mut answer = answer();
    let mut text = answer.text();
    let mut shown = text.push(&mut answer, ANSWER).unwrap();
    shown.push_str(&text.finish(&mut answer).unwrap());
    assert_eq!(text.settled_chars(), ANSWER.chars().count());
    let chars: Vec<char> = ANSWER.chars().collect();
    let given: Vec<char> = shown.chars().collect();
    for mark in ["[1]", "[12]", "[3]"] {
        let at = ANSWER[..ANSWER.find(mark).unwrap()].chars().count();
        let place = text.place(at)..text.place(at + mark.len());
        assert_eq!(given[place].iter().collect::<String>(), mark);
        assert_eq!(chars[at], '[');
    }
}

#[test]
fn an_answer_that_is_too_much_gives_nothing_more() {
    let mut answer = answer();
    let mut text = answer.text();
    let long = "가나다라 ".repeat(1 << 20);
    let mut ended = None;
    for _ in 0..3 {
        ended = text.push(&mut answer, &long).err();
    }
    assert!(matches!(ended, Some(MaskError::TooLong { .. })), "{ended:?}");
    assert!(text.finish(&mut answer).is_err());
    let full: String = (0..60_000).map(|number| format!("u{number}@city.example ")).collect();
    assert!(matches!(AnswerMasker::new(masker(), [&*full]), Err(MaskError::Full)));
}

proptest! {
    #[test]
    fn in_any_pieces_it_is_the_same_and_no_mark_is_split(cuts in prop::collection::vec(0..ANSWER.chars().count(), 0..40)) {
        let mut cuts: Vec<usize> = cuts.into_iter().filter_map(|at| ANSWER.char_indices().nth(at)).map(|(at, _)| at).collect();
        cuts.extend([0, ANSWER.len()]);
        cuts.sort_unstable();
        let mut answer = answer();
        let mut text = answer.text();
        let mut shown = String::new();
        for piece in cuts.windows(2) {
            let more = text.push(&mut answer, &ANSWER[piece[0]..piece[1]]).unwrap();
            shown.push_str(&more);
            prop_assert!(shown.rfind('[').is_none_or(|at| shown[at..].contains(']')), "{}", shown);
            prop_assert!(text.settled_chars() <= ANSWER[..piece[1]].chars().count());
        }
        shown.push_str(&text.finish(&mut answer).unwrap());
        prop_assert_eq!(shown, SHOWN);
    }
}
