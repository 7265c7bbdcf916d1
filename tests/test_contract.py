"""The API held to its own OpenAPI document: who may do what, and what thousands of made-up requests find.

`ACCESS` says of every operation who it is for. The matrix is made from the document, so an operation that is not
classified here fails the first test, and one that answers the wrong people fails the second.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from house import House, Server

ANYONE, KEY, ADMINISTRATOR, STEWARD, OPERATOR = range(5)

# Whom an operation is for at least: anyone, any key, whoever administers the tenant, whoever administers the house's own
# tenant, the operator alone.
ACCESS = {
    "get /healthz": ANYONE,
    "get /readyz": ANYONE,
    "get /metrics": STEWARD,
    "get /api/v1/metrics": STEWARD,
    "post /api/v1/backup": OPERATOR,
    "post /api/v1/check": OPERATOR,
    "get /api/v1/conversations": KEY,
    "post /api/v1/conversations": KEY,
    "delete /api/v1/conversations": KEY,
    "get /api/v1/conversations/{id}": KEY,
    "patch /api/v1/conversations/{id}": KEY,
    "delete /api/v1/conversations/{id}": KEY,
    "get /api/v1/conversations/{id}/export": KEY,
    "post /v1/responses": KEY,
    "get /v1/responses/{id}": KEY,
    "delete /v1/responses/{id}": KEY,
    "post /v1/responses/{id}/cancel": KEY,
    "get /v1/responses/{id}/input_items": KEY,
    "get /v1/models": KEY,
    "get /v1/models/{model}": KEY,
    "post /v1/chat/completions": KEY,
    "post /v1/completions": KEY,
    "post /v1/messages": KEY,
    "post /v1/embeddings": KEY,
    "get /v1/files": KEY,
    "post /v1/files": KEY,
    "get /v1/files/{file}": KEY,
    "delete /v1/files/{file}": KEY,
    "get /v1/files/{file}/content": KEY,
    "get /v1/vector_stores": KEY,
    "post /v1/vector_stores": ADMINISTRATOR,
    "get /v1/vector_stores/{store}": KEY,
    "post /v1/vector_stores/{store}": ADMINISTRATOR,
    "delete /v1/vector_stores/{store}": ADMINISTRATOR,
    "post /v1/vector_stores/{store}/search": KEY,
    "get /v1/vector_stores/{store}/files": KEY,
    "post /v1/vector_stores/{store}/files": ADMINISTRATOR,
    "get /v1/vector_stores/{store}/files/{file}": KEY,
    "delete /v1/vector_stores/{store}/files/{file}": ADMINISTRATOR,
    "get /api/v1/me": KEY,
    "get /api/v1/status": ADMINISTRATOR,
    "get /api/v1/settings": OPERATOR,
    "get /api/v1/tenants": OPERATOR,
    "post /api/v1/tenants": OPERATOR,
    "get /api/v1/tenants/{name}": OPERATOR,
    "put /api/v1/tenants/{name}/quota": OPERATOR,
    "get /api/v1/groups": ADMINISTRATOR,
    "post /api/v1/groups": ADMINISTRATOR,
    "get /api/v1/groups/{name}": ADMINISTRATOR,
    "delete /api/v1/groups/{name}": ADMINISTRATOR,
    "get /api/v1/people": ADMINISTRATOR,
    "post /api/v1/people": ADMINISTRATOR,
    "get /api/v1/people/{name}": ADMINISTRATOR,
    "patch /api/v1/people/{name}": ADMINISTRATOR,
    "get /api/v1/keys": ADMINISTRATOR,
    "post /api/v1/keys": ADMINISTRATOR,
    "get /api/v1/keys/{name}": ADMINISTRATOR,
    "delete /api/v1/keys/{name}": ADMINISTRATOR,
    "get /api/v1/corpora": KEY,
    "post /api/v1/corpora": ADMINISTRATOR,
    "get /api/v1/corpora/{name}": KEY,
    "patch /api/v1/corpora/{name}": ADMINISTRATOR,
    "delete /api/v1/corpora/{name}": ADMINISTRATOR,
    "post /api/v1/corpora/{name}/add": OPERATOR,
    "post /api/v1/corpora/{name}/files": ADMINISTRATOR,
    "get /api/v1/corpora/{name}/documents": KEY,
    "get /api/v1/corpora/{name}/document": KEY,
    "delete /api/v1/corpora/{name}/document": ADMINISTRATOR,
    "post /api/v1/corpora/{name}/document/class": KEY,
    "post /api/v1/corpora/{name}/search": KEY,
    "post /api/v1/corpora/{name}/answers": KEY,
    "get /api/v1/documents/{id}": KEY,
    "get /api/v1/index": KEY,
    "get /api/v1/policies": ADMINISTRATOR,
    "get /api/v1/approvals": KEY,
    "get /api/v1/approvals/{id}": KEY,
    "post /api/v1/approvals/{id}": KEY,
    "get /api/v1/policies/files/{name}": ADMINISTRATOR,
    "post /api/v1/policies/explain": ADMINISTRATOR,
    "get /api/v1/mask": KEY,
    "post /api/v1/mask": KEY,
    "get /api/v1/receipts": KEY,
    "get /api/v1/receipts/{id}": KEY,
    "get /api/v1/receipts/{id}/proof": KEY,
    "get /api/v1/ledger": KEY,
    "get /api/v1/reports": ADMINISTRATOR,
    "get /api/v1/reports/{name}": ADMINISTRATOR,
    "get /api/v1/jobs": ADMINISTRATOR,
    "get /api/v1/jobs/{id}": ADMINISTRATOR,
    "delete /api/v1/jobs/{id}": ADMINISTRATOR,
    "get /api/v1/models": ADMINISTRATOR,
    "post /api/v1/models/import": OPERATOR,
    "get /api/v1/models/{name}": ADMINISTRATOR,
    "delete /api/v1/models/{name}": STEWARD,
    "post /api/v1/models/{name}/pull": STEWARD,
    "get /api/v1/routes": ADMINISTRATOR,
    "post /api/v1/routes": ADMINISTRATOR,
    "get /api/v1/routes/{name}": ADMINISTRATOR,
    "put /api/v1/routes/{name}": ADMINISTRATOR,
    "delete /api/v1/routes/{name}": ADMINISTRATOR,
}

# Bodies that a parser takes, where an empty object is none.
BODIES = {
    "post /v1/chat/completions": {"model": "line", "messages": [{"role": "user", "content": "hello"}]},
    "post /v1/completions": {"model": "fake", "prompt": "hello"},
    "post /v1/messages": {"model": "line", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]},
    "post /v1/embeddings": {"model": "fake", "input": "hello"},
    "post /v1/vector_stores/{store}/search": {"query": "비밀"},
    "post /v1/vector_stores/{store}/files": {"file_id": "file_" + uuid.UUID(int=7).hex},
    "post /api/v1/corpora/{name}/search": {"question": "비밀", "mode": "words"},
    "post /api/v1/corpora/{name}/answers": {"question": "비밀", "mode": "extractive"},
    "post /api/v1/corpora/{name}/document/class": {"to": "open", "reason": "public by now"},
    "post /api/v1/approvals/{id}": {"answer": "decline", "reason": "no"},
    "put /api/v1/routes/{name}": {"name": "line", "model": "fake"},
    "post /api/v1/policies/explain": {"who": {"kind": "person"}, "act": {"search": {}}},
    "post /api/v1/mask": {"text": "비밀"},
}
QUERIES = {
    "get /api/v1/corpora/{name}/document": "?document=비밀.md",
    "delete /api/v1/corpora/{name}/document": "?document=비밀.md",
    "post /api/v1/corpora/{name}/document/class": "?document=비밀.md",
    "get /api/v1/documents/{id}": "?from=0&to=1",
    "get /api/v1/reports/{name}": "?from=2026-11-01&to=2026-12-31",
    "post /api/v1/corpora/{name}/files": "?path=a.md",
}


class Town:
    """Two tenants; everything that has a name or an id is the first one's."""

    def __init__(self, house: House, server: Server, keys: dict[str, str], names: dict[str, str]):
        self.house, self.server, self.keys, self.names = house, server, keys, names
        self.document = server.request("GET", "/openapi.json").json()

    def operations(self) -> list[str]:
        return [f"{method} {path}" for path, item in self.document["paths"].items() for method in item]

    def ask(self, operation: str, key: str | None, names: dict[str, str] | None = None, carrier: str = "Bearer"):
        method, path = operation.split(" ")
        names = names if names is not None else self.names
        # What a placeholder stands for depends on where it stands: `/keys/{name}` is a key's.
        parts = []
        for part in path.split("/"):
            parts.append(names.get(f"{parts[-1]} {part}", names.get(part, part)) if part.startswith("{") else part)
        query = QUERIES.get(operation, "")
        address = "/".join(parts) + query
        headers = {}
        if key:
            headers = {"x-api-key": key} if carrier == "x-api-key" else {"Authorization": f"Bearer {key}"}
        body = None if method in ("get", "delete") else BODIES.get(operation, {})
        quoted = re.sub(r"[^\x21-\x7e]", lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), address)
        return self.server.request(method.upper(), quoted, body, headers)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("contract") / "data")
    source = tmp_path_factory.mktemp("source")
    (source / "비밀.md").write_text("# 급수\n\n비밀 창고는 한빛동 3번지에 있다.\n", encoding="utf-8")
    house.dure("tenant", "create", "other")
    house.corpus("records")
    house.dure("corpus", "add", "records", source)
    house.dure("route", "create", "line", "--model", "fake", "--corpus", "records")
    house.dure("group", "create", "law")
    house.dure("person", "create", "minji")
    house.dure("person", "create", "gone")
    house.dure("tenant", "create", "third")
    keys = {
        "plain": house.key("plain"),
        "keeper": house.key("keeper", "--administrator"),
        "foreign": house.key("foreign", "--administrator", "--tenant", "other"),
        "visitor": house.key("visitor", "--tenant", "third"),
        "revoked": house.key("revoked", "--administrator"),
        "suspended": house.key("suspended", "--administrator", "--person", "gone"),
    }
    house.dure("key", "revoke", "revoked")
    document = house.json("corpus", "show", "records")[0]["id"]
    corpus = house.json("corpus", "list")[0]["id"]
    # Whoever makes up requests asks for models, too: nothing is fetched from anywhere.
    with house.up(models_python="/bin/false", models_hugging_face="http://127.0.0.1:9") as server:
        keeper = {"Authorization": f"Bearer {keys['keeper']}"}
        gone = server.request("PATCH", "/api/v1/people/gone", {"suspended": True}, keeper)
        assert gone.status == 200, gone.body
        form = (
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n# a\r\n--x--\r\n'
        )
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        file = server.request("POST", "/v1/files", form, {**keeper, **kind}).json()["id"]
        put = server.request("POST", f"/v1/vector_stores/{corpus}/files", {"file_id": file}, keeper)
        assert put.status == 200, put.body
        job = server.request(
            "POST", "/api/v1/corpora/records/files?path=b.md", b"# b", {**keeper, "Prefer": "respond-async"}
        ).json()["id"]
        asked = server.request("POST", "/v1/chat/completions", BODIES["post /v1/chat/completions"], keeper)
        names = {
            "receipts {id}": asked.headers["x-dure-receipt"],
            "models {model}": "line",
            "{file}": file,
            "{store}": corpus,
            "tenants {name}": "default",
            "groups {name}": "law",
            "people {name}": "minji",
            "keys {name}": "plain",
            "corpora {name}": "records",
            "documents {id}": document,
            "jobs {id}": job,
            "reports {name}": "access-log",
            "models {name}": "fake",
            "routes {name}": "line",
            "files {name}": "20-send.cedar",
        }
        yield Town(house, server, keys, names)


