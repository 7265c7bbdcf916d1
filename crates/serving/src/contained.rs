//! An answer whose links and images are made inert, on its way out.
//!
//! It comes after everything else that changes the text, so that nothing puts together again what it took apart. What
//! tells of places in the text tells of the contained text afterwards.

use std::collections::VecDeque;
use std::ops::Range;

use guard::contain::Container;
use guard::{Flow, Refusal};

use crate::ReplyEvent;

/// The containing of one reply.
pub(crate) struct Contained {
    container: Container,
    /// Events that tell of a place in the text that is not settled yet.
    waiting: VecDeque<ReplyEvent>,
    flow: Flow,
    noted: u32,
}

impl Contained {
    /// Contains what is said in this flow. Its receipt says so from now on.
    pub fn new(container: Container, flow: &Flow) -> Self {
        flow.note(|receipt| receipt.made_inert = Some(0));
        Self { container, waiting: VecDeque::new(), flow: flow.clone(), noted: 0 }
    }

    /// Takes an event, and gives what may go out.
    ///
    /// # Errors
    /// [`Refusal::Uncontained`]: then nothing more of the reply may go out.
    pub fn take(&mut self, event: ReplyEvent, out: &mut VecDeque<ReplyEvent>) -> Result<(), Refusal> {
        match event {
            ReplyEvent::Text(text) => {
                let text = self.container.push(&text).map_err(|_| Refusal::Uncontained)?;
                self.give(text, out);
            }
            ReplyEvent::Citation(_) | ReplyEvent::Unsupported(_) => {
                self.waiting.push_back(event);
                self.give(String::new(), out);
            }
            // What a tool is called with is no Markdown.
            ReplyEvent::ToolCall(_) => {
                self.finish(out)?;
                out.push_back(event);
            }
            ReplyEvent::Done(mut done) => {
                self.finish(out)?;
                for unsupported in &mut done.unsupported {
                    unsupported.span = self.placed(&unsupported.span);
                }
                out.push_back(ReplyEvent::Done(done));
            }
            ReplyEvent::Sources(_) | ReplyEvent::Extract(_) | ReplyEvent::Tokens(_) => out.push_back(event),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<ReplyEvent>) -> Result<(), Refusal> {
        let rest = self.container.finish().map_err(|_| Refusal::Uncontained)?;
        self.give(rest, out);
        Ok(())
    }

    fn give(&mut self, text: String, out: &mut VecDeque<ReplyEvent>) {
        if !text.is_empty() {
            out.push_back(ReplyEvent::Text(text));
        }
        if self.noted != self.container.made_inert() {
            self.noted = self.container.made_inert();
            let count = self.noted;
            self.flow.note(|receipt| receipt.made_inert = Some(count));
        }
        let settled = self.container.settled_chars();
        while let Some(event) = self.waiting.pop_front_if(|event| place(event).end <= settled) {
            out.push_back(match event {
                ReplyEvent::Citation(mut citation) => {
                    citation.mark = self.placed(&citation.mark);
                    ReplyEvent::Citation(citation)
                }
                ReplyEvent::Unsupported(mut unsupported) => {
                    unsupported.span = self.placed(&unsupported.span);
                    ReplyEvent::Unsupported(unsupported)
                }
                other => other,
            });
        }
    }

    fn placed(&self, span: &Range<usize>) -> Range<usize> {
        self.container.place(span.start)..self.container.place(span.end)
    }
}

fn place(event: &ReplyEvent) -> Range<usize> {
    match event {
        ReplyEvent::Citation(citation) => citation.mark.clone(),
        ReplyEvent::Unsupported(unsupported) => unsupported.span.clone(),
        _ => 0..0,
    }
}
