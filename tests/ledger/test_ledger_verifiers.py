"""Our logs before verifiers that nobody here wrote: Go's checksum database code, `aics-tlog` and `aics-witness`."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from trial import Asked, Trial, asked
from witness import Witness

SIZES = [0, 1, 255, 256, 257, 70_000, 100_000]
TAMPERS = 1_000


def test_go_accepts_logs_of_every_awkward_size(trial: Trial, sumdb: Asked, place: Path) -> None:
    trial("append", "--count", "0")
    older = place / "older"
    for size in SIZES:
        trial.grow(size)
        seen = f"\t{older}" if older.exists() else ""
        assert sumdb(f"{trial.dir}{seen}") == f"ok {size}"
        assert trial("verify").startswith(f"{size} entries")
        shutil.copy(trial.checkpoint, older)


def test_go_sees_a_rollback_and_a_fork(trial: Trial, sumdb: Asked, place: Path) -> None:
    trial.grow(300)
    (place / "other").mkdir()
    other = trial.copy(place / "other")
    trial.grow(3_000)
    assert sumdb(f"{other.dir}\t{trial.checkpoint}") == "FAIL rolled back from 3000 to 300"
    other("append", "--count", "5000", "--callers", "64", "--tag", "fork")
    assert sumdb(str(other.dir)) == "ok 5300"
    assert "invalid transparency proof" in sumdb(f"{other.dir}\t{trial.checkpoint}")
    assert "forked" in other.refuses("verify", "--older", trial.checkpoint)


def tampered(path: Path, others: list[Path], chance: random.Random) -> str:
    """Changes a file in some way, and says how."""
    data = path.read_bytes()
    at = chance.randrange(len(data))
    kind = chance.choice(["bit", "bit", "byte", "cut", "longer", "gone", "another", "twice"])
    match kind:
        case "bit":
            changed = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        case "byte":
            changed = data[:at] + bytes([(data[at] + chance.randrange(1, 256)) % 256]) + data[at + 1 :]
        case "cut":
            changed = data[:at]
        case "longer":
            changed = data + chance.randbytes(chance.randrange(1, 64))
        case "another":
            changed = next(other.read_bytes() for other in chance.sample(others, len(others)) if other.read_bytes() != data)
        case "twice":
            changed = data + data
        case "gone":
            path.unlink()
            return f"{path} is gone"
    path.write_bytes(changed)
    return f"{path}: {kind} at {at}"


def test_a_thousand_tampers_are_found(trial: Trial, sumdb: Asked) -> None:
    trial.grow(600)
    chance = random.Random(20261130)
    files = trial.files()
    assert len(files) == 8, files
    with asked(trial.command("verify", "--each")) as ours:
        for _ in range(TAMPERS):
            path = chance.choice(files)
            before = path.read_bytes()
            what = tampered(path, files, chance)
            assert ours("") != "ok", f"we did not see it: {what}"
            assert sumdb(str(trial.dir)).startswith("FAIL"), f"Go did not see it: {what}"
            path.write_bytes(before)
        assert ours("") == "ok"
    assert sumdb(str(trial.dir)) == "ok 600"


def test_a_proof_stands_without_its_log(trial: Trial, place: Path) -> None:
    trial.grow(700)
    proof = place / "17.tlog-proof"
    proof.write_text(trial("prove", "17"))
    entry = trial.run("entry", "17").stdout
    key = trial.key
    shutil.rmtree(trial.dir)
    assert trial("check", proof, input=entry) == "entry 17 of 700\n"
    assert "not of this entry" in trial.refuses("check", proof, input=entry + b".")
    proof.write_text(proof.read_text().replace("index 17", "index 18"))
    assert "not of this entry" in trial.refuses("check", proof, input=entry)
    assert key.startswith("ledger.example/trial+")


def test_aics_tlog_accepts_the_log_and_its_growth(trial: Trial, aics: Path, place: Path) -> None:
    def verifies(*words: str | Path) -> bool:
        command = [aics / "aics-tlog", *words, "--tiles", trial.dir, "--log-key", trial.key]
        return subprocess.run([*map(str, command)], capture_output=True, timeout=60).returncode == 0

    trial.grow(300)
    older = place / "older"
    shutil.copy(trial.checkpoint, older)
    trial.grow(70_000)
    entry = place / "entry"
    for index in [0, 299, 65_536, 69_999]:
        entry.write_bytes(trial.run("entry", str(index)).stdout)
        assert verifies("verify-inclusion", "--leaf", entry, "--index", str(index))
    assert not verifies("verify-inclusion", "--leaf", entry, "--index", "17")
    assert verifies("verify-checkpoint")
    assert verifies("verify-consistency", "--old-checkpoint", older)
    trial.checkpoint.write_text(trial.checkpoint.read_text().replace("\n70000\n", "\n70001\n"))
    assert not verifies("verify-checkpoint")


@pytest.fixture
def witness(aics: Path, place: Path, trial: Trial) -> Iterator[Witness]:
    witness = Witness(aics, place, "ledger.example/trial", trial.key)
    yield witness
    witness.end()


def test_aics_witness_cosigns_and_refuses(trial: Trial, witness: Witness, aics: Path, place: Path) -> None:
    cosign = ["cosign", witness.address, "--witness", witness.key]
    trial.grow(300)
    (place / "older").mkdir()
    older = trial.copy(place / "older")
    first = trial(*cosign)
    assert first.startswith(trial.checkpoint.read_text()) and "— witness.example/w1 " in first
    trial.grow(1_000)
    cosigned = place / "cosigned"
    cosigned.write_text(trial(*cosign))
    command = [aics / "aics-tlog", "verify-checkpoint", "--note", cosigned, "--log-key", trial.key]
    quorum = ["--witness-key", witness.key, "--quorum", "1"]
    done = subprocess.run([*map(str, command), *quorum], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # What the witness says to an old checkpoint, and to a proof that is none.
    assert witness.post(f"old 0\n\n{older.checkpoint.read_text()}") == 409
    trial.grow(1_100)
    assert witness.post(f"old 1000\n{'A' * 43}=\n\n{trial.checkpoint.read_text()}") == 422
    # A rolled-back log and a forked one hear it.
    assert "rolled back" in older.refuses(*cosign)
    older("append", "--count", "2000", "--callers", "64", "--tag", "fork")
    assert "forked" in older.refuses(*cosign)
    assert "— witness.example/w1 " in trial(*cosign)