def test_every_operation_is_classified(town) -> None:
    assert set(town.operations()) == set(ACCESS), "classify each operation of the document in ACCESS"


def test_the_document_is_browsable_without_a_fetch_to_anywhere(town) -> None:
    for path, kind in [("/docs", "text/html"), ("/docs/docs.js", "text/javascript"), ("/docs/docs.css", "text/css")]:
        page = town.server.request("GET", path)
        assert page.status == 200 and page.headers["content-type"].startswith(kind)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert not re.search(rb"(src|href|fetch|import)[=(\s\"']+(https?:)?//", page.body), path
    assert b"<script>" not in town.server.request("GET", "/docs").body
    assert town.document["openapi"].startswith("3.1")


def test_without_a_good_key_every_operation_is_closed(town) -> None:
    """No key, one that is revoked, one of a person who is suspended, one that was never made."""
    never = "dure_" + "A" * 65
    for operation, access in ACCESS.items():
        if access == ANYONE:
            continue
        for key in (None, town.keys["revoked"], town.keys["suspended"], never, "' OR 1=1 --"):
            for carrier in ("Bearer", "x-api-key"):
                answer = town.ask(operation, key, carrier=carrier)
                assert answer.status == 401, f"{operation} with {key}: {answer.status} {answer.body[:200]}"
                assert answer.json()["error"]["code"] == "invalid_api_key"


