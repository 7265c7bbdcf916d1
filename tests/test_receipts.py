"""Receipts: each flow leaves one, whatever becomes of it; a stranger can check it; nobody sees another's.

Proofs are checked here by hand, from the texts of the specifications (C2SP tlog-proof, signed notes; RFC 6962), with nothing
of the program.
"""

import base64
import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import openai
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from house import EXAMPLES, House, Server, eventually
from test_upstream import Upstream, configured, table

QUESTION = "회의를 녹음한 파일은 언제 삭제하나요?"


def of(key: str) -> dict:
    return {"Authorization": f"Bearer {key}"}


def chat(server: Server, key: str, text: str = "안녕하세요", model: str = "fake", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return server.request("POST", "/v1/chat/completions", body, of(key))


def receipt(server: Server, key: str, name: str) -> dict:
    answer = server.request("GET", f"/api/v1/receipts/{name}", headers=of(key))
    assert answer.status == 200, answer.body
    return answer.json()


def listed(server: Server, key: str, query: str = "") -> list[dict]:
    answer = server.request("GET", f"/api/v1/receipts?limit=1000{query}", headers=of(key))
    assert answer.status == 200, answer.body
    return answer.json()["data"]


# --- what an outsider does ---------------------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def root_of(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that an inclusion proof leads to."""
    assert index < size
    node, last, reached, steps = index, size - 1, leaf, list(path)
    for step in steps:
        assert last > 0, "the proof is too long"
        if node & 1 or node == last:
            reached = hashlib.sha256(b"\x01" + step + reached).digest()
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            reached = hashlib.sha256(b"\x01" + reached + step).digest()
        node >>= 1
        last >>= 1
    assert last == 0, "the proof is too short"
    return reached


def opened(note: str, key: str) -> tuple[int, bytes]:
    """A checkpoint's size and root, if `key` signed it."""
    name, number, encoded = key.split("+", 2)
    raw = base64.b64decode(encoded)
    assert raw[0] == 1, "an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == number
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ")
        signature = base64.b64decode(signature)
        if signer == name and signature[:4].hex() == number:
            Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text.encode())
            origin, size, root = text.splitlines()[:3]
            assert origin == name
            return int(size), base64.b64decode(root)
    raise InvalidSignature


def proved(proof: str, key: str, entry: bytes) -> int:
    """Checks a `c2sp.org/tlog-proof@v1` file; gives the entry's index."""
    head, _, note = proof.partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    lines = [line for line in lines[1:] if not line.startswith("extra ")]
    index = int(lines[0].removeprefix("index "))
    size, root = opened(note, key)
    assert root_of(index, size, leaf_hash(entry), [base64.b64decode(line) for line in lines[1:]]) == root
    return index


# --- flows -------------------------------------------------------------------------------------------------------------


def test_a_chat_leaves_a_receipt_that_its_caller_finds(served) -> None:
    _, server, key = served
    answer = chat(server, key, "비밀스러운 물음")
    name, salt = answer.headers["x-dure-receipt"], bytes.fromhex(answer.headers["x-dure-receipt-salt"])
    found = receipt(server, key, name)
    assert (found["entry"], found["kind"], found["how"], found["asked"]) == ("receipt", "chat", "served", "fake")
    assert found["engine"] == {"name": "fake", "country": "KR", "outside": False}
    used = answer.json()["usage"]
    assert found["usage"]["prompt_tokens"] == used["prompt_tokens"]
    assert found["usage"]["completion_tokens"] == used["completion_tokens"]
    # Whoever has the texts and the salt can show what they were; the receipt alone tells nothing of them.
    said = answer.json()["choices"][0]["message"]["content"]
    assert found["question"] == hashlib.sha256(salt + "비밀스러운 물음".encode()).hexdigest()
    assert found["answer"] == hashlib.sha256(salt + said.encode()).hexdigest()
    assert "비밀" not in json.dumps(found, ensure_ascii=False) and salt.hex() not in json.dumps(found)


def test_a_cited_answer_names_what_it_was_made_of(served) -> None:
    _, server, key = served
    answer = chat(server, key, QUESTION, "records")
    found = receipt(server, key, answer.headers["x-dure-receipt"])
    sources = answer.json()["dure"]["sources"]
    assert set(found["documents"]) == {source["document"] for source in sources}
    assert len(found["corpora"]) == 1 and found["label"]["class"] == "open"


