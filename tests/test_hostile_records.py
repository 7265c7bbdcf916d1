"""Archives and file names that would write or read where they should not (D1), and records that are damaged."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from house import House

NAMES = [
    "../escape.md",
    "../../../../../../../../tmp/dure-escape.md",
    "/tmp/dure-escape-absolute.md",
    "a/../../escape-inside.md",
    "C:\\Windows\\escape.md",
    "..\\..\\escape-backslash.md",
    "CON.md",
    "trailing.md.",
    "right\u202eto-left.md",
    "new\nline.md",
    "x" * 200 + "/" + "y" * 200 + ".md",
    "한글/수도급수조례.md",
]


def text_of(number: int) -> bytes:
    return f"# 제{number}호\n\n이 기록의 번호는 {number}번이고, 이름이 무엇이든 그저 이름이다.\n".encode()


def tar_with(names: list[str], path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for number, name in enumerate(names):
            entry = tarfile.TarInfo(name)
            entry.size = len(text_of(number))
            archive.addfile(entry, io.BytesIO(text_of(number)))


def zip_with(names: list[str], path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(zipfile.ZipInfo(name), text_of(number))


def everything_outside(house: House) -> set[Path]:
    """All files around the data folder, and the places that the names above lead to."""
    around = {path for path in house.data.parent.rglob("*") if house.data not in path.parents}
    return around | {path for path in Path("/tmp").glob("dure-escape*")}


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_names_in_an_archive_are_labels_and_never_paths(house: House, tmp_path: Path, form: str) -> None:
    archive = tmp_path / f"hostile.{form}"
    {"tar": tar_with, "zip": zip_with}[form](NAMES, archive)
    house.corpus("records")
    before = everything_outside(house)
    report = house.add("records", archive)
    assert everything_outside(house) == before
    assert report["added"] + report["failed_count"] + report["warnings_count"] >= len(NAMES), report
    assert report["added"] >= 6, report
    shown = house.json("corpus", "show", "records")
    assert len(shown) == report["added"]
    # What was gathered can be read, whatever it is called, and its label cannot be mistaken for a way out.
    for document in shown:
        assert house.json("corpus", "show", "records", document["id"])["text"].startswith(("# 제", "제"))
        assert ".." not in document["path"].split("/"), document["path"]
        assert not document["path"].startswith("/"), document["path"]
        assert "\n" not in document["path"] and "\u202e" not in document["path"], document["path"]
    again = house.add("records", archive)
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0), again


def test_links_in_an_archive_lead_nowhere(house: House, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("# 비밀\n\n비밀번호는 두레1234다.\n", encoding="utf-8")
    archive = tmp_path / "links.tar"
    with tarfile.open(archive, "w") as made:
        for kind, name, target in [
            (tarfile.SYMTYPE, "link.md", str(secret)),
            (tarfile.LNKTYPE, "hard.md", str(secret)),
            (tarfile.SYMTYPE, "dir", str(tmp_path)),
        ]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            made.addfile(entry)
        for name in ["dir/under-a-link.md", "plain.md"]:
            entry = tarfile.TarInfo(name)
            entry.size = len(text_of(7))
            made.addfile(entry, io.BytesIO(text_of(7)))
        for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo(f"device-{kind.decode()}.md")
            entry.type = kind
            made.addfile(entry)
    house.corpus("records")
    before = everything_outside(house)
    house.dure("corpus", "add", "records", archive)
    assert everything_outside(house) == before
    texts = [
        house.json("corpus", "show", "records", one["id"])["text"] for one in house.json("corpus", "show", "records")
    ]
    assert texts and not any("두레1234" in text for text in texts)


def test_links_in_a_folder_do_not_lead_out_of_it(house: House, tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.md").write_text("# 비밀\n\n비밀번호는 두레1234다.\n", encoding="utf-8")
    (folder / "plain.md").write_bytes(text_of(1))
    (folder / "file.md").symlink_to(outside / "secret.md")
    (folder / "folder").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.md")
    house.corpus("records")
    report = house.add("records", folder, timeout=60)
    assert report["added"] == 1, report
    shown = house.json("corpus", "show", "records")
    assert [document["path"] for document in shown] == ["plain.md"]


def test_archives_that_unpack_to_too_much_end_with_a_reason(house: House, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        made.writestr("zeros.txt", b"0" * (300 << 20))
        made.writestr("after.md", text_of(1))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(bomb.read_bytes()[:5_000])
    tar = tmp_path / "broken.tar.zst"
    tar.write_bytes(b"\x28\xb5\x2f\xfd" + os.urandom(1_000))
    (tmp_path / "good.md").write_bytes(text_of(2))
    house.corpus("records")
    report = house.add("records", bomb, broken, tar, tmp_path / "good.md", timeout=100)
    named = {failure["path"] for failure in report["failed"]}
    assert report["failed_count"] >= 3, report
    assert any("zeros" in path or "bomb" in path for path in named), named
    assert {"good.md"} <= {document["path"] for document in house.json("corpus", "show", "records")}


def test_records_that_are_damaged_are_named_and_the_rest_goes_on(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    damaged = {
        "empty.md": b"",
        "nuls.txt": b"\0" * 10_000,
        "random.json": os.urandom(5_000),
        "deep.json": b"[" * 200_000,
        "deep.html": b"<div>" * 200_000 + "물".encode(),
        "wide.csv": b"a," * 500_000,
        "quotes.csv": b'"' * 100_001,
        "half.jsonl": '{"a": "물"}\n{"a": '.encode(),
        "lone.md": b"# \xed\xa0\x80\n\n\xff\xfe\n",
        "line.txt": "가".encode() * 1_000_000,
        "heads.md": b"#" * 1_000_000,
    }
    for name, content in damaged.items():
        (folder / name).write_bytes(content)
    (folder / "good.md").write_bytes(text_of(3))
    house.corpus("records")
    report = house.add("records", folder, timeout=100)
    assert not any("unexpectedly" in str(failure) or "crashed" in str(failure) for failure in report["failed"]), report
    assert "good.md" in {document["path"] for document in house.json("corpus", "show", "records")}
    again = house.add("records", folder, timeout=100)
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0), again
