"""Asking what would be: what the policies would answer, and what masking would hide. Nothing is permitted by it, nothing is
kept of it, and no text is too strange for it."""

import concurrent.futures
import hashlib
import json
import time
from collections.abc import Iterator

import pytest
from house import House, Server

TEXT = "민원인 홍길동(010-1234-5678, 900101-1234568)이 서울특별시 종로구 세종대로 209에 산다. hong@example.com"


def of(key: str) -> dict:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, dict[str, str]]]:
    house = House(tmp_path_factory.mktemp("previews") / "data")
    house.corpus("records")
    house.dure("tenant", "create", "other")
    keys = {
        "chief": house.key("chief", "--administrator"),
        "app": house.key("app"),
        "stranger": house.key("stranger", "--administrator", "--tenant", "other"),
    }
    with house.up(log="debug") as server:
        yield house, server, keys


def explain(server: Server, key: str, question) -> dict:
    answer = server.request("POST", "/api/v1/policies/explain", question, of(key))
    assert answer.status == 200, answer.body
    return answer.json()


def mask(server: Server, key: str, text: str, *names: str):
    body = json.dumps({"text": text, **({"mask": names} if names else {})}, ensure_ascii=False).encode()
    return server.request("POST", "/api/v1/mask", body, of(key))


def abroad(**text) -> dict:
    return {
        "who": {"kind": "person"},
        "act": {"send": {"name": "far", "country": "US", "owner": "acme"}},
        "text": {"class": "open", **text},
    }


# --- policies ----------------------------------------------------------------------------------------------------------


def test_a_question_gets_the_answer_that_the_command_gives(asked, tmp_path) -> None:
    house, server, keys = asked
    for question in (abroad(), abroad(**{"class": "sensitive"}), {"who": {"kind": "agent"}, "act": {"search": {}}}):
        told = explain(server, keys["chief"], question)
        file = tmp_path / "question.json"
        file.write_text(json.dumps(question))
        command = house.json("policy", "explain", file)
        # The server knows whose house it is; the command asks for nobody's in particular.
        for answer in (told, command):
            answer.pop("question")
        assert told == command
    told = explain(server, keys["chief"], abroad())
    assert told["permitted"] and told["obligations"]["mask"] == ["general", "kr"]
    assert [voice["id"] for voice in told["decided"]] == ["send-open-text-abroad"]
    assert told["decided"][0]["file"] == "20-send.cedar" and told["decided"][0]["line"] > 0
    refused = explain(server, keys["chief"], abroad(**{"class": "sensitive"}))
    assert not refused["permitted"] and refused["reason_en"] and refused["reason_ko"] != refused["reason_en"]


def test_the_asker_is_of_ones_own_tenant_where_nothing_is_said(asked) -> None:
    house, server, keys = asked
    question = {"who": {"kind": "person"}, "act": {"search": {}}}
    tenants = {explain(server, keys[name], question)["question"]["who"]["tenant"] for name in ("chief", "stranger")}
    assert len(tenants) == 2 and None not in tenants
    home = next(row["tenant"] for row in [explain(server, keys["chief"], question)["question"]["who"]])
    elsewhere = {"who": {"kind": "person", "tenant": home}, "act": {"search": {"tenant": next(iter(tenants - {home}))}}}
    told = explain(server, keys["chief"], elsewhere)
    assert not told["permitted"] and told["by_built_in_rule"]


def test_what_is_asked_before_is_no_permit_and_leaves_no_entry(asked) -> None:
    _, server, keys = asked
    before = server.request("GET", "/api/v1/ledger", headers=of(keys["app"])).json()["size"]
    explain(server, keys["chief"], abroad())
    assert mask(server, keys["app"], TEXT).status == 200
    assert server.request("GET", "/api/v1/ledger", headers=of(keys["app"])).json()["size"] == before


