"""A log as these tests use it: one folder, its memory, and the example program that writes and reads it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from house import program

SECRET = "07" * 32
COMMAND_MAX_S = 120
# Messages without backtraces, which take seconds to make.
PLAIN = {**os.environ, "RUST_BACKTRACE": "0"}
SUMDB = Path(__file__).resolve().parent / "sumdb" / "main.go"
GOCODE = Path("/usr/share/gocode")


def tool() -> Path:
    """The example program of the crate `ledger`, beside the built program."""
    target = os.environ.get("CARGO_TARGET_DIR")
    release = Path(target) / "release" if target else program().parent
    return release / "examples" / "ledger_tool"


def small_files() -> Path | None:
    """A place in memory, where the syncs of thousands of small files cost nothing; `None` for the usual one."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else None


class Trial:
    """One log. `memory` is the second place where its highest checkpoint is kept."""

    def __init__(self, place: Path):
        self.dir = place / "log"
        self.memory = place / "highest"

    def command(self, *words: str | Path, publish_ms: int = 1000) -> list[str]:
        owner = ["--dir", self.dir, "--memory", self.memory, "--secret", SECRET, "--publish-ms", publish_ms]
        return [str(word) for word in (tool(), *owner, *words)]

    def run(self, *words: str | Path, **options) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*words), capture_output=True, timeout=COMMAND_MAX_S, env=PLAIN, **options)

    def __call__(self, *words: str | Path, **options) -> str:
        """Runs a command that must succeed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stderr.decode()}"
        return done.stdout.decode()

    def refuses(self, *words: str | Path, **options) -> str:
        """Runs a command that must fail with a message, not a crash; gives the message."""
        done = self.run(*words, **options)
        message = done.stderr.decode()
        assert done.returncode == 1 and message.startswith("Error: "), f"{words} ended with {done.returncode}: {message}"
        return message

    @property
    def key(self) -> str:
        return self("key").strip()

    @property
    def checkpoint(self) -> Path:
        return self.dir / "checkpoint"

    def grow(self, size: int) -> None:
        """Appends until the log has `size` entries."""
        missing = size - self.size() if self.dir.is_dir() else size
        assert self("append", "--count", str(missing), "--callers", "64").strip() == f"{size} entries"

    def size(self) -> int:
        return int(self.checkpoint.read_text().splitlines()[1])

    def leaves(self) -> dict[int, str]:
        """Index and leaf hash of every published entry."""
        return dict(read_acknowledged(self("leaves")))

    def files(self) -> list[Path]:
        """What the log shows to others."""
        return [self.checkpoint, *sorted(path for path in (self.dir / "tile").rglob("*") if path.is_file())]

    def copy(self, place: Path) -> "Trial":
        other = Trial(place)
        shutil.copytree(self.dir, other.dir)
        shutil.copy(self.memory, other.memory)
        return other


def read_acknowledged(text: str) -> list[tuple[int, str]]:
    """Index and leaf hash of each line; a last line that is not whole does not count."""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [(int(index), leaf) for index, leaf in (line.split(" ") for line in lines)]


class Asked:
    """A verifier that answers line by line."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __call__(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, f"the verifier ended over `{line}`"
        return answer


@contextlib.contextmanager
def asked(command: list[str]) -> Iterator[Asked]:
    verifier = Asked(command)
    try:
        yield verifier
    finally:
        verifier.process.stdin.close()
        verifier.process.wait(timeout=COMMAND_MAX_S)
        verifier.process.stdout.close()


def cache() -> Path:
    return Path(os.environ.get("DURE_CACHE") or Path.home() / ".cache" / "dure")


def build_sumdb(out: Path) -> str | None:
    """Builds the driver of Go's checksum database code; gives why not, where Go or its packages are not there."""
    if not shutil.which("go") or not (GOCODE / "src/golang.org/x/mod/sumdb").is_dir():
        return "golang-go and golang-golang-x-mod-dev are not installed"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(GOCODE),
        "GOCACHE": str(cache() / "go"),
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
    }
    done = subprocess.run(["go", "build", "-o", str(out), str(SUMDB)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return None

