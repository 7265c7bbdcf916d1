"""Other maskers on the 540 documents and on clean text, beside Dure's: the same texts, the same measure, one core.

Needs `ko-pii`, `maskingtape` and `presidio-analyzer` from the ordinary package index. Those are used as they come, every
kind that they know, no threshold of ours. Presidio has no Korean model there: its pattern recognisers run over spaCy's
blank tokeniser, so it finds no names. Speed is over the documents, and over clean text: whole Acts, in order, until there
is half a megabyte. It is of processor time, so that what else the machine does counts less.
"""
import argparse
import importlib.metadata
import json
import logging
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

from documents import judged
from masker import PROGRAM, mask


def ko_pii():
    from ko_pii import detect_all

    return lambda text: [(found.start, found.end) for found in detect_all(text)]


def maskingtape():
    from maskingtape import Pipeline

    pipeline = Pipeline()
    return lambda text: [(found.start, found.end) for found in pipeline.scan(text)]


def presidio():
    import presidio_analyzer.predefined_recognizers as recognizers
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self):
            super().__init__()
            self.nlp = {"ko": spacy.blank("xx")}
            self.nlp["ko"].max_length = 10_000_000

    logging.disable(logging.WARNING)
    names = "CreditCard Email Iban Ip MacAddress KrBrn KrDriverLicense KrFrn KrPassport KrRrn".split()
    chosen = [getattr(recognizers, f"{name}Recognizer")(supported_language="ko") for name in names]
    chosen.append(recognizers.PhoneRecognizer(supported_language="ko", supported_regions=["KR"]))
    registry = RecognizerRegistry(recognizers=chosen, supported_languages=["ko"])
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["ko"])
    return lambda text: [(found.start, found.end) for found in engine.analyze(text, language="ko")]


def hidden(text, spans):
    """The text with each found place taken out, and the places."""
    out, at, findings = [], 0, []
    for start, end in sorted(spans):
        if end <= at:
            continue
        start = max(start, at)
        out += [text[at:start], "[*]"]
        at = end
        findings.append({"kind": "", "span": [start, end]})
    return {"text": "".join(out) + text[at:], "findings": findings}


def megabytes_per_second(find, texts, rounds):
    size = sum(len(text.encode()) for text in texts)
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        for text in texts:
            find(text)
        taken.append(round(size / 1e6 / (time.process_time() - begun), 3))
    return {"median": statistics.median(taken), "rounds": taken}


def own_speed(texts, rounds):
    """Each text is masked many times, and what starting takes is taken off, for the program is done in milliseconds."""
    size = sum(len(text.encode()) for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, f"{place:04}.txt") for place in range(len(texts))]
        for file, text in zip(files, texts):
            file.write_text(text, encoding="utf-8")

        def seconds(times):
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            subprocess.run([PROGRAM, "speed", *files * times], stdout=subprocess.DEVNULL, check=True)
            return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

        taken = [round(19 * size / 1e6 / (seconds(20) - seconds(1)), 1) for _ in range(rounds)]
    return {"median": statistics.median(taken), "rounds": taken}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("documents")
    options.add_argument("acts", type=pathlib.Path)
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    rows = [json.loads(line) for line in open(options.documents, encoding="utf-8")]
    documents = [row["text"] for row in rows]
    clean, size = [], 0
    for file in sorted(options.acts.glob("*.md")):
        if size >= 500_000:
            break
        clean.append(file.read_text(encoding="utf-8"))
        size += len(clean[-1].encode())
    report = {}

    def add(name, figures, speed):
        figures = {key: value for key, value in figures.items() if key.endswith("_percent")}
        report[name] = figures | {"mb_per_s_documents": speed(documents), "mb_per_s_clean": speed(clean)}

    add("dure", judged(rows, mask(documents)), lambda texts: own_speed(texts, options.rounds))
    for name, make in {"ko-pii": ko_pii, "maskingtape": maskingtape, "presidio-analyzer": presidio}.items():
        find = make()
        figures = judged(rows, [hidden(text, find(text)) for text in documents])
        add(f"{name} {importlib.metadata.version(name)}", figures, lambda texts: megabytes_per_second(find, texts, options.rounds))
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
