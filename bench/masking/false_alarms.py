"""False alarms on clean text: sentences of the Acts that no word list was made from, in which anything is found.

Statutes name no private person and hold no identifier, so every finding is false. Every second Act by file name, from
the second, is read; `words.py` read the others.
"""
import argparse
import collections
import json
import pathlib
import re

from masker import mask


def main():
    options = argparse.ArgumentParser()
    options.add_argument("acts", type=pathlib.Path)
    options.add_argument("--show", type=int, default=0)
    options = options.parse_args()
    texts = [file.read_text(encoding="utf-8") for file in sorted(options.acts.glob("*.md"))[1::2]]
    sentences = alarms = 0
    kinds, values = collections.Counter(), collections.Counter()
    for text, result in zip(texts, mask(texts)):
        spans = [match.span() for match in re.finditer(r"[^\n]+?(?:[.?!](?=\s)|$)", text, re.M) if match.group().strip()]
        sentences += len(spans)
        found = result["findings"]
        place = 0
        for finding in found:
            kinds[finding["kind"]] += 1
            values[(finding["kind"], text[slice(*finding["span"])])] += 1
        for start, end in spans:
            while place < len(found) and found[place]["span"][1] <= start:
                place += 1
            alarms += place < len(found) and found[place]["span"][0] < end
    for (kind, value), count in values.most_common(options.show):
        print(count, kind, value)
    print(json.dumps({
        "acts": len(texts), "sentences": sentences, "sentences_with_a_finding": alarms, "percent": round(100 * alarms / sentences, 4), "by_kind": dict(kinds),
    }))


if __name__ == "__main__":
    main()
