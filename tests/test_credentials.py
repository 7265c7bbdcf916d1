"""Who may ask: hostile keys, every carrier at every door, another tenant's ids, a start without keys.

The rows A1 and A3 to A9 of the threats that gateways are known to have fallen to.
"""

import base64
import contextlib
import http.client
import json
import os
import random
import re
import socket
import stat
import statistics
import time
import uuid
from collections.abc import Iterator

import pytest
from house import House, Server, eventually

NEVER_SQL = ("sqlite", "syntax error", "select ", "unrecognized token", "panicked")

# Every door, with a body that passes its parser, and what a good key of no operator gets there.
CHAT = {"model": "fake", "messages": [{"role": "user", "content": "hello"}]}
ASK = {"question": "한빛동 단수는 언제인가요?", "mode": "extractive"}
FIND = {"question": "한빛동 단수는 언제인가요?", "mode": "words", "top": 3}
DOORS = [
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/fake", None),
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/embeddings", {"model": "fake", "input": "hello"}),
    ("GET", "/api/v1/me", None),
    ("GET", "/api/v1/status", None),
    ("GET", "/api/v1/settings", None),
    ("GET", "/api/v1/tenants", None),
    ("POST", "/api/v1/tenants", {"name": "t"}),
    ("PUT", "/api/v1/tenants/default/quota", {"quota_tokens": None}),
    ("GET", "/api/v1/tenants/default", None),
    ("GET", "/api/v1/groups", None),
    ("POST", "/api/v1/groups", {"name": "g"}),
    ("GET", "/api/v1/groups/g", None),
    ("DELETE", "/api/v1/groups/g", None),
    ("GET", "/api/v1/people", None),
    ("POST", "/api/v1/people", {"name": "p"}),
    ("GET", "/api/v1/people/p", None),
    ("PATCH", "/api/v1/people/p", {"suspended": True}),
    ("GET", "/api/v1/keys", None),
    ("POST", "/api/v1/keys", {"name": "k"}),
    ("GET", "/api/v1/keys/k", None),
    ("DELETE", "/api/v1/keys/k", None),
    ("GET", "/api/v1/corpora", None),
    ("POST", "/api/v1/corpora", {"name": "c", "class": "open", "purposes": ["answering"]}),
    ("GET", "/api/v1/corpora/records", None),
    ("DELETE", "/api/v1/corpora/nothing", None),
    ("PATCH", "/api/v1/corpora/records", {"readers": []}),
    ("POST", "/api/v1/corpora/records/files?path=a.md", b"# a"),
    ("POST", "/api/v1/corpora/records/add", {"paths": ["/nonexistent"]}),
    ("GET", "/api/v1/corpora/records/documents", None),
    ("GET", "/api/v1/corpora/records/document?document=nothing", None),
    ("DELETE", "/api/v1/corpora/records/document?document=nothing", None),
    ("POST", "/api/v1/corpora/records/search", FIND),
    ("POST", "/api/v1/corpora/records/answers", ASK),
    ("GET", f"/api/v1/documents/{uuid.UUID(int=7)}?from=0&to=1", None),
    ("GET", "/api/v1/index", None),
    ("GET", "/api/v1/metrics", None),
    ("GET", "/metrics", None),
    ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    ("GET", "/api/v1/jobs", None),
    ("GET", f"/api/v1/jobs/job_{uuid.UUID(int=7).hex}", None),
    ("DELETE", f"/api/v1/jobs/job_{uuid.UUID(int=7).hex}", None),
    ("GET", "/api/v1/models", None),
    ("POST", "/api/v1/models/import", {"path": "/nonexistent"}),
    ("GET", "/api/v1/models/nothing", None),
    ("DELETE", "/api/v1/models/nothing", None),
    ("POST", "/api/v1/models/nothing/pull", {}),
    ("GET", "/api/v1/routes", None),
    ("POST", "/api/v1/routes", {"name": "r", "model": "fake"}),
    ("GET", "/api/v1/routes/records", None),
    ("PUT", "/api/v1/routes/records", {"model": "fake", "corpora": ["records"]}),
    ("DELETE", "/api/v1/routes/nothing", None),
]