def test_who_may_less_is_refused_the_same_way_by_every_carrier(town) -> None:
    """Nobody reaches what is for those above; what is refused is refused before anything else is looked at."""
    may = {"plain": KEY, "keeper": STEWARD, "foreign": ADMINISTRATOR, "visitor": KEY}
    for operation, access in ACCESS.items():
        for name, most in may.items():
            if access <= most:
                continue
            for carrier in ("Bearer", "x-api-key"):
                for names in (town.names, {}):
                    answer = town.ask(operation, town.keys[name], names, carrier)
                    assert answer.status == 403, f"{operation} as {name}: {answer.status} {answer.body[:200]}"
                    assert answer.json()["error"]["code"] == "refused_by_policy"


def test_another_tenants_ids_are_as_if_they_were_not_there(town) -> None:
    """Ids and names of the first tenant, in the hands of the others: what may be asked is answered with 404, as for an
    id that never was, and nothing of the first tenant is told."""
    secrets = ["비밀", "한빛동", "keeper", "minji"]
    for operation, access in ACCESS.items():
        path = operation.split(" ")[1]
        # Models and policies are the whole house's, and reports' names everybody's; `test_reports` looks at what those tell.
        shared = ("/api/v1/models/{name}", "/api/v1/policies/files/{name}", "/api/v1/reports/{name}")
        if "{" not in path or access in (ANYONE, OPERATOR) or path in shared:
            continue
        for name, most in (("foreign", ADMINISTRATOR), ("visitor", KEY)):
            if access > most:
                continue
            theirs = town.ask(operation, town.keys[name])
            assert theirs.status == 404, f"{operation} as {name}: {theirs.status} {theirs.body[:200]}"
            assert not any(secret in theirs.body.decode() for secret in secrets), f"{operation}: {theirs.body}"
    for path in [p for p in town.operations() if p.startswith("get ") and "{" not in p]:
        for name in ("foreign", "visitor"):
            listed = town.ask(path, town.keys[name])
            text = listed.body.decode()
            hits = [secret for secret in ("records", "비밀", "minji", '"line"', '"keeper"') if secret in text]
            # What one asked for oneself stands in one's own acts, whether it was there or not; a kind of data that is
            # hidden is called 비밀키.
            told = ("get /api/v1/models", "get /healthz", "get /api/v1/receipts", "get /api/v1/mask")
            assert not hits or path in told, f"{path} tells {name} of {hits}"
    # All of it is still there.
    for operation in ("get /api/v1/corpora/{name}", "get /api/v1/routes/{name}", "get /v1/files/{file}"):
        assert town.ask(operation, town.keys["keeper"]).status == 200