def test_streams_responses_embeddings_messages_and_searches_leave_receipts_too(served, client: openai.OpenAI) -> None:
    _, server, key = served
    messages = [{"role": "user", "content": "a b"}]
    with client.chat.completions.with_streaming_response.create(model="fake", messages=messages, stream=True) as response:
        said = "".join(response.iter_text())
        streamed = response.headers["x-dure-receipt"]
    assert "[DONE]" in said
    one = client.responses.with_raw_response.create(model="fake", input="hi").headers["x-dure-receipt"]
    embedded = client.embeddings.with_raw_response.create(model="fake", input="hi").headers["x-dure-receipt"]
    assert receipt(server, key, streamed)["how"] == "served"
    assert receipt(server, key, one)["kind"] == "chat"
    assert receipt(server, key, embedded)["kind"] == "embedding"
    body = {"model": "fake", "max_tokens": 9, "messages": [{"role": "user", "content": "a b"}]}
    message = server.request("POST", "/v1/messages", body, of(key))
    assert receipt(server, key, message.headers["x-dure-receipt"])["answer"]
    before = len(listed(server, key, "&kind=receipt"))
    assert server.request("POST", "/api/v1/corpora/records/search", {"question": "도서관"}, of(key)).status == 200
    assert server.request("POST", "/v1/vector_stores/records/search", {"query": "도서관"}, of(key)).status == 200
    newest = listed(server, key, "&kind=receipt")
    assert [entry["kind"] for entry in newest[:2]] == ["search", "search"] and len(newest) == before + 2
    assert newest[0]["documents"] and newest[0]["corpora"]


def test_several_choices_leave_one_receipt_each(served) -> None:
    _, server, key = served
    names = chat(server, key, n=3).headers["x-dure-receipt"].split(", ")
    assert len(set(names)) == 3
    assert {receipt(server, key, name)["how"] for name in names} == {"served"}


def test_a_refusal_leaves_a_receipt_with_its_reason(served) -> None:
    _, server, key = served
    assert chat(server, key, model="no-such-model").status == 404
    newest = listed(server, key, "&outcome=refused")[0]
    assert (newest["asked"], newest["why"]) == ("no-such-model", "no_such_model")
    assert newest["usage"]["prompt_tokens"] == 0


def test_whoever_hangs_up_leaves_a_receipt_with_what_was_used(house: House) -> None:
    key = house.key("app")
    with house.up(engine_fake_tokens_a_second=20) as server:
        body = json.dumps(
            {"model": "fake", "stream": True, "messages": [{"role": "user", "content": " ".join("abcdefghij" * 20)}]}
        )
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            received = b""
            while received.count(b"data: ") < 4:
                received += connection.recv(4096)
        found = eventually(lambda: listed(server, key, "&outcome=hung_up"))
        assert 1 <= found[0]["usage"]["completion_tokens"] < 190


# --- who sees what -----------------------------------------------------------------------------------------------------


def test_nobody_sees_what_another_asked(house: House) -> None:
    mine, theirs = house.key("mine"), house.key("theirs")
    chief = house.key("chief", "--administrator")
    house.dure("tenant", "create", "waterworks")
    stranger = json.loads(house.dure("--tenant", "waterworks", "key", "create", "k", "--administrator", "--json"))["key"]
    with house.up() as server:
        name = chat(server, mine).headers["x-dure-receipt"]
        for key, status in [(mine, 200), (chief, 200), (theirs, 404), (stranger, 404)]:
            for path in [f"/api/v1/receipts/{name}", f"/api/v1/receipts/{name}/proof"]:
                assert server.request("GET", path, headers=of(key)).status == status, (path, status)
        assert [entry["id"] for entry in listed(server, mine, "&kind=receipt")] == [name]
        assert listed(server, theirs) == []
        # What the operator did in that tenant, and nothing of another's.
        assert {entry["entry"] for entry in listed(server, stranger)} == {"act"}
        assert name in [entry["id"] for entry in listed(server, chief)]
        assert server.request("GET", f"/api/v1/receipts/{name}").status == 401


def test_a_change_that_the_program_did_not_survive_has_left_its_trace(house: House) -> None:
    house.corpus("records")
    key = house.key("chief", "--administrator")
    action = "POST /api/v1/corpora/{name}/files"
    with house.up() as server:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            head = f"POST /api/v1/corpora/records/files?path=a.md HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            connection.sendall(f"{head}Content-Length: 1000\r\n\r\n# The rest never comes".encode())
            eventually(lambda: listed(server, key, "&kind=begun"))
            server.process.kill()
            server.process.wait()
    with house.up() as server:
        ended = [act for act in listed(server, key, "&kind=act") if act["action"] == action]
        assert [(act["status"], act["on"], act["who"]["kind"]) for act in ended] == [(499, ["records"], "service")]
        begun = [act for act in listed(server, key, "&kind=begun") if act["action"] == action]
        assert [one["id"] for one in begun] == [ended[0]["id"]] and begun[0]["leaf"] < ended[0]["leaf"]
        assert "begun" not in {entry["entry"] for entry in listed(server, key)}


