"""The door under stress: hostile heads and bodies, slow peers, many at once. Rows A2, C2, E1 and E2 of the threats.

No test here asserts how long anything takes, but that somebody else is answered meanwhile.
"""

import contextlib
import json
import random
import re
import select
import socket
import threading
import time
from pathlib import Path

import pytest
from house import House, Server, eventually

CHAT = {"model": "fake", "messages": [{"role": "user", "content": "hello"}]}


def say(text: str, **more) -> dict:
    return {"model": "fake", "messages": [{"role": "user", "content": text}], **more}


def bearer(key: str) -> dict:
    return {"Authorization": f"Bearer {key}"}


def head(server: Server, key: str, *lines: str, path: str = "/v1/chat/completions", method: str = "POST") -> bytes:
    first = [f"{method} {path} HTTP/1.1", f"Host: {server.address}", f"Authorization: Bearer {key}"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def is_an_error(body: bytes, status: int) -> dict:
    """The error in a body, which has OpenAI's shape and tells nothing of the machine."""
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert error["message"] and error["type"] and error["code"], error
    text = json.dumps(error)
    assert "panicked" not in text and "/rustc/" not in text and ".rs:" not in text, error
    assert 400 <= status < 600
    return error


# --- What every answer has.


def test_every_answer_has_an_id_and_a_clients_own_is_taken_only_if_plain(served) -> None:
    _, server, key = served
    cases = {
        200: ("GET", "/v1/models", None, bearer(key)),
        401: ("GET", "/v1/models", None, {}),
        403: ("GET", "/v1/models", None, {**bearer(key), "Host": "evil.example"}),
        404: ("GET", "/nothing", None, {}),
        405: ("PUT", "/v1/models", None, bearer(key)),
        400: ("POST", "/v1/chat/completions", b"{", bearer(key)),
        413: ("POST", "/v1/chat/completions", b" " * (9 << 20), bearer(key)),
    }
    seen = set()
    for status, (method, path, body, headers) in cases.items():
        answer = server.request(method, path, body, headers)
        assert answer.status == status, answer.body[:200]
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == len(cases)
    for shown, taken in [("trace-7.a_B", True), ("a" * 65, False), ("a b", False), ("<x>", False)]:
        answer = server.request("GET", "/healthz", headers={"x-request-id": shown})
        assert (answer.headers["x-request-id"] == shown) is taken, shown


def test_a_quota_is_told_in_the_headers_that_clients_know(house: House) -> None:
    house.dure("tenant", "create", "small")
    house.dure("tenant", "quota", "small", "5000")
    limited, free = house.key("limited", "--tenant", "small"), house.key("free")
    with house.up() as server:
        left = []
        for _ in range(2):
            answer = server.request("POST", "/v1/chat/completions", CHAT, bearer(limited))
            assert answer.status == 200, answer.body
            assert answer.headers["x-ratelimit-limit-tokens"] == "5000"
            left.append(int(answer.headers["x-ratelimit-remaining-tokens"]))
            used = answer.json()["usage"]["total_tokens"]
        assert left == [5000 - used, 5000 - 2 * used]
        answer = server.request("POST", "/v1/chat/completions", CHAT, bearer(free))
        assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
        answer = server.request("POST", "/v1/chat/completions", say("hello", max_tokens=9999), bearer(limited))
        assert answer.status == 429 and answer.json()["error"]["code"] == "insufficient_quota"
        assert answer.headers["x-ratelimit-remaining-tokens"] == str(left[-1])


def test_a_field_that_nobody_knows_is_named(served) -> None:
    _, server, key = served
    answer = server.request("POST", "/v1/chat/completions", {**CHAT, "temprature": 1}, bearer(key))
    assert answer.status == 200 and "`temprature`" in answer.headers["x-dure-warning"]
    answer = server.request("POST", "/v1/chat/completions", CHAT, bearer(key))
    assert "x-dure-warning" not in answer.headers
    answer = server.request("POST", "/v1/chat/completions", {**CHAT, "base_url": "http://evil.example"}, bearer(key))
    assert answer.status == 400 and answer.json()["error"]["param"] == "base_url"


# --- E1: what is asked for has bounds.


def nested(depth: int) -> bytes:
    return b'{"model":"fake","messages":' + b"[" * depth + b"]" * depth + b"}"


def schema(value: object) -> dict:
    return say("x", response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": value}})


TOO_MUCH = {
    "n of a billion": say("x", n=10**9),
    "max_tokens of zero": say("x", max_tokens=0),
    "max_tokens below zero": say("x", max_tokens=-1),
    "a temperature of 1e308": say("x", temperature=1e308),
    "a temperature below zero": say("x", temperature=-1),
    "a temperature that is none": b'{"model":"fake","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    "an infinite temperature": b'{"model":"fake","messages":[{"role":"user","content":"x"}],"temperature":1e999}',
    "top_k below zero": say("x", top_k=-1),
    "top_p above one": say("x", top_p=2),
    "a penalty out of bounds": say("x", frequency_penalty=1e9),
    "100,000 stops": say("x", stop=["x"] * 10**5),
    "a stop of nothing": say("x", stop=[""]),
    "a stop of a megabyte": say("x", stop=["x" * (1 << 20)]),
    "100,000 messages": {"model": "fake", "messages": CHAT["messages"] * 10**5},
    "no message": {"model": "fake", "messages": []},
    "messages that are none": {"model": "fake", "messages": "x"},
    "a role that is none": {"model": "fake", "messages": [{"role": "root", "content": "x"}]},
    "a content that is none": {"model": "fake", "messages": [{"role": "user", "content": 7}]},
    "a depth of 100,000": nested(10**5),
    "a depth of 200": nested(200),
    "a field twice": b'{"model":"fake","model":"fake","messages":[{"role":"user","content":"x"}]}',
    "a lone surrogate": b'{"model":"fake","messages":[{"role":"user","content":"\\ud800"}]}',
    "bytes that are no text": b'{"model":"fake","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "a number that is none": b'{"model":"fake","messages":[],"max_tokens":99999999999999999999999999}',
    "not JSON": b"model=fake",
    "nothing": b"",
    "a name that is no name": {"model": "\0", "messages": CHAT["messages"]},
    "a name of a megabyte": {"model": "x" * (1 << 20), "messages": CHAT["messages"]},
    "a format that is none": say("x", response_format={"type": "xml"}),
    "a picture of 5,000 frames": {
        "model": "fake",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:video/jpeg;base64," + "/9j/4AAQ," * 5000}}],
            }
        ],
    },
    "a tool without a name": say("x", tools=[{"type": "function", "function": {"name": ""}}]),
    "a tool whose name is a path": say("x", tools=[{"type": "function", "function": {"name": "../f"}}]),
    "a tool whose name is long": say("x", tools=[{"type": "function", "function": {"name": "f" * 10**5}}]),
    "a tool of another type": say("x", tools=[{"type": "mcp", "server_url": "http://127.0.0.1:9"}]),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_out_of_bounds_is_refused_in_openais_shape(served, name) -> None:
    _, server, key = served
    answer = server.request("POST", "/v1/chat/completions", TOO_MUCH[name], bearer(key))
    assert answer.status in (400, 404), f"{name}: {answer.status} {answer.body[:200]}"
    is_an_error(answer.body, answer.status)
    assert server.healthy()


# What is bounded at one door is bounded at its twins.
TWINS = {
    "n of a billion": ("/v1/completions", {"prompt": "x", "n": 10**9}),
    "best_of a billion": ("/v1/completions", {"prompt": "x", "best_of": 10**9}),
    "logprobs of a million": ("/v1/completions", {"prompt": "x", "logprobs": 10**6}),
    "an empty prompt": ("/v1/completions", {"prompt": ""}),
    "100,000 prompts": ("/v1/completions", {"prompt": ["x"] * 10**5}),
    "100,000 stops": ("/v1/completions", {"prompt": "x", "stop": ["x"] * 10**5}),
    "a temperature below zero": ("/v1/completions", {"prompt": "x", "temperature": -1}),
    "100,000 texts": ("/v1/embeddings", {"input": ["x"] * 10**5}),
    "an empty text": ("/v1/embeddings", {"input": ""}),
    "no text": ("/v1/embeddings", {"input": []}),
    "a billion dimensions": ("/v1/embeddings", {"input": "x", "dimensions": 10**9}),
    "100,000 items": ("/v1/responses", {"input": [{"role": "user", "content": "x"}] * 10**5}),
    "a temperature of 1e308": ("/v1/responses", {"input": "x", "temperature": 1e308}),
    "likelihoods of a million": (
        "/v1/responses",
        {"input": "x", "top_logprobs": 10**6, "include": ["message.output_text.logprobs"]},
    ),
    "fewer than no tokens": ("/v1/responses", {"input": "x", "max_output_tokens": -1}),
    "10,000 tools": (
        "/v1/responses",
        {"input": "x", "tools": [{"type": "function", "name": f"f{number}", "parameters": {}} for number in range(10**4)]},
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_what_is_out_of_bounds_is_refused_by_the_twins_too(served, name) -> None:
    _, server, key = served
    path, fields = TWINS[name]
    answer = server.request("POST", path, {"model": "fake", **fields}, bearer(key))
    assert answer.status == 400, f"{name}: {answer.status} {answer.body[:200]}"
    is_an_error(answer.body, answer.status)
    assert server.healthy()


# These may be taken or refused, as the engine can; whatever is said, it is said whole and the server lives.
ODD = {
    "max_tokens of 2^63": say("x", max_tokens=2**63),
    "an empty message": say(""),
    "a message of nothing visible": say("\ufeff\u200d\u200b"),
    "a pattern that backtracks": schema({"type": "string", "pattern": "(a+)+$"}),
    "a schema that points outside": schema({"$ref": "https://evil.example/schema"}),
    "a schema that holds itself": schema({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
    "10,000 alternatives": schema({"enum": [f"v{number}" for number in range(10**4)]}),
    "10,000 tools": say(
        "x",
        tools=[{"type": "function", "function": {"name": f"f{number}", "parameters": {}}} for number in range(10**4)],
    ),
    "a tool whose pattern is none": say(
        "x",
        tools=[
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"pattern": "["}}}},
            }
        ],
    ),
    **{
        f"a tool with {name}": say("x", tools=[{"type": "function", "function": {"name": "f", "parameters": value}}])
        for name, value in {
            "a type that is a number": {"type": 7},
            "a type that nobody knows": {"type": "nothing"},
            "types of which one is a number": {"type": ["string", 7]},
            "a pattern that is a number": {"type": "string", "pattern": 7},
            "a pattern that is never closed": {"type": "string", "pattern": "(" * 10**4},
            "a pattern that backtracks": {"type": "string", "pattern": "(a+)+$"},
            "a billion items": {"type": "array", "minItems": 10**9, "maxItems": 10**9},
            "a text for a schema": "x",
        }.items()
    },
    "logprobs of a million": say("x", logprobs=True, top_logprobs=10**6),
    "best_of a million": say("x", best_of=10**6),
    "a bias of 300,000 tokens": say("x", logit_bias={str(number): 1 for number in range(300_000)}),
    "fields named like the template's own": say("x", chat_template_kwargs={"tokenize": True, "messages": 1, "": []}),
    "100,000 unknown fields": {**CHAT, **{f"f{number}": 1 for number in range(10**5)}},
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_answered_whole_or_refused(served, name) -> None:
    _, server, key = served
    answer = server.request("POST", "/v1/chat/completions", ODD[name], bearer(key))
    assert answer.status in (200, 400, 413), f"{name}: {answer.status} {answer.body[:200]}"
    if answer.status == 200:
        assert answer.json()["choices"]
    else:
        is_an_error(answer.body, answer.status)
    assert len(answer.headers.get("x-dure-warning", "")) < 1000
    assert server.healthy()


# --- C2 and E4: what goes into a template, and whose cache is used, is nobody's to say in a request.

INTERNALS = {
    "kwargs named like the template's own": ("chat_template_kwargs", {"tokenize": True, "messages": [], "tools": None}),
    "kwargs that end the prompt early": ("chat_template_kwargs", {"add_generation_prompt": False, "bos_token": "x"}),
    "kwargs without a name": ("chat_template_kwargs", {"": 1, "__class__": {"__mro__": []}}),
    "kwargs that are pairs": ("chat_template_kwargs", [[1, 2], [None, True]]),
    "kwargs that are a number": ("chat_template_kwargs", 7),
    "a template": ("chat_template", "{% for i in range(10**9) %}x{% endfor %}"),
    "an end that is not wanted": ("add_generation_prompt", False),
    "an answer that is begun": ("continue_final_message", True),
    "documents": ("documents", [{"title": "x", "text": "y"}]),
    "a cache's salt": ("cache_salt", "another-tenants"),
    "a cache's name": ("prompt_cache_key", "another-tenants"),
}


@pytest.mark.parametrize("name", INTERNALS)
def test_what_is_meant_for_the_inside_is_named_and_changes_nothing(served, name) -> None:
    """The prompt has as many tokens, and the answer the same words, as without it."""
    _, server, key = served
    field, value = INTERNALS[name]
    for path, body in [
        ("/v1/chat/completions", CHAT),
        ("/v1/completions", {"model": "fake", "prompt": "hello"}),
        ("/v1/responses", {"model": "fake", "input": "hello", "store": False}),
    ]:
        plain = server.request("POST", path, body, bearer(key))
        answer = server.request("POST", path, {**body, field: value}, bearer(key))
        assert (plain.status, answer.status) == (200, 200), answer.body
        assert f"`{field}`" in answer.headers["x-dure-warning"]
        assert answer.json()["usage"] == plain.json()["usage"], path
        for part in ("choices", "output"):
            assert words(answer.json().get(part)) == words(plain.json().get(part)), path
    unnamed = json.dumps({**CHAT, field: "HERE"}).encode().replace(b'"HERE"', b'{1: true, null: 2}')
    assert server.request("POST", "/v1/chat/completions", unnamed, bearer(key)).status == 400, "names that are no texts"


def words(parts: object) -> str:
    """What is said in an answer, without the ids that each has of its own."""
    return re.sub(r'"(id|item_id)": "[^"]*"', "", json.dumps(parts))


def test_a_body_of_two_gigabytes_is_refused_before_it_comes(served) -> None:
    _, server, key = served
    answer = server.raw(head(server, key, f"Content-Length: {2 << 30}", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    is_an_error(answer.split(b"\r\n\r\n", 1)[1], 413)


def test_a_body_without_end_is_refused_at_its_bound(served) -> None:
    _, server, key = served
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(head(server, key, "Transfer-Encoding: chunked"))
        chunk = b"%x\r\n" % (1 << 16) + b" " * (1 << 16) + b"\r\n"
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not select.select([connection], [], [], 0)[0]:
                connection.sendall(chunk)
                sent += 1 << 16
        assert sent < 64 << 20, "the server went on reading"
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(65536).startswith(b"HTTP/1.1 413")
    assert server.healthy()


# --- E2: heads that are none.


def test_heads_that_are_too_much_are_refused(served) -> None:
    _, server, key = served
    for lines in [
        ["X-Filler: " + "a" * (70 << 10)],
        [f"X-{number}: a" for number in range(101)],
        [f"X-{number}: a" for number in range(10**5)],
    ]:
        answer = server.raw(head(server, key, *lines, "Connection: close", method="GET", path="/v1/models"))
        # Where the server closes while more still comes, the client may see the reset before the answer.
        assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")) or answer == b"", answer[:200]
    answer = server.raw(head(server, key, "Connection: close", method="GET", path="/" + "a" * (70 << 10)))
    assert answer.startswith((b"HTTP/1.1 4",)) or answer == b"", answer[:200]
    assert server.healthy()


HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
SMUGGLED = {
    "length and chunks": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "chunks and length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "two lengths": ["Content-Length: 5", "Content-Length: 50"],
    "a length of plus five": ["Content-Length: +5"],
    "a length below zero": ["Content-Length: -5"],
    "chunks that are none": ["Transfer-Encoding: chunked, identity"],
    "chunks spelt oddly": ["Transfer-Encoding: xchunked"],
    "a folded line": ["X-A: b", " Transfer-Encoding: chunked"],
    "a space before the colon": ["Transfer-Encoding : chunked"],
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_no_second_request_hides_in_the_first(served, name) -> None:
    _, server, key = served
    hidden = b"0\r\n\r\n" + HIDDEN
    answer = server.raw(head(server, key, *SMUGGLED[name]) + hidden, timeout=2)
    assert answer.count(b"HTTP/1.1 200") == 0, answer[:500]
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
    assert server.healthy()


def test_an_old_client_cannot_hide_one_either(served) -> None:
    _, server, key = served
    request = head(server, key, "Transfer-Encoding: chunked").replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", 1)
    answer = server.raw(request + b"0\r\n\r\n" + HIDDEN, timeout=2)
    assert b" 200 " not in answer, answer[:300]
    answer = server.raw(head(server, key, "Transfer-Encoding: chunked") + b"fffffffffffffffff\r\nx", timeout=2)
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
    assert server.healthy()


CHAT_BYTES = json.dumps(CHAT).encode()
LENGTH = b"%x" % len(CHAT_BYTES)
CHUNKS = {
    "an extension that ends a line": LENGTH + b";a\n" + HIDDEN + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "an extension with half a line's end": LENGTH + b";a\rb\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "an extension of a megabyte": LENGTH + b";" + b"a" * (1 << 20) + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "a thousand extensions": b"1;" + b"x" * 1000 + b"\r\n " + b"\r\n1;" * 1000,
    "lines that end in half": LENGTH + b"\n" + CHAT_BYTES + b"\n0\n\n",
    "a length with a sign": b"+" + LENGTH + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "a length below zero": b"-" + LENGTH + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "a length as programs write it": b"0x" + LENGTH + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "a length behind spaces": b"  " + LENGTH + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "a length that is too long": b"10000000000000000" + LENGTH + b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "no length": b"\r\n" + CHAT_BYTES + b"\r\n0\r\n\r\n",
    "more than the length": LENGTH + b"\r\n" + CHAT_BYTES + b"XX0\r\n\r\n",
    "100,000 lines at the end": LENGTH
    + b"\r\n"
    + CHAT_BYTES
    + b"\r\n0\r\n"
    + b"".join(b"X-%d: y\r\n" % number for number in range(10**5))
    + b"\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_no_chunk_hides_a_second_request(served, name) -> None:
    _, server, key = served
    answer = server.raw(head(server, key, "Transfer-Encoding: chunked") + CHUNKS[name] + HIDDEN, timeout=2)
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1 and b'"status":"ok"' not in answer, answer[:500]
    assert server.healthy()


def test_chunks_that_are_right_end_where_they_say(served) -> None:
    """Short extensions and lines at the end are allowed, change nothing, and name nobody else."""
    _, server, key = served
    chunks = LENGTH + b';a=b;c="d"\r\n' + CHAT_BYTES + b"\r\n0\r\nAuthorization: Bearer x\r\nContent-Length: 9\r\n\r\n"
    answer = server.raw(head(server, key, "Transfer-Encoding: chunked") + chunks + HIDDEN, timeout=2)
    assert answer.count(b"HTTP/1.1 200") == 2 and answer.count(b'"status":"ok"') == 1, answer[:500]


def test_no_other_protocol_is_spoken(served) -> None:
    """Neither HTTP/2 nor a WebSocket: what bounds the one protocol would have to be said again for each other."""
    _, server, key = served
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" * 1000
    answer = server.raw(preface, timeout=2)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer[:200]
    for lines in [
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
        [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ],
    ]:
        answer = server.raw(head(server, key, *lines, method="GET", path="/v1/models"), timeout=2)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400")) and b" 101 " not in answer, answer[:200]
    assert server.healthy()


# --- A2: the route that is asked who asks is the route that answers.

SPELLINGS = [
    "//api/v1/keys",
    "/api//v1/keys",
    "/api/v1//keys",
    "/api/v1/keys/",
    "/api/v1/keys.",
    "/api/v1/keys%20",
    "/api/v1/keys%00",
    "/api/v1/keys;x=y",
    "/healthz;/../api/v1/keys",
    "/healthz/../api/v1/keys",
    "/healthz/%2e%2e/api/v1/keys",
    "/healthz/..%2fapi/v1/keys",
    "/healthz%2f..%2fapi%2fv1%2fkeys",
    "/v1/..;/api/v1/keys",
    "/%61pi/v1/keys",
    "/API/v1/keys",
    "/Api/V1/Keys",
    "/api/v1/keys?/healthz",
    "/api/v1/keys#/healthz",
    "\\api\\v1\\keys",
    "http://localhost/api/v1/keys",
    "http://evil.example/api/v1/keys",
    "http://localhost//api/v1/keys",
    "http://user@localhost/api/v1/keys",
    "https://localhost:1/api/v1/keys",
    "*",
    "localhost:80",
]


def ask(server: Server, target: str, *lines: str) -> tuple[int, bytes]:
    request = "\r\n".join([f"GET {target} HTTP/1.1", *lines, "Connection: close", "", ""])
    answer = server.raw(request.encode("latin-1"))
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split(b" ")[1]), rest.partition(b"\r\n\r\n")[2]


def test_no_spelling_of_an_address_gets_past_the_question_who_asks(served) -> None:
    house, server, key = served
    here = f"Host: {server.address}"
    operator = f"Authorization: Bearer {(house.data / 'operator.key').read_text()}"
    assert ask(server, "/api/v1/keys", here, operator)[0] == 200
    for target in SPELLINGS:
        status, body = ask(server, target, here)
        assert status in (400, 401, 403, 404), f"{target}: {status} {body[:200]}"
        # With a key that may not: no spelling gives more than the plain one, which is nothing.
        status, body = ask(server, target, here, f"Authorization: Bearer {key}")
        assert status in (400, 403, 404), f"{target}: {status} {body[:200]}"


PIECES = [
    *["/", "//", "/.", "/..", "/../", "/./", ";", ";x=y", "?", "?a=/healthz", "\\", "%2e", "%2e%2e", "%2f", "%5c", "%00", "%09"],
    *["api", "v1", "API", "V1", "%61pi", "keys", "k%65ys", "models", "me", "mcp", "healthz", "docs", "metrics", "admin", "."],
]
OPEN = {"/", "/healthz", "/readyz", "/docs", "/openapi.json"}


def test_made_up_addresses_are_judged_as_they_are_routed(served) -> None:
    """Of addresses made by chance: where there is a door, it asks who asks; where there is none, a key makes none; and
    what is open without a key is open under its own plain name alone."""
    _, server, key = served
    here = f"Host: {server.address}"
    chance = random.Random(20261125)
    closed = 0
    for _ in range(1500):
        start = chance.choice(["/", "/api/v1/", "/api/v1/keys", "/api/v1/me", "/v1/models", "/mcp", "/healthz"])
        target = start + "".join(chance.choices(PIECES, k=chance.randint(0, 4)))
        without, _ = ask(server, target, here)
        with_key, body = ask(server, target, here, f"Authorization: Bearer {key}")
        if without == 401:
            closed += 1
            assert with_key != 401, f"{target}: the door knows another key"
        else:
            assert with_key == without, f"{target}: {without} without a key, {with_key} with one: {body[:200]}"
        if without < 400:
            assert target.split("?")[0] in OPEN, f"{target} is open: {without}"
    assert closed > 20, "too few of the made-up addresses found a door"


def test_headers_of_proxies_change_neither_the_route_nor_who_asks(served) -> None:
    _, server, key = served
    here = f"Host: {server.address}"
    for line in [
        "X-Original-URL: /healthz",
        "X-Rewrite-URL: /healthz",
        "X-Forwarded-Prefix: /healthz",
        "X-Forwarded-Path: /healthz",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Forwarded-User: admin",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1;host=localhost",
        "X-Forwarded-Host: localhost",
    ]:
        assert ask(server, "/api/v1/keys", here, line)[0] == 401, line
        assert ask(server, "/api/v1/keys", here, line, f"Authorization: Bearer {key}")[0] == 403, line
        # And the other way round: what may be seen stays what it is.
        swapped = line.replace("/healthz", "/api/v1/keys")
        assert b'"status":"ok"' in ask(server, "/healthz", here, swapped)[1], line


def test_crafted_hosts_are_not_answered_to(served) -> None:
    _, server, key = served
    bearer_line = f"Authorization: Bearer {key}"
    for host in [
        "evil.example",
        "localhost.evil.example",
        "localhost.",
        "127.0.0.1.nip.io",
        "evil.example#localhost",
        "localhost@evil.example",
        "evil.example:80@localhost",
        "[::ffff:8.8.8.8]",
        "0.0.0.0",
        "2130706433",
        "localhost localhost",
        "localhost/",
        "",
    ]:
        assert ask(server, "/v1/models", f"Host: {host}", bearer_line)[0] in (400, 403), host
        assert ask(server, "/healthz", f"Host: {host}")[0] in (400, 403), host
    assert ask(server, "/v1/models", bearer_line)[0] in (400, 403), "no host at all"
    for origin in ["https://evil.example", "null", "file://", "http://localhost.evil.example", "chrome-extension://x"]:
        here = f"Host: {server.address}"
        assert ask(server, "/v1/models", here, bearer_line, f"Origin: {origin}")[0] == 403, origin
    # What the absolute form says counts, and the header beside it may not say otherwise.
    status, _ = ask(server, "http://evil.example/v1/models", f"Host: {server.address}", bearer_line)
    assert status == 403


# --- Many, and slow.


def open_many(server: Server, count: int, first: bytes) -> list[socket.socket]:
    connections = []
    for _ in range(count):
        connection = socket.create_connection((server.host, server.port), timeout=60)
        connection.sendall(first)
        connections.append(connection)
    return connections


def test_slow_writers_hold_up_nobody_and_are_let_go(house: House) -> None:
    key = house.key("app")
    with house.up(server_requests_max=64) as server:
        # More of them than there are places, each with half a body, and as many with half a head.
        halves = open_many(server, 200, head(server, key, "Content-Length: 100") + b'{"model":')
        heads = open_many(server, 200, b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc")
        for _ in range(5):
            assert server.request("POST", "/v1/chat/completions", CHAT, bearer(key)).status == 200
        # A drop now and then does not help them.
        until = time.monotonic() + 60
        open_still = set(halves + heads)
        answers = []
        while open_still and time.monotonic() < until:
            readable, _, _ = select.select(list(open_still), [], [], 1)
            for connection in readable:
                with contextlib.suppress(ConnectionResetError):
                    answers.append((connection in halves, connection.recv(65536)))
                open_still.discard(connection)
            for connection in open_still:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(b" ")
        assert not open_still, f"{len(open_still)} are still waited for"
        assert all(answer.startswith(b"HTTP/1.1 408") for half, answer in answers if half), answers[:3]
        assert server.healthy()
        for connection in halves + heads:
            connection.close()


def test_slow_readers_hold_up_nobody(house: House) -> None:
    key = house.key("app")
    with house.up(engine_slots=200) as server:
        body = json.dumps(say("slow " * 40_000, stream=True, max_tokens=7000)).encode()
        first = head(server, key, f"Content-Length: {len(body)}") + body
        slow = open_many(server, 100, first)
        for _ in range(5):
            answer = server.request("POST", "/v1/chat/completions", CHAT, bearer(key))
            assert answer.status == 200 and answer.json()["choices"][0]["message"]["content"] == "hello"
        for connection in slow:
            connection.close()
        assert server.healthy()


def test_a_peer_has_only_so_many_connections(house: House) -> None:
    house.key("app")
    with house.up(server_connections_per_peer_max=10) as server:
        held = open_many(server, 10, b"GET /healthz HTTP/1.1\r\n")
        with socket.create_connection((server.host, server.port), timeout=10) as more:
            with contextlib.suppress(ConnectionResetError):
                assert more.recv(1) == b"", "an eleventh was served"
        held.pop().close()
        eventually(lambda: answers(server))
        for connection in held:
            connection.close()


def answers(server: Server) -> bool:
    try:
        return server.healthy()
    except OSError:
        return False


def test_out_of_descriptors_the_server_waits_and_goes_on(house: House) -> None:
    key = house.key("app")
    with house.up(files_max=128) as server:
        connections = []
        with contextlib.suppress(OSError):
            for _ in range(300):
                connection = socket.create_connection((server.host, server.port), timeout=1)
                connection.sendall(b"GET /healthz HTTP/1.1\r\n")
                connections.append(connection)
        eventually(lambda: "a connection was not accepted" in server.log.read_text())
        assert server.alive()
        for connection in connections:
            connection.close()
        eventually(lambda: answers(server))
        assert server.request("POST", "/v1/chat/completions", CHAT, bearer(key)).status == 200


# --- Turns.


def test_one_keys_many_requests_do_not_starve_anothers_one(house: House) -> None:
    many, one = house.key("many"), house.key("one")
    with house.up(engine_slots=1, engine_fake_tokens_a_second=300, engine_queue_each_max=40) as server:
        statuses, lock = [], threading.Lock()

        def flood() -> None:
            answer = server.request("POST", "/v1/chat/completions", say("word " * 60), bearer(many), timeout=120)
            with lock:
                statuses.append((answer.status, answer.headers.get("retry-after")))

        threads = [threading.Thread(target=flood) for _ in range(60)]
        for thread in threads:
            thread.start()
        # The line is full once somebody was told to come again.
        eventually(lambda: any(status == 429 for status, _ in statuses))
        answer = server.request("POST", "/v1/chat/completions", say("hello"), bearer(one), timeout=120)
        with lock:
            served_before = sum(status == 200 for status, _ in statuses)
        assert answer.status == 200, answer.body
        for thread in threads:
            thread.join(timeout=120)
        served = sum(status == 200 for status, _ in statuses)
        refused = [wait for status, wait in statuses if status == 429]
        assert served + len(refused) == 60 and served >= 40, statuses
        assert served_before < served / 2, f"{served_before} of {served} came first"
        assert all(1 <= int(wait) <= 120 for wait in refused), refused
        assert server.request("POST", "/v1/chat/completions", say("again"), bearer(many)).status == 200


def test_more_requests_than_places_are_told_to_come_again(house: House) -> None:
    key = house.key("app")
    with house.up(server_requests_max=4, engine_slots=1, engine_fake_tokens_a_second=20) as server:
        body = json.dumps(say("word " * 30)).encode()
        held = open_many(server, 12, head(server, key, f"Content-Length: {len(body)}") + body)
        answers_now = []

        def refused() -> bool:
            readable, _, _ = select.select(held, [], [], 0)
            for connection in readable:
                answers_now.append(connection.recv(65536))
                connection.close()
                held.remove(connection)
            return any(answer.startswith(b"HTTP/1.1 429") for answer in answers_now)

        eventually(refused)
        told = next(answer for answer in answers_now if answer.startswith(b"HTTP/1.1 429"))
        assert b"retry-after: " in told.lower() and b"rate_limit_exceeded" in told
        for connection in held:
            connection.close()
        eventually(lambda: answers(server))


def test_the_server_takes_as_many_files_as_it_is_allowed(house: House) -> None:
    house.key("app")
    with house.up() as server:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
        soft, hard = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
        assert int(soft) >= min(int(hard), 8192), limits