WRONG = ["nothing", "0", "-1", "x" * 3000, "%00", "..%2F..%2Fdure.db", "%2e%2e", "%FF", "' OR 1=1 --", "{name}"]


def test_ids_that_name_nothing_are_not_found(town) -> None:
    """Names that are none, ids of another kind, ids that were never given."""
    kinds = ["corpus", "doc", "file", "job", "key", "person"]
    wrong = [*WRONG, *(f"{kind}_{uuid.UUID(int=9).hex}" for kind in kinds)]
    for operation, access in ACCESS.items():
        path = operation.split(" ")[1]
        if "{" not in path or access == OPERATOR:
            continue
        for name in wrong:
            names = {place: name for place in re.findall(r"\{\w+\}", path)}
            answer = town.ask(operation, town.keys["keeper"], names)
            body = answer.body[:200]
            # A route's name is checked against its body's first.
            expected = (400, 404) if operation.startswith("put") else (404,)
            assert answer.status in expected, f"{operation} {name[:30]}: {answer.status} {body}"
            assert b"panicked" not in body and b"sqlite" not in body.lower()
    assert town.server.healthy()


ODD = [
    "//api/v1/keys",
    "/api/v1//keys",
    "/api/v1/keys/",
    "/API/V1/KEYS",
    "/api/v1/keys.",
    "/api/v1/keys;x",
    "/api/v1/./keys",
    "/api/v1/me/../keys",
    "/v1/..;/api/v1/keys",
    "/healthz/../api/v1/keys",
    "/healthz%2f..%2fapi/v1/keys",
    "/docs/../api/v1/keys",
    "/%61pi/v1/keys",
    "/api%2fv1%2fkeys",
    "/api/v1/keys%00",
    "/api/v1/keys?x=/healthz",
    "/api/v1/k%65ys",
]
HEADERS = [
    {"X-Original-URL": "/healthz"},
    {"X-Rewrite-URL": "/healthz"},
    {"X-Forwarded-Prefix": "/healthz"},
    {"X-Forwarded-Path": "/healthz"},
    {"X-HTTP-Method-Override": "OPTIONS"},
    {"X-Forwarded-For": "127.0.0.1"},
]


