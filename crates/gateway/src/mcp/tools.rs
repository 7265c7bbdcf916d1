//! The tools, as agents see them. What stands here is what `find`, `read` and `answer` take.

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Value, json};

/// All tools. None of them changes anything, or reaches beyond this house.
pub(super) fn all() -> Vec<Tool> {
    let corpus = json!({
        "type": "string", "maxLength": 256,
        "description": "A corpus by its name, as `corpora` tells it; left out, all that the key may read",
    });
    vec![
        tool(
            "corpora",
            "Lists the corpora (named sets of records) that this key may read, with what each holds.",
            json!({ "type": "object", "additionalProperties": false }),
        ),
        tool(
            "search",
            "Finds the passages of the records that speak to a question, best first, each with its text, its document, \
             headings, span and class. Ask in the language of the records where you can.",
            json!({
                "type": "object", "additionalProperties": false, "required": ["question"],
                "properties": {
                    "question": { "type": "string", "minLength": 1, "maxLength": 4000 },
                    "corpus": corpus,
                    "top": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
                    "mode": {
                        "type": "string", "enum": ["fused", "words", "meaning"], "default": "fused",
                        "description": "By the words that question and passage share, by what they mean, or by both",
                    },
                },
            }),
        ),
        tool(
            "read",
            "Reads a document's text from a place on: to see what stands around a passage, or to read a document whole, \
             part by part.",
            json!({
                "type": "object", "additionalProperties": false, "required": ["document"],
                "properties": {
                    "document": { "type": "string", "maxLength": 64, "description": "The document's id, as `search` tells it" },
                    "from": { "type": "integer", "minimum": 0, "default": 0, "description": "The first byte" },
                    "to": {
                        "type": "integer", "minimum": 0,
                        "description": "The byte to end before; left out, as much as fits",
                    },
                },
            }),
        ),
        tool(
            "answer",
            "Answers a question from the records, each sentence with the exact quote that it stands on; or says that the \
             records do not say.",
            json!({
                "type": "object", "additionalProperties": false, "required": ["question"],
                "properties": {
                    "question": { "type": "string", "minLength": 1, "maxLength": 4000 },
                    "corpus": corpus,
                    "mode": {
                        "type": "string", "enum": ["extractive", "both"], "default": "extractive",
                        "description": "The records' own sentences, or a model's words where the records support them",
                    },
                },
            }),
        ),
    ]
}

fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    let schema = schema.as_object().cloned().unwrap_or_default();
    let annotations = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    Tool::new(name, description, schema).with_annotations(annotations)
}