# Carriers of a credential: how a key is put into a request.
ACCEPTED = {
    "bearer": lambda key: ({"Authorization": f"Bearer {key}"}, ""),
    "bearer in small letters": lambda key: ({"Authorization": f"bearer {key}"}, ""),
    "x-api-key": lambda key: ({"x-api-key": key}, ""),
}
REFUSED = {
    "none": lambda key: ({}, ""),
    "api-key": lambda key: ({"api-key": key}, ""),
    "bare": lambda key: ({"Authorization": key}, ""),
    "basic": lambda key: ({"Authorization": "Basic " + base64.b64encode(f":{key}".encode()).decode()}, ""),
    "basic with the key as a name": lambda key: (
        {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()},
        "",
    ),
    "basic with the key as it is": lambda key: ({"Authorization": f"Basic {key}"}, ""),
    "token": lambda key: ({"Authorization": f"Token {key}"}, ""),
    "cookie": lambda key: ({"Cookie": f"key={key}; Authorization=Bearer {key}"}, ""),
    "query": lambda key: ({}, f"key={key}&api_key={key}&access_token={key}"),
    "query with the names of headers": lambda key: ({}, f"authorization=Bearer%20{key}&x-api-key={key}"),
    "websocket": lambda key: (
        {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": f"realtime, openai-insecure-api-key.{key}",
        },
        "",
    ),
    "proxy": lambda key: ({"Proxy-Authorization": f"Bearer {key}"}, ""),
    "forwarded": lambda key: ({"X-Forwarded-Authorization": f"Bearer {key}"}, ""),
    "bearer and x-api-key": lambda key: ({"Authorization": f"Bearer {key}", "x-api-key": key}, ""),
}


def knock(server: Server, door: tuple, carrier, key: str):
    method, path, body = door
    headers, query = carrier(key)
    if query:
        path += ("&" if "?" in path else "?") + query
    return server.request(method, path, body, headers)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door[0]} {door[1].split('?')[0]}")
def test_every_carrier_gets_one_answer_at_every_door(served, door) -> None:
    _, server, key = served
    for name, carrier in REFUSED.items():
        answer = knock(server, door, carrier, key)
        assert answer.status == 401, f"{name}: {answer.status} {answer.body[:200]}"
        assert answer.json()["error"]["code"] == "invalid_api_key", name
    answers = {name: knock(server, door, carrier, key) for name, carrier in ACCEPTED.items()}
    statuses = {name: answer.status for name, answer in answers.items()}
    assert len(set(statuses.values())) == 1, statuses
    assert 401 not in statuses.values(), statuses


def operations(server: Server, **names: str) -> list[tuple[str, str, list[str]]]:
    """Every operation of the API's own document but the open ones, with something in the place of each name, and what
    it takes behind the `?`. What is added to the program later is in here, too."""
    found = []
    for path, item in server.request("GET", "/openapi.json").json()["paths"].items():
        filled = re.sub(r"\{(\w+)\}", lambda place: names.get(place[1], "nothing"), path)
        for method, operation in item.items():
            taken = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            if path not in ("/healthz", "/readyz"):
                found.append((method.upper(), filled, taken))
    assert len(found) > 70, found
    return found


def test_no_other_carrier_opens_any_operation(served) -> None:
    """The highest key of all, carried in any way but the two that are known, is no key anywhere."""
    house, server, _ = served
    secret = (house.data / "operator.key").read_text()
    for method, path, _ in [*operations(server), ("POST", "/mcp", [])]:
        for name, carrier in REFUSED.items():
            answer = knock(server, (method, path, None), carrier, secret)
            assert answer.status == 401, f"{method} {path} by {name}: {answer.status} {answer.body[:200]}"


def test_a_key_that_is_no_operators_changes_nothing_of_the_house(served) -> None:
    _, server, key = served
    for method, path, body in DOORS:
        if method != "GET" and path.startswith("/api/") and not path.endswith(("/search", "/answers")):
            answer = server.request(method, path, body, {"Authorization": f"Bearer {key}"})
            assert answer.status in (403, 404), f"{method} {path}: {answer.status} {answer.body[:200]}"


