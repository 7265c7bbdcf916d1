"""Approvals: what a policy lets happen once somebody else has said yes; who may say it, and for how long it counts."""

import json
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from house import House, Server, eventually
from test_leaks import Abroad, chat
from test_receipts import listed, of
from test_upstream import configured, table

POLICY = """
@id("abroad-with-approval")
@approval("data-protection")
permit (principal, action == Action::"send", resource)
when { resource.country == Country::"US" };

@id("abroad-twice")
@approval("security")
permit (principal, action == Action::"send", resource)
when { resource.country == Country::"US" && context.text.class == Class::"sensitive" };

@id("home")
permit (principal, action == Action::"send", resource)
when { resource.country == Country::"KR" };

@id("search")
permit (principal, action == Action::"search", resource);
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, dict, Abroad]]:
    abroad = Abroad()
    house = House(tmp_path_factory.mktemp("approvals") / "data")
    configured(
        house,
        table("far", abroad.address, "m", country="US", class_max="sensitive", owner="acme"),
        table("near", abroad.address, "m", owner="house"),
    )
    policies = house.data / "policy"
    policies.mkdir()
    (policies / "own.cedar").write_text(POLICY, encoding="utf-8")
    for group in ("data-protection", "security", "press"):
        house.dure("group", "create", group)
    keys = {}
    for name, groups, more in [
        ("kim", ["press"], []),
        ("lee", ["data-protection"], []),
        ("park", ["data-protection", "security"], ["--read-class", "sensitive"]),
        ("choi", ["security"], ["--read-class", "sensitive"]),
        ("jung", [], []),
    ]:
        house.dure("person", "create", name, *[word for group in groups for word in ("--group", group)])
        keys[name] = house.key(name, "--person", name, *more)
    keys["secret"] = house.key("secret", "--person", "kim", "--input-class", "sensitive")
    keys["program"] = house.key("program", "--group", "data-protection")
    keys["chief"] = house.key("chief", "--administrator")
    house.dure("tenant", "create", "other")
    keys["elsewhere"] = json.loads(house.dure("--tenant", "other", "key", "create", "x", "--administrator", "--json"))["key"]
    try:
        with house.up() as server:
            yield house, server, keys, abroad
    finally:
        abroad.shutdown()
        abroad.server_close()


def waiting(server: Server, key: str, state: str = "") -> list[dict]:
    answer = server.request("GET", f"/api/v1/approvals?limit=1000{state}", headers=of(key))
    assert answer.status == 200, answer.body
    return answer.json()["data"]


def say(server: Server, key: str, request: str, answer: str = "approve", **more):
    body = {"answer": answer, "reason": "살펴보았습니다", **more}
    return server.request("POST", f"/api/v1/approvals/{request}", body, of(key))


def needed(server: Server, key: str, model: str = "far") -> str:
    """Asks for what needs an approval, and gives back the request's id."""
    refused = chat(server, key, model, "안녕하세요")
    assert refused.status == 403, refused.body
    error = refused.json()["error"]
    assert error["code"] == "approval_needed" and "승인" in error["message"], error
    return refused.headers["x-dure-approval"]


def test_what_needs_an_approval_goes_after_it_and_not_before(office) -> None:
    _, server, keys, abroad = office
    before = len(abroad.seen)
    request = needed(server, keys["kim"])
    assert needed(server, keys["kim"]) == request, "the same question is filed once"
    assert len(abroad.seen) == before
    receipt = listed(server, keys["kim"], "&kind=receipt")[0]
    assert (receipt["how"], receipt["why"]) == ("refused", "approval") and "abroad-with-approval" in receipt["decided_by"]
    [own] = [one for one in waiting(server, keys["kim"]) if one["id"] == request]
    assert own["state"] == "open" and own["yours_to_answer"] is False and own["groups"] == ["data-protection"]
    assert "안녕" not in json.dumps(own, ensure_ascii=False)
    [theirs] = [one for one in waiting(server, keys["lee"]) if one["id"] == request]
    assert theirs["yours_to_answer"] is True
    approved = say(server, keys["lee"], request, days=2)
    assert approved.status == 200 and approved.json()["state"] == "approved", approved.body
    assert chat(server, keys["kim"], "far", "안녕하세요").status == 200
    assert len(abroad.seen) == before + 1
    # Good for who asked, and for nobody else.
    assert needed(server, keys["jung"]) != request
    act = next(one for one in listed(server, keys["chief"], "&kind=act") if one["action"] == "POST /api/v1/approvals/{id}")
    assert act["on"] == [request] and act["status"] == 200


