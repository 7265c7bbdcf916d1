//! Masking at its public door: kinds, disguises, spans, and what must never be let through.

#![allow(clippy::unwrap_used)]

use guard::mask::{Bounds, Checked, Finding, Kinds, MaskError, Masker, Packs, StandIns};

fn masker() -> Masker {
    Masker::new(&Packs::builtin().unwrap(), &Kinds::all()).unwrap()
}

/// What `text` looks like with each finding's kind in its place.
fn shown(masker: &Masker, text: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for finding in masker.find(text) {
        out.push_str(&text[at..finding.span.start]);
        out.push_str(&format!("<{}>", finding.kind));
        at = finding.span.end;
    }
    out + &text[at..]
}

fn check(cases: &[(&str, &str)]) {
    let masker = masker();
    let wrong: Vec<_> = cases
        .iter()
        .map(|(text, expected)| (shown(&masker, text), *expected))
        .filter(|(is, should)| is != should)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn numbers_of_people() {
    check(&[
        ("주민등록번호 900101-1234568 입니다", "주민등록번호 <rrn> 입니다"),
        ("번호는 9001011234568", "번호는 <rrn>"),
        ("2020년 10월 뒤의 번호 210101-3456789", "2020년 10월 뒤의 번호 <rrn>"),
        ("주민등록번호 990101-9234567", "주민등록번호 <rrn>"),
        ("뒷자리를 가린 900101-1******", "뒷자리를 가린 <rrn>"),
        ("외국인등록번호: 920715-6238941", "외국인등록번호: <foreigner>"),
        ("900230-1234567", "900230-1234567"),
        ("주민등록번호 900230-1234567", "주민등록번호 <rrn>"),
        ("면허 11-95-082345-21, 경기 11-887452-30", "면허 <driver>, <driver>"),
        ("여권번호 M48217305", "여권번호 <passport>"),
        ("여권번호: M123A4567", "여권번호: <passport>"),
        ("부품 K48217305", "부품 K48217305"),
        ("보험증 1-2840193756", "보험증 <insurance>"),
        ("사번: A20231234", "사번: <employee>"),
        ("사건번호 2024가단5571호", "사건번호 <case_number>호"),
        ("생년월일: 1989년 3월 22일", "생년월일: <birth_date>"),
        ("시행일 1989년 3월 22일", "시행일 1989년 3월 22일"),
        ("차량 12가 3456", "차량 <vehicle>"),
        ("제12조 제3항", "제12조 제3항"),
    ]);
}

#[test]
fn numbers_to_call_and_numbers_of_firms() {
    check(&[
        ("전화 010-1234-5678", "전화 <phone>"),
        ("01012345678", "<phone>"),
        ("02-723-4567", "<phone>"),
        ("02-123-4567", "02-123-4567"),
        ("+82-10-1234-5678", "+<phone>"),
        ("고객센터 1588-1234", "고객센터 <phone>"),
        ("임진왜란 1592-1598", "임진왜란 1592-1598"),
        ("사업자등록번호 124-81-00998", "사업자등록번호 <business>"),
        ("124-81-00999", "<business>"),
        ("법인등록번호 130111-0006246", "법인등록번호 <corporate>"),
        ("130111-0006246", "<corporate>"),
        ("130111-0006247", "130111-0006247"),
        ("번호는 1248100998", "번호는 <business>"),
        ("번호는 1248100999", "번호는 1248100999"),
        ("접수 1248100998", "접수 1248100998"),
        ("번호 1248100998원", "번호 1248100998원"),
        ("번호는 1301110006246", "번호는 <corporate>"),
        ("번호는 1301110006247", "번호는 1301110006247"),
        ("번호는 124-810-0998", "번호는 124-810-0998"),
        ("번호는 1301-11-0006246", "번호는 1301-11-0006246"),
        ("금액 1,240,000,000원", "금액 1,240,000,000원"),
        ("1234567890", "1234567890"),
        ("계좌 110-389-204517", "계좌 <account>"),
        ("신한은행 110389204517", "신한은행 <account>"),
        ("문서 2024-0012-3344", "문서 2024-0012-3344"),
    ]);
}

#[test]
fn what_looks_the_same_everywhere() {
    check(&[
        ("메일 a.b@example.co.kr로", "메일 <email>로"),
        ("메일 hong (at) example (dot) kr", "메일 <email>"),
        ("카드 4111 1111 1111 1111", "카드 <card>"),
        ("4111111111111111", "<card>"),
        ("주문 4111111111111112", "주문 4111111111111112"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN <iban>"),
        ("서버 10.20.14.7.", "서버 <ip>."),
        ("버전 1.2.3", "버전 1.2.3"),
        ("버전 1.2.3.4.5", "버전 1.2.3.4.5"),
        ("2001:db8::8a2e:370:7334", "<ip>"),
        ("00:1A:2b:3c:4D:5e", "<mac>"),
        ("https://kim:pw1234@db.example.com/x", "<url_credentials>"),
        ("AKIAIOSFODNN7EXAMPLE", "<secret>"),
        ("api_key = \"0123456789abcdef\"", "api_key = \"<secret>\""),
        ("비밀번호: qwer1234!", "비밀번호: <secret>"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nabcd\n\nefgh\n-----END PRIVATE KEY-----\n끝", "<secret>\n끝"),
    ]);
}

#[test]
fn names_need_something_beside_them() {
    check(&[
        ("담당자: 김도현", "담당자: <name>"),
        ("성명 박선영", "성명 <name>"),
        ("주무관 박선영  과장 전결 김도현", "주무관 <name>  과장 전결 <name>"),
        ("박선영 과장에게", "<name> 과장에게"),
        ("김도현님께", "<name>님께"),
        ("신예린, 010-3047-9921", "<name>, <phone>"),
        ("신청인: 김 도 현", "신청인: <name>"),
        ("예금주: 남궁민수", "예금주: <name>"),
        ("성명: NGUYEN THI HOA", "성명: <name>"),
        ("성 명 박선영", "성 명 <name>"),
        ("성&nbsp;명 박선영", "성&nbsp;명 <name>"),
        ("성 명: 박선영", "성 명: <name>"),
        ("대&nbsp;표 자 박선영", "대&nbsp;표 자 <name>"),
        ("받는 분: 박선영", "받는 분: <name>"),
        ("대 표 자 : 박선영", "대 표 자 : <name>"),
        ("이용자는 주소와 정보를 확인한다", "이용자는 주소와 정보를 확인한다"),
        ("성명, 주민등록번호 및 주소", "성명, 주민등록번호 및 주소"),
        ("담당자 연락처", "담당자 연락처"),
        ("담당자: 김도현. 그 뒤에 김도현은 갔다", "담당자: <name>. 그 뒤에 <name>은 갔다"),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("주소: 서울특별시 종로구 세종대로 209, 3층", "주소: <address>"),
        ("경기도 고양시 일산동구 정발산동 123-4번지", "<address>"),
        ("(우) 03171 서울 종로구 세종대로 209", "(우) <postal_code> <address>"),
        ("서울로 가는 길", "서울로 가는 길"),
        ("법 제3조에 따른 경로 2", "법 제3조에 따른 경로 2"),
    ]);
}

#[test]
fn disguises_do_not_help() {
    let masker = masker();
    let phones = [
        "010 1234 5678",
        "010.1234.5678",
        "010 - 1234 - 5678",
        "010–1234–5678",
        "０１０－１２３４－５６７８",
        "0\u{200B}1\u{200B}0-1234-5678",
        "O1O-1234-5678",
        "0l0-1234-5678",
        "공일공 일이삼사 오육칠팔",
        "공일공일이삼사오육칠팔이에요",
        "010-일이삼사-5678",
        "0 1 0 1 2 3 4 5 6 7 8",
        "010-\n1234-5678",
        "010-12\n34-5678",
        "𝟎𝟏𝟎-𝟏𝟐𝟑𝟒-𝟓𝟔𝟕𝟖",
        "٠١٠-١٢٣٤-٥٦٧٨",
        "०१०-१२३४-५६७८",
        "⓪①⓪-①②③④-⑤⑥⑦⑧",
        "&#48;&#49;&#48;-1234-5678",
        "010%2D1234%2D5678",
        "%30%31%30-1234-5678",
        "\\u0030\\u0031\\u0030-1234-5678",
        "010-1234-567*",
        "010 | 1234 | 5678",
        "(010) 1234-5678",
        "010/1234/5678",
        "010_1234_5678",
        "+82 10 1234 5678",
        "010-<b>1234</b>-5678",
        "〇一〇-一二三四-五六七八",
        "010-**1234**-5678",
        "**010-1234-5678**",
        "**010**-**1234**-**5678**",
        "*010-1234-5678*",
        "零壹零-壹貳參肆-伍陸柒捌",
        "010,1234,5678",
        "0\u{336}1\u{336}0\u{336}-1234-5678",
        "0\u{336}1\u{336}0\u{336}-\u{336}1\u{336}2\u{336}3\u{336}4-5678",
    ];
    for phone in phones {
        let shown = shown(&masker, &format!("연락은 {phone} 으로"));
        assert!(shown.contains("<phone>") && !shown.contains("5678") && !shown.contains("234"), "{phone}: {shown}");
    }
    // 담당자: 김도현, with each syllable taken apart.
    let apart = "담당자: \u{1100}\u{1175}\u{11B7}\u{1103}\u{1169}\u{1112}\u{1167}\u{11AB}";
    assert_eq!(shown(&masker, apart), "담당자: <name>");
}

fn assert_sound(text: &str, findings: &[Finding]) {
    let mut at = 0;
    for finding in findings {
        assert!(finding.span.start >= at && finding.span.end > finding.span.start, "{findings:?}");
        assert!(text.get(finding.span.clone()).is_some(), "not between characters: {finding:?}");
        assert!((0.5..=1.0).contains(&finding.confidence), "{finding:?}");
        at = finding.span.end;
    }
}

const HOSTILE: [&str; 52] = [
    "0",
    "0 ",
    "1-",
    "010-1234-",
    "9001011234568",
    "일",
    "일 ",
    "김",
    "김 ",
    "김도현",
    "담당자:",
    "a",
    "@",
    "a@",
    "a.",
    "%",
    "%3",
    "%30",
    "&#",
    "&#48;",
    "\\u",
    "\\",
    "\u{1100}",
    "\u{1161}",
    "\u{301}",
    "\u{200B}",
    "<",
    "<b>",
    "서울",
    "서울시 ",
    "로 1",
    "[",
    "[이름-",
    "이름-1",
    "-----BEGIN ",
    "eyJ",
    "http://a:",
    "::",
    "1.1.",
    "*",
    "O",
    "l",
    "(",
    "\"",
    "\n",
    "\n\n",
    "𝟎",
    "〇",
    "길 ",
    "년생",
    "카드 4111 1111 1111 ",
    "은행 ",
];

#[test]
fn hostile_texts_give_sound_findings_and_come_back() {
    let masker = masker();
    for piece in HOSTILE {
        let text = piece.repeat(20_000 / piece.len());
        assert_sound(&text, &masker.find(&text));
        let mut stand_ins = StandIns::default();
        match masker.mask(&text, &mut stand_ins) {
            Ok(masked) => assert!(!stand_ins.unmask(&masked.text).is_empty()),
            Err(error) => assert_eq!(error, MaskError::Full, "{piece:?}"),
        }
    }
    let long = "1234567890".repeat(100_000);
    assert_sound(&long, &masker.find(&long));
}

#[test]
fn a_cut_through_a_text_without_an_end_lets_no_number_through() {
    let masker = masker();
    for before in 4_070..4_100 {
        for number in ["010-1234-5678", "900101-1234568", "AKIAIOSFODNN7EXAMPLE"] {
            let text = format!("{}.{number}", "가".repeat(before / 3) + &"-".repeat(before % 3));
            let masked = masker.mask(&text, &mut StandIns::default()).unwrap().text;
            let tail: String = masked.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
            assert!(!masked.contains(&number[number.len() - 5..]), "{before}: {tail}");
        }
    }
}

#[test]
fn checks_are_said_and_never_clear() {
    let masker = masker();
    let checks = |text: &str| masker.find(text).into_iter().map(|finding| finding.check).collect::<Vec<_>>();
    assert_eq!(checks("900101-1234568"), [Checked::Right]);
    assert_eq!(checks("900101-1234567"), [Checked::Wrong]);
    assert_eq!(checks("010-1234-5678"), [Checked::None]);
    let confidence = |text: &str| masker.find(text)[0].confidence;
    assert!(confidence("900101-1234567") < confidence("900101-1234568"));
}

#[test]
fn only_the_kinds_that_are_named() {
    let packs = Packs::builtin().unwrap();
    let text = "담당자: 김도현 010-1234-5678 a@example.com 예산총괄과-1573";
    let only = |names: &[&str]| {
        let masker = Masker::new(&packs, &Kinds::named(names.iter().copied())).unwrap();
        masker.find(text).into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(only(&["phone"]), ["phone"]);
    assert_eq!(only(&["general"]), ["email"]);
    assert_eq!(only(&["kr"]), ["name", "phone"]);
    assert_eq!(only(&["document_number", "email"]), ["email", "document_number"]);
    assert!(only(&[]).is_empty());
    let error = Masker::new(&packs, &Kinds::named(["phone", "fone"])).unwrap_err();
    assert_eq!(error.to_string(), "no pack and no kind of personal data is called `fone`");
}

#[test]
fn a_text_that_is_too_much_is_not_let_through() {
    let masker = masker();
    let within = |bounds| masker.mask_within("전화 010-1234-5678", &mut StandIns::default(), bounds).unwrap_err();
    assert_eq!(within(Bounds { bytes_max: 10, ..Bounds::default() }), MaskError::TooLong { bytes_max: 10 });
    let time_max = std::time::Duration::ZERO;
    assert_eq!(within(Bounds { time_max, ..Bounds::default() }), MaskError::TooLate { time_max_ms: 0 });
    let phones = 0..=guard::mask::STAND_INS_MAX;
    let many: String = phones.map(|number| format!("010-{:04}-{:04}\n\n", number / 10_000, number % 10_000)).collect();
    assert_eq!(masker.mask(&many, &mut StandIns::default()).unwrap_err(), MaskError::Full);
}

#[test]
fn a_finding_says_nothing_of_the_value() {
    let findings = masker().find("담당자: 김도현");
    let json = serde_json::to_value(&findings).unwrap();
    assert_eq!(json[0]["kind"], "name");
    assert!(!json.to_string().contains("김도현") && !format!("{findings:?}").contains("김도현"));
}
