"""Encryption at rest, from outside: what lies in the folder says nothing, and only the right key opens it."""

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import unicodedata
import urllib.parse
from pathlib import Path

import pytest
from house import EXAMPLES, House, Server, eventually
from test_upstream import configured, table

# Each stands in one place only, so that what shows it says where it came from.
RECORD = "다람쥐구름 zanzibarquokka"
FILE = "호박벌등대 umbrellaxenon"
QUESTION = "물수제비가로등 kaleidowombat"
KEY_NAME = "반딧불이열쇠"
PERSON = "도토리서랍"
REASON = "솔방울편지 nimbusplatypus"
PLANTED = [word for text in (RECORD, FILE, QUESTION, KEY_NAME, PERSON, REASON) for word in text.split()]

LARGE_BYTES = 96 << 20

POLICY = """
@id("abroad") @approval("protection")
permit (principal, action == Action::"send", resource) when { resource.country == Country::"US" };
@id("home") permit (principal, action == Action::"send", resource) when { resource.country == Country::"KR" };
@id("search") permit (principal, action == Action::"search", resource);
"""

WRAP = '''
import base64, hashlib, json, sys
# Stands for an HSM: the master key never leaves this program.
MASTER = hashlib.sha256(b"MASTER").digest()
asked = json.load(sys.stdin)
cover = lambda text: bytes(a ^ b for a, b in zip(text, MASTER))
tag = lambda text: hashlib.sha256(MASTER + text).hexdigest()
if asked["operation"] == "wrap":
    key = base64.b64decode(asked["key"])
    print(json.dumps({"key_id": "slot-1", "wrapped": cover(key).hex() + tag(key)}))
else:
    key, sum = cover(bytes.fromhex(asked["wrapped"][:64])), asked["wrapped"][64:]
    if tag(key) != sum:
        sys.exit("this key is not mine")
    print(json.dumps({"key": base64.b64encode(key).decode()}))
'''


def key_file(path: Path) -> Path:
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


def sealed(house: House, path: Path) -> House:
    house.environment.update(DURE_ENCRYPTION_PROVIDER="file", DURE_ENCRYPTION_FILE=str(path))
    return house


@pytest.fixture
def encrypted(tmp_path: Path) -> House:
    """An empty folder whose settings name a key file."""
    return sealed(House(tmp_path / "data"), key_file(tmp_path / "master.key"))


def forms(word: str) -> dict[str, bytes]:
    apart = unicodedata.normalize("NFD", word)
    return {
        "UTF-8": word.encode(),
        "NFD": apart.encode(),
        "UTF-16": word.encode("utf-16-le"),
        "UTF-16 BE": word.encode("utf-16-be"),
        "NFD, UTF-16": apart.encode("utf-16-le"),
        "percent": urllib.parse.quote(word).encode(),
        "JSON": json.dumps(word)[1:-1].encode(),
        "Base64": base64.b64encode(word.encode())[:-4],
    }


def shows(data: Path, words: list[str]) -> list[str]:
    """Where one of the words can be read, and how it stands there."""
    files = [path for path in data.rglob("*") if path.is_file()]
    assert any(path.name == "dure.db" for path in files)
    found = []
    for path in files:
        content = path.read_bytes() + str(path.relative_to(data)).encode()
        found += [
            f"{path.relative_to(data)}: {word} as {form}"
            for word in words
            for form, text in forms(word).items()
            if text in content
        ]
    return found


def of(key: str) -> dict:
    return {"Authorization": f"Bearer {key}"}


def plant(house: House, folder: Path) -> None:
    """What makes a folder that holds every word, but for what a server takes in."""
    configured(
        house,
        table("far", "127.0.0.1:9", "m", country="US", owner="acme"),
    )
    (house.data / "policy").mkdir()
    (house.data / "policy" / "own.cedar").write_text(POLICY, encoding="utf-8")
    house.dure("group", "create", "protection")
    house.dure("person", "create", PERSON)
    house.corpus("records")
    folder.mkdir()
    (folder / "note.md").write_text(f"# 기록\n\n{RECORD}은 이 기록에만 있습니다.\n", encoding="utf-8")
    house.dure("corpus", "add", "records", folder)
    house.dure("route", "create", "city", "--model", "fake", "--corpus", "records")