HOSTILE = {
    "sql": b"Bearer ' UNION SELECT secret FROM key --",
    "sql that ends a statement": b"Bearer dure_'; DROP TABLE key; --",
    "a key's shape with sql inside": b"Bearer dure_" + b"' OR 1=1 --".ljust(65, b"A"),
    "percent": b"Bearer dure_%00%27%20OR%201=1",
    "nul": b"Bearer dure_\0\0\0",
    "invalid utf-8": b"Bearer \xff\xfe\xc3\x28",
    "korean": "Bearer 두레".encode(),
    "bell": b"Bearer \x07",
    "nothing": b"",
    "only the scheme": b"Bearer",
    "long": b"Bearer dure_" + b"A" * 50_000,
    "a megabyte": b"Bearer dure_" + b"A" * (1 << 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_key_gets_a_constant_answer(served, name) -> None:
    _, server, _ = served
    request = b"GET /v1/models HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nConnection: close\r\n\r\n" % (
        server.address.encode(),
        HOSTILE[name],
    )
    answer = server.raw(request)
    # A head that is no HTTP, or too large, is refused by the parser before anybody looks at its key. Where the server
    # closes while a megabyte still arrives, the client may see the reset before the answer.
    statuses = (b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.1 431")
    assert answer.startswith(statuses) or (name == "a megabyte" and answer == b""), answer[:300]
    assert not any(word in answer.decode("utf-8", "replace").lower() for word in NEVER_SQL), answer
    if answer.startswith(statuses[0]):
        assert b'"code":"invalid_api_key"' in answer, answer
    assert server.healthy()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_key_in_its_other_header_gets_the_same(served, name) -> None:
    _, server, _ = served
    value = HOSTILE[name].removeprefix(b"Bearer").removeprefix(b" ")
    lines = [b"GET /api/v1/me HTTP/1.1", b"Host: " + server.address.encode(), b"x-api-key: " + value, b"Connection: close"]
    answer = server.raw(b"\r\n".join([*lines, b"", b""]))
    statuses = (b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.1 431")
    assert answer.startswith(statuses) or (name == "a megabyte" and answer == b""), answer[:300]
    assert not any(word in answer.decode("utf-8", "replace").lower() for word in NEVER_SQL), answer
    assert server.healthy()


def test_refusals_of_keys_are_one_shape(served) -> None:
    """Whether a key is malformed, unknown, or right but for its secret, the answer is byte for byte the same."""
    _, server, key = served
    secret_changed = key[:-2] + ("AA" if not key.endswith("AA") else "BB")
    bodies = set()
    for tried in ["x", "dure_", "dure_" + "A" * 65, secret_changed, "' OR 1=1 --"]:
        answer = server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {tried}"})
        assert answer.status == 401, tried
        bodies.add((answer.body, answer.headers.get("www-authenticate")))
    assert len(bodies) == 1, bodies


def test_two_authorization_headers_are_none(served) -> None:
    _, server, key = served
    for second in (key, "other"):
        request = (
            f"GET /v1/models HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
            f"Authorization: Bearer {second}\r\nConnection: close\r\n\r\n"
        )
        assert server.raw(request.encode()).startswith(b"HTTP/1.1 401")


def test_another_hosts_name_is_not_answered_to(served) -> None:
    """A page of another site that a browser is talked into sending here (DNS rebinding)."""
    _, server, key = served
    bearer = {"Authorization": f"Bearer {key}"}
    assert server.request("GET", "/v1/models", headers={**bearer, "Host": "evil.example"}).status == 403
    assert server.request("GET", "/v1/models", headers={**bearer, "Origin": "https://evil.example"}).status == 403
    assert server.request("GET", "/v1/models", headers={**bearer, "Origin": server.url}).status == 200


def test_two_hosts_or_origins_are_none(served) -> None:
    """Whoever stands in front could judge the other one (RFC 9112, section 3.2)."""
    _, server, key = served
    ours, evil = server.address, "evil.example"
    for first, second in [(ours, evil), (evil, ours), (ours, ours)]:
        for name, before in [("Host", ""), ("Origin", f"Host: {ours}\r\n")]:
            scheme = "" if name == "Host" else "http://"
            both = f"{name}: {scheme}{first}\r\n{name}: {scheme}{second}\r\n"
            head = f"GET /v1/models HTTP/1.1\r\n{before}{both}Authorization: Bearer {key}\r\nConnection: close\r\n\r\n"
            answer = server.raw(head.encode())
            assert re.match(rb"HTTP/1.1 40[03] ", answer), (both, answer[:100])


def test_no_operation_is_answered_under_another_name(served) -> None:
    """With the operator's own key, from a page of another site: the name is judged before the key, at every door."""
    house, server, _ = served
    key = {"Authorization": f"Bearer {(house.data / 'operator.key').read_text()}"}
    pages = [(method, path, []) for method, path in [("POST", "/mcp"), ("GET", "/"), ("GET", "/docs"), ("GET", "/nothing")]]
    open_ones = [("GET", path, []) for path in ("/healthz", "/readyz", "/openapi.json")]
    for method, path, _ in [*operations(server), *pages, *open_ones]:
        for evil in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            answer = server.request(method, path, None, {**key, **evil})
            assert answer.status == 403, f"{method} {path} {evil}: {answer.status} {answer.body[:200]}"


def test_it_listens_on_loopback_unless_told_otherwise(house: House) -> None:
    house.key("first")
    settings = {one["name"]: one for one in house.json("doctor")["settings"]}
    listen = settings["server.listen"]
    assert listen["from"] == "default" and listen["value"].startswith("127.0.0.1:"), listen
    assert settings["metrics.listen"]["value"] == "", "what needs no key has no address of its own"


def welch(one: list[float], other: list[float]) -> float:
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.mean(one) - statistics.mean(other)) / spread**0.5


def test_how_much_of_a_key_is_right_cannot_be_timed(served) -> None:
    """Keys that are wrong at the secret's beginning, and keys that are wrong at its end, in an order by chance on one
    connection. What the machine does meanwhile meets both alike, so the measure has no bound in time."""
    _, server, key = served
    early, late = list(key), list(key)
    # Behind `dure_` and the id's 22 letters the secret begins; its last letter does not stand for six whole bits.
    early[27] = "A" if key[27] != "A" else "B"
    late[-2] = "A" if key[-2] != "A" else "B"
    order = [0, 1] * 2_000
    random.Random(20261125).shuffle(order)
    requests = [
        f"GET /v1/models HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {''.join(tried)}\r\n\r\n".encode()
        for tried in (early, late)
    ]
    taken = ([], [])
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for which in order:
            begun = time.perf_counter()
            connection.sendall(requests[which])
            answer = connection.recv(65536)
            taken[which].append(time.perf_counter() - begun)
            assert answer.startswith(b"HTTP/1.1 401"), answer[:100]
    # What the machine did in between is longer than anything that a comparison takes.
    bound = sorted(taken[0] + taken[1])[int(len(order) * 0.9)]
    wrong_early, wrong_late = ([time for time in times if time < bound] for times in taken)
    assert abs(welch(wrong_early, wrong_late)) < 4.5
    slower = [time + statistics.stdev(wrong_late) / 3 for time in wrong_late]
    assert abs(welch(wrong_early, slower)) > 4.5, "the measure would see a third of what is chance"


@pytest.fixture(scope="module")
def two_tenants(tmp_path_factory):
    """Two institutions on one server. `records` and its only reader's key belong to the first."""
    house = House(tmp_path_factory.mktemp("tenants") / "data")
    source = tmp_path_factory.mktemp("source")
    (source / "비밀.md").write_text("# 급수\n\n비밀 창고는 한빛동 3번지에 있다.\n", encoding="utf-8")
    house.dure("tenant", "create", "one")
    house.dure("tenant", "create", "two")
    house.corpus("records", "--tenant", "one")
    house.dure("corpus", "add", "records", source, "--tenant", "one")
    house.dure("route", "create", "line", "--model", "fake", "--corpus", "records", "--tenant", "one")
    house.dure("group", "create", "board", "--tenant", "one")
    house.corpus("closed", "--readers", "board", "--tenant", "one")
    keys = {
        "owner": house.key("a", "--tenant", "one"),
        "board": house.key("b", "--tenant", "one", "--group", "board"),
        "foreigner": house.key("c", "--tenant", "two"),
    }
    with house.up() as server:
        yield house, server, keys


def test_another_tenants_things_are_not_there(two_tenants) -> None:
    house, server, keys = two_tenants
    document = house.json("corpus", "show", "records", "--tenant", "one")[0]
    path = document["path"]
    doors = [
        ("GET", "/api/v1/corpora/records", None),
        ("GET", "/api/v1/corpora/records/documents", None),
        ("GET", f"/api/v1/corpora/records/document?document={document['id']}", None),
        ("POST", "/api/v1/corpora/records/search", FIND),
        ("POST", "/api/v1/corpora/records/answers", ASK),
        ("GET", f"/api/v1/documents/{document['id']}?from=0&to=1", None),
        ("GET", "/v1/models/line", None),
        ("POST", "/v1/chat/completions", {**CHAT, "model": "line"}),
    ]
    for method, address, body in doors:
        owner = server.request(method, address, body, {"Authorization": f"Bearer {keys['owner']}"})
        assert owner.status == 200, f"the owner at {address}: {owner.status} {owner.body[:300]}"
        foreigner = server.request(method, address, body, {"Authorization": f"Bearer {keys['foreigner']}"})
        assert foreigner.status == 404, f"{address}: {foreigner.status} {foreigner.body[:300]}"
        assert path.encode() not in foreigner.body
    for address in ["/api/v1/corpora", "/v1/models"]:
        listed = server.request("GET", address, headers={"Authorization": f"Bearer {keys['foreigner']}"})
        assert listed.status == 200 and b'"records"' not in listed.body and b'"line"' not in listed.body, address


def test_ids_that_name_nothing_or_something_else_are_not_there(two_tenants) -> None:
    house, server, keys = two_tenants
    corpus = house.json("corpus", "list", "--tenant", "one")[0]["id"]
    bearer = {"Authorization": f"Bearer {keys['owner']}"}
    for identity in [str(uuid.uuid4()), corpus, "0", "..%2F..%2Fdure.db", "%00", "x" * 3000]:
        answer = server.request("GET", f"/api/v1/documents/{identity}?from=0&to=1", headers=bearer)
        assert answer.status == 404, f"{identity[:40]}: {answer.status} {answer.body[:200]}"
    assert server.healthy()


def test_a_tenants_own_people_see_only_what_their_groups_read(two_tenants) -> None:
    _, server, keys = two_tenants
    for name, expected in [("board", 200), ("owner", 404), ("foreigner", 404)]:
        answer = server.request("GET", "/api/v1/corpora/closed", headers={"Authorization": f"Bearer {keys[name]}"})
        assert answer.status == expected, name


def test_a_callers_tenant_is_its_keys_whatever_it_says(two_tenants) -> None:
    _, server, keys = two_tenants
    headers = {"Authorization": f"Bearer {keys['foreigner']}", "x-dure-tenant": "one"}
    assert server.request("GET", "/api/v1/corpora/records", headers=headers).status == 404


def test_a_page_of_a_billion_is_no_more_than_a_page(two_tenants) -> None:
    _, server, keys = two_tenants
    bearer = {"Authorization": f"Bearer {keys['owner']}"}
    for path in ["corpora/records/documents", "corpora"]:
        for limit in ["1000000000", "0", "-1", "1e9", "99999999999999999999"]:
            answer = server.request("GET", f"/api/v1/{path}?limit={limit}", headers=bearer)
            assert answer.status == 400, f"{path} {limit}: {answer.body}"
            assert answer.json()["error"]["code"] == "invalid_value"
    search = server.request("POST", "/api/v1/corpora/records/search", {**FIND, "top": 10**9}, bearer)
    assert search.status == 400, search.body
    assert server.healthy()


def test_no_list_has_a_page_of_a_billion(two_tenants) -> None:
    """Every list that the document describes, asked by whoever may see the most."""
    house, server, _ = two_tenants
    headers = {"Authorization": f"Bearer {(house.data / 'operator.key').read_text()}", "x-dure-tenant": "one"}
    store = house.json("corpus", "list", "--tenant", "one")[0]["id"]
    lists = [path for _, path, taken in operations(server, name="records", store=store) if "limit" in taken]
    assert len(lists) > 12, lists
    for path in lists:
        for limit in ("1000000000", "0", "-1", "99999999999999999999"):
            answer = server.request("GET", f"{path}?limit={limit}", headers=headers)
            assert answer.status == 400, f"{path} {limit}: {answer.status} {answer.body[:200]}"
            assert answer.json()["error"]["code"] == "invalid_value"


def test_a_revoked_key_is_refused_at_once(two_tenants) -> None:
    house, server, _ = two_tenants
    key = house.key("leaver", "--tenant", "one")
    bearer = {"Authorization": f"Bearer {key}"}
    assert server.request("GET", "/v1/models", headers=bearer).status == 200
    house.dure("key", "revoke", "leaver", "--tenant", "one")
    assert server.request("GET", "/v1/models", headers=bearer).status == 401


class Held:
    """A connection of its own that stays open, for one door and one of the carriers that are accepted."""

    def __init__(self, server: Server, carrier: str, key: str, door: tuple):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        self.headers, _ = ACCEPTED[carrier](key)
        self.door = door

    def status(self) -> int:
        method, path, body = self.door
        headers = {**self.headers, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        self.connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


CLOSED = ("POST", "/api/v1/corpora/closed/search", FIND)
AT_WORK = [
    CLOSED,
    ("GET", "/v1/models", None),
    ("POST", "/v1/chat/completions", CHAT),
    ("GET", "/api/v1/conversations", None),
    ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
]


@contextlib.contextmanager
def member(two_tenants, name: str) -> Iterator[tuple[list[Held], object]]:
    """Somebody in the group that reads `closed`, at work at each door by every carrier; and what changes this person."""
    house, server, _ = two_tenants
    house.dure("person", "create", name, "--group", "board", "--tenant", "one")
    key = house.key(name, "--person", name, "--tenant", "one")
    keeper = {"Authorization": f"Bearer {(house.data / 'operator.key').read_text()}", "x-dure-tenant": "one"}

    def change(**what) -> None:
        answer = server.request("PATCH", f"/api/v1/people/{name}", what, keeper)
        assert answer.status == 200, answer.body

    with contextlib.ExitStack() as all_of_them:
        held = [Held(server, carrier, key, door) for carrier in ACCEPTED for door in AT_WORK]
        for one in held:
            all_of_them.callback(one.connection.close)
        assert [one.status() for one in held] == [200] * len(held)
        yield held, change


def test_a_suspended_person_is_refused_within_a_second_by_every_carrier(two_tenants) -> None:
    """Also on a connection that was open before, which is where an agent or a browser is."""
    with member(two_tenants, "sora") as (held, change):
        change(suspended=True)
        begun = time.monotonic()
        first = held[1].status()
        assert first == 401 and time.monotonic() - begun < 1, first
        assert {one.status() for one in held if one is not held[1]} == {401}
        change(suspended=False)
        for one in held:
            # What was refused with its body unread has lost its connection.
            one.connection.close()
        assert {one.status() for one in held} == {200}


def ended(server: Server, key: str, end) -> tuple[str, float]:
    """What a stream that would go on for minutes says at last, once `end` was called in its midst, and how long after."""
    body = {"model": "fake", "messages": [{"role": "user", "content": "word " * 900}], "stream": True}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        assert answer.status == 200
        while b"word" not in answer.readline():
            pass
        end()
        begun = time.monotonic()
        rest = answer.read().decode()
        return rest.strip().splitlines()[-1], time.monotonic() - begun
    finally:
        connection.close()


def test_a_stream_ends_when_its_key_does(house: House) -> None:
    """Within moments, with a last whole event that says why; another's stream goes on."""
    house.dure("person", "create", "sora")
    keys = {name: house.key(name, *options) for name, options in [("one", ["--person", "sora"]), ("two", [])]}
    with house.up(engine_fake_tokens_a_second=5) as server:
        operator = {"Authorization": f"Bearer {(house.data / 'operator.key').read_text()}"}
        ends = {
            "one": lambda: server.request("PATCH", "/api/v1/people/sora", {"suspended": True}, operator),
            "two": lambda: server.request("DELETE", "/api/v1/keys/two", headers=operator),
        }
        for name, end in ends.items():
            last, seconds = ended(server, keys[name], end)
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == "invalid_api_key", last
            assert seconds < 5


def test_whoever_leaves_a_group_reads_its_records_no_longer(two_tenants) -> None:
    with member(two_tenants, "narae") as (held, change):
        change(groups=[])
        for one in held:
            assert one.status() == (404 if one.door == CLOSED else 200), one.door


def test_without_a_key_nothing_starts(house: House) -> None:
    message = house.refuses("up", "--listen", "127.0.0.1:0")
    assert "key" in message
    house.key("first")
    with house.up() as server:
        assert server.healthy()


def test_with_its_only_key_revoked_nothing_starts(house: House) -> None:
    house.key("first")
    house.dure("key", "revoke", "first")
    assert "key" in house.refuses("up", "--listen", "127.0.0.1:0")


@pytest.mark.parametrize("how", ["named but not there", "a folder", "no text", "a mistake", "no TOML", "not readable"])
def test_settings_that_cannot_be_read_stop_everything(house: House, tmp_path, how) -> None:
    house.key("first")
    settings = tmp_path / "settings.toml"
    match how:
        case "a folder":
            settings.mkdir()
        case "no text":
            settings.write_bytes(b"\xff\xfe\x00[server]")
        case "a mistake":
            settings.write_text("[engine]\nslots = 'many'\n")
        case "no TOML":
            settings.write_text("[server\n")
        case "not readable":
            if os.geteuid() == 0:
                # Nothing is unreadable to root but what is not there to be followed.
                settings.symlink_to(settings)
            else:
                settings.write_text("[server]\n")
                settings.chmod(0)
    message = house.refuses("up", "--listen", "127.0.0.1:0", "--settings", settings)
    assert "settings" in message, message


@pytest.mark.parametrize("how", ["short", "empty", "no text", "a folder", "not readable"])
def test_an_operators_secret_that_cannot_be_read_stops_everything(house: House, how: str) -> None:
    """Above all it is not taken for one that was never made."""
    house.key("first")
    secret = house.data / "operator.key"
    secret.unlink(missing_ok=True)
    match how:
        case "short":
            secret.write_text("short")
        case "empty":
            secret.write_text("")
        case "no text":
            secret.write_bytes(b"\xff" * 64)
        case "a folder":
            secret.mkdir()
        case "not readable":
            # To root, too: there is nothing at the end of it.
            secret.symlink_to(secret)
    assert "operator.key" in house.refuses("up", "--listen", "127.0.0.1:0")


def test_a_database_that_cannot_be_read_stops_everything(house: House) -> None:
    """One that is gone knows no key, and one that is none is not begun anew."""
    house.key("first")
    for beside in house.data.glob("dure.db*"):
        beside.unlink()
    (house.data / "dure.db").write_bytes(b"\xff" * 8192)
    assert "database" in house.refuses("up", "--listen", "127.0.0.1:0")
    (house.data / "dure.db").unlink()
    assert "key" in house.refuses("up", "--listen", "127.0.0.1:0")


def test_empty_settings_open_nothing(house: House) -> None:
    house.data.mkdir(mode=0o700)
    (house.data / "settings.toml").write_text("")
    assert "key" in house.refuses("up", "--listen", "127.0.0.1:0")
    house.key("first")
    with house.up() as server:
        for method, path, _ in operations(server):
            assert server.request(method, path).status == 401, f"{method} {path}"


def test_what_is_secret_is_its_owners_alone(house: House) -> None:
    house.key("first")
    assert stat.S_IMODE(house.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((house.data / "operator.key").stat().st_mode) == 0o600
    keys = house.dure("key", "list", "--json")
    assert "dure_" not in keys


def test_a_second_server_on_one_folder_is_refused(house: House) -> None:
    house.key("first")
    with house.up() as server:
        message = house.refuses("up", "--listen", "127.0.0.1:0", timeout=30)
        assert str(server.process.pid) in message, message
        assert server.healthy()
    # The first one's end frees the folder, however it ends.
    with house.up() as server:
        server.process.kill()
        server.process.wait()
    with house.up() as server:
        eventually(server.healthy)
