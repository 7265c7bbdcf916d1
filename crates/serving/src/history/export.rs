//! A conversation as a Markdown file, for people.

use std::fmt::Write;

use serde_json::Value;

use super::{Conversation, Shown, Turn, TurnEnd};
use crate::AnswerKind;

/// The words around an exported conversation.
struct Words {
    notice: &'static str,
    asked: &'static str,
    said: &'static str,
    cited: &'static str,
    unsupported: &'static str,
    stopped: &'static str,
    hidden: &'static str,
}

// That text was generated has to be said where it is shown (인공지능기본법 제31조제2항).
const ENGLISH: Words = Words {
    notice: "The replies below were written by an AI model, or quoted from records by one. Check what matters.",
    asked: "Question",
    said: "Reply",
    cited: "Cited records",
    unsupported: "No cited record supports",
    stopped: "(this reply did not reach its end)",
    hidden: "not shown",
};

const KOREAN: Words = Words {
    notice: "아래 답변은 인공지능이 생성하였거나 기록에서 인용한 것입니다. 중요한 내용은 확인하십시오.",
    asked: "질문",
    said: "답변",
    cited: "인용한 기록",
    unsupported: "인용한 기록이 뒷받침하지 않는 문장",
    stopped: "(끝까지 쓰이지 않은 답변)",
    hidden: "표시하지 않음",
};

impl Conversation {
    /// The conversation as Markdown, with Korean or English words around it. Questions and quotes stand as block
    /// quotes, so that nothing in them becomes a heading of this file; a reply is Markdown already.
    pub fn markdown(&self, turns: &[Shown], korean: bool) -> String {
        let words = if korean { &KOREAN } else { &ENGLISH };
        let mut text = format!("# {}\n\n", one_line(&self.title));
        let _ = writeln!(text, "{} · {} · {}\n\n*{}*", self.model, self.created, self.id, words.notice);
        for turn in turns {
            match turn {
                Shown::Hidden(turn) => {
                    let _ = writeln!(text, "\n## {}. {}: {}", turn.number, words.hidden, turn.hidden);
                }
                Shown::Turn(turn) => write_turn(&mut text, turn, words),
            }
        }
        text
    }
}

fn write_turn(text: &mut String, turn: &Turn, words: &Words) {
    let _ = writeln!(text, "\n## {}. {}\n\n{}\n", turn.number, words.asked, quoted(&turn.asked));
    let _ = writeln!(text, "### {} · {} · {}\n\n{}", words.said, turn.model, turn.created, turn.text.trim_end());
    if !matches!(turn.ended, TurnEnd::Complete) {
        let _ = writeln!(text, "\n*{}*", words.stopped);
    }
    if !turn.told.citations.is_empty() {
        let _ = writeln!(text, "\n**{}**", words.cited);
        for citation in &turn.told.citations {
            write_citation(text, citation);
        }
    }
    if turn.told.kind == Some(AnswerKind::Generated) && !turn.told.unsupported.is_empty() {
        let _ = writeln!(text, "\n**{}**\n", words.unsupported);
        for unsupported in &turn.told.unsupported {
            let span = &unsupported["span"];
            let (start, end) = (number(&span["start"]), number(&span["end"]));
            let sentence: String = turn.text.chars().skip(start).take(end.saturating_sub(start)).collect();
            let _ = writeln!(text, "- {}", one_line(&sentence));
        }
    }
}

fn write_citation(text: &mut String, citation: &Value) {
    let headings: Vec<&str> = citation["headings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = if headings.is_empty() { word(&citation["title"]).to_owned() } else { headings.join(" > ") };
    let path = one_line(word(&citation["path"]));
    let _ = writeln!(text, "\n[{}] {} ({path})\n", number(&citation["number"]), one_line(&place));
    let _ = writeln!(text, "{}", quoted(word(&citation["quote"])));
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

fn quoted(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