def use(house: House, server: Server, key: str) -> str:
    """A conversation, a file and a request for an approval; gives the file's id."""
    made = server.request("POST", "/api/v1/conversations", {}, of(key))
    place = {"conversation": made.json()["id"]}
    body = {"model": "city", "messages": [{"role": "user", "content": QUESTION}], "dure": place}
    assert server.request("POST", "/v1/chat/completions", body, of(key)).status == 200
    file = upload(server, key, f"{FILE.split()[1]}.md", f"# {FILE}".encode())
    asked = {"model": "far", "messages": [{"role": "user", "content": "안녕하세요"}]}
    refused = server.request("POST", "/v1/chat/completions", asked, of(key))
    assert refused.status == 403, refused.body
    answer = {"answer": "decline", "reason": REASON}
    house.dure("person", "create", "chief", "--group", "protection")
    chief = house.key("chief", "--person", "chief")
    said = server.request("POST", f"/api/v1/approvals/{refused.headers['x-dure-approval']}", answer, of(chief))
    assert said.status == 200, said.body
    return file


def upload(server: Server, key: str, name: str, content: bytes) -> str:
    boundary = b"x7f3a"
    form = (
        b'--%b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--%b\r\n'
        b'Content-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n--%b--\r\n'
    ) % (boundary, boundary, name.encode(), content, boundary)
    head = {**of(key), "Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
    file = server.request("POST", "/v1/files", form, head)
    assert file.status == 200, file.body
    return file.json()["id"]


def holds(house: House, server: Server, key: str, file: str) -> None:
    """That everything that was planted is there for whoever may see it."""
    hits = house.json("search", "records", RECORD, "--mode", "words")["hits"]
    assert RECORD.split()[1] in json.dumps(hits, ensure_ascii=False)
    assert FILE.encode() in server.request("GET", f"/v1/files/{file}/content", headers=of(key)).body
    [kept] = server.request("GET", "/api/v1/conversations", headers=of(key)).json()["data"]
    turns = server.request("GET", f"/api/v1/conversations/{kept['id']}", headers=of(key)).json()["turns"]
    assert turns[0]["asked"] == QUESTION
    assert KEY_NAME in house.dure("key", "list") and PERSON in house.dure("person", "list")


def test_nothing_in_the_folder_shows_a_word(encrypted: House, tmp_path: Path) -> None:
    plant(encrypted, tmp_path / "records")
    key = encrypted.key(KEY_NAME, "--person", PERSON)
    with encrypted.up() as server:
        file = use(encrypted, server, key)
        eventually(lambda: encrypted.json("search", "records", RECORD, "--mode", "words")["hits"])
        assert shows(encrypted.data, PLANTED) == [], "while the server runs"
        process = server.process
        holds(encrypted, server, key, file)
        process.kill()
        process.wait()
        assert shows(encrypted.data, PLANTED) == [], "after it was killed"
    with encrypted.up() as server:
        holds(encrypted, server, key, file)
        assert encrypted.json("check")["result"]["findings"] == []
    assert shows(encrypted.data, PLANTED) == [], "after it was stopped"
    for name in ("operator.key", "ledger.key"):
        secret = (encrypted.data / name).read_bytes()
        assert len(secret) == 64 + 40 and not secret.isalnum(), name
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in encrypted.data.iterdir() if path.is_file()}
    assert modes["dure.db"] == modes["encryption.json"] == 0o600


def test_the_words_are_found_where_nothing_is_encrypted(house: House, tmp_path: Path) -> None:
    """That the test above could fail."""
    plant(house, tmp_path / "records")
    key = house.key(KEY_NAME, "--person", PERSON)
    with house.up() as server:
        use(house, server, key)
        found = "\n".join(shows(house.data, PLANTED))
        for word in (KEY_NAME, PERSON, FILE.split()[1], REASON.split()[1]):
            assert word in found, word
        assert "files/" in found and "dure.db" in found, found


