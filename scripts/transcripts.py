"""Runs what the book's `console` blocks show and writes down what came out.

    DURE_MODELS_DATA=DIR python3 scripts/transcripts.py DURE PAGE…

DURE is the built program, PAGE a page such as `first-hour.md`; DURE_MODELS_DATA is a data folder with the default
models. Each page is one session in a data folder of its own, in the repository's root: what stands behind `$` is run by
bash, and what it prints takes the place of what stood below it, in the English page and in the same block of the Korean
one. Keys are shortened, and progress, which a terminal takes away again, is left out; nothing else is changed. `dure up`
is started, serves until the page ends, and is stopped.
"""

import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEY = re.compile(r"(dure_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]{40,}")
PROGRESS = re.compile(r"^[^:\n]+: \d+ of \d+\n", re.MULTILINE)
SECONDS_MAX = 600


def commands(block: str) -> list[str]:
    """The commands of a block, each with the lines that a backslash goes on with."""
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif found and found[-1].endswith("\\"):
            found[-1] += "\n" + line
    return found


class Session:
    """One data folder, what runs on it, and the variables that its commands share."""

    def __init__(self, dure: str, models: str, work: pathlib.Path):
        self.work = work
        program = work / "bin" / "dure"
        program.parent.mkdir()
        program.symlink_to(dure)
        self.environment = os.environ | {
            "DURE_DATA": str(work / "dure-data"),
            "HOME": str(work),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "COLUMNS": "100",
        }
        self.server: subprocess.Popen[str] | None = None
        install_models(self, pathlib.Path(models))

    def run(self, command: str) -> str:
        if command.startswith("dure up"):
            return self.start(command)
        state = self.work / "variables"
        script = f"[ -f {state} ] && . {state}\n{command}\ncode=$?\ndeclare -p -x >{state}\nexit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        return done.stdout

    def start(self, command: str) -> str:
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.server.stdout is not None
        return self.server.stdout.readline()

    def end(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=60)


def install_models(session: Session, models: pathlib.Path) -> None:
    """Imports what the other folder has installed, by its name there."""
    with sqlite3.connect(f"file:{models / 'dure.db'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT name, lower(hex(blob)) FROM model").fetchall()
    if not rows:
        sys.exit(f"transcripts: no model is installed in {models}")
    for name, digest in rows:
        blob = models / "blobs" / digest[:2] / digest
        print(session.run(f"dure model import {blob} --name {name}").strip())


def clean(printed: str) -> str:
    printed = KEY.sub(r"\1…", PROGRESS.sub("", printed))
    return printed if not printed or printed.endswith("\n") else printed + "\n"


def write_down(page: pathlib.Path, blocks: list[str]) -> None:
    text = page.read_text(encoding="utf-8")
    if len(FENCE.findall(text)) != len(blocks):
        sys.exit(f"transcripts: {page} has other `console` blocks than its twin")
    left = iter(blocks)
    page.write_text(FENCE.sub(lambda _: f"```console\n{next(left)}```", text), encoding="utf-8")


def run_page(dure: str, models: str, name: str) -> None:
    page = ROOT / "docs" / name
    with tempfile.TemporaryDirectory() as work:
        session = Session(dure, models, pathlib.Path(work))
        try:
            blocks = []
            for block in FENCE.findall(page.read_text(encoding="utf-8")):
                shown = ""
                for command in commands(block):
                    print(f"{name}: {command}", flush=True)
                    shown += f"$ {command}\n{clean(session.run(command).replace(work, '~'))}"
                blocks.append(shown)
        finally:
            session.end()
    write_down(page, blocks)
    write_down(ROOT / "docs" / "ko" / name, blocks)


def main() -> None:
    if len(sys.argv) < 3 or "DURE_MODELS_DATA" not in os.environ:
        sys.exit(__doc__)
    dure, *pages = sys.argv[1:]
    for name in pages:
        run_page(str(pathlib.Path(dure).resolve()), os.environ["DURE_MODELS_DATA"], name)


if __name__ == "__main__":
    main()
