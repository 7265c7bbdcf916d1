//! What parent and child say to each other over the socket.
//!
//! A frame is its length (4 bytes, little end first) and one message in `postcard`. Both sides hold the other to
//! [`FRAME_BYTES_MAX`], to whole messages and to what the current state allows: a parent takes a child that speaks
//! wrongly for dead, a child leaves when its parent does.

use std::io::{self, Read, Write};

use base::Usage;
use engine::{Finish, Message, Sampling, Written};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that a message may have.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Names one piece of work between parent and child.
pub type WorkId = u64;

/// What the parent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToChild {
    /// How to run; said first and once.
    Setup(Setup),
    /// Continue a chat.
    Chat(WorkId, ChatJob),
    /// Count a prompt's tokens.
    Count(WorkId, Prompt),
    /// Embed one text.
    Embed(WorkId, EmbedJob),
    /// The reader took so many pieces of text: as many more may be sent.
    Credit(WorkId, u32),
    /// Nobody waits for this any longer.
    Cancel(WorkId),
}

/// How the child runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Tokens of one sequence.
    pub context_tokens: u32,
    /// Sequences at the same time.
    pub slots: u32,
    /// Threads; 0 for one each physical core.
    pub threads: u32,
    /// Prompt tokens a step when nobody else writes.
    pub batch_tokens: u32,
    /// Prompt tokens a step when others write.
    pub shared_batch_tokens: u32,
    /// Pieces of text ahead of a reader.
    pub ahead_max: u32,
    /// How long a sequence may stay paused.
    pub stalled_max_ms: u64,
    /// Replaces the file's chat template.
    pub chat_template: Option<String>,
}

/// A prompt before it is rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// What was said.
    pub messages: Vec<Message>,
    /// A text to continue as it stands; then nothing was said.
    pub text: Option<String>,
    /// Tools that may be called, as the JSON of an [`engine::Tools`]: this format cannot carry JSON by itself.
    pub tools: Option<String>,
}

/// A chat to continue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatJob {
    /// The prompt.
    pub prompt: Prompt,
    /// How tokens are chosen; the seed is always set.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub tokens_max: u32,
    /// Ends before the first of these.
    pub stop: Vec<String>,
    /// A JSON schema to follow.
    pub schema: Option<String>,
    /// Whether to tell how likely each token was, and so many beside it.
    pub logprobs: Option<u32>,
    /// Who may share this prompt's prefix.
    pub cache: CacheKey,
}

/// A cached prefix is shared under an equal key only: another owner's prompt, or another adapter's state, is never
/// taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The owner.
    pub salt: [u8; 16],
    /// The adapter that the state was computed with; 0 for the base weights.
    pub adapter: u32,
}

/// A text to embed, with its prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedJob {
    /// The text.
    pub text: String,
    /// Whether somebody waits.
    pub interactive: bool,
}

/// What the child says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromChild {
    /// The model is loaded; said first.
    Hello(Hello),
    /// More text of a chat, with the tokens that make it where they were asked for; takes one credit.
    Text(WorkId, String, Vec<Written>),
    /// A chat ended.
    Done(WorkId, Finish, Usage),
    /// Tokens of a prompt.
    Counted(WorkId, u32),
    /// A text's vector of unit length, and its tokens before any cut.
    Vector(WorkId, Vec<f32>, u32),
    /// This work is not done.
    Refused(WorkId, Refusal),
    /// Cancelled work has left its slot.
    Cancelled(WorkId),
}

/// What the model turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Tokens of one sequence.
    pub context_tokens: u32,
    /// Tokens that the model was trained for.
    pub context_trained: u32,
    /// Length of its embeddings.
    pub dimensions: u32,
    /// Threads it computes with.
    pub threads: u32,
    /// The backend that was chosen for this processor.
    pub backend: String,
    /// Which walls stand around the child.
    pub walls: Vec<String>,
}

/// Why work is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The prompt does not fit.
    TooLong {
        /// Its tokens.
        tokens: u32,
        /// Tokens that fit.
        tokens_max: u32,
    },
    /// Something in it cannot be used.
    Invalid(String),
    /// Nobody read on for too long.
    Stalled,
}

/// What is wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side is gone.
    #[error("the channel is closed")]
    Closed,
    /// A length over the bound.
    #[error("a frame of {0} bytes is over the bound")]
    TooLong(usize),
    /// Not a message.
    #[error("a frame holds no message")]
    Garbled,
    /// The channel failed.
    #[error("the channel failed: {0}")]
    Io(#[from] io::Error),
}

