"""Draws a subset of statutes that can be embedded within an hour: every gold article, and others by chance.

    python subset.py ACTS QUESTIONS.jsonl OUT [--articles 5000] [--seed 20261125]

OUT gets one file an act, as in ACTS, with the chosen articles only. Since the others are drawn by chance and not from the neighbours
of the gold ones, everything is easier to find here than among all articles: figures compare runs over the same subset, and nothing else.
"""

import argparse
import json
import pathlib
import random

from acts import ARTICLE, articles


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("acts", type=pathlib.Path)
    parser.add_argument("questions")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--articles", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=20261125)
    args = parser.parse_args()
    gold = {
        (place["file"], place["article"])
        for row in map(json.loads, open(args.questions, encoding="utf-8"))
        for place in row["gold"]
    }
    every = {(file, number) for file, number, *_ in articles(args.acts)}
    others = sorted(every - gold)
    chosen = (gold & every) | set(random.Random(args.seed).sample(others, args.articles - len(gold & every)))
    args.out.mkdir(parents=True, exist_ok=True)
    kept = 0
    for path in sorted(args.acts.glob("*.md")):
        parts = ARTICLE.split(path.read_text(encoding="utf-8"))
        pieces = [
            f"## {number} {title}{body}"
            for number, title, body in zip(parts[1::3], parts[2::3], parts[3::3])
            if (path.name, number) in chosen
        ]
        if pieces:
            (args.out / path.name).write_text(parts[0] + "".join(pieces), encoding="utf-8")
            kept += len(pieces)
    print(f"{kept} articles, {len(gold & every)} of them gold")


if __name__ == "__main__":
    main()
