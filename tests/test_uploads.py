"""Records uploaded over HTTP: kind ones, hostile names, bodies that are too large, a disk that is full."""

import io
import json
import uuid
import zipfile

import pytest
from house import House, Server

TEXT = "# 급수\n\n수도요금은 매월 말일까지 낸다.\n".encode()
LABEL = {"class": "open", "residency": ["KR"], "licences": [], "purposes": ["answering"]}


class Desk:
    """An administrator with one corpus."""

    def __init__(self, house: House, server: Server, key: str):
        self.house, self.server = house, server
        self.headers = {"Authorization": f"Bearer {key}"}

    def form(self, *files: tuple[str, bytes], query: str = "", boundary: str | None = None):
        """An upload as a browser sends it."""
        boundary = boundary or uuid.uuid4().hex
        body = b""
        for name, content in files:
            quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "%0D").replace("\n", "%0A")
            body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'.encode()
            body += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.server.request("POST", f"/api/v1/corpora/desk/files{query}", body, {**self.headers, **kind})

    def report(self, answer) -> dict:
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/x-ndjson"
        return json.loads(answer.body.strip().splitlines()[-1])["result"]

    def documents(self, query: str = "") -> dict:
        answer = self.server.request("GET", f"/api/v1/corpora/desk/documents{query}", headers=self.headers)
        assert answer.status == 200, answer.body
        return answer.json()


@pytest.fixture
def desk(tmp_path):
    house = House(tmp_path / "data")
    house.environment["DURE_SERVER_UPLOAD_BYTES_MAX"] = str(1 << 20)
    key = house.key("keeper", "--administrator")
    with house.up() as server:
        desk = Desk(house, server, key)
        made = server.request("POST", "/api/v1/corpora", {"name": "desk", **LABEL}, desk.headers)
        assert made.status == 200, made.body
        yield desk


def zipped(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def test_files_of_a_form_are_found_at_once(desk) -> None:
    report = desk.report(desk.form(("조례/급수.md", TEXT), ("b.csv", "가,나\n1\n".encode())))
    assert (report["added"], report["failed_count"]) == (2, 0)
    assert report["warnings_count"] >= 1, "a row that is too short is told of"
    found = desk.server.request(
        "POST", "/api/v1/corpora/desk/search", {"question": "수도요금", "mode": "words"}, desk.headers
    ).json()
    hit = found["hits"][0]
    assert (hit["path"], hit["rank"], hit["words_rank"]) == ("조례/급수.md", 1, 1)
    assert hit["words_score"] > 0 and hit["meaning_score"] is None
    assert desk.documents("?warnings=true")["total"] == 1


def test_one_file_as_the_body_replaces_the_document_of_its_name_alone(desk) -> None:
    desk.report(desk.form(("a.md", TEXT), ("b.md", TEXT)))
    changed = desk.server.request("POST", "/api/v1/corpora/desk/files?path=a.md", TEXT + b"\nmore\n", desk.headers)
    report = desk.report(changed)
    assert (report["added"], report["changed"], report["removed"]) == (0, 1, 0)
    assert [one["path"] for one in desk.documents()["data"]] == ["a.md", "b.md"]


def test_documents_come_in_pages(desk) -> None:
    desk.report(desk.form(("all.zip", zipped(*((f"{n:03}.md", TEXT) for n in range(45))))))
    seen, after = [], ""
    while True:
        page = desk.documents(f"?limit=20{after}")
        assert page["total"] == 45
        seen += [one["path"] for one in page["data"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [f"{n:03}.md" for n in range(45)]
    assert desk.documents("?q=01&path=0")["total"] == 11


HOSTILE = [
    "../../../../../../tmp/dure-evil.md",
    "/tmp/dure-evil.md",
    "..\\..\\evil.md",
    "C:\\CON",
    "보고\u202edm.exe",
    "x" * 5000 + ".md",
    "a\rb\nc.md",
    '"; filename="other.md',
    ".",
    "..",
    " ",
    "%2e%2e%2fevil.md",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_a_name(desk, name, tmp_path) -> None:
    before = {path for path in tmp_path.rglob("*")}
    answer = desk.form((name, TEXT))
    assert answer.status in (200, 400), answer.body
    if answer.status == 200:
        assert desk.report(answer)["failed_count"] == 0
        for document in desk.documents()["data"]:
            assert ".." not in document["path"].split("/") and not document["path"].startswith("/")
            assert len(document["path"]) <= 1000
            assert not set(document["path"]) & set("\u202e\0\r\n\\")
    new = {path for path in tmp_path.rglob("*")} - before
    allowed = desk.house.data
    assert all(path.is_relative_to(allowed) for path in new), new
    assert list((desk.house.data / "incoming").iterdir()) == []
    assert desk.server.healthy()


BROKEN = {
    "no form": ({"Content-Type": "text/plain"}, b"hello"),
    "no kind": ({}, b"{}"),
    "no boundary": ({"Content-Type": "multipart/form-data"}, b"--x--\r\n"),
    "another boundary": ({"Content-Type": "multipart/form-data; boundary=x"}, b"--y\r\n\r\n--y--\r\n"),
    "cut off": (
        {"Content-Type": "multipart/form-data; boundary=x"},
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.md"\r\n\r\n# a',
    ),
    "no file": (
        {"Content-Type": "multipart/form-data; boundary=x"},
        b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\na\r\n--x--\r\n',
    ),
    "empty": ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_form_adds_nothing(desk, name) -> None:
    kind, body = BROKEN[name]
    answer = desk.server.request("POST", "/api/v1/corpora/desk/files", body, {**desk.headers, **kind})
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert desk.documents()["total"] == 0


def test_an_upload_has_a_bound_whole_or_in_pieces(desk) -> None:
    large = b"# a\n\n" + b"word " * (1 << 18)
    assert desk.form(("a.md", large)).status == 413
    whole = desk.server.request("POST", "/api/v1/corpora/desk/files?path=a.md", large, desk.headers)
    assert whole.status == 413 and whole.json()["error"]["code"] == "body_too_large"
    # Nobody says how long this body is.
    chunked = desk.server.request(
        "POST", "/api/v1/corpora/desk/files?path=a.md", iter([large[:1000]] * 2000), desk.headers
    )
    assert chunked.status == 413
    assert desk.documents()["total"] == 0
    assert list((desk.house.data / "incoming").iterdir()) == []


def test_an_archive_that_is_a_bomb_or_broken_is_named_and_the_rest_goes_on(desk) -> None:
    bomb = zipped(("zeros.txt", b"\0" * (80 << 20)))
    report = desk.report(desk.form(("bomb.zip", bomb), ("broken.zip", b"PK\x03\x04nothing"), ("a.md", TEXT)))
    assert report["added"] == 1
    assert {one["path"].split("/")[0] for one in report["failed"]} >= {"broken.zip"}
    assert desk.server.healthy()