/// A message as a frame.
///
/// # Errors
/// [`WireError::TooLong`] over the bound.
pub fn frame<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let frame = postcard::to_extend(message, vec![0; 4]).map_err(|_| WireError::Garbled)?;
    let length = frame.len() - 4;
    let prefix = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
    let prefix = prefix.ok_or(WireError::TooLong(length))?;
    let mut frame = frame;
    frame[..4].copy_from_slice(&prefix.to_le_bytes());
    Ok(frame)
}

fn message<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        _ => Err(WireError::Garbled),
    }
}

fn body_length(prefix: [u8; 4]) -> Result<usize, WireError> {
    let length = u32::from_le_bytes(prefix) as usize;
    if length > FRAME_BYTES_MAX { Err(WireError::TooLong(length)) } else { Ok(length) }
}

fn closed(error: io::Error) -> WireError {
    if error.kind() == io::ErrorKind::UnexpectedEof { WireError::Closed } else { WireError::Io(error) }
}

/// Reads one message, blocking.
///
/// # Errors
/// [`WireError`]; after any of them the channel is of no more use.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, WireError> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).map_err(closed)?;
    let length = body_length(prefix)?;
    // Grows with what really comes, so that a length alone costs no memory.
    let mut body = Vec::with_capacity(length.min(64 * 1024));
    from.take(length as u64).read_to_end(&mut body).map_err(closed)?;
    if body.len() < length {
        return Err(WireError::Closed);
    }
    message(&body)
}

/// Writes one message, blocking.
///
/// # Errors
/// [`WireError`].
pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), WireError> {
    Ok(to.write_all(&frame(message)?)?)
}

/// Reads one message on a runtime.
///
/// # Errors
/// As for [`read`].
pub async fn read_async<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> Result<T, WireError> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).await.map_err(closed)?;
    let length = body_length(prefix)?;
    let mut body = Vec::with_capacity(length.min(64 * 1024));
    from.take(length as u64).read_to_end(&mut body).await.map_err(closed)?;
    if body.len() < length {
        return Err(WireError::Closed);
    }
    message(&body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<ToChild> {
        vec![
            ToChild::Count(
                7,
                Prompt {
                    messages: vec![Message::new(engine::Role::User, "안녕")],
                    text: None,
                    tools: Some("{}".into()),
                },
            ),
            ToChild::Embed(8, EmbedJob { text: "x".repeat(100_000), interactive: true }),
            ToChild::Credit(7, 3),
            ToChild::Cancel(u64::MAX),
        ]
    }

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let mut channel = Vec::new();
        for message in messages() {
            write(&mut channel, &message).unwrap();
        }
        let mut from = channel.as_slice();
        for message in messages() {
            assert_eq!(read::<ToChild>(&mut from).unwrap(), message);
        }
        assert!(matches!(read::<ToChild>(&mut from), Err(WireError::Closed)));
    }

    #[test]
    fn a_vector_keeps_its_bits() {
        let sent = FromChild::Vector(1, vec![0.1, -1.0, f32::MIN_POSITIVE], 9);
        assert_eq!(read::<FromChild>(&mut frame(&sent).unwrap().as_slice()).unwrap(), sent);
    }

    #[tokio::test]
    async fn hostile_frames_are_errors() {
        let ends_early = &frame(&messages()[1]).unwrap()[..5000];
        let mut trailing = frame(&ToChild::Cancel(1)).unwrap();
        trailing.push(0);
        trailing[0] += 1;
        let vast_list = [&[9, 0, 0, 0, 1, 1][..], &[0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0]].concat();
        let cases: [(&str, &[u8]); 9] = [
            ("nothing", &[]),
            ("half a length", &[1, 0]),
            ("a length without end", &[0xff, 0xff, 0xff, 0xff, 1]),
            ("one over the bound", &[1, 0, 0, 1, 1]),
            ("an empty body", &[0, 0, 0, 0]),
            ("an unknown kind", &[1, 0, 0, 0, 200]),
            ("a frame that ends early", ends_early),
            ("bytes after the message", &trailing),
            ("a list longer than its frame", &vast_list),
        ];
        for (name, bytes) in cases {
            assert!(read::<ToChild>(&mut &bytes[..]).is_err(), "{name}");
            assert!(read_async::<ToChild>(&mut &bytes[..]).await.is_err(), "{name}");
            assert!(read::<FromChild>(&mut &bytes[..]).is_err(), "{name}");
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let body: Vec<u8> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as u8 % 24
                })
                .collect();
            let _ = message::<ToChild>(&body);
            let _ = message::<FromChild>(&body);
        }
    }

    #[test]
    fn a_message_over_the_bound_is_not_sent() {
        let vast = ToChild::Embed(1, EmbedJob { text: "x".repeat(FRAME_BYTES_MAX), interactive: false });
        assert!(matches!(frame(&vast), Err(WireError::TooLong(_))));
    }
}