def test_changes_and_looks_leave_acts(house: House) -> None:
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    chief = house.key("chief", "--administrator")
    with house.up() as server:
        made = server.request("POST", "/api/v1/keys", {"name": "app"}, of(chief))
        assert made.status in (200, 201), made.body
        secret = made.json()["key"]
        server.request("DELETE", "/api/v1/keys/app", headers=of(chief))
        document = server.request("GET", "/api/v1/corpora/records/documents?limit=1", headers=of(chief)).json()["data"][0]
        server.request("GET", f"/api/v1/documents/{document['id']}?from=0&to=9", headers=of(chief))
        acts = [entry for entry in listed(server, chief, "&kind=act") if entry["who"]["kind"] != "operator"]
        told = [(act["action"], act.get("on")) for act in acts]
        assert told == [
            ("GET /api/v1/documents/{id}", [document["id"]]),
            ("DELETE /api/v1/keys/{name}", ["app"]),
            ("POST /api/v1/keys", None),
        ]
        assert {act["status"] for act in acts} <= {200, 201} and {act["from"] for act in acts} == {"127.0.0.1"}
        assert secret not in json.dumps(listed(server, chief))
        # Without a key nothing was done here.
        before = len(listed(server, chief, "&kind=act"))
        assert server.request("DELETE", "/api/v1/keys/app").status == 401
        assert len(listed(server, chief, "&kind=act")) == before


def test_lists_are_paged_and_filtered(served) -> None:
    _, server, key = served
    for _ in range(5):
        chat(server, key)
    seen, after = [], ""
    while True:
        page = server.request("GET", f"/api/v1/receipts?limit=2{after}", headers=of(key)).json()
        seen += [entry["leaf"] for entry in page["data"]]
        if page["next"] is None or len(seen) > 8:
            break
        after = f"&after={page['next']}"
    assert seen == sorted(set(seen), reverse=True) and len(seen) >= 5
    assert listed(server, key, "&from=2100-01-01T00:00:00Z") == []
    assert all(entry["asked"] == "fake" for entry in listed(server, key, "&asked=fake"))
    for wrong in ["limit=0", "after=x", "from=yesterday"]:
        assert server.request("GET", f"/api/v1/receipts?{wrong}", headers=of(key)).status == 400, wrong


# --- proofs ------------------------------------------------------------------------------------------------------------


def entry_of(proof: str) -> bytes:
    """The entry that the file carries along."""
    line = next(line for line in proof.splitlines() if line.startswith("extra "))
    return base64.b64decode(line.removeprefix("extra "))


def test_a_stranger_checks_a_receipt_with_the_public_key_alone(served) -> None:
    house, server, key = served
    for count in range(3):
        name = chat(server, key, f"물음 {count}").headers["x-dure-receipt"]
    ledger = server.request("GET", "/api/v1/ledger", headers=of(key)).json()
    proof = server.request("GET", f"/api/v1/receipts/{name}/proof", headers=of(key))
    assert proof.headers["content-type"].startswith("text/plain")
    text = proof.body.decode()
    entry = entry_of(text)
    assert json.loads(entry)["id"] == name
    assert proved(text, ledger["key"], entry) == receipt(server, key, name)["leaf"]
    with pytest.raises(AssertionError):
        proved(text, ledger["key"], entry.replace(b"served", b"denied"))
    with pytest.raises(InvalidSignature):
        proved(text, other_key(ledger["key"]), entry)
    # The command line says the same, without the server.
    file = house.data.parent / "receipt.tlog-proof"
    file.write_text(text)
    checked = json.loads(house.dure("ledger", "check", file, "--key", ledger["key"], "--json"))
    assert checked["entry"]["id"] == name
    file.write_text(text.replace(base64.b64encode(entry).decode(), base64.b64encode(entry[:-1] + b" }").decode()))
    assert "proof" in house.refuses("ledger", "check", file, "--key", ledger["key"])


def other_key(key: str) -> str:
    """A key of the same name that never signed anything."""
    name, _, encoded = key.split("+", 2)
    raw = b"\x01" + os.urandom(32)
    number = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex()
    return f"{name}+{number}+{base64.b64encode(raw).decode()}"


