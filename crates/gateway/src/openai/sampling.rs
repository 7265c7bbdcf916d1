//! How tokens are chosen, as the OpenAI API spells it: the fields that chats and completions share.

use serde::Deserialize;
use serde_json::{Map, Value};
use serving::Sampling;

use crate::error::ApiError;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireSampling {
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    top_k: Option<u32>,
    #[serde(default)]
    frequency_penalty: Option<f64>,
    #[serde(default)]
    presence_penalty: Option<f64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    logit_bias: Option<Map<String, Value>>,
}

impl WireSampling {
    pub(crate) fn read(&self) -> Result<Sampling, ApiError> {
        let biases = self.logit_bias.iter().flatten().map(|(token, bias)| {
            let (token, bias) = (token.parse().ok(), bias.as_f64());
            token
                .zip(bias)
                .map(|(token, bias)| (token, bias as f32))
                .ok_or_else(|| ApiError::field("logit_bias", "maps the numbers of tokens to numbers from -100 to 100"))
        });
        Ok(Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            // Any number is a seed; folding it keeps equal seeds equal.
            seed: self.seed.map(|seed| (seed as u64 ^ (seed as u64 >> 32)) as u32),
            logit_bias: biases.collect::<Result<_, _>>()?,
        })
    }
}