def test_ordinary_keys_do_not_ask_the_policies_and_read_none(asked) -> None:
    _, server, keys = asked
    for method, path, body in (
        ("POST", "/api/v1/policies/explain", abroad()),
        ("GET", "/api/v1/policies/files/20-send.cedar", None),
        ("GET", "/api/v1/policies", None),
    ):
        assert server.request(method, path, body, of(keys["app"])).status == 403
        assert server.request(method, path, body).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{}",
        b'{"who": {"kind": "person"}}',
        b'{"who": null, "act": {"search": {}}}',
        b'{"who": {"kind": "somebody"}, "act": {"search": {}}}',
        b'{"who": {"kind": "person"}, "act": {"steal": {}}}',
        b'{"who": {"kind": "person"}, "act": {"search": {}, "send": {"name": "a"}}}',
        b'{"who": {"kind": "person"}, "act": {"search": {}}, "more": 1}',
        b'{"who": {"kind": "person", "tenant": "tenant_1"}, "act": {"search": {}}}',
        b'{"who": {"kind": "person"}, "act": {"send": {"name": "a", "country": "kr"}}}',
        b'{"who": {"kind": "person"}, "act": {"search": {}}, "home": 5}',
        b'{"who": {"kind": "person"}, "act": {"search": {}}, "purpose": "DROP TABLE"}',
        b'{"who":' + b"[" * 5_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_question_is_refused(asked, body: bytes) -> None:
    _, server, keys = asked
    answer = server.request("POST", "/api/v1/policies/explain", body, of(keys["chief"]))
    assert answer.status == 400, (body[:60], answer.status, answer.body)
    assert len(answer.body) < 1_000 and server.healthy()


def test_a_huge_question_is_refused_and_a_large_one_answered(asked) -> None:
    _, server, keys = asked
    groups = [f"group_{number:032x}" for number in range(1, 1_002)]
    question = abroad()
    question["who"]["groups"] = groups[:1_000]
    assert explain(server, keys["chief"], question)["permitted"]
    question["who"]["groups"] = groups
    answer = server.request("POST", "/api/v1/policies/explain", question, of(keys["chief"]))
    assert answer.status == 400 and answer.json()["error"]["param"] == "who.groups"
    question["route"] = "x" * (300 << 10)
    assert server.request("POST", "/api/v1/policies/explain", question, of(keys["chief"])).status == 413


def test_policy_files_are_shown_as_they_were_read_and_no_other_file_is(asked) -> None:
    house, server, keys = asked
    names = server.request("GET", "/api/v1/policies", headers=of(keys["chief"])).json()["files"]
    assert names == ["10-search.cedar", "20-send.cedar", "30-export.cedar", "40-tools.cedar", "50-declassify.cedar", "cases.toml"]
    starting = house.data.parent / "starting"
    house.dure("policy", "init", starting)
    for name in names:
        shown = server.request("GET", f"/api/v1/policies/files/{name}", headers=of(keys["chief"])).json()
        assert shown == {"name": name, "text": (starting / name).read_text()}
    for name in ("dure.db", "..%2Fdure.db", "%2e%2e%2fledger.key", "ledger.key", "20-send", "20-SEND.cedar", "%00"):
        assert server.request("GET", f"/api/v1/policies/files/{name}", headers=of(keys["chief"])).status == 404, name


