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
# A log that has more is followed by a new one, since all of it is looked through after each kill.
ENTRIES_MAX = 20_000


def killed_once(trial: Trial, tag: str, chance: random.Random) -> list[tuple[int, str]]:
    """Lets a writer work for a moment and kills it; gives what it was told."""
    said = trial.dir.parent / "said"
    words = ["append", "--callers", "4", "--print", "--tag", tag]
    with open(said, "wb") as out:
        process = subprocess.Popen(trial.command(*words, publish_ms=chance.choice([1, 20, 200])), stdout=out)
        # From the first moments, in which it opens the log, to well into its work.
        time.sleep(chance.choice([0.01, 0.05, 0.2]) * chance.random())
        assert process.poll() is None, "the writer ended by itself"
        process.kill()
        process.wait()
    return read_acknowledged(said.read_text())


def test_killed_at_any_moment_every_acknowledged_entry_is_there(trial: Trial, sumdb: Asked, place: Path) -> None:
    chance = random.Random(20261130)
    log, known, told = trial, {}, 0
    older = place / "older"
    for run in range(KILLS):
        for index, leaf in killed_once(log, f"run {run}", chance):
            assert index not in known, f"entry {index} was given twice"
            known[index] = leaf
            told += 1
        # The next owner publishes what the journal holds.
        log("append", "--count", "0")
        found = log.leaves()
        assert {index: found.get(index) for index in known} == known
        assert sorted(found) == list(range(len(found)))
        log("verify", *(["--older", older] if older.exists() else []))
        assert "0 waiting" in log("fsck")
        assert sumdb(f"{log.dir}\t{older if older.exists() else ''}") == f"ok {len(found)}"
        # What nobody was told of may be there; its index is taken then, too.
        known = found
        shutil.copy(log.checkpoint, older)
        if len(known) > ENTRIES_MAX:
            older.unlink()
            (place / str(run)).mkdir()
            log, known = Trial(place / str(run)), {}
    assert told > KILLS, "the writer was never let to write"


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
