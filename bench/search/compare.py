"""Compares runs: hit@1, hit@10, nDCG@10, MRR, and the difference of each pair with its 95 % bootstrap interval.

    python compare.py QUESTIONS.jsonl RUN.jsonl... [--json OUT.json] [--draws 10000]

A run has one line a question: {"id": ..., "ranking": ["FILE#ARTICLE", ...]}. Questions are drawn with replacement, the same
draws for both sides of a pair (Efron and Tibshirani 1993, chapter 16). A difference whose interval holds no zero is marked.
"""

import argparse
import json
import math
import pathlib

import numpy as np

MEASURES = ["hit@1", "hit@10", "nDCG@10", "MRR"]


def grade(ranking, gold):
    places = [place for place, name in enumerate(ranking) if name in gold]
    first = places[0] if places else None
    gain = sum(1 / math.log2(place + 2) for place in places if place < 10)
    best = sum(1 / math.log2(place + 2) for place in range(min(10, len(gold))))
    return [
        float(first == 0),
        float(first is not None and first < 10),
        gain / best,
        0.0 if first is None else 1 / (first + 1),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("questions")
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rows = [json.loads(line) for line in open(args.questions, encoding="utf-8")]
    gold = {row["id"]: {f"{g['file']}#{g['article']}" for g in row["gold"]} for row in rows}
    scores = {}
    for path in args.runs:
        run = {row["id"]: row["ranking"] for row in map(json.loads, open(path, encoding="utf-8"))}
        missing = gold.keys() - run.keys()
        if missing:
            raise SystemExit(f"{path} lacks {len(missing)} questions")
        scores[path.stem] = np.array([grade(run[name][:100], gold[name]) for name in gold])

    result = {"questions": len(gold), "runs": {}, "pairs": []}
    print(f"{len(gold)} questions\n\n| run | {' | '.join(MEASURES)} |\n|---|{'---|' * len(MEASURES)}")
    for name, values in scores.items():
        means = values.mean(axis=0)
        result["runs"][name] = dict(zip(MEASURES, means.round(4).tolist()))
        print(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    draws = np.random.default_rng(args.seed).integers(0, len(gold), (args.draws, len(gold)))
    print(f"\n| pair | {' | '.join(MEASURES)} |\n|---|{'---|' * len(MEASURES)}")
    names = list(scores)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            difference = scores[one] - scores[other]
            cells, pair = [], {"one": one, "other": other}
            for column, measure in enumerate(MEASURES):
                drawn = difference[:, column][draws].mean(axis=1)
                low, high = np.percentile(drawn, [2.5, 97.5])
                mean = difference[:, column].mean()
                mark = " *" if low > 0 or high < 0 else ""
                cells.append(f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]{mark}")
                pair[measure] = [round(float(x), 4) for x in (mean, low, high)]
            result["pairs"].append(pair)
            print(f"| {one} - {other} | {' | '.join(cells)} |")
    if args.json:
        args.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
