"""Who may read which record, mapped from where it lies: by path, and by the machine's group that owns the file."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, Server
from test_receipts import of

QUESTION = "물개는 어디에 사나요?"
RULES = """
[[rule]]
paths = ["council/**", "**/personnel-*.md"]
class = "sensitive"
readers = ["council"]

[[rule]]
paths = ["audit.zip/**"]
readers = ["audit"]

[[rule]]
paths = ["open/*"]
readers = []
"""


def write(folder: Path, place: str) -> str:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {place}\n\n물개는 {place} 바다에 산다.\n", encoding="utf-8")
    return place


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    for place in ("council/a.md", "council/deep/b.md", "open/personnel-1.md", "open/c.md", "new/d.md"):
        write(folder, place)
    with zipfile.ZipFile(folder / "audit.zip", "w") as archive:
        archive.writestr("e.md", "# e\n\n물개는 감사 바다에 산다.\n")
    return folder


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "access.toml"
    file.write_text(RULES, encoding="utf-8")
    return file


@pytest.fixture
def town(house: House) -> Iterator[tuple[House, Server, dict]]:
    for group in ("council", "audit"):
        house.dure("group", "create", group)
    house.corpus("city")
    keys = {
        "anybody": house.key("anybody", "--read-class", "sensitive"),
        "council": house.key("council", "--group", "council", "--read-class", "sensitive"),
        "low": house.key("low", "--group", "council"),
        "audit": house.key("audit", "--group", "audit", "--read-class", "sensitive"),
    }
    with house.up() as server:
        yield house, server, keys


def found(server: Server, key: str) -> set[str]:
    answer = server.request("POST", "/api/v1/corpora/city/search", {"question": QUESTION, "top": 50}, of(key))
    assert answer.status == 200, answer.body
    return {hit["path"] for hit in answer.json()["hits"]}


def test_each_finds_what_the_rules_say_and_what_no_rule_is_for_is_not_added(town, share: Path, rules: Path) -> None:
    house, server, keys = town
    report = house.add("city", share, "--access", rules)
    assert (report["added"], report["failed_count"]) == (5, 1), report
    assert report["failed"][0]["path"] == "new/d.md" and report["failed"][0]["reason"]["kind"] == "no_access", report
    assert found(server, keys["anybody"]) == {"open/c.md"}
    assert found(server, keys["low"]) == {"open/c.md"}
    assert found(server, keys["council"]) == {"open/c.md", "council/a.md", "council/deep/b.md", "open/personnel-1.md"}
    assert found(server, keys["audit"]) == {"open/c.md", "audit.zip/e.md"}
    # And again: nothing changed.
    assert house.add("city", share, "--access", rules)["unchanged"] == 5


def test_a_changed_rule_takes_readers_away_and_gives_them(town, share: Path, rules: Path) -> None:
    house, server, keys = town
    house.add("city", share, "--access", rules)
    rules.write_text('[[rule]]\npaths = ["open/c.md"]\nreaders = ["audit"]\n' + RULES.replace('["audit"]', "[]"), encoding="utf-8")
    assert house.add("city", share, "--access", rules)["changed"] == 2
    assert found(server, keys["anybody"]) == {"audit.zip/e.md"}
    assert found(server, keys["audit"]) == {"audit.zip/e.md", "open/c.md"}


def test_a_rule_makes_no_class_lower(town, share: Path, rules: Path) -> None:
    house, server, keys = town
    house.add("city", share, "--access", rules)
    rules.write_text('[[rule]]\nclass = "open"\nreaders = []\n', encoding="utf-8")
    house.add("city", share, "--access", rules)
    assert "council/a.md" in found(server, keys["anybody"])
    low = house.key("lower")
    assert "council/a.md" not in found(server, low) and "open/c.md" in found(server, low)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to another group")
def test_a_file_is_read_by_whom_its_group_stands_for(town, share: Path, rules: Path) -> None:
    house, server, keys = town
    rules.write_text('[[rule]]\nsystem_group = "daemon"\nreaders = ["audit"]\n\n[[rule]]\nreaders = []\n', encoding="utf-8")
    os.chown(share / "council" / "a.md", -1, 1)
    os.chown(share / "audit.zip", -1, 1)
    house.add("city", share, "--access", rules)
    assert found(server, keys["audit"]) - found(server, keys["anybody"]) == {"council/a.md", "audit.zip/e.md"}
    # Whoever takes the file from the group takes it from the readers.
    os.chown(share / "council" / "a.md", -1, 0)
    house.add("city", share, "--access", rules)
    assert found(server, keys["audit"]) - found(server, keys["anybody"]) == {"audit.zip/e.md"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "[[rule]]"),
        ("rule = 3", "[[rule]]"),
        ("[[rule", "access.toml"),
        ('[[rules]]\npaths = ["a"]', "[[rule]]"),
        ('[[rule]]\npath = ["a"]', "path"),
        ('[[rule]]\npaths = ["["]', "pattern"),
        ('[[rule]]\nreaders = ["nobody-knows"]', "no such group"),
        ('[[rule]]\nsystem_group = "no-such-group"', "no-such-group"),
        ('[[rule]]\nsystem_group = "--help"', "--help"),
        ('[[rule]]\nclass = "secret"', "secret"),
        ("[[rule]]\n\n[[rule]]\n", "never count"),
        ("default = 1\n[[rule]]\n", "default"),
    ],
)
def test_rules_that_mean_nothing_add_nothing(town, share: Path, rules: Path, text: str, told: str) -> None:
    house, server, keys = town
    rules.write_text(text, encoding="utf-8")
    assert told in house.refuses("corpus", "add", "city", share, "--access", rules)
    assert found(server, keys["council"]) == set()
