"""Models that other servers serve: what comes back, what breaks, and what never leaves.

The upstream is a program of its own without a model (`bench/gateway`), which does what the model's name asks for. Traps are
sockets that must never be spoken to.
"""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from house import EXAMPLES, House, Response, Server, eventually, program

KEY = "sk-the-upstreams-own-key"
TEXT = "the text that stays"
TOKENS_ALL = "token0 token1 token2 token3 "

# Names that are called here, and what the fake upstream does for each.
MODELS = {
    "good": "instant",
    "dies": "dies=2",
    "no-done": "no-done",
    "no-finish": "no-finish",
    "garbage": "garbage",
    "huge": "huge",
    "lies": "lies",
    "slow": "tokens=100000,pace=20",
    "stalls": "stalls=1",
    "silent": "silent",
    "busy": "status=429,retry-after=7",
    "away": "status=503",
    "recovers": "twice=503",
    "refuses": "status=401",
    "invalid": "status=400",
}

# The same of upstreams that speak Anthropic's API.
MESSAGES = {
    "claude": "instant",
    "claude-dies": "dies=2",
    "claude-no-done": "no-done",
    "claude-no-finish": "no-finish",
    "claude-garbage": "garbage",
    "claude-late": "overloaded",
    "claude-full": "status=529,retry-after=7",
}