def test_the_door_that_is_asked_is_the_door_that_is_judged(town) -> None:
    """Addresses and headers by which other gateways were made to judge one door and open another."""
    for path in ODD:
        answer = town.server.request("GET", path)
        assert answer.status in (400, 401, 404), f"{path}: {answer.status} {answer.body[:200]}"
        assert b"keeper" not in answer.body
    for headers in HEADERS:
        assert town.server.request("GET", "/api/v1/keys", headers=headers).status == 401, headers
    address = town.server.address
    absolute = f"GET http://{address}/api/v1/keys HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    assert town.server.raw(absolute.encode()).startswith(b"HTTP/1.1 401")
    elsewhere = absolute.replace(f"http://{address}/", "http://evil.example/")
    assert town.server.raw(elsewhere.encode()).startswith(b"HTTP/1.1 403")


@pytest.mark.timeout(3600)
def test_what_the_document_says_holds_for_made_up_requests(town, tmp_path) -> None:
    """schemathesis makes requests from the document, right and wrong ones: no 5xx, no answer that is not as it is
    described, no door that ignores a missing key. `DURE_SCHEMATHESIS_CASES` asks for at least so many."""
    key = town.house.key("fuzz-" + uuid.uuid4().hex[:8], "--administrator")
    cases = int(os.environ.get("DURE_SCHEMATHESIS_CASES", "1000"))
    # Half of them come from the document's own bounds, whatever is asked for; the rest is made up for each operation.
    examples = max(4, cases // len(town.operations()))
    seconds = max(240, cases // 5)
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{town.server.url}/openapi.json",
        "--header",
        f"Authorization: Bearer {key}",
        "--checks",
        checks,
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        str(examples),
        "--max-time",
        str(seconds),
        "--seed",
        "20261125",
        "--workers",
        "1",
        "--request-timeout",
        "30",
        "--suppress-health-check",
        "all",
        "--warnings",
        "off",
        "--no-color",
        "--report",
        "json",
        "--report-json-path",
        str(tmp_path / "report.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 3 + 120, cwd=tmp_path)
    assert town.server.healthy()
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    made = re.search(r"(\d[\d,]*) generated", done.stdout)
    assert made and int(made[1].replace(",", "")) >= cases, done.stdout[-1000:]
    print(made[0])