def test_the_whole_log_is_verified_and_a_changed_byte_is_found(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        for count in range(20):
            chat(server, key, f"물음 {count}")
        state = server.request("GET", "/api/v1/ledger", headers=of(key)).json()
    copy = house.data.parent / "copy"
    house.dure("ledger", "export", copy)
    assert house.json("ledger", "verify", copy, "--key", state["key"])["entries"] >= 20
    assert house.json("ledger", "verify")["entries"] >= 20
    since = house.data.parent / "since.txt"
    since.write_text(state["checkpoint"])
    house.dure("ledger", "verify", copy, "--since", since)
    bundle = max(path for path in (copy / "tile" / "entries").rglob("*") if path.is_file())
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    bundle.chmod(0o600)
    bundle.write_bytes(changed)
    assert house.refuses("ledger", "verify", copy, "--key", state["key"])


# --- nothing leaves unseen ---------------------------------------------------------------------------------------------


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    it = Upstream()
    try:
        yield it
    finally:
        it.end()


def test_an_intent_is_on_disk_before_text_leaves_and_is_closed_after_a_crash(house: House, upstream: Upstream) -> None:
    configured(house, table("away", upstream.address, "silent", first_wait_s=60))
    key = house.key("app", "--administrator")
    with house.up() as server:
        body = json.dumps({"model": "away", "messages": [{"role": "user", "content": "나가는 글"}]})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode())
            eventually(lambda: upstream.seen()["requests"])
            intent = listed(server, key, "&kind=intent")[0]
            assert intent["engine"]["outside"] and intent["engine"]["name"] == "away"
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
    with house.up() as server:
        closed = receipt(server, key, intent["id"])
        assert (closed["entry"], closed["how"]) == ("receipt", "lost")
        assert closed["engine"]["outside"] and closed["leaf"] > intent["leaf"]
    # Closed once, not once more at every start.
    with house.up() as server:
        assert receipt(server, key, intent["id"])["leaf"] == closed["leaf"]


@pytest.mark.parametrize("durability", ["relaxed", "strict"])
def test_after_a_kill_every_receipt_that_a_strict_answer_told_is_there(house: House, durability: str) -> None:
    key = house.key("app")
    with house.up(ledger_durability=durability) as server:
        names = [chat(server, key, f"물음 {count}").headers["x-dure-receipt"] for count in range(50)]
        if durability == "relaxed":
            time.sleep(1)
        server.process.kill()
        server.process.wait()
    with house.up() as server:
        for name in names:
            assert receipt(server, key, name)["how"] == "served"


def test_what_cannot_be_recorded_does_not_happen(house: House) -> None:
    """The disk fills up under the ledger: nothing more is answered, and it says why."""
    key = house.key("app", "--administrator")
    with house.up(ledger_durability="strict") as server:
        assert chat(server, key).status == 200
        # The server may write no file longer than it is now.
        longest = max(path.stat().st_size for path in (house.data / "ledger").rglob("*") if path.is_file())
        os.system(f"prlimit --pid {server.process.pid} --fsize={longest}:{longest}")
        statuses = [chat(server, key, "물음 " * 200).status for _ in range(40)]
        assert 503 in statuses
        assert statuses[statuses.index(503) :].count(200) == 0
        refused = chat(server, key)
        assert refused.json()["error"]["code"] == "unavailable" and "recorded" in refused.json()["error"]["message"]
        assert server.request("POST", "/api/v1/keys", {"name": "more"}, of(key)).status == 503
        assert server.healthy()
        assert server.request("GET", "/readyz").status == 503
    with house.up() as server:
        assert chat(server, key).status == 200


def test_an_older_copy_of_the_ledger_is_not_continued(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        chat(server, key)
    older = house.data.parent / "older"
    os.system(f"cp -a {house.data / 'ledger'} {older}")
    with house.up() as server:
        for _ in range(3):
            chat(server, key)
    os.system(f"rm -rf {house.data / 'ledger'} && cp -a {older} {house.data / 'ledger'}")
    assert "rolled back" in house.refuses("key", "list")


def test_a_lost_key_begins_no_other_log_unasked(house: House) -> None:
    house.key("app")
    (house.data / "ledger.key").unlink()
    assert "ledger.key" in house.refuses("key", "list")


def test_a_lost_memory_is_accepted_by_a_person_and_never_written_over(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        chat(server, key)
    assert "already" in house.refuses("ledger", "accept")
    (house.data / "ledger.memory").unlink()
    assert "accepted" in house.refuses("key", "list")
    house.dure("ledger", "accept")
    with house.up() as server:
        assert chat(server, key).status == 200


def test_whoever_hangs_up_on_a_change_leaves_an_act_all_the_same(house: House) -> None:
    """An upload whose body never ends: the caller is known, then goes away."""
    house.corpus("records")
    chief = house.key("chief", "--administrator")
    with house.up() as server:
        head = f"POST /api/v1/corpora/records/files?path=a.md HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {chief}\r\n"
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n# begun".encode())
            time.sleep(0.5)
        acts = eventually(lambda: listed(server, chief, "&kind=act&asked=POST%20/api/v1/corpora/%7Bname%7D/files"))
        assert acts[0]["on"] == ["records"] and acts[0]["status"] >= 400
