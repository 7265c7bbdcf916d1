"""What can be watched from outside: health, readiness, metrics in three spellings, and who may read them."""

import contextlib
import json
import re
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from house import REPOSITORY, House, Server, eventually
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

ACCEPT_OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def operator(house: House) -> dict[str, str]:
    return bearer((house.data / "operator.key").read_text())


def metrics(house: House, server: Server) -> dict[str, dict]:
    answer = server.request("GET", "/api/v1/metrics", headers=operator(house))
    assert answer.status == 200, answer.body
    return answer.json()["metrics"]


def one(metrics: dict, name: str, **labels) -> dict:
    """The one series of this name with these labels, or an empty one."""
    found = [
        series
        for series in metrics.get(name, {}).get("series", [])
        if all(series["labels"].get(label) == value for label, value in labels.items())
    ]
    assert len(found) <= 1, found
    return found[0] if found else {"value": 0, "count": 0, "sum": 0}


def chat(server: Server, key: str, text: str, **more):
    body = {"model": "fake", "messages": [{"role": "user", "content": text}], **more}
    return server.request("POST", "/v1/chat/completions", body, bearer(key))


def test_a_house_without_a_model_lives_and_is_not_ready(tmp_path) -> None:
    house = House(tmp_path / "data", engine=None)
    house.key("app")
    with house.up() as server:
        assert server.request("GET", "/healthz").json()["status"] == "ok"
        answer = server.request("GET", "/readyz")
        assert answer.status == 503, answer.body
        assert answer.json() == {
            "status": "not ready",
            "checks": {
                "database": {"ok": True},
                "disk": {"ok": True},
                "ledger": {"ok": True},
                "model": {"ok": False, "reason": "no chat model is installed"},
                "server": {"ok": True},
            },
        }
        for said in (answer.body.decode(), server.request("GET", "/healthz").body.decode()):
            assert str(house.data) not in said and "qwen" not in said, said


def test_a_house_that_can_work_is_ready(served) -> None:
    _, server, _ = served
    answer = server.request("GET", "/readyz")
    assert (answer.status, answer.json()["status"]) == (200, "ready"), answer.body