def contents(data: Path) -> dict[str, bytes]:
    """What lies in a folder, but for who owned it last."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name != "dure.lock"
    }


def test_a_wrong_or_missing_key_opens_nothing_and_changes_nothing(encrypted: House, tmp_path: Path) -> None:
    encrypted.corpus("records")
    encrypted.dure("corpus", "add", "records", EXAMPLES)
    before = contents(encrypted.data)
    other = key_file(tmp_path / "other.key")
    for file, said in [
        (other, "is wrapped under the master key"),
        (tmp_path / "gone.key", "cannot be read"),
        (encrypted.data / "inside.key", "lies in the data folder"),
    ]:
        if file.parent == encrypted.data:
            key_file(file)
        stranger = sealed(House(encrypted.data), file)
        assert said in stranger.refuses("corpus", "list")
        assert said in stranger.refuses("up")
        if file.parent == encrypted.data:
            file.unlink()
    assert "the settings name no key provider" in House(encrypted.data).refuses("corpus", "list")
    mode = tmp_path / "master.key"
    mode.chmod(0o640)
    assert "chmod 600" in encrypted.refuses("corpus", "list")
    mode.chmod(0o600)
    assert contents(encrypted.data) == before
    assert encrypted.json("corpus", "list")[0]["name"] == "records"


def test_the_wrapped_key_of_another_folder_is_noticed(encrypted: House, tmp_path: Path) -> None:
    encrypted.corpus("records")
    twin = sealed(House(tmp_path / "twin"), tmp_path / "master.key")
    twin.corpus("records")
    mine = (encrypted.data / "encryption.json").read_bytes()
    shutil.copy(twin.data / "encryption.json", encrypted.data / "encryption.json")
    before = contents(encrypted.data)
    assert "another key than its `encryption.json`" in encrypted.refuses("corpus", "list")
    assert contents(encrypted.data) == before
    told = json.loads(mine)
    told["key"]["wrapped"] = ("B" if told["key"]["wrapped"][0] == "A" else "A") + told["key"]["wrapped"][1:]
    (encrypted.data / "encryption.json").write_text(json.dumps(told))
    assert "was changed" in encrypted.refuses("corpus", "list")
    (encrypted.data / "encryption.json").write_text("{")
    assert "cannot be used" in encrypted.refuses("corpus", "list")
    (encrypted.data / "encryption.json").unlink()
    assert "which wraps its key, is not there" in encrypted.refuses("corpus", "list")
    assert "which wraps its key, is not there" in encrypted.refuses("encryption", "on")
    (encrypted.data / "encryption.json").write_bytes(mine)
    assert encrypted.json("corpus", "list")[0]["name"] == "records"


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_byte_that_was_flipped_is_found_in_every_kind_of_file(encrypted: House, tmp_path: Path) -> None:
    plant(encrypted, tmp_path / "records")
    key = encrypted.key(KEY_NAME, "--person", PERSON)
    with encrypted.up() as server:
        file = use(encrypted, server, key)
    whole = tmp_path / "whole"
    shutil.copytree(encrypted.data, whole)

    def again() -> None:
        shutil.rmtree(encrypted.data)
        shutil.copytree(whole, encrypted.data)

    for name in ("operator.key", "ledger.key"):
        flip(encrypted.data / name, 70)
        assert "cannot be read" in encrypted.refuses("corpus", "list"), name
        again()
    [upload] = [path for path in (encrypted.data / "files").rglob("*") if path.is_file()]
    relative = upload.relative_to(encrypted.data)
    flip(encrypted.data / relative, 30)
    done = encrypted.run("check", "--json")
    assert done.returncode == 1 and "cannot be read" in done.stdout
    again()
    content = upload.read_bytes()
    upload.write_bytes(content[:-1])
    with encrypted.up() as server:
        assert server.request("GET", f"/v1/files/{file}/content", headers=of(key)).status == 500
        assert server.healthy()
    again()
    database = encrypted.data / "dure.db"
    pages = database.stat().st_size // (4096 + 40)
    assert pages > 20 and database.stat().st_size % (4096 + 40) == 0
    for page in range(1, pages):
        flip(database, page * (4096 + 40) + 100)
    done = encrypted.run("corpus", "list")
    assert done.returncode == 1 and "damaged or altered" in done.stderr, done.stderr
    again()
    # The index is derived: one that does not open is built again.
    for part in (encrypted.data / "index" / "words").glob("*.term"):
        part.chmod(0o600)
        flip(part, 50)
    assert encrypted.json("search", "records", RECORD, "--mode", "words")["hits"]


def test_a_backup_is_encrypted_and_needs_the_same_key(encrypted: House, tmp_path: Path) -> None:
    plant(encrypted, tmp_path / "records")
    key = encrypted.key(KEY_NAME, "--person", PERSON)
    with encrypted.up() as server:
        file = use(encrypted, server, key)
        encrypted.dure("backup", tmp_path / "b.tar.zst")
    unpacked = subprocess.run(["zstd", "-dc", str(tmp_path / "b.tar.zst")], capture_output=True, check=True).stdout
    assert b"encryption.json" in unpacked
    assert not [word for word in PLANTED for text in forms(word).values() if text in unpacked]
    plain = House(tmp_path / "elsewhere")
    assert "name no key provider" in plain.refuses("restore", tmp_path / "b.tar.zst")
    other = sealed(House(tmp_path / "elsewhere"), key_file(tmp_path / "other.key"))
    assert "wrapped under the master key" in other.refuses("restore", tmp_path / "b.tar.zst")
    right = sealed(House(tmp_path / "elsewhere"), tmp_path / "master.key")
    right.environment["UPSTREAM_KEY"] = "k"
    right.dure("restore", tmp_path / "b.tar.zst")
    with right.up() as server:
        holds(right, server, key, file)
        assert right.json("check")["result"]["findings"] == []


def test_the_master_key_is_changed_and_the_data_stays(encrypted: House, tmp_path: Path) -> None:
    encrypted.corpus("records")
    encrypted.dure("corpus", "add", "records", EXAMPLES)
    before = contents(encrypted.data)
    status = encrypted.json("encryption", "status")
    assert (status["encrypted"], status["provider"], status["opens"]) == (True, "file", True)
    new = tmp_path / "new.toml"
    new.write_text(f'[encryption]\nprovider = "file"\nfile = "{key_file(tmp_path / "new.key")}"\n')
    turned = encrypted.json("encryption", "rotate", "--to", new)
    assert turned["key_id"] != turned["before"]["key_id"] == status["key_id"]
    after = contents(encrypted.data)
    assert {name for name in after if after[name] != before[name]} == {"encryption.json"}
    assert "is wrapped under the master key" in encrypted.refuses("corpus", "list")
    assert encrypted.json("encryption", "status")["opens"] is False
    renewed = sealed(House(encrypted.data), tmp_path / "new.key")
    assert renewed.json("corpus", "list")[0]["status"]["documents"] > 25
    assert "already" in renewed.refuses("encryption", "rotate", "--to", new)
    # From a file to a passphrase.
    words = tmp_path / "words"
    words.write_text(unicodedata.normalize("NFD", "두레박으로 물을 긷는 새벽\n"), encoding="utf-8")
    new.write_text(f'[encryption]\nprovider = "passphrase"\npassphrase_file = "{words}"\n')
    renewed.dure("encryption", "rotate", "--to", new)
    spoken = House(encrypted.data)
    spoken.environment.update(
        DURE_ENCRYPTION_PROVIDER="passphrase", DURE_ENCRYPTION_PASSPHRASE_ENV="WORDS", WORDS="두레박으로 물을 긷는 새벽"
    )
    assert spoken.json("corpus", "list")[0]["status"]["documents"] > 25
    spoken.environment["WORDS"] = "두레박으로 물을 긷는 저녁"
    assert "the passphrase is another" in spoken.refuses("corpus", "list")
    del spoken.environment["WORDS"]
    assert "$WORDS holds no passphrase" in spoken.refuses("corpus", "list")


def with_program(house: House, script: Path, text: str) -> House:
    script.write_text(text)
    house.environment.update(
        DURE_ENCRYPTION_PROVIDER="command",
        DURE_ENCRYPTION_COMMAND=f"{sys.executable},{script}",
        DURE_ENCRYPTION_COMMAND_WAIT_S="2",
    )
    return house


def test_a_program_keeps_the_master_key(tmp_path: Path) -> None:
    script = tmp_path / "hsm.py"
    house = with_program(House(tmp_path / "data"), script, WRAP)
    house.corpus("records")
    status = house.json("encryption", "status")
    assert (status["provider"], status["key_id"], status["opens"]) == ("command", "slot-1", True)
    before = contents(house.data)
    for text, said in [
        (WRAP.replace("MASTER\"", "another\""), "this key is not mine"),
        ("import time; time.sleep(60)", "did not answer in 2 s"),
        ("import os, time\nif os.fork() == 0: time.sleep(60)", "did not answer in 2 s"),
        ("print('{\"key\": \"AAAA\"}')", "no data key"),
        ("print('garbage')", "none of the protocol"),
        ("print('x' * 100_000)", "more than 16384 bytes"),
        ("import base64\nprint('{\"key\": \"%s\"}' % base64.b64encode(bytes(32)).decode())", "not this folder's"),
        ("raise SystemExit(7)", "exit status: 7"),
        ("import os\nos.abort()", "signal: 6"),
    ]:
        begun = time.monotonic()
        assert said in with_program(house, script, text).refuses("corpus", "list"), text
        assert time.monotonic() - begun < 20, text
        assert contents(house.data) == before, text
    with_program(house, script, WRAP)
    assert house.json("corpus", "list")[0]["name"] == "records"


def test_a_program_that_cannot_unwrap_what_it_wraps_encrypts_nothing(tmp_path: Path) -> None:
    house = with_program(House(tmp_path / "data"), tmp_path / "hsm.py", "print('{\"key_id\":\"1\",\"wrapped\":\"w\"}')")
    assert "none of the protocol" in house.refuses("corpus", "list")
    assert not (house.data / "encryption.json").exists() and not (house.data / "dure.db").exists()


def test_a_plain_folder_is_not_taken_for_an_encrypted_one(house: House, tmp_path: Path) -> None:
    house.corpus("records")
    house.key("app")
    sealed(house, key_file(tmp_path / "master.key"))
    assert "dure encryption on" in house.refuses("up")
    assert house.json("encryption", "status") == {"encrypted": False, "data": str(house.data)}
    with House(house.data).up():
        assert "in use" in house.refuses("encryption", "on")
    house.dure("encryption", "on")
    assert "already" in house.refuses("encryption", "on")
    assert house.json("corpus", "list")[0]["name"] == "records"


def test_a_folder_is_encrypted_and_made_plain_again(house: House, tmp_path: Path) -> None:
    plant(house, tmp_path / "records")
    key = house.key(KEY_NAME, "--person", PERSON)
    with house.up() as server:
        file = use(house, server, key)
    assert shows(house.data, PLANTED)
    log = house.dure("ledger", "verify")
    sealed(house, key_file(tmp_path / "master.key"))
    said = house.dure("encryption", "on")
    assert "keep a copy of that key apart" in said
    assert shows(house.data, PLANTED) == []
    assert house.dure("ledger", "verify").splitlines()[-1] == log.splitlines()[-1], "the log's key is the same"
    with house.up() as server:
        holds(house, server, key, file)
        assert shows(house.data, PLANTED) == []
    house.dure("encryption", "off")
    plain = House(house.data)
    plain.environment["UPSTREAM_KEY"] = "k"
    with plain.up() as server:
        holds(plain, server, key, file)


def test_turning_it_on_can_be_killed_at_any_moment(house: House, tmp_path: Path) -> None:
    house.corpus("records")
    for copy in range(8):
        shutil.copytree(EXAMPLES, tmp_path / "records" / str(copy))
        for path in (tmp_path / "records" / str(copy)).rglob("*.md"):
            path.write_text(path.read_text(encoding="utf-8") + f"\n{RECORD} {copy}\n", encoding="utf-8")
    house.dure("corpus", "add", "records", tmp_path / "records")
    key = house.key("app")
    with house.up() as server:
        # Enough to be killed in.
        upload(server, key, "large.bin", RECORD.encode() * (LARGE_BYTES // 30))
    documents = house.json("corpus", "list")[0]["status"]["documents"]
    whole = tmp_path / "whole"
    shutil.copytree(house.data, whole)
    sealed(house, key_file(tmp_path / "master.key"))
    took_s = []
    for _ in range(2):
        begun = time.monotonic()
        house.dure("encryption", "on")
        took_s.append(time.monotonic() - begun)
        shutil.rmtree(house.data)
        shutil.copytree(whole, house.data)
    old, new, cut_short = 0, 0, 0
    for part in range(12):
        shutil.rmtree(house.data)
        shutil.copytree(whole, house.data)
        process = subprocess.Popen(house.command("encryption", "on"), env=house.environment, stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=min(took_s) * part / 11 if part < 11 else None)
        except subprocess.TimeoutExpired:
            cut_short += 1
            process.kill()
            process.wait()
        # What it is now, is found out by opening it.
        if "dure encryption on" in house.run("corpus", "list").stderr:
            old += 1
            assert House(house.data).json("corpus", "list")[0]["status"]["documents"] == documents
            house.dure("encryption", "on")
        else:
            new += 1
        assert house.json("corpus", "list")[0]["status"]["documents"] == documents
        assert shows(house.data, RECORD.split()) == []
        assert not list(house.data.glob("turning*"))
        assert house.json("check")["result"]["findings"] == []
    assert cut_short >= 5 and old >= 3 and new >= 1, (cut_short, old, new)
