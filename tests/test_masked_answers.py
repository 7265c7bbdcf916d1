"""Personal data in an answer are hidden where the policies say so: by every door, streamed or whole, beside the answer as in
it. And packs of the house's own, by which it is found."""

import json
from collections.abc import Iterator

import pytest
from house import REPOSITORY, House, Server
from obedient import PLAIN, QUESTION, ROUTED, Obedient, events, model, post  # noqa: F401
from test_receipts import of, receipt
from test_upstream import configured, table

MINE, THEIRS = "010-1234-5678", "010-9876-5432"
NAME, MAIL = "김도현", "clerk@city.example"
SAID = f"담당자는 {NAME} 과장이고 전화는 {THEIRS}, 메일은 {MAIL}이다. 전화를 받은 {NAME} 과장은 친절하다."
PACK = """name = "city"
title = "우리 시"

[[kind]]
name = "badge"
label = "증표"

[[kind.rule]]
shape = "text"
digits_min = 4
triggers = ["증표"]
patterns = ['증표 ?(?P<v>[A-Z]{2}-[0-9]{4})']
"""


def with_policies(house: House, **changes: str) -> None:
    """The starting policies, with these annotations put before what is permitted by default."""
    folder = house.data / "policy"
    folder.mkdir(exist_ok=True)
    for file in (REPOSITORY / "crates/guard/policies").glob("*.cedar"):
        text = file.read_text(encoding="utf-8")
        for action, annotation in changes.items():
            if file.name.endswith(f"-{action}.cedar"):
                text = text.replace('@contain("records")', f'@contain("records")\n{annotation}')
        (folder / file.name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, model: Obedient) -> Iterator[tuple[House, Server, str, Obedient]]:
    house = House(tmp_path_factory.mktemp("hidden") / "data")
    configured(house, table("obedient", model.address, "m", tools=True))
    source = house.data.parent / "source"
    source.mkdir()
    (source / f"{NAME} 과장 교체비.md").write_text(
        f"# 교체비 담당자: {NAME} 과장\n\n동파된 계량기의 교체비는 4만2천원이다. 교체비 담당자: {NAME} 과장, 전화 {THEIRS}. 증표 AB-1234.\n",
        encoding="utf-8",
    )
    (house.data / "packs" / "city").mkdir(parents=True)
    (house.data / "packs" / "city" / "pack.toml").write_text(PACK, encoding="utf-8")
    with_policies(house, send='@mask_answer("kr,general,city")', search='@mask_answer("kr,general,city")')
    house.corpus("records")
    house.dure("corpus", "add", "records", source)
    for mode in ("generated", "extractive"):
        house.dure("route", "create", mode, "--model", "obedient", "--corpus", "records", "--mode", mode)
    key = house.key("window")
    with house.up() as server:
        yield house, server, key, model


def hidden(text: str) -> None:
    assert THEIRS not in text and NAME not in text and MAIL not in text, text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("door", PLAIN)
