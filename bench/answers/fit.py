"""Fits the two logistic weighings of `crates/serving/src/answer/weigh.rs` on the dev half of `suites/records`.

    answer_bench --dump features.jsonl ...   # once with --embedder, once without
    python3 bench/answers/fit.py features.jsonl

Prints weights in the order of the features, the constant last. Plain gradient descent with an L2 bound, so that
nothing but numpy is needed. Only lines with `"split": "dev"` are read for fitting; the test half is printed as a
check and never chosen by.
"""

import json
import sys

import numpy as np

L2_SENTENCE = 1e-2
L2_QUESTION = 2e-2
GOLD_MAX = 3
RIVALS_MAX = 12


def fit(x, y, weight, l2, steps=6000, rate=0.3):
    mean, spread = x.mean(0), x.std(0) + 1e-6
    z = np.c_[(x - mean) / spread, np.ones(len(x))]
    w = np.zeros(z.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-z @ w))
        slope = z.T @ (weight * (p - y)) / weight.sum() + l2 * np.r_[w[:-1], 0]
        w -= rate * slope
    own = w[:-1] / spread
    return np.r_[own, w[-1] - (own * mean).sum()]


def chance(x, w):
    return 1 / (1 + np.exp(-(np.c_[x, np.ones(len(x))] @ w)))


def main(path):
    rows = [json.loads(line) for line in open(path)]
    dev = [row for row in rows if row["split"] == "dev"]

    # Sentences: each question weighs the same, gold and the rest half each. What is far off is told by anything, so
    # after a first round only the best three gold sentences and the twelve nearest rivals are kept, twice.
    sentence = None
    for _ in range(3):
        x, y, weight = [], [], []
        for row in dev:
            gold = np.array([s["features"] for s in row["sentences"] if s["gold"]])
            rest = np.array([s["features"] for s in row["sentences"] if not s["gold"]])
            if not len(gold) or not len(rest):
                continue
            for group, label, most in ((gold, 1.0, GOLD_MAX), (rest, 0.0, RIVALS_MAX)):
                if sentence is not None:
                    group = group[np.argsort(-chance(group, sentence))[:most]]
                x.extend(group)
                y.extend([label] * len(group))
                weight.extend([0.5 / len(group)] * len(group))
        sentence = fit(np.array(x), np.array(y), np.array(weight), L2_SENTENCE)
    print("SENTENCE", [round(float(v), 3) for v in sentence])
    for split in ("dev", "test"):
        first = top3 = all_ = 0
        for row in rows:
            if row["split"] != split or not row["answerable"]:
                continue
            order = sorted(row["sentences"], key=lambda s: -chance(np.array([s["features"]]), sentence)[0])
            all_ += 1
            first += bool(order and order[0]["gold"])
            top3 += any(s["gold"] for s in order[:3])
        print(f"{split}: gold first {first / all_:.3f}, in the first three {top3 / all_:.3f} of {all_}")

    # Questions: their features follow from the sentences as the new weights rank them.
    def features(row):
        of = np.array([s["features"] for s in row["sentences"]])
        if not len(of):
            return [0.0] * len(row["features"])
        scores = chance(of, sentence)
        order = np.argsort(-scores)
        best, second = of[order[0]], scores[order[1]] if len(order) > 1 else 0.0
        return [
            scores[order[0]], best[0], of[order[:3], 2].max(), row["features"][3], best[3], best[4], best[6],
            of[:, 7].max(), best[8], scores[order[0]] - second, best[2] * best[6], best[5],
            best[12], best[13], row["features"][14],
        ]

    for row in rows:
        row["now"] = features(row)
    x = np.array([row["now"] for row in dev])
    y = np.array([float(row["answerable"]) for row in dev])
    question = fit(x, y, np.ones(len(y)), L2_QUESTION)
    print("QUESTION", [round(float(v), 3) for v in question])
    for split in ("dev", "test"):
        of = [row for row in rows if row["split"] == split]
        p = chance(np.array([row["now"] for row in of]), question)
        y = np.array([row["answerable"] for row in of])
        for at in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
            print(f"{split} at {at}: right abstention {(p[~y] < at).mean():.3f}, false abstention {(p[y] < at).mean():.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