def test_only_the_right_people_answer(office) -> None:
    _, server, keys, _ = office
    request = needed(server, keys["jung"])
    assert say(server, keys["jung"], request).status == 403, "nobody approves what is their own"
    assert say(server, keys["choi"], request).status == 404, "another group does not even see it"
    assert say(server, keys["kim"], request).status == 404
    assert say(server, keys["elsewhere"], request).status == 404
    chief = say(server, keys["chief"], request)
    assert chief.status == 403 and b"person" in chief.body, "an administrator's program is nobody of the group"
    program = say(server, keys["program"], request)
    assert program.status == 403 and b"only a person" in program.body, program.body
    assert server.request("GET", f"/api/v1/approvals/{request}", headers=of(keys["elsewhere"])).status == 404
    assert request not in [one["id"] for one in waiting(server, keys["choi"])]
    assert waiting(server, keys["elsewhere"]) == []
    assert request in [one["id"] for one in waiting(server, keys["chief"])]


def test_every_group_that_is_named_must_approve(office) -> None:
    _, server, keys, abroad = office
    request = needed(server, keys["secret"])
    [open_one] = [one for one in waiting(server, keys["park"], "&state=open") if one["id"] == request]
    assert open_one["groups"] == ["data-protection", "security"]
    # One who may not read the class cannot approve it.
    assert say(server, keys["lee"], request).status == 403
    first = say(server, keys["choi"], request)
    assert first.status == 200 and first.json()["state"] == "open"
    assert chat(server, keys["secret"], "far", "안녕").status == 403
    # One person of both groups completes it.
    second = say(server, keys["park"], request)
    assert second.json()["state"] == "approved", second.body
    assert chat(server, keys["secret"], "far", "안녕").status == 200


def test_a_no_is_a_no_until_it_is_asked_again(office) -> None:
    _, server, keys, abroad = office
    # The program's own questions are approved by people.
    request = needed(server, keys["program"])
    declined = say(server, keys["lee"], request, "decline")
    assert declined.status == 200 and declined.json()["state"] == "declined"
    assert declined.json()["declined"]["reason"] == "살펴보았습니다"
    assert say(server, keys["lee"], request).status == 409
    again = needed(server, keys["program"])
    assert again != request
    assert say(server, keys["lee"], again).status == 200
    assert chat(server, keys["program"], "far", "안녕").status == 200


def test_a_model_that_needs_no_approval_stands_in(office) -> None:
    house, server, keys, abroad = office
    body = {"name": "either", "models": {"list": [{"model": "far"}, {"model": "near"}]}}
    assert server.request("POST", "/api/v1/routes", body, of(keys["chief"])).status == 200
    answer = chat(server, keys["chief"], "either", "안녕")
    assert answer.status == 200, answer.body
    told = server.request("GET", f"/api/v1/receipts/{answer.headers['x-dure-receipt']}", headers=of(keys["chief"])).json()
    assert told["engine"]["name"] == "near"
    assert [(one["engine"]["name"], one["sent"], one["why"]) for one in told["passed_over"]] == [("far", False, "approval")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"answer": "approve"},
        {"answer": "yes", "reason": "x"},
        {"answer": "approve", "reason": ""},
        {"answer": "approve", "reason": "   "},
        {"answer": "approve", "reason": "가" * 501},
        {"answer": "approve", "reason": "x", "days": 0},
        {"answer": "approve", "reason": "x", "days": 31},
        {"answer": "approve", "reason": "x", "days": -1},
        {"answer": "approve", "reason": "x", "until": "2099-01-01"},
        {"answer": "decline", "reason": ""},
    ],
)
def test_what_is_no_answer_is_refused(office, body: dict) -> None:
    _, server, keys, _ = office
    request = needed(server, keys["jung"])
    refused = server.request("POST", f"/api/v1/approvals/{request}", body, of(keys["lee"]))
    assert refused.status in (400, 403, 422), refused.body
    assert [one["state"] for one in waiting(server, keys["jung"]) if one["id"] == request] == ["open"]


@pytest.mark.parametrize("name", ["x", "approval_", "receipt_01a22b70d1d274d3beb37e91d39991e6", "approval_" + "0" * 32, "a" * 5000])
def test_what_is_no_request_is_not_found(office, name: str) -> None:
    _, server, keys, _ = office
    assert say(server, keys["lee"], name).status in (400, 404)


