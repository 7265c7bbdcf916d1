"""Makes a known-item set from statutes: what is asked for is in the text, and its heading is not.

    python known_items.py ACTS OUT [--titles 400] [--definitions 300] [--seed 20261121]

Two kinds of questions, drawn with a fixed seed:

- `title`: the title of an article that no other article has. In OUT/acts that article's heading keeps its number only, and
  the title is taken out of its first line, so that it must be found by what it says.
- `definition`: a term that exactly one article of all the acts defines, asked as a question. The act's name is not given.

OUT/acts is a copy of ACTS with the titles withheld, OUT/questions.jsonl has the form of the court issues.
"""

import argparse
import collections
import json
import pathlib
import random
import re

from acts import ARTICLE, articles

DEFINED = re.compile(r'"([가-힣A-Za-z0-9ㆍ· ]{3,30})"(?:이란|란|이라 함은|라 함은) ')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("acts")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--titles", type=int, default=400)
    parser.add_argument("--definitions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=20261121)
    args = parser.parse_args()
    draw = random.Random(args.seed)

    every = list(articles(args.acts))
    seen = collections.Counter((file, number) for file, number, *_ in every)
    titles = collections.Counter(title for *_, title, _ in every)
    defined = collections.defaultdict(set)
    for file, number, _, _, body in every:
        for term in DEFINED.findall(body):
            defined[term.strip()].add((file, number))

    fit = [
        (file, number, title)
        for file, number, _, title, body in every
        if titles[title] == 1 and 6 <= len(title) <= 40 and len(body) >= 120 and seen[file, number] == 1
    ]
    chosen = draw.sample(sorted(fit), args.titles)
    terms = sorted((term, *places) for term, places in defined.items() if len(places) == 1)
    asked = draw.sample([(term, place) for term, place in terms if seen[place] == 1], args.definitions)

    folder = args.out / "acts"
    folder.mkdir(parents=True, exist_ok=True)
    withheld = collections.defaultdict(dict)
    for file, number, title in chosen:
        withheld[file][number] = title
    for path in sorted(pathlib.Path(args.acts).glob("*.md")):
        text = path.read_text(encoding="utf-8")
        gone = withheld.get(path.name, {})
        if gone:
            parts = ARTICLE.split(text)
            pieces = [parts[0]]
            for number, title, body in zip(parts[1::3], parts[2::3], parts[3::3]):
                if gone.get(number) == title.strip():
                    pieces.append(f"## {number}" + body.replace(f"{number}({title.strip()})", number))
                else:
                    pieces.append(f"## {number} {title}{body}")
            text = "".join(pieces)
        (folder / path.name).write_text(text, encoding="utf-8")

    with open(args.out / "questions.jsonl", "w", encoding="utf-8") as out:
        for file, number, title in chosen:
            row = {"id": f"title:{file}#{number}", "question": title, "gold": [{"file": file, "article": number}]}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        for term, (file, number) in asked:
            question = f"{term}의 뜻은 무엇인가?"
            row = {"id": f"definition:{term}", "question": question, "gold": [{"file": file, "article": number}]}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{len(chosen)} titles of {len(fit)}, {len(asked)} definitions of {len(terms)}")


if __name__ == "__main__":
    main()
