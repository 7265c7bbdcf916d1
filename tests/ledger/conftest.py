"""The example program and others' verifiers, as these tests need them."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from trial import Asked, Trial, asked, build_sumdb, cache, small_files, tool


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    if not tool().is_file():
        pytest.fail(f"{tool()} is not built: `make test` builds it, or cargo build --release -p ledger --examples")


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=small_files()) as folder:
        yield Path(folder)


@pytest.fixture
def trial(place: Path) -> Trial:
    """A log that is not there yet."""
    return Trial(place)


@pytest.fixture(scope="session")
def sumdb_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver of Go's checksum database code."""
    out = tmp_path_factory.mktemp("sumdb") / "sumdb"
    if missing := build_sumdb(out):
        pytest.skip(missing)
    return out


@pytest.fixture
def sumdb(sumdb_program: Path, trial: Trial) -> Iterator[Asked]:
    with asked([str(sumdb_program), trial.key]) as verifier:
        yield verifier


@pytest.fixture(scope="session")
def strace() -> None:
    """Skips where nobody may look into processes."""
    try:
        done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    if done.returncode != 0:
        pytest.skip(f"strace may not look into processes here: {done.stderr.strip()}")


@pytest.fixture(scope="session")
def aics() -> Path:
    """The folder of the programs `aics-tlog` and `aics-witness`."""
    programs = cache() / "aics" / "bin"
    if not (programs / "aics-witness").is_file():
        pytest.skip("aics-tlog and aics-witness are not installed: `make test` does it where there is Python 3.12 or newer")
    return programs