def test_approvals_are_known_after_a_restart_and_end_with_their_policy(tmp_path) -> None:
    abroad = Abroad()
    try:
        house = House(tmp_path / "data")
        configured(house, table("far", abroad.address, "m", country="US", owner="acme"))
        (house.data / "policy").mkdir()
        policy = house.data / "policy" / "own.cedar"
        policy.write_text(POLICY, encoding="utf-8")
        house.dure("group", "create", "data-protection")
        house.dure("person", "create", "kim")
        house.dure("person", "create", "lee", "--group", "data-protection")
        kim, lee = house.key("kim", "--person", "kim"), house.key("lee", "--person", "lee")
        with house.up() as server:
            request = needed(server, kim)
        # The command line, as the person whose key it is; without a key it is the operator, who is no person.
        assert "only a person" in house.refuses("approval", "approve", request, "--reason", "ok")
        environment = {**house.environment, "DURE_KEY": lee}
        approve = [*house.command("approval", "approve", request, "--reason", "살펴봄")]
        done = subprocess.run(approve, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "approved" in done.stdout, done
        table_of = house.dure("approval", "list")
        assert request in table_of and "send to far (US)" in table_of and "approved" in table_of
        assert "살펴봄" in house.dure("approval", "show", request)
        with house.up() as server:
            assert chat(server, kim, "far", "안녕").status == 200
        policy.write_text(POLICY.replace('@approval("data-protection")', '@approval("security")'), encoding="utf-8")
        with house.up() as server:
            assert needed(server, kim) != request, "another group is asked now"
    finally:
        abroad.shutdown()
        abroad.server_close()


# --- lowering a class --------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(house: House, tmp_path) -> tuple[House, dict]:
    """An open corpus with one document that was added as sensitive, and people for it."""
    source = tmp_path / "records"
    source.mkdir()
    (source / "회의록.md").write_text("# 회의록\n\n배수지 점검은 매월 셋째 주 화요일에 한다.\n", encoding="utf-8")
    house.corpus("records")
    house.dure("corpus", "add", "records", source, "--class", "sensitive")
    house.dure("group", "create", "data-protection")
    keys = {}
    for name, groups in [("kim", []), ("lee", ["--group", "data-protection"])]:
        house.dure("person", "create", name, *groups)
        keys[name] = house.key(name, "--person", name, "--read-class", "sensitive")
    keys["reader"] = house.key("reader")
    keys["program"] = house.key("program", "--read-class", "sensitive")
    return house, keys


def lower(server: Server, key: str, to: str = "open", reason: str = "공보에 실렸음", document: str = "회의록.md", corpus: str = "records"):
    path = f"/api/v1/corpora/{corpus}/document/class?document={quote(document)}"
    return server.request("POST", path, {"to": to, "reason": reason}, of(key))


def found(server: Server, key: str) -> list[dict]:
    answer = server.request("POST", "/api/v1/corpora/records/search", {"question": "배수지 점검은 언제 하나요?"}, of(key))
    assert answer.status == 200, answer.body
    return answer.json()["hits"]


def test_a_class_is_lowered_by_two_people_and_found_by_those_who_may_then(archive) -> None:
    house, keys = archive
    with house.up() as server:
        assert found(server, keys["reader"]) == [] and len(found(server, keys["kim"])) == 1
        refused = lower(server, keys["kim"])
        assert refused.status == 403 and refused.json()["error"]["code"] == "approval_needed", refused.body
        request = refused.headers["x-dure-approval"]
        [waits] = [one for one in waiting(server, keys["lee"], "&state=open") if one["id"] == request]
        assert waits["question"]["act"]["declassify"]["reason"] == "공보에 실렸음" and waits["yours_to_answer"]
        assert waits["about"] == {"corpus": "records", "path": "회의록.md"} and list(waits["names"].values()) == ["kim"]
        assert say(server, keys["kim"], request).status == 403
        assert say(server, keys["lee"], request).status == 200
        assert found(server, keys["reader"]) == [], "an approval alone changes nothing"
        # Only what was approved: not for another reason, and not by another person.
        assert lower(server, keys["kim"], reason="그냥").status == 403
        lowered = lower(server, keys["kim"])
        assert lowered.status == 200 and lowered.json()["class"] == "open", lowered.body
        [hit] = eventually(lambda: found(server, keys["reader"]))
        assert hit["class"] == "open"
        assert len(found(server, keys["kim"])) == 1, "it is there once"
        shown = server.request("GET", "/api/v1/corpora/records/document?document=%ED%9A%8C%EC%9D%98%EB%A1%9D.md", headers=of(keys["reader"]))
        assert shown.status == 200 and "셋째 주 화요일" in shown.json()["text"] and shown.json()["passages"]
        assert lower(server, keys["kim"]).status == 400, "it is open already"
    # Adding the same record as sensitive again raises it again; nothing else does.
    assert house.dure("check")


def test_a_class_is_lowered_by_nobody_else(archive) -> None:
    house, keys = archive
    house.dure("corpus", "create", "inside", "--class", "sensitive", "--purpose", "answering")
    with house.up() as server:
        assert lower(server, keys["reader"]).status == 404, "what one may not read is not there"
        assert lower(server, keys["program"]).status == 403 and b"\xec\x82\xac\xeb\x9e\x8c" in lower(server, keys["program"]).body
        for body in ({}, {"to": "open"}, {"to": "secret", "reason": "x"}, {"to": "open", "reason": "x", "until": "2099-01-01T00:00:00Z"}):
            refused = server.request("POST", "/api/v1/corpora/records/document/class?document=x", body, of(keys["kim"]))
            assert refused.status in (400, 422), (body, refused.body)
        assert lower(server, keys["kim"], reason="").status == 400
        assert lower(server, keys["kim"], to="sensitive").status == 400
        assert lower(server, keys["kim"], to="classified").status == 400
        assert lower(server, keys["kim"], document="없음.md").status == 404
        assert lower(server, keys["kim"], corpus="nowhere").status == 404
        assert found(server, keys["reader"]) == []
