"""Writes `packs/kr/not-a-name-acts.txt`: words of Korean prose that have the shape of a name.

Every second Act (by file name, from the first) is read; the others are what false alarms are measured on. A word is
taken where it stands in at least two files and begins with a family name. Other folders may be named beside.
"""
import argparse
import collections
import pathlib
import re

KR = pathlib.Path(__file__).resolve().parents[2] / "packs" / "kr"


def words(name):
    text = (KR / name).read_text(encoding="utf-8")
    return {word for line in text.splitlines() for word in line.split("#")[0].split()}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("acts", type=pathlib.Path)
    options.add_argument("others", type=pathlib.Path, nargs="*")
    options = options.parse_args()
    surnames, behind = words("surname.txt"), words("particle.txt") | words("honorific.txt") | words("title.txt") | {""}
    by_hand = words("not-a-name.txt")
    files = sorted(options.acts.glob("*.md"))[0::2]
    for folder in options.others:
        files += sorted(folder.rglob("*.md"))
    count = collections.Counter()
    for file in files:
        seen = set()
        for run in re.findall("[가-힣]+", file.read_text(encoding="utf-8", errors="ignore")):
            if run[0] not in surnames:
                continue
            for length in (2, 3):
                if len(run) >= length and run[length:] in behind:
                    seen.add(run[:length])
        count.update(seen)
    taken = sorted(word for word, files in count.items() if files >= 2 and word not in by_hand)
    lines, line = [], ""
    for word in taken:
        if len(line) + len(word) > 100:
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
    head = "# Words of statutes and manuals that have the shape of a name; written by bench/masking/words.py.\n"
    (KR / "not-a-name-acts.txt").write_text(head + "\n".join(lines + [line]) + "\n", encoding="utf-8")
    print(len(taken), "words")


if __name__ == "__main__":
    main()
