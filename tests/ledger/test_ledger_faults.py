"""Disks that fail: each call to the kernel that a life of the ledger makes, failed in turn; and a disk that is full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from trial import PLAIN, Trial, read_acknowledged

# Behind the start of the process, whose own calls are of no interest.
CALLS = ["fdatasync", "fsync", "write", "rename", "openat", "ftruncate", "unlink", "unlinkat", "mkdir", "flock"]
FAULTS_MAX = 200


def one_life(trial: Trial, call: str, number: int, error: str, log: Path) -> subprocess.CompletedProcess:
    """Appends a few entries, while in each thread the call of this number fails."""
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"]
    command = ["strace", "-f", "-qq", "-o", log, *inject, *trial.command("append", "--count", "4", "--print")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=PLAIN)


@pytest.mark.parametrize("call", CALLS)
def test_whatever_call_fails_what_was_acknowledged_is_there(call: str, trial: Trial, place: Path, strace: None) -> None:
    trial.grow(254)
    log = place / "strace.log"
    error = "ENOSPC" if call == "write" else "EIO"
    failed = 0
    for number in range(1, FAULTS_MAX):
        (place / str(number)).mkdir()
        copy = trial.copy(place / str(number))
        done = one_life(copy, call, number, error, log)
        if "(INJECTED)" not in log.read_text():
            assert done.returncode == 0, done.stderr
            break
        acknowledged = read_acknowledged("\n".join([*(line for line in done.stdout.splitlines() if "entries" not in line), ""]))
        # A thread's own number of calls is counted, so more than one may have failed.
        failed += 1
        assert "panicked" not in done.stderr, done.stderr
        # The message may be the very write that fails.
        if done.returncode != 0 and call != "write":
            assert done.stderr.strip(), f"{call} {number}: it failed and said nothing"
        copy("append", "--count", "1")
        copy("verify", "--older", trial.checkpoint)
        assert "0 waiting, 0 torn" in copy("fsck")
        found = copy.leaves()
        assert all(found[index] == leaf for index, leaf in acknowledged), f"{call} {number}"
    else:
        pytest.fail(f"{call} is called more than {FAULTS_MAX} times")
    assert failed > 0 or call == "ftruncate", f"{call} was never called"


def test_a_sync_that_fails_is_not_tried_again(trial: Trial, place: Path, strace: None) -> None:
    """After it the ledger takes nothing: of the entries behind the failed sync none is acknowledged."""
    trial.grow(10)
    # The thread that opens the log makes two syncs and no third, so this is the third group of the journal.
    done = one_life(trial, "fdatasync", 3, "EIO", place / "strace.log")
    assert done.returncode == 1 and "the ledger stopped" in done.stderr, done.stderr
    assert "Input/output error" in done.stderr
    assert [index for index, _ in read_acknowledged(done.stdout)] == [10, 11]
    trial("append", "--count", "1")
    assert 13 <= len(trial.leaves()) <= 14


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    made = subprocess.run(mount, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"nobody may mount a small file system here: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_stops_it_and_room_lets_it_go_on(place: Path) -> None:
    with small_disk(place / "disk", 8) as disk:
        trial = Trial(disk)
        trial.grow(10)
        done = trial.run("append", "--callers", "8", "--print", "--bytes", "1000")
        assert done.returncode == 1 and b"No space left" in done.stderr, done.stderr
        acknowledged = read_acknowledged(done.stdout.decode())
        assert len(acknowledged) > 500
        # As long as there is no room it does not open, and nothing is lost by trying.
        assert "No space left" in trial.refuses("append", "--count", "1")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        trial("append", "--count", "1")
        found = trial.leaves()
        assert all(found[index] == leaf for index, leaf in acknowledged)
        assert len(found) > len(acknowledged)
        trial("verify")
