"""Runs Dure's masker (the example `masking` of the crate `guard`) over many texts."""
import json
import os
import subprocess

PROGRAM = os.environ.get("DURE_MASKING", os.path.expanduser("~/.cache/dure/target/release/examples/masking"))


def mask(texts):
    """For each text `{"text": masked, "findings": [...]}` with spans in characters of the source."""
    lines = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
    out = subprocess.run([PROGRAM, "lines"], input=lines.encode("utf-8", "surrogatepass"), stdout=subprocess.PIPE, check=True).stdout
    results = [json.loads(line) for line in out.decode().splitlines()]
    for text, result in zip(texts, results):
        places, at = {}, 0
        for place, character in enumerate(text):
            places[at] = place
            at += len(character.encode("utf-8", "surrogatepass"))
        places[at] = len(text)
        for finding in result["findings"]:
            span = finding["span"]
            finding["span"] = [places[span["start"]], places[span["end"]]]
    return results
