//! Texts to vectors, one at a time: that is the fastest on a CPU, and between two texts whoever waits goes first and
//! whoever left is forgotten.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::link::{Out, say};
use super::model::Model;
use crate::wire::{EmbedJob, FromChild, Refusal, ToChild, WireError, WorkId};

/// Texts that the parent may hand over ahead; it keeps to far fewer.
const WAITING_MAX: usize = 64;

/// Embeds until the parent is gone.
///
/// # Errors
/// [`WireError`] when it is, or when it breaks the rules of the channel.
pub fn serve(mut model: impl Model, inbox: &Receiver<ToChild>, out: Out<'_>) -> Result<(), WireError> {
    let mut waiting: VecDeque<(WorkId, EmbedJob)> = VecDeque::new();
    loop {
        loop {
            let message = if waiting.is_empty() {
                inbox.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                inbox.try_recv()
            };
            match message {
                Ok(message) => take(message, &mut waiting, out)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(WireError::Closed),
            }
        }
        let first = waiting.iter().position(|(_, job)| job.interactive).unwrap_or(0);
        let Some((id, job)) = waiting.remove(first) else { continue };
        let answer = match model.embed(&job.text) {
            Ok((vector, tokens)) => match unit(vector) {
                Some(vector) => FromChild::Vector(id, vector, tokens),
                None => FromChild::Refused(id, Refusal::Invalid("the model gives this text no vector".into())),
            },
            Err(reason) => FromChild::Refused(id, Refusal::Invalid(reason)),
        };
        say(out, &answer)?;
        out.flush()?;
    }
}

fn take(message: ToChild, waiting: &mut VecDeque<(WorkId, EmbedJob)>, out: Out<'_>) -> Result<(), WireError> {
    match message {
        ToChild::Embed(id, job) if waiting.len() < WAITING_MAX => waiting.push_back((id, job)),
        ToChild::Cancel(id) => {
            if let Some(at) = waiting.iter().position(|(waits, _)| *waits == id) {
                waiting.remove(at);
                say(out, &FromChild::Cancelled(id))?;
                out.flush()?;
            }
        }
        _ => return Err(WireError::Garbled),
    }
    Ok(())
}

fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return None;
    }
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_has_unit_length_or_is_none() {
        assert_eq!(unit(vec![3.0, 4.0]), Some(vec![0.6, 0.8]));
        assert_eq!(unit(vec![0.0, 0.0]), None);
        assert_eq!(unit(vec![f32::NAN, 1.0]), None);
        assert_eq!(unit(vec![f32::INFINITY]), None);
        let large = unit(vec![f32::MAX, f32::MAX]).unwrap();
        assert!((large[0] - 0.5_f32.sqrt()).abs() < 1e-6);
    }
}