def test_files_are_of_the_version_that_counts_not_of_a_folder_that_is_broken(house: House) -> None:
    house.dure("policy", "init")
    key = house.key("chief", "--administrator")
    folder = house.data / "policy"
    sound = (folder / "20-send.cedar").read_text()
    with house.up() as server:
        (folder / "20-send.cedar").write_text("permit (principal", encoding="utf-8")
        until = time.monotonic() + 20
        while not server.request("GET", "/api/v1/policies", headers=of(key)).json()["problems"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        shown = server.request("GET", "/api/v1/policies/files/20-send.cedar", headers=of(key)).json()
        assert shown["text"] == sound


# --- masking -----------------------------------------------------------------------------------------------------------


def test_a_preview_is_what_the_command_shows(asked, tmp_path) -> None:
    house, server, keys = asked
    file = tmp_path / "text.txt"
    file.write_text(TEXT, encoding="utf-8")
    for names, options in (((), ()), (("kr",), ("--pack", "kr")), (("phone", "email"), ("--kinds", "phone", "--kinds", "email"))):
        answer = mask(server, keys["app"], TEXT, *names)
        assert answer.status == 200, answer.body
        preview, command = answer.json(), house.json("mask", *options, file)
        assert preview["text"] == command["text"]
        for one, other in zip(preview["findings"], command["findings"], strict=True):
            assert one["confidence"] == pytest.approx(other.pop("confidence"))
            one.pop("confidence")
            assert one == other
    source = TEXT.encode()
    found = {one["kind"]: source[one["span"]["start"] : one["span"]["end"]].decode() for one in mask(server, keys["app"], TEXT).json()["findings"]}
    assert found["phone"] == "010-1234-5678" and found["rrn"] == "900101-1234568" and found["email"] == "hong@example.com"


def test_the_kinds_are_told_to_every_key(asked) -> None:
    _, server, keys = asked
    kinds = server.request("GET", "/api/v1/mask", headers=of(keys["app"])).json()["data"]
    assert {kind["pack"] for kind in kinds} == {"kr", "general"}
    assert {"kind": "phone", "label": "전화", "pack": "kr", "default": True} in kinds
    assert any(not kind["default"] for kind in kinds)


def test_the_text_of_a_preview_is_in_no_log_and_in_no_file(asked) -> None:
    house, server, keys = asked
    secret = "비밀이름-" + hashlib.sha256(b"preview").hexdigest()
    assert mask(server, keys["app"], f"담당자 홍길동 {secret} 010-9876-5432").status == 200
    assert mask(server, keys["app"], secret, "martian").status == 400
    # A key by which others' answers are kept keeps none of these.
    body = {"text": secret}
    assert server.request("POST", "/api/v1/mask", body, {**of(keys["app"]), "Idempotency-Key": "one"}).status == 200
    time.sleep(1.2)
    for place in [server.log, *(path for path in house.data.rglob("*") if path.is_file())]:
        raw = place.read_bytes()
        assert secret.encode() not in raw and b"010-9876-5432" not in raw, place


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"text": 5}', b'{"text": null}', b'{"text": "a", "mask": "kr"}', b'{"text": "a", "mask": [1]}', b'{"text": "\xff"}', b'{"text": "\\ud800"}'],
)
def test_what_is_no_text_is_refused(asked, body: bytes) -> None:
    _, server, keys = asked
    answer = server.request("POST", "/api/v1/mask", body, of(keys["app"]))
    assert answer.status == 400, (body, answer.status, answer.body)


def test_unknown_kinds_and_too_many_of_them_are_refused(asked) -> None:
    _, server, keys = asked
    for names in (["martian"], ["kr", ""], ["../packs"], ["x" * 65], [f"kind{number}" for number in range(65)]):
        answer = mask(server, keys["app"], "안녕", *names)
        assert answer.status == 400 and answer.json()["error"]["param"] == "mask", names
        assert len(answer.body) < 400


def test_large_and_strange_texts_are_masked_and_huge_ones_refused(asked) -> None:
    _, server, keys = asked
    for text in ("", "\0", "가" * 80_000, "010-1234-5678 " * 9_000, "[이름-1]" * 10, "0" * 200_000, "\u202e홍길동님", "<" * 100_000):
        answer = mask(server, keys["app"], text)
        assert answer.status == 200, (text[:20], answer.status, answer.body[:200])
        assert "010-1234" not in answer.json()["text"]
    many = "".join(f"a{number}@example.com " for number in range(10_500))
    answer = mask(server, keys["app"], many)
    assert answer.status == 400 and answer.json()["error"]["param"] == "text", answer.body[:200]
    assert mask(server, keys["app"], "가" * 100_000).status == 413
    assert server.healthy()


def test_many_at_once_are_answered_or_told_to_come_again(asked) -> None:
    _, server, keys = asked
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: mask(server, keys["app"], TEXT * 50), range(48)))
    assert {answer.status for answer in answers} <= {200, 429}
    assert any(answer.status == 200 for answer in answers)
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 429)
    assert mask(server, keys["app"], TEXT).status == 200
