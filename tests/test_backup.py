"""The drill: a backup under load, restored elsewhere, gives the same answers; and what is no backup is refused."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
from house import EXAMPLES, House, Server, eventually

QUESTIONS = ["염소 누출 대응 훈련은 몇 월에 하나요?", "한빛동 단수는 언제인가요?", "여과지 역세척은 얼마나 자주 하나요?"]


def answers(house: House) -> list:
    """What the records say, by words and in quotes, with the places that the quotes stand at."""
    found = []
    for question in QUESTIONS:
        said = house.json("ask", "records", question, "--mode", "extractive")
        hits = house.json("search", "records", question, "--mode", "words")["hits"]
        found.append((said["text"], [one["span"] for one in said["citations"]], [hit["passage"] for hit in hits]))
    return found


def unpacked(backup: Path) -> dict[str, bytes]:
    tar = subprocess.run(["zstd", "-dc", str(backup)], check=True, capture_output=True, timeout=60).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}


@contextlib.contextmanager
def load(house: House, server: Server, key: str, folder: Path):
    """Chats, and an add that has always something to do, until the block ends."""
    stop, troubles = threading.Event(), []
    house.corpus("growing")

    def chat() -> None:
        body = {"model": "fake", "messages": [{"role": "user", "content": "hello"}]}
        while not stop.is_set():
            answer = server.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
            if answer.status != 200:
                troubles.append(answer.body)

    def add() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (folder / f"{number}.md").write_text(f"# {number}\n\nRecord {number} is about the {number}th well.\n")
            done = house.run("corpus", "add", "growing", folder)
            if done.returncode != 0:
                troubles.append(done.stderr)

    threads = [threading.Thread(target=work) for work in (chat, chat, add)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
    assert not troubles, troubles[:3]


def growing(house: House) -> int:
    corpora = house.json("corpus", "list")
    return next((one["status"]["documents"] for one in corpora if one["name"] == "growing"), 0)


def test_a_backup_under_load_gives_the_same_answers_elsewhere(house: House, tmp_path: Path) -> None:
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    house.dure("route", "create", "line", "--model", "fake", "--corpus", "records")
    key = house.key("app")
    (tmp_path / "folder").mkdir()
    backup = tmp_path / "backup.tar.zst"
    with house.up() as server:
        before = answers(house)
        with load(house, server, key, tmp_path / "folder"):
            eventually(lambda: growing(house) >= 2)
            report = house.json("backup", backup)["result"]
            eventually(lambda: growing(house) >= 4)
        assert report["file"] == str(backup) and report["bytes"] == backup.stat().st_size
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert house.json("check")["result"]["findings"] == []

    elsewhere = House(tmp_path / "elsewhere")
    elsewhere.dure("restore", backup)
    assert elsewhere.json("check")["result"]["findings"] == []
    # The old key opens the new house, the records say the same, and what was being added is there whole or not at all.
    with elsewhere.up() as server:
        assert server.request("GET", "/v1/models/line", headers={"Authorization": f"Bearer {key}"}).status == 200
        assert answers(elsewhere) == before
        documents = growing(elsewhere)
        assert 2 <= documents
        again = elsewhere.add("growing", tmp_path / "folder")
        assert again["failed_count"] == 0 and again["unchanged"] == documents, again
    assert stat.S_IMODE((elsewhere.data / "operator.key").stat().st_mode) == 0o600
    assert (elsewhere.data / "operator.key").read_text() == (house.data / "operator.key").read_text()


def test_into_a_folder_a_backup_gets_a_name_and_nothing_is_written_over(house: House, tmp_path: Path) -> None:
    house.key("app")
    folder = tmp_path / "backups"
    folder.mkdir()
    said = house.dure("backup", folder)
    (made,) = folder.iterdir()
    assert str(made) in said and "secret" in said
    names = list(unpacked(made))
    assert names == ["manifest.json", "dure.db", "operator.key"]
    assert "exists already" in house.refuses("backup", made)
    assert "No such file" in house.refuses("backup", tmp_path / "nowhere" / "b.tar.zst")
    assert [path.name for path in folder.iterdir()] == [made.name]


def test_settings_and_catalogue_go_along_and_a_models_files_if_wanted(house: House, tmp_path: Path) -> None:
    house.key("app")
    (house.data / "settings.toml").write_text("[log]\nlevel = \"error\"\n")
    blob = b"weights of no model"
    import_blob(house, blob)
    house.dure("backup", tmp_path / "whole.tar.zst")
    house.dure("backup", "--without-models", tmp_path / "light.tar.zst")
    whole, light = unpacked(tmp_path / "whole.tar.zst"), unpacked(tmp_path / "light.tar.zst")
    assert blob in whole.values() and blob not in light.values()
    assert "settings.toml" in whole and "settings.toml" in light
    manifest = json.loads(whole["manifest.json"])
    assert [file["path"] for file in manifest["files"]] == list(whole)[1:]
    assert manifest["format"] == 1 and manifest["program"]


def import_blob(house: House, content: bytes) -> Path:
    """A file among the blobs, under the name that its content has."""
    digest = hashlib.sha256(content).hexdigest()
    path = house.data / "blobs" / digest[:2] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_check_finds_what_was_changed_behind_our_back(house: House, tmp_path: Path) -> None:
    house.key("app")
    blob = import_blob(house, b"weights")
    assert "as they were written" in house.dure("check")
    blob.write_bytes(b"Weights")
    done = house.run("check", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout.strip().splitlines()[-1])["result"]["findings"]
    assert len(findings) == 1 and blob.name in findings[0], findings
    assert blob.name in house.refuses("backup", tmp_path / "b.tar.zst")
    assert not list(tmp_path.glob("b.*"))


def test_a_folder_in_use_or_not_empty_is_not_restored_into(house: House, tmp_path: Path) -> None:
    house.key("app")
    backup = tmp_path / "b.tar.zst"
    house.dure("backup", backup)
    assert "not empty" in house.refuses("restore", backup)
    other = House(tmp_path / "other")
    other.data.mkdir()
    (other.data / "letter.txt").write_text("mine")
    assert "letter.txt" in other.refuses("restore", backup)
    assert [path.name for path in other.data.iterdir()] == ["letter.txt"]
    with house.up():
        assert "not empty" in house.refuses("restore", backup)


def test_what_is_no_backup_is_refused_with_the_reason(house: House, tmp_path: Path) -> None:
    house.key("app")
    good = tmp_path / "good.tar.zst"
    house.dure("backup", good)
    whole = good.read_bytes()
    bad, target = tmp_path / "bad.tar.zst", House(tmp_path / "target")
    for name, content in {
        "nothing": b"",
        "no archive": b"PK\x03\x04 something else",
        "half of one": whole[: len(whole) // 2],
        "all but the end": whole[:-8],
        "a flipped byte": whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :],
    }.items():
        bad.write_bytes(content)
        message = target.refuses("restore", bad)
        assert "no backup that can be trusted" in message, f"{name}: {message}"
        assert sorted(path.name for path in target.data.iterdir()) == ["dure.lock"], name
    for name, entry, size in [("traversal", "../../escaped", 4), ("absolute", str(tmp_path / "escaped"), 4)]:
        bad.write_bytes(crafted(good, entry, size))
        assert "no backup that can be trusted" in target.refuses("restore", bad), name
        assert not (tmp_path / "escaped").exists() and not (tmp_path.parent / "escaped").exists()
    assert "No such file" in target.refuses("restore", tmp_path / "nowhere.tar.zst")
    # After all that, the good one goes in.
    target.dure("restore", good)
    assert target.json("key", "list")[0]["name"] == "app"


def crafted(good: Path, name: str, size: int) -> bytes:
    """A backup with an entry more, named as nobody should be able to name one, in the manifest too."""
    files = unpacked(good)
    manifest = json.loads(files["manifest.json"])
    manifest["files"].append({"path": name, "bytes": size, "sha256": "0" * 64})
    files = {**files, "manifest.json": json.dumps(manifest).encode(), name: b"evil"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    done = subprocess.run(["zstd", "-c"], input=packed.getvalue(), capture_output=True, check=True, timeout=60)
    return done.stdout


def test_a_restore_that_was_killed_is_repeated(house: House, tmp_path: Path) -> None:
    house.key("app")
    import_blob(house, os.urandom(32 << 20))
    backup = tmp_path / "b.tar.zst"
    house.dure("backup", backup)
    target = House(tmp_path / "target")
    process = subprocess.Popen(target.command("restore", backup), env=target.environment, stdout=subprocess.DEVNULL)
    eventually(lambda: (target.data / "restoring").exists() or process.poll() is not None)
    process.kill()
    process.wait()
    if (target.data / "dure.db").exists():
        shutil.rmtree(target.data)
    else:
        assert "interrupted" in target.refuses("key", "list")
    target.dure("restore", backup)
    assert target.json("key", "list")[0]["name"] == "app"
    assert target.json("check")["result"]["findings"] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_is_named(house: House) -> None:
    house.key("app")
    assert "/b.tar.zst" in house.refuses("backup", "/b.tar.zst")


def test_policies_and_uploaded_files_go_along(house: House, tmp_path: Path) -> None:
    """Without them other policies would count in the restored house, and what was uploaded would be gone."""
    key = house.key("app")
    house.dure("policy", "init")
    (house.data / "policy" / "90-own.cedar").write_text(
        '@id("nobody-asks")\n@reason_ko("안 됩니다")\n@reason_en("nobody may ask")\n'
        'forbid (principal, action == Action::"send", resource);\n',
        encoding="utf-8",
    )
    form = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n# kept\r\n--x--\r\n'
    )
    bearer = {"Authorization": f"Bearer {key}"}
    with house.up() as server:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        file = server.request("POST", "/v1/files", form, {**bearer, **kind}).json()["id"]
    house.dure("backup", tmp_path / "b.tar.zst", "--without-models")
    restored = House(tmp_path / "restored")
    restored.dure("restore", tmp_path / "b.tar.zst")
    with restored.up() as server:
        body = {"model": "fake", "messages": [{"role": "user", "content": "hi"}]}
        refused = server.request("POST", "/v1/chat/completions", body, bearer)
        assert refused.status == 403 and "nobody may ask" in refused.json()["error"]["message"]
        assert server.request("GET", f"/v1/files/{file}/content", headers=bearer).body == b"# kept"
        # A restored house begins a log of its own.
        assert server.request("GET", "/api/v1/receipts", headers=bearer).status == 200
