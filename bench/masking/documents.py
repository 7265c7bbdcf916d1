"""The 540 made-up office documents with labelled personal data: how much survives masking, how much is masked for nothing.

An identifier counts as masked if its text does not stand in the masked text any more. Characters masked that belong to
no labelled text are over-masking; stand-ins of kinds that the labels do not have count too.
"""
import argparse
import collections
import json

from masker import mask

HARD = {"RRN", "FRN", "CARD", "BUSINESS_REG", "CORP_REG", "DRIVER_LICENSE", "PASSPORT", "PHONE", "EMAIL", "ACCOUNT", "VEHICLE", "IP", "MEDICAL_INSURANCE"}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("documents")
    options.add_argument("--missed", action="store_true", help="show what was missed")
    options.add_argument("--over", action="store_true", help="show what was masked for nothing")
    options = options.parse_args()
    rows = [json.loads(line) for line in open(options.documents, encoding="utf-8")]
    results = mask([row["text"] for row in rows])
    print(json.dumps(judged(rows, results, options.missed, options.over), ensure_ascii=False, indent=1))


def judged(rows, results, show_missed=False, show_over=False):
    """The figures of one masker, whose results have the masked text and, as `span`, the places of the findings."""
    total, hidden = collections.Counter(), collections.Counter()
    clean = over = 0
    for row, result in zip(rows, results):
        text = row["text"]
        labelled = bytearray(len(text))
        for entity in row["pii"]:
            at = text.find(entity["text"])
            while at >= 0:
                labelled[at : at + len(entity["text"])] = b"\1" * len(entity["text"])
                at = text.find(entity["text"], at + 1)
            total[entity["type"]] += 1
            if entity["text"] not in result["text"]:
                hidden[entity["type"]] += 1
            elif show_missed and entity["type"] in HARD | {"PERSON", "ADDRESS"}:
                at = text.find(entity["text"])
                print("missed", entity["type"], entity["text"], "|", repr(text[max(0, at - 25) : at + len(entity["text"]) + 15]))
        clean += labelled.count(0)
        for finding in result["findings"]:
            inside = [place for place in range(*finding["span"]) if not labelled[place]]
            over += len(inside)
            if show_over and len(inside) > 1:
                start, end = finding["span"]
                print("over", finding["kind"], text[start:end], "|", repr(text[max(0, start - 12) : end + 8]))
    share = lambda kinds: 100 * sum(hidden[kind] for kind in kinds) / max(1, sum(total[kind] for kind in kinds))
    return {
        "documents": len(rows), "hard_identifiers": sum(total[kind] for kind in HARD), "hard_masked_percent": round(share(HARD), 2),
        "names_masked_percent": round(share({"PERSON"}), 2), "addresses_masked_percent": round(share({"ADDRESS"}), 2),
        "over_masked_percent": round(100 * over / clean, 3),
        "by_kind": {kind: f"{hidden[kind]}/{total[kind]}" for kind in sorted(total)},
    }


if __name__ == "__main__":
    main()
