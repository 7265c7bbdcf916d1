"""Runs the peers over the same articles: BM25 (`bm25s`) over whitespace words, character bigrams and Kiwi morphemes.

    python peers.py ACTS QUESTIONS.jsonl OUT [--peers whitespace,bigrams,kiwi]

Each article is one text: the act's name, the heading, the body. OUT/PEER.jsonl gets the best 100 articles of each question.
BM25 as the package has it by default (Lucene's form, k1 1.5, b 0.75).
"""

import argparse
import json
import pathlib
import re
import time

import bm25s

from acts import articles

CONTENT = ("NN", "NR", "NP", "VV", "VA", "XR", "SL", "SH", "SN", "MM", "MAG")


def whitespace(texts):
    return [re.findall(r"\w+", text.lower()) for text in texts]


def bigrams(texts):
    found = []
    for words in whitespace(texts):
        found.append([word[i : i + 2] for word in words for i in range(max(1, len(word) - 1))])
    return found


def kiwi(texts):
    from kiwipiepy import Kiwi

    analyzer = Kiwi(num_workers=2)
    return [
        [token.form.lower() for token in tokens if token.tag.startswith(CONTENT)]
        for tokens in analyzer.tokenize(texts)
    ]


PEERS = {"whitespace": whitespace, "bigrams": bigrams, "kiwi": kiwi}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("acts")
    parser.add_argument("questions")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--peers", default="whitespace,bigrams,kiwi")
    args = parser.parse_args()
    every = list(articles(args.acts))
    names = [f"{file}#{number}" for file, number, *_ in every]
    texts = [f"{act} {number} {title}\n{body}" for _, number, act, title, body in every]
    questions = [json.loads(line) for line in open(args.questions, encoding="utf-8")]
    args.out.mkdir(parents=True, exist_ok=True)
    for peer in args.peers.split(","):
        begun = time.time()
        cut = PEERS[peer]
        index = bm25s.BM25()
        index.index(cut(texts), show_progress=False)
        indexed = time.time()
        asked = cut([row["question"] for row in questions])
        with open(args.out / f"{peer}.jsonl", "w", encoding="utf-8") as out:
            for row, words in zip(questions, asked):
                known = [word for word in words if word in index.vocab_dict]
                ranking = []
                if known:
                    places, scores = index.retrieve([known], k=100, show_progress=False)
                    ranking = [names[place] for place, score in zip(places[0], scores[0]) if score > 0]
                out.write(json.dumps({"id": row["id"], "ranking": ranking}, ensure_ascii=False) + "\n")
        print(f"{peer}: indexed {len(names)} articles in {indexed - begun:.0f} s, asked in {time.time() - indexed:.0f} s", flush=True)


if __name__ == "__main__":
    main()
