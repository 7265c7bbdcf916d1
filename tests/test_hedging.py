"""Routes that ask a second model where the first does not begin: whose answer it is, what the receipt says, what it costs,
and that it opens no way that a model which stands in would not have."""

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest
from house import EXAMPLES, House, Server, eventually
from test_receipts import listed, of
from test_routes import QUESTION, made, passed, told
from test_upstream import TEXT, Upstream, ask, configured, post, table, upstream  # noqa: F401

MODELS = {
    "good": ("instant", {}),
    "slow": ("late=700,tokens=2", {}),
    "never": ("silent", {}),
    "gives-up": ("silent", {"first_wait_s": 1, "failures_max": 1000}),
    "away": ("status=503", {"failures_max": 1000}),
    "low": ("instant", {"class_max": "open"}),
    "far": ("instant", {"country": "US", "owner": "acme"}),
}


@contextlib.contextmanager
def town(house: House, it: Upstream) -> Iterator[tuple[Server, dict]]:
    tables = [
        table(name, it.address, does, **{"owner": "house", "event_wait_s": 30, "first_wait_s": 60, **more})
        for name, (does, more) in MODELS.items()
    ]
    configured(house, *tables)
    house.corpus("records", "--residency", "anywhere")
    house.dure("corpus", "add", "records", EXAMPLES)
    keys = {
        "chief": house.key("chief", "--administrator", "--read-class", "sensitive"),
        "app": house.key("app"),
        "secret": house.key("secret", "--input-class", "sensitive", "--read-class", "sensitive"),
    }
    with house.up() as server:
        yield server, keys


def hedged(server: Server, keys: dict, name: str, *models: str, after: int = 150, **more) -> str:
    listed_ = [{"model": model} for model in models]
    body = {"name": name, "models": {"hedge_after_ms": after, "list": listed_}, **more}
    answer = server.request("POST", "/api/v1/routes", body, of(keys["chief"]))
    assert answer.status == 200 and answer.json()["models"]["hedge_after_ms"] == after, answer.body
    return name


@pytest.mark.parametrize("stream", [False, True])
def test_the_one_that_begins_first_answers_and_the_other_is_stopped(house: House, upstream: Upstream, stream: bool) -> None:
    with town(house, upstream) as (server, keys):
        before = upstream.seen()
        answer = ask(server, keys["app"], hedged(server, keys, "quick", "never", "good"), stream=stream)
        assert answer.status == 200 and b"token0" in answer.body, answer.body
        found = told(server, keys, answer)
        assert (found["engine"]["name"], found["how"]) == ("good", "served")
        assert passed(found) == [("never", True, "slower")]
        after = upstream.seen()
        assert after["requests"] == before["requests"] + 2
        eventually(lambda: upstream.seen()["hung_up"] == before["hung_up"] + 1)


def test_the_first_may_still_be_the_one_that_answers(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        answer = ask(server, keys["app"], hedged(server, keys, "late", "slow", "never"))
        assert answer.status == 200, answer.body
        found = told(server, keys, answer)
        assert (found["engine"]["name"], found["how"]) == ("slow", "served")
        assert passed(found) == [("never", True, "slower")]


def test_one_that_begins_in_time_is_asked_alone(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        before = upstream.seen()["requests"]
        answer = ask(server, keys["app"], hedged(server, keys, "patient", "slow", "good", after=60_000))
        assert told(server, keys, answer)["engine"]["name"] == "slow" and upstream.seen()["requests"] == before + 1


def test_one_request_in_twenty_asks_twice(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        name = hedged(server, keys, "bounded", "slow", "good")
        for _ in range(4):
            assert ask(server, keys["app"], name).status == 200
        found = listed(server, keys["app"], f"&kind=receipt&asked={name}")
        assert [one["engine"]["name"] for one in reversed(found)] == ["good", "slow", "slow", "slow"]


@pytest.mark.parametrize("second,why,key", [("far", "border", "app"), ("low", "engine_class", "secret")])
def test_the_second_is_asked_only_where_it_could_stand_in(
    house: House, upstream: Upstream, second: str, why: str, key: str
) -> None:
    with town(house, upstream) as (server, keys):
        before = upstream.seen()["requests"]
        answer = ask(server, keys[key], hedged(server, keys, "careful", "slow", second))
        assert answer.status == 200, answer.body
        found = told(server, keys, answer, key)
        assert found["engine"]["name"] == "slow" and upstream.seen()["requests"] == before + 1
        assert (second, True, why) not in passed(found), found


def test_where_one_fails_the_other_is_waited_for_and_where_both_do_a_third_is_asked(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        found = told(server, keys, ask(server, keys["app"], hedged(server, keys, "second-fails", "slow", "away")))
        assert found["engine"]["name"] == "slow" and passed(found) == [("away", True, "unavailable")], found
    with house.up() as server:
        found = told(server, keys, ask(server, keys["app"], hedged(server, keys, "both-fail", "gives-up", "away", "good")))
        assert found["engine"]["name"] == "good", found
        assert sorted(passed(found)) == [("away", True, "unavailable"), ("gives-up", True, "broke_off")], found


def test_whoever_hangs_up_leaves_both_in_the_receipt(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        name = hedged(server, keys, "gone", "never", "gives-up")
        before = upstream.seen()
        body = json.dumps({"model": name, "messages": [{"role": "user", "content": TEXT}]}).encode()
        with socket.create_connection((server.host, server.port)) as line:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {keys['app']}\r\n"
            line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            eventually(lambda: upstream.seen()["requests"] == before["requests"] + 2)
        eventually(lambda: listed(server, keys["app"], f"&kind=receipt&asked={name}"))
        found = listed(server, keys["app"], f"&kind=receipt&asked={name}")[0]
        assert found["how"] == "hung_up", found
        assert found["engine"]["name"] == "gives-up" and passed(found) == [("never", True, "slower")], found
        eventually(lambda: upstream.seen()["hung_up"] == before["hung_up"] + 2)


def test_the_slower_one_is_charged_for_its_prompt(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        alone = ask(server, keys["app"], made(server, keys, "alone", "good", "away"))
        once = told(server, keys, alone)["usage"]["prompt_tokens"]
        both = ask(server, keys["app"], hedged(server, keys, "twice", "never", "good"))
        assert told(server, keys, both)["usage"]["prompt_tokens"] > once
        assert both.json()["usage"]["prompt_tokens"] == alone.json()["usage"]["prompt_tokens"]


def test_a_cited_answer_is_hedged_too(house: House, upstream: Upstream) -> None:
    with town(house, upstream) as (server, keys):
        name = hedged(server, keys, "cited", "never", "good", corpora=["records"], mode="generated")
        answer = post(server, keys["app"], {"model": name, "messages": [{"role": "user", "content": QUESTION}]})
        assert answer.status == 200, answer.body
        found = told(server, keys, answer)
        assert found["engine"]["name"] == "good" and passed(found) == [("never", True, "slower")] and found["documents"]
