"""The page of threats names tests and guards that are there; and what only the program's text can show.

What a request can show is tested where its door is: `docs/design/threats.md` says where.
"""

import re

from house import REPOSITORY

PAGE = REPOSITORY / "docs" / "design" / "threats.md"
TESTS = REPOSITORY / "tests"
ROWS = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "B1", "C2", "D3", "E1", "E2", "E3", "E4", "G1", "G3"]
NAMED = re.compile(r"`([\w./-]+\.(py|rs|js))::(\w+)`")


def rows() -> dict[str, list[str]]:
    """The cells of each row of the page's table."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({row[0] for row in cells}) == len(cells), "a row stands there twice"
    return {row[0]: row[1:] for row in cells}


def is_there(file: str, kind: str, name: str) -> bool:
    """Whether a file has a function, constant or type of this name; Python's files are those of the tests."""
    path = (TESTS if kind == "py" else REPOSITORY) / file
    words = {"py": "def", "rs": "fn|const|struct", "js": "function|const"}[kind]
    return path.is_file() and re.search(rf"^\s*.*\b({words}) {name}\b", path.read_text(encoding="utf-8"), re.M) is not None


def test_every_named_test_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 60, "the page names its tests and guards"
    missing = [f"{file}::{name}" for file, kind, name in named if not is_there(file, kind, name)]
    assert not missing, missing
    # Whatever looks like such a name and is spelt so that it would not be looked for.
    assert len(named) == PAGE.read_text(encoding="utf-8").count("::"), "a name is not in the form of the others"
    assert not is_there("test_threats.py", "py", "test_of_nothing") and not is_there("nothing.py", "py", "rows")


def test_every_row_has_a_guard_and_a_test() -> None:
    found = rows()
    assert list(found) == ROWS
    for row, (wrong, guards, tests) in found.items():
        assert wrong and NAMED.search(guards), row
        assert any(name.startswith("test_") or kind == "rs" for _, kind, name in NAMED.findall(tests)), row


def code(file: str) -> str:
    """A Rust file's text without its comments and its own tests."""
    text = (REPOSITORY / file).read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    return re.sub(r"//.*", "", text)


def test_secrets_are_compared_in_constant_time_and_in_no_other_way() -> None:
    """Row A6. The types that hold what secrets are compared by have no `==` that a hand could slip to."""
    for file, name in [("crates/tenancy/src/key.rs", "KeyHash"), ("crates/gateway/src/app.rs", "OperatorKey")]:
        text = code(file)
        derived = re.search(rf"#\[derive\(([^)]*)\)\]\s*pub(?:\(crate\))? struct {name}\b", text)
        assert derived and not {"PartialEq", "Eq", "Hash", "Ord"} & set(re.split(r"\W+", derived[1])), name
        assert f"PartialEq for {name}" not in text, name
        matches = re.search(r"fn matches\(.*?\n    }", text, re.S)
        assert matches and ".ct_eq(" in matches[0] and "==" not in matches[0], file
    judged = re.search(r"pub fn authenticate\(.*?\n    }", code("crates/tenancy/src/directory.rs"), re.S)[0]
    assert ".matches(&shown.hash())" in judged and "==" not in judged, judged
    assert "KeyHash([0; 32])" in judged, "a key that is not here is compared, too"
    caller = re.search(r"\nfn who\(.*?\n}", code("crates/gateway/src/caller.rs"), re.S)[0]
    assert "operator.matches(" in caller and "tenancy.authenticate(" in caller, caller


def test_one_place_reads_credentials() -> None:
    """Row A3. No other file of the program looks at the headers that a key comes in."""
    readers = []
    for path in sorted((REPOSITORY / "crates" / "gateway" / "src").rglob("*.rs")):
        text = code(str(path.relative_to(REPOSITORY)))
        if re.search(r'\bget(_all)?\(\s*&?(\w*AUTHORIZATION|COOKIE|API_KEY|"[\w-]*(authorization|key|cookie|token)")', text):
            readers.append(path.name)
    assert readers == ["caller.rs"], readers
