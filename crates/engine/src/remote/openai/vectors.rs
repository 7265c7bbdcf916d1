//! Vectors as an upstream sends them: numbers, or the bytes of 32-bit floats in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// An upstream's answer to a request to embed.
#[derive(Debug, Deserialize)]
pub(in crate::remote) struct Embedded {
    data: Vec<One>,
    #[serde(default)]
    usage: Option<Counted>,
}

#[derive(Debug, Deserialize)]
struct One {
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Vector {
    Base64(String),
    Numbers(Vec<f32>),
}

#[derive(Debug, Deserialize)]
struct Counted {
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

impl Embedded {
    /// The tokens of all texts together, where the upstream says how many.
    pub fn tokens(&self) -> Option<u64> {
        self.usage.as_ref().and_then(|usage| usage.prompt_tokens)
    }

    /// One vector of unit length for each of `texts` texts, in their order.
    ///
    /// # Errors
    /// Why this is no answer to what was asked.
    pub fn vectors(self, texts: usize, dimensions: usize) -> Result<Vec<Vec<f32>>, &'static str> {
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
        for one in self.data {
            let place = vectors.get_mut(one.index).ok_or("it has more vectors than texts were sent")?;
            if place.replace(one.embedding.unit(dimensions)?).is_some() {
                return Err("it has two vectors for one text");
            }
        }
        vectors.into_iter().collect::<Option<_>>().ok_or("it has fewer vectors than texts were sent")
    }
}

impl Vector {
    fn unit(self, dimensions: usize) -> Result<Vec<f32>, &'static str> {
        let mut vector = match self {
            Self::Numbers(numbers) => numbers,
            Self::Base64(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| "a vector of it is no base64")?;
                let (floats, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err("a vector of it is no base64 of floats");
                }
                floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
        };
        if vector.len() != dimensions {
            return Err("a vector of it has another length than the settings say");
        }
        let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length == 0.0 {
            return Err("a vector of it has no direction");
        }
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        Ok(vector)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn vectors(data: Value) -> Result<Vec<Vec<f32>>, &'static str> {
        let embedded: Embedded = serde_json::from_value(json!({ "data": data })).map_err(|_| "not read")?;
        embedded.vectors(2, 2)
    }

    #[test]
    fn numbers_and_base64_are_the_same_vectors_in_the_texts_order() {
        let bytes: Vec<u8> = [3.0_f32, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let data = json!([{ "index": 1, "embedding": STANDARD.encode(bytes) }, { "index": 0, "embedding": [0, 2.5] }]);
        let found = vectors(data).unwrap();
        assert_eq!(found, [vec![0.0, 1.0], vec![0.6, 0.8]]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let one = |index: usize, embedding: Value| json!({ "index": index, "embedding": embedding });
        let good = json!([1.0, 0.0]);
        for data in [
            json!([]),
            json!([one(0, good.clone())]),
            json!([one(0, good.clone()), one(0, good.clone())]),
            json!([one(0, good.clone()), one(2, good.clone())]),
            json!([one(0, good.clone()), one(1, json!([1.0]))]),
            json!([one(0, good.clone()), one(1, json!([0.0, 0.0]))]),
            json!([one(0, good.clone()), one(1, json!([1e300, 0.0]))]),
            json!([one(0, good.clone()), one(1, json!("AAAA"))]),
            json!([one(0, good.clone()), one(1, json!("!"))]),
            json!([one(0, good.clone()), one(1, json!(null))]),
            json!([one(0, good.clone()), one(1, json!("AADAfwAAgD8="))]),
        ] {
            assert!(vectors(data.clone()).is_err(), "{data}");
        }
    }
}
