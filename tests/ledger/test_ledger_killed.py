"""`kill -9`, copies that were put back, a second owner: nothing that was acknowledged is lost, no index is used twice.

`DURE_LEDGER_KILLS` says how often the writer is killed.
"""

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from house import eventually
from trial import Asked, Trial, read_acknowledged

KILLS = int(os.environ.get("DURE_LEDGER_KILLS", "30"))


def test_killed_at_any_moment_every_acknowledged_entry_is_there(trial: Trial, sumdb: Asked, place: Path) -> None:
    chance = random.Random(20261130)
    acknowledged: dict[int, str] = {}
    older = place / "older"
    said = place / "said"
    cut_short = 0
    for run in range(KILLS):
        words = ["append", "--callers", "4", "--print", "--tag", f"run {run}"]
        with open(said, "wb") as out:
            process = subprocess.Popen(trial.command(*words, publish_ms=chance.choice([1, 20, 200])), stdout=out)
            # From the first moments, in which it opens the log, to well into its work.
            time.sleep(chance.choice([0.01, 0.05, 0.2]) * chance.random())
            cut_short += process.poll() is None
            process.kill()
            process.wait()
        for index, leaf in read_acknowledged(said.read_text()):
            assert index not in acknowledged, f"entry {index} was given twice"
            acknowledged[index] = leaf
        # The next owner publishes what the journal holds.
        trial("append", "--count", "0")
        found = trial.leaves()
        assert {index: found.get(index) for index in acknowledged} == acknowledged
        assert sorted(found) == list(range(len(found)))
        # What nobody was told of may be there; its index is taken then, too.
        acknowledged = found
        trial("verify", *(["--older", older] if older.exists() else []))
        assert "0 waiting" in trial("fsck")
        shutil.copy(trial.checkpoint, older)
    assert cut_short == KILLS, f"only {cut_short} of {KILLS} were cut short"
    assert len(acknowledged) > KILLS, "the writer was never let to write"
    assert sumdb(f"{trial.dir}\t{older}") == f"ok {len(acknowledged)}"


def test_a_rolled_back_copy_refuses_to_sign(trial: Trial, place: Path) -> None:
    trial.grow(300)
    (place / "backup").mkdir()
    backup = trial.copy(place / "backup")
    trial.grow(400)
    # The folder is put back from its backup; the memory is elsewhere, and is not.
    backup.memory = trial.memory
    before = {path: path.read_bytes() for path in backup.files()}
    message = backup.refuses("append", "--count", "1")
    assert "rolled back: 400 entries were signed, and it has 300" in message
    assert {path: path.read_bytes() for path in backup.files()} == before
    # A copy that went on by itself with another memory is a fork.
    backup.memory = place / "backup" / "highest"
    backup.grow(350)
    backup("append", "--count", "100", "--tag", "fork")
    backup.memory = trial.memory
    assert "forked" in backup.refuses("append", "--count", "1")
    trial.grow(401)


def test_a_log_whose_memory_is_gone_is_opened_only_on_request(trial: Trial) -> None:
    trial.grow(10)
    trial.memory.unlink()
    assert "no checkpoint of this log is remembered" in trial.refuses("append", "--count", "1")
    trial("--accept-forgotten", "append", "--count", "1")
    trial.grow(12)


def test_a_second_owner_is_refused(trial: Trial, place: Path) -> None:
    with subprocess.Popen(trial.command("append", "--print"), stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        try:
            assert "in use by another process" in trial.refuses("append", "--count", "1")
            # Another memory does not help.
            other = Trial(place)
            other.memory = place / "other"
            assert "in use by another process" in other.refuses("append", "--count", "1")
            assert "in use by another process" in trial.refuses("fsck")
        finally:
            process.kill()
    eventually(lambda: trial.run("append", "--count", "1").returncode == 0)


def test_a_journal_that_was_changed_is_not_gone_on_with(trial: Trial, place: Path) -> None:
    words = ["append", "--print", "--callers", "4"]
    with open(place / "said", "wb") as out:
        process = subprocess.Popen(trial.command(*words, publish_ms=3_600_000), stdout=out)
        eventually(lambda: len(read_acknowledged((place / "said").read_text())) > 50)
        process.kill()
        process.wait()
    acknowledged = read_acknowledged((place / "said").read_text())
    segment = max((trial.dir / "journal").iterdir())
    data = segment.read_bytes()
    # In the first group behind the head of 88 bytes: many groups were written after it.
    segment.write_bytes(data[:150] + bytes([data[150] ^ 1]) + data[151:])
    assert "damaged" in trial.refuses("append", "--count", "1")
    assert "damaged" in trial.refuses("fsck")
    segment.write_bytes(data)
    trial("append", "--count", "0")
    found = trial.leaves()
    assert all(found[index] == leaf for index, leaf in acknowledged)