def test_while_the_database_cannot_be_written_the_house_lives_and_knows_its_keys(house: House) -> None:
    """Somebody else holds it: who asks is judged from memory, chats go on, and only readiness says what is wrong."""
    key = house.key("app")
    with house.up() as server:
        with contextlib.closing(sqlite3.connect(house.data / "dure.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = eventually(lambda: not_ready(server), 30)
            assert answer["checks"]["database"]["ok"] is False and answer["checks"]["database"]["reason"]
            assert server.request("GET", "/healthz").json()["status"] == "ok", "alive is not ready"
            assert chat(server, key, "hello").json()["choices"][0]["message"]["content"] == "hello"
            assert server.request("GET", "/v1/models", headers=bearer(key)).status == 200
            assert server.request("GET", "/v1/models", headers=bearer(key[:-2] + "AA")).status == 401
            other.execute("ROLLBACK")
        eventually(lambda: server.request("GET", "/readyz").status == 200, 30)
        made = server.request("POST", "/api/v1/groups", {"name": "after"}, operator(house))
        assert made.status == 200, made.body


def test_who_cannot_write_in_time_is_told_to_come_again(house: House) -> None:
    house.key("app")
    with house.up() as server:
        with contextlib.closing(sqlite3.connect(house.data / "dure.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            busy = server.request("POST", "/api/v1/groups", {"name": "law"}, operator(house))
            assert (busy.status, busy.json()["error"]["code"]) == (503, "database_busy"), busy.body
            assert int(busy.headers["retry-after"]) >= 1 and time.monotonic() - begun < 25
            other.execute("ROLLBACK")
        eventually(lambda: server.request("POST", "/api/v1/groups", {"name": "law"}, operator(house)).status == 200)


def not_ready(server: Server) -> dict | None:
    answer = server.request("GET", "/readyz")
    return answer.json() if answer.status == 503 else None


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10


def test_thousands_of_requests_leave_no_memory_behind(house: House) -> None:
    """Right ones and wrong ones, each another: what is kept of them has a bound, which the first ones reach."""
    key = house.key("app")

    def some(count: int, part: str) -> int:
        for number in range(count):
            text = f"{part} {number} " + "words " * 200
            assert chat(server, key, text, stream=number % 2 == 0).status == 200
            assert chat(server, key, text, n=10**9).status == 400
            assert server.request("GET", f"/{part}/{number}", headers=bearer(f"{part}{number}")).status == 404
            assert server.request("GET", "/v1/models", headers=bearer(f"{part}{number}")).status == 401
        return resident_bytes(server)

    with house.up() as server:
        first = some(500, "first")
        second = some(1500, "second")
        assert second - first < 8 << 20, f"{first >> 20} MiB became {second >> 20} MiB"


def test_metrics_are_for_the_operator_alone(served) -> None:
    house, server, key = served
    for path in ("/metrics", "/api/v1/metrics"):
        assert server.request("GET", path).status == 401, path
        assert server.request("GET", path, headers=bearer("x")).status == 401, path
        assert server.request("GET", path, headers=bearer(key)).status == 403, path
        assert server.request("GET", path, headers=operator(house)).status == 200, path
        for evil in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert server.request("GET", path, headers={**operator(house), **evil}).status == 403, (path, evil)


def test_whoever_keeps_the_house_sees_how_busy_it_is(served) -> None:
    """An administrator of the first tenant does; one of another tenant does not."""
    house, server, _ = served
    keeper = house.key("keeper", "--administrator")
    house.dure("tenant", "create", "another")
    stranger = house.json("--tenant", "another", "key", "create", "stranger", "--administrator")["key"]
    for path in ("/metrics", "/api/v1/metrics"):
        assert server.request("GET", path, headers=bearer(keeper)).status == 200, path
        assert server.request("GET", path, headers=bearer(stranger)).status == 403, path


@contextlib.contextmanager
def beginning(server: Server, key: str, body: bytes, sent: int):
    """A chat of which so many bytes of the body are sent."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(head.encode() + body[:sent])
        yield connection


def apart_of(server: Server) -> Server:
    """The address that the log says metrics are answered at."""
    log = eventually(lambda: re.search(r"metrics are answered .*address=([\d.:]+)", plain(server.log.read_text())))
    return Server(server.process, log.group(1), server.log)


def test_an_address_apart_answers_metrics_without_a_key_and_nothing_else(tmp_path) -> None:
    house = House(tmp_path / "data")
    key = house.key("app")
    house.environment["DURE_METRICS_LISTEN"] = "127.0.0.1:0"
    with house.up() as server:
        apart = apart_of(server)
        assert "process_resident_memory_bytes" in apart.request("GET", "/metrics").body.decode()
        assert apart.request("GET", "/readyz").status == 200
        for path in ("/v1/models", "/api/v1/metrics", "/api/v1/keys", "/"):
            assert apart.request("GET", path, headers=bearer(key)).status == 404, path
        assert apart.request("GET", "/metrics", headers={"Host": "evil.example"}).status == 403
        assert apart.request("GET", "/metrics", headers={"Origin": "https://evil.example"}).status == 403
        assert server.request("GET", "/metrics").status == 401


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_others_parsers_read_both_spellings_and_find_the_same(served) -> None:
    house, server, key = served
    chat(server, key, "to be counted")
    texts = {}
    for name, accept in (("text", {}), ("open", ACCEPT_OPEN_METRICS)):
        answer = server.request("GET", "/metrics", headers={**operator(house), **accept})
        assert answer.status == 200
        texts[name] = answer
    assert texts["text"].headers["content-type"].startswith("text/plain; version=0.0.4")
    assert texts["open"].headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    old = {family.name: family for family in prometheus(texts["text"].body.decode())}
    new = {family.name: family for family in open_metrics(texts["open"].body.decode())}
    # What OpenMetrics calls an info is a gauge of another name before it.
    assert {name.removesuffix("_info") for name in old} == set(new)
    assert all(family.documentation for family in new.values())
    kinds = {name: family.type for name, family in new.items()}
    assert kinds["gen_ai_server_time_to_first_token_seconds"] == "histogram"
    assert kinds["dure_output_tokens"] == "counter"


def test_a_chat_is_counted_where_it_belongs(served) -> None:
    house, server, key = served
    ok = {"gen_ai_operation_name": "chat", "gen_ai_request_model": "fake", "error_type": ""}
    route = {"http_request_method": "POST", "http_route": "/v1/chat/completions", "http_response_status_code": "200"}
    before = metrics(house, server)
    answer = chat(server, key, "eight or more tokens are in this sentence").json()
    assert chat(server, key, "and streamed", stream=True).body.endswith(b"data: [DONE]\n\n")

    def counted():
        after = metrics(house, server)
        grew = lambda name, field="count", **labels: one(after, name, **labels)[field] - one(before, name, **labels)[field]
        return grew if grew("http_server_request_duration_seconds", **route) == 2 else None

    grew = eventually(counted)
    assert grew("gen_ai_server_request_duration_seconds", **ok) == 2
    assert grew("gen_ai_server_time_to_first_token_seconds", gen_ai_operation_name="chat") == 2
    assert grew("gen_ai_server_time_per_output_token_seconds", gen_ai_operation_name="chat") == 2
    usage = {"gen_ai_operation_name": "chat", "gen_ai_request_model": "fake"}
    assert grew("gen_ai_client_token_usage", gen_ai_token_type="output", **usage) == 2
    assert grew("gen_ai_client_token_usage", "sum", gen_ai_token_type="input", **usage) > 0
    assert grew("dure_output_tokens_total", "value", **usage) > answer["usage"]["completion_tokens"]
    assert grew("dure_http_sent_bytes_total", "value") > 0
    assert grew("dure_http_received_bytes_total", "value") > 0


def test_a_search_is_counted_by_its_mode(served) -> None:
    house, server, key = served
    before = metrics(house, server)
    for mode in ("words", "fused"):
        body = {"question": "한빛동 단수는 언제인가요?", "mode": mode, "top": 3}
        assert server.request("POST", "/api/v1/corpora/records/search", body, bearer(key)).status == 200
    after = metrics(house, server)
    for mode, times in (("words", 1), ("meaning", 0), ("fused", 1)):
        counts = [one(seen, "dure_search_duration_seconds", mode=mode)["count"] for seen in (before, after)]
        assert counts[1] - counts[0] == times, mode
    assert one(after, "dure_passages_indexed")["value"] == one(after, "dure_passages")["value"] > 0


def test_a_stream_that_is_hung_up_is_counted_and_leaves_nothing_open(served) -> None:
    house, server, key = served
    said = json.dumps({"model": "fake", "stream": True, "messages": [{"role": "user", "content": "word " * 2_000}]})
    with beginning(server, key, said.encode(), len(said)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    eventually(lambda: one(metrics(house, server), "dure_streams_open")["value"] == 0)
    # The request that asks is itself being answered.
    eventually(lambda: one(metrics(house, server), "http_server_active_requests")["value"] == 1)


def test_hostile_requests_make_no_new_series(served) -> None:
    """Labels come from a fixed set of words: a scanner cannot fill the memory of whoever watches."""
    house, server, key = served

    def knock():
        for number in range(40):
            server.request("GET", f"/secret-{number}/../{key}")
            server.request("GET", f"/api/v1/nothing/{number}", headers=bearer(key))
            server.request("GET", f"/v1/models/nothing-{number}", headers=bearer(key))
            server.request(f"BREW{number}", "/v1/models", headers=bearer(key))
            chat(server, key, "hello", model=f"nothing-{number}")

    knock()
    before = metrics(house, server)
    knock()
    after = metrics(house, server)
    assert {name: len(family["series"]) for name, family in before.items()} == {
        name: len(family["series"]) for name, family in after.items()
    }
    text = server.request("GET", "/metrics", headers=operator(house)).body.decode()
    assert "unmatched" in text and "_OTHER" in text
    for secret in (key, "secret-", "nothing", "BREW", str(house.data)):
        assert secret not in text, secret


def test_the_last_errors_are_told_without_what_was_sent(served) -> None:
    house, server, key = served
    assert chat(server, key, "a word that nobody may see", model="hidden-model").status == 404
    told = eventually(lambda: server.request("GET", "/api/v1/metrics", headers=operator(house)).json()["errors"])
    assert len(told) <= 32
    assert {"method": "POST", "route": "/v1/chat/completions", "status": 404, "code": "model_not_found"}.items() <= told[
        -1
    ].items(), told[-1]
    assert "hidden-model" not in str(told) and "nobody may see" not in str(told)


def test_a_spent_quota_is_counted(house) -> None:
    house.dure("tenant", "create", "small", "--quota-tokens", "10")
    key = house.json("--tenant", "small", "key", "create", "app")["key"]
    with house.up() as server:
        assert chat(server, key, "far more than ten tokens " * 20).status == 429
        seen = metrics(house, server)
        assert one(seen, "dure_quota_refusals_total")["value"] == 1
        assert one(seen, "dure_http_errors_total", code="insufficient_quota")["value"] == 1
        assert "small" not in server.request("GET", "/metrics", headers=operator(house)).body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_watching_changes_nothing(served, method) -> None:
    house, server, _ = served
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/metrics"):
        assert server.request(method, path, headers=operator(house)).status == 405, path


DOCS = REPOSITORY / "docs"
NAMES = re.compile(r"\b((?:gen_ai|dure|http_server|process)_[a-z0-9_]+)\b")
# Labels have the same beginnings as metrics.
LABELS = {
    "gen_ai_operation_name",
    "gen_ai_request_model",
    "gen_ai_token_type",
    "http_request_method",
    "http_response_status_code",
}


def named_in(text: str) -> set[str]:
    """The metrics that a text names; a histogram's parts and a counter's total count as the metric."""
    return {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in NAMES.findall(text)} - LABELS


@pytest.fixture(scope="module")
def exported(served) -> set[str]:
    house, server, key = served
    chat(server, key, "several tokens so that there is a next one")
    chat(server, key, "nobody", model="nobody")
    server.request("POST", "/v1/embeddings", {"model": "fake", "input": "a text"}, bearer(key))
    server.request(
        "POST", "/api/v1/corpora/records/search", {"question": "단수", "mode": "fused"}, bearer(key)
    )

    def names():
        text = server.request("GET", "/metrics", headers=operator(house)).body.decode()
        found = {re.sub(r"_total$", "", name) for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)}
        return found if "http_server_request_duration_seconds" in found else None

    return eventually(names)


@pytest.mark.parametrize("name", ["watching.md", "ko/watching.md"])
def test_the_documentation_names_every_metric_and_no_other(exported, name) -> None:
    assert named_in((DOCS / name).read_text()) == exported


@pytest.mark.parametrize("name", ["grafana/dure.json", "grafana/alerts.yml"])
def test_dashboard_and_alerts_use_only_what_is_exported(exported, name) -> None:
    text = (DOCS / name).read_text()
    # What Prometheus itself makes of each target, and what Grafana writes, begin otherwise.
    named = named_in(text)
    assert len(named) >= 8, named
    assert named <= exported, named - exported


def test_the_dashboard_is_whole() -> None:
    board = json.loads((DOCS / "grafana/dure.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(target["expr"].count("(") == target["expr"].count(")") for panel in panels for target in panel["targets"])
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
