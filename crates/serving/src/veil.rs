//! What was hidden on the way to an engine is shown again on the way back.

use std::collections::BTreeMap;

use engine::{Event, EventStream, ToolCallPart};
use futures::{StreamExt, stream};
use guard::mask::{StandIns, Unmasker};

/// An engine's answer with what its stand-ins stand for. Without any it is the same stream.
pub(crate) fn lifted(events: EventStream, stand_ins: &StandIns) -> EventStream {
    if stand_ins.is_empty() {
        return events;
    }
    let mut veil = Veil { text: Unmasker::new(stand_ins), calls: BTreeMap::new(), stand_ins: stand_ins.clone() };
    Box::pin(events.flat_map(move |event| {
        stream::iter(match event {
            Ok(event) => veil.lift(event).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }))
}

struct Veil {
    text: Unmasker,
    /// A text of its own for each call's arguments.
    calls: BTreeMap<u32, Unmasker>,
    stand_ins: StandIns,
}

impl Veil {
    fn lift(&mut self, event: Event) -> Vec<Event> {
        match event {
            Event::Text(text) => {
                let text = self.text.push(&text);
                if text.is_empty() { Vec::new() } else { vec![Event::Text(text)] }
            }
            Event::ToolCall(part) => {
                let unmasker = self.calls.entry(part.index).or_insert_with(|| Unmasker::new(&self.stand_ins));
                let arguments = unmasker.push(&part.arguments);
                vec![Event::ToolCall(ToolCallPart { arguments, ..part })]
            }
            Event::Done { .. } => {
                let mut rest = Vec::new();
                let text = self.text.finish();
                if !text.is_empty() {
                    rest.push(Event::Text(text));
                }
                for (index, unmasker) in &mut self.calls {
                    let arguments = unmasker.finish();
                    if !arguments.is_empty() {
                        rest.push(Event::ToolCall(ToolCallPart { index: *index, id: None, name: None, arguments }));
                    }
                }
                rest.push(event);
                rest
            }
            // How likely the stand-ins' tokens were tells nothing of what they stand for.
            Event::Tokens(_) => vec![event],
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Usage;
    use engine::Finish;
    use guard::mask::{Kinds, Masker, Packs};

    use super::*;

    #[tokio::test]
    async fn a_stand_in_is_turned_back_wherever_it_is_split() {
        let masker = Masker::new(&Packs::builtin().unwrap(), &Kinds::all()).unwrap();
        let mut stand_ins = StandIns::default();
        let source = "제 번호는 010-1234-5678 입니다.";
        let masked = masker.mask(source, &mut stand_ins).unwrap().text;
        assert!(!masked.contains("1234"));
        for split in masked.char_indices().map(|(at, _)| at) {
            let (head, tail) = masked.split_at(split);
            let part = |arguments: &str| {
                Event::ToolCall(ToolCallPart { index: 0, id: None, name: None, arguments: arguments.to_owned() })
            };
            let done = Event::Done { finish: Finish::Stop, usage: Usage::default() };
            let events = [Event::Text(head.into()), part(head), Event::Text(tail.into()), part(tail), done];
            let events: EventStream = Box::pin(stream::iter(events.map(Ok)));
            let (mut text, mut arguments, mut ended) = (String::new(), String::new(), false);
            for event in lifted(events, &stand_ins).collect::<Vec<_>>().await {
                assert!(!ended, "nothing follows the end");
                match event.unwrap() {
                    Event::Text(more) => text.push_str(&more),
                    Event::ToolCall(part) => arguments.push_str(&part.arguments),
                    Event::Done { .. } => ended = true,
                    Event::Tokens(_) => {}
                }
            }
            assert_eq!((text.as_str(), arguments.as_str(), ended), (source, source, true), "split at {split}");
        }
    }
}
