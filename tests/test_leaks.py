"""Nothing leaves unseen: what goes to a model abroad is masked, what may not go does not, and what came back is whole again.

The upstream keeps every byte that reaches it, and says again what it was told, in pieces.
"""

import json
import os
import random
from collections.abc import Iterator

import openai
import pytest
from house import House, Server, eventually
from obedient import Streams, Upstream
from test_receipts import listed, of, receipt
from test_upstream import configured, table

CASES = int(os.environ.get("DURE_LEAK_CASES", "400"))

# Each with what must not be in anything that leaves.
PERSONAL = [
    ("담당자 홍길동 과장에게 010-1234-5678로 연락 바랍니다.", ["홍길동", "1234-5678"]),
    ("주민등록번호 900101-1234567 확인", ["900101", "1234567"]),
    ("메일은 minji.kim@haesol.example 입니다", ["minji.kim", "haesol.example"]),
    ("카드 4111 1111 1111 1111 로 결제", ["4111 1111"]),
    ("전화 ０１０－９８７６－５４３２", ["９８７６", "9876"]),
    ("접속 주소 203.0.113.77, 키 sk-abcdefghijklmnopqrstuvwxyz012345", ["203.0.113.77", "sk-abcdef"]),
    ("연락처는 공일공 이삼사오 육칠팔구", ["이삼사오"]),
]