def test_what_a_model_says_of_others_is_hidden(city, door: str, stream: bool) -> None:
    _, server, key, model = city
    model.answer = SAID
    text, name = PLAIN[door](server, key, "obedient", stream)
    hidden(text)
    assert text == (
        "담당자는 [이름-1] 과장이고 전화는 [전화-1], 메일은 [이메일-1]이다. 전화를 받은 [이름-1] 과장은 친절하다."
    )
    found = receipt(server, key, name)
    assert found["masked_answer"] == {"email": 1, "name": 2, "phone": 1}, found
    assert found["obligations"]["mask_answer"] == ["city", "general", "kr"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("door", ROUTED)
@pytest.mark.parametrize("mode", ["generated", "extractive"])
def test_what_stands_beside_an_answer_from_records_is_hidden_too(city, mode: str, door: str, stream: bool) -> None:
    _, server, key, model = city
    model.answer = f"동파된 계량기의 교체비는 4만2천원이다 [1]. 교체비 담당자: {NAME} 과장, 전화 {THEIRS} [1]."
    text, name = ROUTED[door](server, key, mode, stream)
    assert "4만2천원" in text, text
    hidden(text)
    assert receipt(server, key, name)["masked_answer"].get("name", 0) >= 1


def test_quotes_excerpts_titles_and_paths_are_hidden_and_marks_go_along(city) -> None:
    _, server, key, model = city
    model.answer = f"전화 {THEIRS}의 {NAME} 과장에 따르면 동파된 계량기의 교체비는 4만2천원이다 [1]. 달은 {MAIL} 치즈다."
    body = {"question": QUESTION, "mode": "both", "model": "obedient"}
    answer = post(server, key, "/api/v1/corpora/records/answers", body)
    hidden(answer.body.decode())
    assert "AB-1234" not in answer.body.decode(), "a pack of the house's own is looked for, too"
    got = answer.json()
    assert got["sources"] and "[이름-" in got["sources"][0]["title"] + got["sources"][0]["path"], got["sources"]
    assert got["extract"] or got["citations"], got
    for citation in got["citations"]:
        mark = got["text"][citation["mark"]["start"] : citation["mark"]["end"]]
        assert mark == f"[{citation['number']}]", (mark, got["text"])
    for unsupported in got["done"]["unsupported"]:
        assert 0 <= unsupported["span"]["start"] < unsupported["span"]["end"] <= len(got["text"]), got


def test_who_asks_sees_what_he_wrote_himself(city) -> None:
    _, server, key, model = city
    model.answer = f"번호 {MINE}로 전화했고 {THEIRS}로는 하지 않았다."
    turns = [
        {"role": "user", "content": f"내 번호는 {MINE}이다"},
        {"role": "assistant", "content": f"담당자 번호는 {THEIRS}이다"},
        {"role": "user", "content": "어디로 전화했니?"},
    ]
    for stream in (False, True):
        got = post(server, key, "/v1/chat/completions", {"model": "obedient", "messages": turns, "stream": stream})
        text = got.body.decode()
        if stream:
            text = "".join(choice["delta"].get("content") or "" for event in events(got) for choice in event["choices"])
        assert MINE in text and THEIRS not in text, text


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_tool_is_called_with_is_hidden_and_stays_json(city, stream: bool) -> None:
    _, server, key, model = city
    arguments = json.dumps({"to": MAIL, "text": f"{NAME} 과장님께 {THEIRS}"}, ensure_ascii=False)
    model.answer = ""
    model.calls = [{"id": "call_1", "type": "function", "function": {"name": "write", "arguments": arguments}}]
    tools = [{"type": "function", "function": {"name": "write", "parameters": {"type": "object"}}}]
    body = {"model": "obedient", "messages": [{"role": "user", "content": "써 줘"}], "tools": tools, "stream": stream}
    try:
        got = post(server, key, "/v1/chat/completions", body)
    finally:
        model.calls = []
    if stream:
        deltas = [choice["delta"] for event in events(got) for choice in event.get("choices", [])]
        sent = "".join(part["function"].get("arguments") or "" for delta in deltas for part in delta.get("tool_calls") or [])
    else:
        sent = got.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    hidden(sent)
    assert set(json.loads(sent)) == {"to", "text"}, sent


def test_tokens_do_not_spell_out_what_is_hidden(city) -> None:
    _, server, key, model = city
    model.answer = SAID
    messages = [{"role": "user", "content": QUESTION}]
    got = post(server, key, "/v1/chat/completions", {"model": "fake", "messages": messages, "logprobs": True})
    assert not (got.json()["choices"][0].get("logprobs") or {}).get("content"), got.body


def test_what_is_kept_of_a_conversation_is_hidden(city) -> None:
    _, server, key, model = city
    made = server.request("POST", "/api/v1/conversations", {}, of(key)).json()
    model.answer = SAID
    turn = {"dure": {"conversation": made["id"]}, "messages": [{"role": "user", "content": "담당자는?"}]}
    post(server, key, "/v1/chat/completions", {"model": "obedient", **turn})
    kept = server.request("GET", f"/api/v1/conversations/{made['id']}", headers=of(key))
    assert "[이름-1]" in kept.body.decode()
    hidden(kept.body.decode())


def test_records_themselves_are_shown_to_those_who_may_read_them(city) -> None:
    _, server, key, _ = city
    found = post(server, key, "/api/v1/corpora/records/search", {"question": "교체비 담당자"})
    assert THEIRS in found.body.decode()


def test_a_house_without_the_policy_hides_nothing(tmp_path, model: Obedient) -> None:
    house = House(tmp_path / "data")
    configured(house, table("obedient", model.address, "m"))
    key = house.key("app")
    model.answer = SAID
    with house.up() as server:
        text, name = PLAIN["chat"](server, key, "obedient", True)
        assert text == SAID
        assert "masked_answer" not in receipt(server, key, name)
        # Where nothing is hidden, this engine does tell its tokens.
        messages = [{"role": "user", "content": QUESTION}]
        told = post(server, key, "/v1/chat/completions", {"model": "fake", "messages": messages, "logprobs": True})
        assert told.json()["choices"][0]["logprobs"]["content"], told.body


# --- packs and names -----------------------------------------------------------------------------------------------------


def test_a_name_that_is_in_no_pack_keeps_the_policies_from_being_taken(tmp_path) -> None:
    house = House(tmp_path / "data")
    house.dure("policy", "init")
    file = house.data / "policy" / "20-send.cedar"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('@mask("kr,general")', '@mask("kr,martian")'), encoding="utf-8")
    assert "martian" in house.run("policy", "check").stdout
    assert "martian" in house.refuses("up", "--listen", "127.0.0.1:0")
    pack = house.data / "packs" / "martian"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text(PACK.replace('"city"', '"martian"'), encoding="utf-8")
    (house.data / "policy" / "cases.toml").unlink()
    house.dure("policy", "test")
    assert "[증표-1]" in house.dure("mask", "-", input="증표 AB-1234")


@pytest.mark.parametrize(
    ("broken", "told"),
    [("name = 1", "pack"), (PACK.replace("증표 ?(", "증표 ?(("), "badge"), ("\udcff", "pack.toml")],
)
def test_a_pack_with_a_mistake_is_named_and_nothing_starts(tmp_path, broken: str, told: str) -> None:
    house = House(tmp_path / "data")
    house.key("app")
    pack = house.data / "packs" / "city"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_bytes(broken.encode("utf-8", "surrogateescape"))
    for command in (["up", "--listen", "127.0.0.1:0"], ["mask", "-"]):
        assert told in house.refuses(*command, input="x" if command[0] == "mask" else None)
