"""`kill -9` of `dure corpus add`, a full disk: nothing is lost, nothing is double."""

import contextlib
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from house import EXAMPLES, House

KILLS = 20
COPIES = 40


def records(folder: Path, copies: int = COPIES) -> Path:
    """The example records several times over, so that an add takes a while."""
    for copy in range(copies):
        shutil.copytree(EXAMPLES, folder / f"{copy:02}")
        for _ in range(copy):
            touch(folder / f"{copy:02}")
    return folder


def touch(folder: Path) -> None:
    """Changes the bytes of all records in a folder, and not one word."""
    for path in folder.rglob("*"):
        if path.is_file():
            space = b" \0" if is_utf16(path) else b" "
            with open(path, "ab") as file:
                file.write(space)


def is_utf16(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\xff\xfe"


def holdings(house: House) -> dict[str, tuple]:
    """Every document with its text and the spans and headings of its passages."""
    found = {}
    with house.up() as server:
        operator = {"Authorization": f"Bearer {(house.data / 'operator.key').read_text()}"}
        for document in house.json("corpus", "show", "records"):
            path = f"/api/v1/corpora/records/document?document={document['id']}"
            shown = server.request("GET", path, headers=operator).json()
            assert document["path"] not in found, f"`{document['path']}` is there twice"
            passages = [(one["span"]["start"], one["span"]["end"], *one["headings"]) for one in shown["passages"]]
            found[document["path"]] = (shown["text"], passages)
    return found


def clean_house(data: Path) -> House:
    house = House(data)
    house.key("first")
    house.corpus("records")
    return house


def begun(house: House, *paths: Path) -> subprocess.Popen:
    return subprocess.Popen(
        house.command("corpus", "add", "records", *paths),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=house.environment,
    )


def test_killed_at_any_moment_the_next_add_goes_on(tmp_path: Path) -> None:
    folder = records(tmp_path / "folder")
    measured = clean_house(tmp_path / "measured")
    begin = time.monotonic()
    measured.dure("corpus", "add", "records", folder)
    whole_s = time.monotonic() - begin

    house = clean_house(tmp_path / "killed")
    chance = random.Random(20261121)
    cut_short = 0
    for _ in range(KILLS):
        process = begun(house, folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0, whole_s))
        cut_short += process.poll() is None
        process.kill()
        process.wait()
        # Records change between the runs, so that there is always work to be killed in.
        for copy in chance.sample(range(COPIES), COPIES // 2):
            touch(folder / f"{copy:02}")
    assert cut_short >= KILLS // 2, f"only {cut_short} of {KILLS} were cut short; the rest had ended"

    last = house.add("records", folder)
    assert last["failed_count"] == 0, last
    clean = clean_house(tmp_path / "clean")
    clean.dure("corpus", "add", "records", folder)
    expected = holdings(clean)
    assert len(expected) > 25 * COPIES, len(expected)
    assert holdings(house) == expected
    again = house.add("records", folder)
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0), again
    counts = [one.json("corpus", "list")[0]["status"] for one in (clean, house)]
    assert counts[0]["documents"] == counts[1]["documents"] == len(expected)
    assert counts[0]["passages"] == counts[1]["passages"]


def test_a_server_killed_while_it_adds_loses_and_doubles_nothing(tmp_path: Path) -> None:
    folder = records(tmp_path / "folder")
    house = clean_house(tmp_path / "data")
    with house.up() as server:
        adding = begun(house, folder)
        while house.json("corpus", "status", "records")["corpora"][0]["status"]["documents"] == 0:
            assert adding.poll() is None or adding.returncode == 0
        server.process.kill()
        server.process.wait()
        adding.wait(timeout=60)
    house.dure("corpus", "add", "records", folder)
    clean = clean_house(tmp_path / "clean")
    clean.dure("corpus", "add", "records", folder)
    assert holdings(house) == holdings(clean)


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int):
    """A file system of its own that is soon full."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"nobody may mount a small file system here: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def large_records(folder: Path) -> Path:
    """Some 16 MB of text that no compression makes small."""
    folder.mkdir()
    chance = random.Random(20261121)
    for number in range(80):
        lines = [f"# 제{number}호\n"]
        for _ in range(400):
            # Hangul syllables in no order: about 500 bytes a line.
            syllables = (chr(0xAC00 + chance.randrange(11_172)) for _ in range(160))
            lines.append("".join(syllables) + ".\n")
        (folder / f"{number:03}.md").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_on_a_full_disk_an_add_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    folder = large_records(tmp_path / "folder")
    with small_disk(tmp_path / "disk", 400) as disk:
        house = clean_house(disk / "data")
        house.dure("corpus", "add", "records", EXAMPLES)
        before = holdings(house)
        ballast = disk / "ballast"
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - (6 << 20))
        message = house.refuses("corpus", "add", "records", folder)
        assert "full" in message.lower() or "space" in message.lower(), message
        ballast.unlink()
        # What was there is there, and the same command goes on.
        middle = holdings(house)
        assert {path: middle[path] for path in before} == before
        house.dure("corpus", "add", "records", folder)
        after = holdings(house)
        assert len(after) == len(before) + 80
        again = house.add("records", folder)
        assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0), again
    # The same on a disk with room.
    clean = clean_house(tmp_path / "clean")
    clean.dure("corpus", "add", "records", EXAMPLES)
    clean.dure("corpus", "add", "records", folder)
    assert holdings(clean) == after


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_server_on_a_full_disk_answers_and_says_that_it_is_full(tmp_path: Path) -> None:
    folder = large_records(tmp_path / "folder")
    with small_disk(tmp_path / "disk", 64) as disk:
        house = clean_house(disk / "data")
        house.dure("corpus", "add", "records", EXAMPLES)
        with house.up() as server:
            with open(disk / "ballast", "wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - (4 << 20))
            message = house.refuses("corpus", "add", "records", folder)
            assert "full" in message.lower() or "space" in message.lower(), message
            assert server.healthy()
            (disk / "ballast").unlink()
            found = house.json("search", "records", "염소 누출 대응 훈련", "--mode", "words")
            assert found["hits"], found