class Abroad(Upstream):
    """Keeps what it is sent, and says it again."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(Handler)


class Handler(Streams):
    def do_POST(self) -> None:
        body = self.asked()
        self.server.seen.append(str(self.headers) + body)
        asked = json.loads(body)
        said = asked["messages"][-1]["content"]
        tools = asked.get("tools")
        self.begin()
        pieces = [said[at : at + 3] for at in range(0, len(said), 3)]
        if tools:
            head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": ""}}
            deltas = [{"tool_calls": [head]}]
            arguments = json.dumps({"text": said}, ensure_ascii=False)
            for at in range(0, len(arguments), 3):
                deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 3]}}]})
        else:
            deltas = [{"content": piece} for piece in pieces]
        for delta in deltas:
            self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        finish = "tool_calls" if tools else "stop"
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        self.end()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, dict, Abroad]]:
    abroad = Abroad()
    house = House(tmp_path_factory.mktemp("leaks") / "data")
    configured(
        house,
        table("far", abroad.address, "m", country="US", class_max="open", owner="acme"),
        table("near", abroad.address, "m", owner="cloud"),
    )
    source = tmp_path_factory.mktemp("source")
    (source / "민원.md").write_text("# 민원\n\n민원인 김영수의 전화번호는 010-5555-7777이다.\n", encoding="utf-8")
    house.corpus("open", "--residency", "anywhere")
    house.dure("corpus", "add", "open", source)
    house.dure("corpus", "create", "secret", "--class", "sensitive", "--residency", "anywhere", "--purpose", "answering")
    house.dure("corpus", "add", "secret", source)
    house.dure("route", "create", "far-open", "--model", "far", "--corpus", "open", "--mode", "generated")
    house.dure("route", "create", "far-secret", "--model", "far", "--corpus", "secret", "--mode", "generated")
    keys = {
        "open": house.key("open", "--read-class", "sensitive"),
        "chief": house.key("chief", "--administrator", "--read-class", "sensitive"),
        "sensitive": house.key("sensitive", "--input-class", "sensitive", "--read-class", "sensitive"),
    }
    try:
        with house.up() as server:
            yield house, server, keys, abroad
    finally:
        abroad.shutdown()
        abroad.server_close()


def chat(server: Server, key: str, model: str, text: str, **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return server.request("POST", "/v1/chat/completions", body, of(key))


def said(answer) -> str:
    """The text of an answer, whole or streamed."""
    if "event-stream" not in answer.headers["content-type"]:
        return answer.json()["choices"][0]["message"]["content"] or ""
    text = ""
    for line in answer.body.decode().splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", []):
                text += choice["delta"].get("content") or ""
    return text


@pytest.mark.parametrize("text,secrets", PERSONAL)
@pytest.mark.parametrize("stream", [False, True])
def test_what_goes_abroad_is_masked_and_comes_back_whole(town, text: str, secrets: list[str], stream: bool) -> None:
    _, server, keys, abroad = town
    answer = chat(server, keys["open"], "far", text, stream=stream)
    assert answer.status == 200, answer.body
    for secret in secrets:
        assert secret not in abroad.seen[-1]
    assert said(answer).startswith(text)
    found = receipt(server, keys["open"], answer.headers["x-dure-receipt"])
    assert sum(found["masked"].values()) >= 1 and found["engine"]["outside"]
    assert "send-open-text-abroad" in found["decided_by"]


def test_the_user_is_told_and_the_output_is_marked(town) -> None:
    _, server, keys, _ = town
    answer = chat(server, keys["open"], "far", "안녕하세요")
    assert answer.headers["x-dure-generated"] == "visible"
    assert "abroad" in answer.headers["x-dure-notice"] and "%" in answer.headers["x-dure-notice-ko"]
    assert said(answer).endswith("(인공지능이 작성한 글입니다.)")
    near = chat(server, keys["open"], "near", "안녕하세요")
    assert "x-dure-generated" not in near.headers and said(near) == "안녕하세요"


def test_history_tools_and_their_arguments_are_masked_too(town) -> None:
    _, server, keys, abroad = town
    phone = "010-4321-8765"
    body = {
        "model": "far",
        "messages": [
            {"role": "system", "content": f"대표 전화는 {phone}"},
            {"role": "user", "content": f"내 전화는 {phone}"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "write", "arguments": json.dumps({"text": phone})}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": f"{phone} 저장됨"},
            {"role": "user", "content": f"{phone} 을 다시 저장해"},
        ],
        "tools": [{"type": "function", "function": {"name": "write", "description": f"전화 {phone} 담당"}}],
    }
    answer = server.request("POST", "/v1/chat/completions", body, of(keys["open"]))
    assert answer.status == 200, answer.body
    assert "4321" not in abroad.seen[-1]
    call = answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]
    assert json.loads(call["arguments"])["text"] == f"{phone} 을 다시 저장해"


def test_records_are_masked_on_their_way_abroad(town) -> None:
    _, server, keys, abroad = town
    before = len(abroad.seen)
    answer = chat(server, keys["open"], "far-open", "민원인의 전화번호는?")
    assert answer.status == 200, answer.body
    assert len(abroad.seen) == before + 1
    assert "김영수" not in abroad.seen[-1] and "5555" not in abroad.seen[-1]


def test_secrets_stay_in_the_country_whatever_they_come_by(town) -> None:
    _, server, keys, abroad = town
    before = len(abroad.seen)
    for key, model in [(keys["sensitive"], "far"), (keys["open"], "far-secret"), (keys["sensitive"], "far-open")]:
        for path, body in [
            ("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "민원인의 전화번호는?"}]}),
            ("/v1/messages", {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "민원인의 전화번호는?"}]}),
            ("/v1/responses", {"model": model, "input": "민원인의 전화번호는?"}),
        ]:
            answer = server.request("POST", path, body, of(key))
            assert answer.status == 403, (path, model, answer.body)
            assert answer.json()["error"]["code"] == "refused_by_policy"
    assert len(abroad.seen) == before
    refused = listed(server, keys["sensitive"], "&outcome=refused")
    assert len(refused) == 6 and {entry["why"] for entry in refused} <= {"policy", "engine_class"}


def test_an_image_does_not_go_where_masking_is_asked_for(town) -> None:
    _, server, keys, abroad = town
    before = len(abroad.seen)
    dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": "무엇?"}, {"type": "image_url", "image_url": {"url": dot}}]
    body = {"model": "far", "messages": [{"role": "user", "content": parts}]}
    answer = server.request("POST", "/v1/chat/completions", body, of(keys["open"]))
    assert answer.status in (400, 403), answer.body
    assert len(abroad.seen) == before


def test_the_official_client_streams_through_the_veil(town) -> None:
    _, server, keys, _ = town
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=keys["open"], max_retries=0) as client:
        stream = client.chat.completions.create(
            model="far", messages=[{"role": "user", "content": PERSONAL[0][0]}], stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text.startswith(PERSONAL[0][0])


def test_thousands_of_mixed_requests_leak_nothing(town) -> None:
    """Random texts with planted data, by every door, streamed and not, with and without tools and history."""
    _, server, keys, abroad = town
    chance = random.Random(7)
    abroad.seen.clear()
    planted = []
    for number in range(CASES):
        text, secrets = chance.choice(PERSONAL)
        phone = f"010-{chance.randrange(2000, 9999)}-{chance.randrange(1000, 9999)}"
        planted += [*secrets, phone]
        text = f"{chance.choice(['', '문의: ', '※ '])}{text} 전화 {phone}"
        model = chance.choice(["far", "far", "far-open", "far-secret"])
        key = keys[chance.choice(["open", "open", "sensitive"])]
        history = [{"role": "user", "content": text}, {"role": "assistant", "content": f"네, {phone}"}] * chance.randrange(2)
        messages = [*history, {"role": "user", "content": text}]
        door = chance.randrange(3)
        if door == 0:
            body = {"model": model, "messages": messages, "stream": chance.random() < 0.5}
            if model == "far" and chance.random() < 0.3:
                body["tools"] = [{"type": "function", "function": {"name": "write"}}]
            answer = server.request("POST", "/v1/chat/completions", body, of(key))
        elif door == 1:
            body = {"model": model, "max_tokens": 50, "messages": messages, "stream": chance.random() < 0.5}
            answer = server.request("POST", "/v1/messages", body, of(key))
        else:
            answer = server.request("POST", "/v1/responses", {"model": model, "input": text}, of(key))
        assert answer.status in (200, 403), answer.body
    assert abroad.seen, "something went out"
    everything = "\n".join(abroad.seen)
    leaked = [secret for secret in set(planted) if secret in everything]
    assert not leaked, leaked[:20]


def test_changed_policies_count_without_a_restart_and_broken_ones_do_not(house: House) -> None:
    house.key("app")
    chief = house.key("chief", "--administrator")
    with house.up() as server:
        state = server.request("GET", "/api/v1/policies", headers=of(chief)).json()
        assert state["starting"] and state["problems"] == [] and state["failing"] == []
        house.dure("policy", "init")
        folder = house.data / "policy"
        (folder / "90-own.cedar").write_text(
            '@id("nobody-asks")\n@reason_ko("지금은 아무도 물을 수 없습니다")\n@reason_en("nobody may ask now")\n'
            'forbid (principal, action == Action::"send", resource);\n',
            encoding="utf-8",
        )
        changed = eventually(
            lambda: (now := server.request("GET", "/api/v1/policies", headers=of(chief)).json())["version"] != state["version"]
            and now
        )
        assert not changed["starting"]
        refused = eventually(lambda: (answer := chat(server, chief, "fake", "안녕")).status == 403 and answer)
        message = refused.json()["error"]["message"]
        assert "nobody may ask now" in message and "지금은 아무도 물을 수 없습니다" in message
        (folder / "90-own.cedar").write_text("permit (principal, action, resource) when {", encoding="utf-8")
        broken = eventually(
            lambda: (now := server.request("GET", "/api/v1/policies", headers=of(chief)).json())["problems"] and now
        )
        assert "90-own.cedar" in broken["problems"][0] and broken["version"] == changed["version"]
        assert chat(server, chief, "fake", "안녕").status == 403
    # With a broken folder nothing starts, rather than starting with other policies.
    assert "90-own.cedar" in house.refuses("key", "list")
    (folder / "90-own.cedar").unlink()
    assert "31 of 31" in house.dure("policy", "test")


def test_what_the_ledger_recorded_is_asked_again_of_other_policies(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        for _ in range(5):
            assert chat(server, key, "fake", "안녕").status == 200
    other = house.data.parent / "other"
    house.dure("policy", "init", other)
    same = house.json("policy", "simulate", other)
    assert same["questions"] == 5 and same["closed"] == same["opened"] == 0
    (other / "90-own.cedar").write_text(
        '@id("no-programs")\n@reason_ko("프로그램은 안 됩니다")\n@reason_en("no programs")\n'
        'forbid (principal is Service, action == Action::"send", resource);\n',
        encoding="utf-8",
    )
    assert house.json("policy", "simulate", other)["closed"] == 5
    # What was refused is asked again, too.
    for file in other.iterdir():
        (house.data / "policy").mkdir(exist_ok=True)
        (house.data / "policy" / file.name).write_bytes(file.read_bytes())
    with house.up() as server:
        assert chat(server, key, "fake", "안녕").status == 403
        last = listed(server, key)[0]
        assert (last["how"], last["decided_by"]) == ("refused", ["no-programs"]) and last["ask"]["act"], last
    (other / "90-own.cedar").unlink()
    assert house.json("policy", "simulate", other)["opened"] == 6
    for file in (house.data / "policy").iterdir():
        file.unlink()
    (other / "90-own.cedar").write_text(
        '@id("no-programs")\n@reason_ko("프로그램은 안 됩니다")\n@reason_en("no programs")\n'
        'forbid (principal is Service, action == Action::"send", resource);\n',
        encoding="utf-8",
    )
    report = house.json("policy", "check", other) if house.run("policy", "check", other).returncode == 0 else None
    assert report is None or report["changes"]["closed"]
    question = house.data.parent / "question.toml"
    question.write_text('who.kind = "service"\nact.send = { name = "fake" }\n')
    assert "no-programs" in house.dure("policy", "explain", question, "--dir", other)


# --- the command -------------------------------------------------------------------------------------------------------


def test_the_command_shows_what_would_be_hidden(house: House, tmp_path) -> None:
    file = tmp_path / "minutes.txt"
    file.write_text("담당자 홍길동 과장 010-1234-5678\n", encoding="utf-8")
    assert house.dure("mask", file) == "담당자 [이름-1] 과장 [전화-1]\n"
    told = house.json("mask", file)
    source = file.read_bytes()
    found = {finding["kind"]: source[finding["span"]["start"] : finding["span"]["end"]].decode() for finding in told["findings"]}
    assert found == {"name": "홍길동", "phone": "010-1234-5678"}
    assert house.dure("mask", "--kinds", "phone", file) == "담당자 홍길동 과장 [전화-1]\n"
    assert {"rrn", "email"} <= {kind["kind"] for kind in house.json("mask", "--list")}
    for broken in [b"\xff\xfe\x00", b"a" * ((16 << 20) + 1)]:
        file.write_bytes(broken)
        assert house.refuses("mask", file)
    assert "martian" in house.refuses("mask", "--kinds", "martian", "-", input="x")