class Upstream:
    """The fake upstream's process."""

    def __init__(self) -> None:
        path = program().parent / "fake-upstream"
        assert path.is_file(), f"{path} is not built: cargo build --release -p bench-gateway"
        self.process = subprocess.Popen([str(path)], stdout=subprocess.PIPE)
        self.address = self.process.stdout.readline().decode().split()[-1]

    def seen(self) -> dict:
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /seen HTTP/1.1\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head).group(1))
            while len(body) < length:
                body += connection.recv(65536)
        return json.loads(body)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Trap:
    """A socket that listens and must never be spoken to."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = "{}:{}".format(*self.socket.getsockname())

    def is_untouched(self) -> bool:
        try:
            self.socket.accept()
        except BlockingIOError:
            return True
        return False


@contextmanager
def trap() -> Iterator[Trap]:
    it = Trap()
    try:
        yield it
    finally:
        it.socket.close()


def table(name: str, address: str, model: str, **settings) -> str:
    given = {
        "name": name,
        "base_url": f"http://{address}/v1",
        "model": model,
        "country": "KR",
        "class_max": "sensitive",
        "context_tokens": 4096,
        **settings,
    }
    return "[[upstreams]]\n" + "".join(f"{field} = {json.dumps(value)}\n" for field, value in given.items())


def configured(house: House, *tables: str) -> House:
    house.data.mkdir(mode=0o700, exist_ok=True)
    (house.data / "settings.toml").write_text("\n".join(tables))
    house.environment["UPSTREAM_KEY"] = KEY
    return house


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    it = Upstream()
    try:
        yield it
    finally:
        it.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, str, Upstream]]:
    """A server with all models of the fake upstream, and a key of a tenant with a quota."""
    it = Upstream()
    try:
        house = House(tmp_path_factory.mktemp("upstream") / "data")
        waits = {"first_wait_s": 1, "event_wait_s": 1}
        tables = [table(name, it.address, model, key_env="UPSTREAM_KEY", **waits) for name, model in MODELS.items()]
        for name, model in MESSAGES.items():
            tables.append(table(name, it.address, model, api="anthropic", key_env="UPSTREAM_KEY", **waits))
        tables.append(table("vectors", it.address, "dimensions=3", dimensions=3))
        configured(house, *tables)
        house.dure("tenant", "create", "waterworks", "--quota-tokens", "1000000")
        key = json.loads(house.dure("--tenant", "waterworks", "key", "create", "app", "--json"))["key"]
        with house.up() as server:
            yield house, server, key, it
    finally:
        it.end()


@pytest.fixture
def client(shared) -> Iterator[openai.OpenAI]:
    _, server, key, _ = shared
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60) as it:
        yield it


def post(server: Server, key: str, body: dict, path: str = "/v1/chat/completions") -> Response:
    return server.request("POST", path, body, {"Authorization": f"Bearer {key}"})


def ask(server: Server, key: str, model: str, **more) -> Response:
    return post(server, key, {"model": model, "messages": [{"role": "user", "content": TEXT}], **more})


def used_tokens(house: House, tenant: str) -> int:
    return next(one for one in house.json("tenant", "list") if one["name"] == tenant)["used_tokens"]


def test_an_upstreams_model_is_listed_and_answers_whole_or_streamed(shared, client: openai.OpenAI) -> None:
    *_, upstream = shared
    assert {"good", "vectors", "fake"} <= {model.id for model in client.models.list()}
    messages = [{"role": "user", "content": TEXT}]
    whole = client.chat.completions.create(model="good", messages=messages)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (TOKENS_ALL, "stop")
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (250, 4)
    streamed = client.chat.completions.create(model="good", messages=messages, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
    assert text == TOKENS_ALL
    assert f"authorization: Bearer {KEY}\r\n" in upstream.seen()["head"] + "\r\n"


def test_a_piece_goes_on_before_the_next_one_is_there(shared) -> None:
    _, server, key, _ = shared
    # The upstream writes one token and then nothing more.
    answer = ask(server, key, "stalls", stream=True).body.decode()
    assert "token0" in answer and "token1" not in answer
    assert '"error"' in answer and "[DONE]" not in answer


def test_a_quota_is_settled_with_the_upstreams_count_as_far_as_it_can_be_true(shared) -> None:
    house, server, key, _ = shared
    before = used_tokens(house, "waterworks")
    assert ask(server, key, "good").status == 200
    assert used_tokens(house, "waterworks") - before == 254
    # A count of 10^15 tokens costs no more than what was set aside.
    assert ask(server, key, "lies", max_tokens=10).status == 200
    assert 254 < used_tokens(house, "waterworks") - before < 254 + 1_000


@pytest.mark.parametrize("model", ["dies", "no-done", "no-finish", "garbage", "huge", "stalls"])
def test_an_answer_that_broke_never_looks_like_one_that_ended(shared, model: str) -> None:
    _, server, key, _ = shared
    streamed = ask(server, key, model, stream=True).body.decode()
    last = streamed.strip().split("\n\n")[-1]
    assert "error" in json.loads(last.removeprefix("data: ")), last
    assert "[DONE]" not in streamed and TEXT not in last
    whole = ask(server, key, model)
    assert whole.status == 502, whole.body
    assert TEXT.encode() not in whole.body and server.healthy()


def test_an_upstream_may_speak_anthropics_api(shared, client: openai.OpenAI) -> None:
    *_, upstream = shared
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT}]
    whole = client.chat.completions.create(model="claude", messages=messages, max_tokens=20)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (TOKENS_ALL, "stop")
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (250, 4)
    streamed = client.chat.completions.create(model="claude", messages=messages, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
    assert text == TOKENS_ALL
    head = upstream.seen()["head"] + "\r\n"
    assert head.startswith("POST /v1/messages ") and f"x-api-key: {KEY}\r\n" in head
    assert "anthropic-version: 2023-06-01\r\n" in head and "authorization" not in head


def test_what_anthropics_api_cannot_say_is_refused_by_name(shared) -> None:
    _, server, key, upstream = shared
    before = upstream.seen()["requests"]
    for fields in [{"seed": 1}, {"logprobs": True}, {"logit_bias": {"1": 1}}, {"presence_penalty": 1}, {"temperature": 1.5}]:
        refused = ask(server, key, "claude", **fields)
        assert refused.status == 400 and next(iter(fields)) in refused.body.decode(), refused.body
    assert upstream.seen()["requests"] == before


@pytest.mark.parametrize("model", ["claude-dies", "claude-no-done", "claude-no-finish", "claude-garbage"])
def test_an_answer_by_anthropics_api_that_broke_never_looks_whole(shared, model: str) -> None:
    _, server, key, _ = shared
    streamed = ask(server, key, model, stream=True).body.decode()
    last = streamed.strip().split("\n\n")[-1]
    assert "error" in json.loads(last.removeprefix("data: ")), last
    assert "[DONE]" not in streamed
    assert ask(server, key, model).status == 502


def test_an_overloaded_upstream_is_busy(shared) -> None:
    _, server, key, upstream = shared
    before = upstream.seen()["requests"]
    assert ask(server, key, "claude-late").status == 429
    assert upstream.seen()["requests"] == before + 3
    full = ask(server, key, "claude-full")
    assert (full.status, full.headers["retry-after"]) == (429, "7")
    assert upstream.seen()["requests"] == before + 4


def test_an_upstream_that_failed_too_often_is_left_alone(house: House, upstream: Upstream) -> None:
    configured(house, table("far", upstream.address, "status=500", failures_max=2, rest_wait_s=60))
    key = house.key("app")
    with house.up() as server:
        for _ in range(2):
            assert ask(server, key, "far").status == 503
        left_alone = ask(server, key, "far")
        assert left_alone.status == 503 and 50 < int(left_alone.headers["retry-after"]) <= 60, left_alone.body
        assert upstream.seen()["requests"] == 2


def test_an_upstream_that_never_begins_is_given_up(shared) -> None:
    _, server, key, _ = shared
    assert ask(server, key, "silent").status == 502


def test_refusals_are_told_apart(shared) -> None:
    _, server, key, upstream = shared
    busy = ask(server, key, "busy")
    assert (busy.status, busy.headers["retry-after"]) == (429, "7")
    before = upstream.seen()["requests"]
    assert ask(server, key, "recovers").status == 200
    assert upstream.seen()["requests"] == before + 3
    assert ask(server, key, "away").status == 503
    assert upstream.seen()["requests"] == before + 6
    for model, status in [("refuses", 503), ("invalid", 400)]:
        refused = ask(server, key, model)
        assert refused.status == status, refused.body
        assert KEY.encode() not in refused.body


@pytest.mark.parametrize("model", ["slow", "silent"])
def test_whoever_hangs_up_ends_the_upstreams_work(shared, model: str) -> None:
    _, server, key, upstream = shared
    before = upstream.seen()
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": TEXT}], "stream": True})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if model == "slow":
            assert b"HTTP/1.1 200" in connection.recv(65536)
        eventually(lambda: upstream.seen()["requests"] > before["requests"])
    eventually(lambda: upstream.seen()["hung_up"] > before["hung_up"])


def test_texts_are_embedded_by_an_upstream(client: openai.OpenAI) -> None:
    embedded = client.embeddings.create(model="vectors", input=["one", "two"], encoding_format="float")
    assert [len(one.embedding) for one in embedded.data] == [3, 3]
    assert abs(sum(x * x for x in embedded.data[0].embedding) - 1) < 1e-5
    assert embedded.usage.prompt_tokens == 6
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="good", input="text")


def test_a_killed_upstream_is_unavailable_and_the_server_lives(house: House, upstream: Upstream) -> None:
    configured(house, table("far", upstream.address, "instant"))
    key = house.key("app")
    with house.up() as server:
        assert ask(server, key, "far").status == 200
        upstream.end()
        assert ask(server, key, "far").status in (502, 503)
        assert ask(server, key, "far").status == 503
        assert server.healthy()


def test_nobody_sees_an_upstreams_key(shared) -> None:
    house, server, key, _ = shared
    ask(server, key, "refuses")
    shown = house.dure("doctor") + house.dure("doctor", "--json")
    assert "upstreams.good" in shown and "$UPSTREAM_KEY" in shown
    assert KEY not in shown
    assert KEY not in server.log.read_text()


def test_a_redirect_leads_no_byte_elsewhere(house: House, upstream: Upstream) -> None:
    with trap() as elsewhere:
        configured(house, table("far", upstream.address, f"to={elsewhere.address}", key_env="UPSTREAM_KEY"))
        key = house.key("app")
        with house.up() as server:
            assert ask(server, key, "far").status == 503
        assert elsewhere.is_untouched()


# THREATS B1: a caller's word on where a request goes sends the upstream's key, or the text, to the caller.
@pytest.mark.parametrize(
    "fields",
    [
        {"api_base": "http://{trap}/v1"},
        {"base_url": "http://{trap}/v1"},
        {"api_key": "sk-mine", "api_base": "http://{trap}"},
        {"api_version": "1"},
        {"custom_llm_provider": "openai"},
        {"extra_headers": {"x-api-base": "http://{trap}"}},
        {"headers": {"host": "{trap}"}},
        {"model": "openai/http://{trap}/v1"},
        {"model": "http://{trap}/v1/good"},
        {"model": "good@http://{trap}"},
    ],
)
def test_no_caller_chooses_where_a_request_goes(shared, fields: dict) -> None:
    _, server, key, upstream = shared
    before = upstream.seen()["requests"]
    with trap() as elsewhere:
        given = json.loads(json.dumps(fields).replace("{trap}", elsewhere.address))
        refused = ask(server, key, **{"model": "good", **given})
        assert refused.status == (404 if "model" in fields else 400), refused.body
        assert elsewhere.is_untouched()
    assert upstream.seen()["requests"] == before


TWINS = [
    ("/v1/completions", {"model": "good", "prompt": TEXT}),
    ("/v1/embeddings", {"model": "vectors", "input": TEXT}),
    ("/v1/responses", {"model": "good", "input": TEXT}),
]
CHOICES = ["api_base", "api_key", "api_version", "base_url", "custom_llm_provider", "extra_headers", "headers", "upstream"]


@pytest.mark.parametrize("path", [path for path, _ in TWINS])
def test_no_twin_lets_a_caller_choose_either(shared, path: str) -> None:
    _, server, key, upstream = shared
    before = upstream.seen()["requests"]
    with trap() as elsewhere:
        for field in CHOICES:
            given = {**dict(TWINS)[path], field: f"http://{elsewhere.address}/v1"}
            refused = post(server, key, given, path)
            assert refused.status == 400 and refused.json()["error"]["param"] == field, refused.body
        assert elsewhere.is_untouched()
    assert upstream.seen()["requests"] == before


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_what_names_an_address_deeper_down_is_never_fetched(shared, path: str) -> None:
    """In metadata, in tools, in a schema, in a picture: refused, or carried along as text; nobody goes there."""
    _, server, key, _ = shared
    body = {"/v1/responses": {"input": TEXT}}.get(path, {"messages": [{"role": "user", "content": TEXT}]})
    function = {"name": "f", "parameters": {"$ref": "http://{trap}/schema"}}
    with trap() as elsewhere:
        for fields in [
            {"metadata": {"api_base": "http://{trap}/v1", "base_url": "http://{trap}/v1"}},
            {"user": "http://{trap}/v1"},
            {"tools": [{"type": "mcp", "server_label": "x", "server_url": "http://{trap}/mcp"}]},
            {"tools": [{"type": "function", "function": {**function, "url": "http://{trap}"}, **function}]},
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "http://{trap}/s"}}}},
            {"text": {"format": {"type": "json_schema", "name": "s", "schema": {"$ref": "http://{trap}/s"}}}},
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://{trap}/p"}}]}]},
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://{trap}/p"}]}]},
        ]:
            given = json.loads(json.dumps({"model": "good", **body, **fields}).replace("{trap}", elsewhere.address))
            answer = post(server, key, given, path)
            assert answer.status in (200, 400), (fields, answer.body)
        assert elsewhere.is_untouched()


def test_no_header_chooses_where_a_request_goes(shared) -> None:
    _, server, key, upstream = shared
    with trap() as elsewhere:
        before = upstream.seen()["requests"]
        names = ["x-api-base", "x-base-url", "x-upstream", "x-forwarded-host", "forwarded", "x-openai-api-base"]
        headers = {name: f"http://{elsewhere.address}/v1" for name in names} | {"Authorization": f"Bearer {key}"}
        path = f"/v1/chat/completions?api_base=http://{elsewhere.address}/v1"
        body = {"model": "good", "messages": [{"role": "user", "content": TEXT}]}
        assert server.request("POST", path, body, headers).status == 200
        assert elsewhere.is_untouched()
        assert upstream.seen()["requests"] == before + 1


def test_text_goes_only_where_its_label_allows(house: House) -> None:
    with trap() as abroad, trap() as humble:
        configured(
            house,
            table("abroad", abroad.address, "instant", country="US"),
            table("humble", humble.address, "instant", class_max="open"),
        )
        house.corpus("records", "--residency", "KR")
        house.dure("corpus", "create", "inside", "--class", "sensitive", "--purpose", "answering")
        for corpus in ("records", "inside"):
            house.dure("corpus", "add", corpus, EXAMPLES)
        # Records of Korea to a model elsewhere; sensitive records, and sensitive input, to a model that may see less.
        house.dure("route", "create", "to-abroad", "--model", "abroad", "--corpus", "records")
        house.dure("route", "create", "to-humble", "--model", "humble", "--corpus", "inside")
        reader = house.key("reader", "--read-class", "sensitive")
        secret = house.key("secret", "--input-class", "sensitive")
        question = {"messages": [{"role": "user", "content": "염소 누출 대응 훈련은 몇 월에 하나요?"}]}
        with house.up() as server:
            for key, model in [(reader, "to-abroad"), (reader, "to-humble"), (secret, "humble")]:
                for stream in (False, True):
                    refused = post(server, key, {"model": model, "stream": stream, **question})
                    assert refused.status == 403, (model, refused.body)
                    assert refused.json()["error"]["code"] == "refused_by_policy"
            refused = post(
                server, reader, {"question": question["messages"][0]["content"], "model": "abroad", "mode": "generated"},
                "/api/v1/corpora/records/answers",
            )
            assert refused.status == 403, refused.body
        assert abroad.is_untouched() and humble.is_untouched()


def test_what_may_go_goes(house: House, upstream: Upstream) -> None:
    """The counterpart of the refusals: the same ways are open where the label allows them."""
    configured(house, table("near", upstream.address, "instant"), table("abroad", upstream.address, "instant", country="US"))
    house.corpus("records", "--residency", "KR")
    house.corpus("free", "--residency", "anywhere")
    for corpus in ("records", "free"):
        house.dure("corpus", "add", corpus, EXAMPLES)
    house.dure("route", "create", "near-route", "--model", "near", "--corpus", "records")
    house.dure("route", "create", "far-route", "--model", "abroad", "--corpus", "free")
    key = house.key("app")
    with house.up() as server:
        for model in ("near-route", "far-route", "abroad"):
            answer = post(server, key, {"model": model, "messages": [{"role": "user", "content": "염소 누출 대응 훈련은 몇 월에 하나요?"}]})
            assert answer.status == 200, answer.body
    assert upstream.seen()["requests"] == 3


def test_records_are_never_embedded_elsewhere(house: House) -> None:
    """The search embeds without a permit for each text, so only a model that is here does it."""
    with trap() as elsewhere:
        configured(
            house,
            '[models]\nembedding = "vectors"\n',
            table("vectors", elsewhere.address, "dimensions=64", dimensions=64),
        )
        house.corpus("records")
        house.dure("corpus", "add", "records", EXAMPLES)
        house.key("app")
        with house.up():
            house.run("search", "records", "누출 대응 훈련", "--mode", "meaning")
            house.run("ask", "records", "염소 누출 대응 훈련은 몇 월에 하나요?", "--mode", "extractive")
        assert elsewhere.is_untouched()


def test_wrong_upstreams_are_named_together(house: House) -> None:
    configured(
        house,
        table("one", "127.0.0.1:1", "m", country="Korea", port=1),
        table("one", "user:hidden@127.0.0.1:1", "m", retries_max=99),
    )
    message = house.refuses("doctor")
    for part in ["country", "no setting `port`", "the same name"]:
        assert part in message, message
    assert "hidden" not in message


def test_a_name_means_the_model_that_is_here(house: House) -> None:
    with trap() as elsewhere:
        configured(house, table("fake", elsewhere.address, "instant"))
        key = house.key("app")
        with house.up() as server:
            assert ask(server, key, "fake").json()["choices"][0]["message"]["content"] == TEXT
        assert elsewhere.is_untouched()
