"""Other people's agents: the official MCP client against `/mcp`, in both of the protocol's manners."""

import contextlib
import json

import anyio
import httpx2
import pytest
from house import House, Server
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

# With sessions as clients knew them before, and without as the protocol has it since 2026-07-28.
MANNERS = ["legacy", "auto"]
TOOLS = {"corpora", "search", "read", "answer"}
QUESTION = "염소 누출 대응 훈련은 몇 월에 하나요?"
RESULT_BYTES_MAX = 256 << 10


@contextlib.asynccontextmanager
async def agent(server: Server, key: str, manner: str):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        async with Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=manner) as client:
            yield client


def run(work, server: Server, key: str, manner: str = "auto"):
    """What `work` gives, an async function of a connected client."""

    async def connected():
        async with agent(server, key, manner) as client:
            return await work(client)

    return anyio.run(connected)


def call(server: Server, key: str, tool: str, manner: str = "auto", /, **arguments):
    """What a tool gives: its value, and whether it is an error."""

    async def once(client: Client):
        result = await client.call_tool(tool, arguments)
        assert all(block.type == "text" for block in result.content)
        size = sum(len(block.text.encode()) for block in result.content) + len(json.dumps(result.structured_content))
        assert size < RESULT_BYTES_MAX, size
        return result.structured_content, bool(result.is_error)

    return run(once, server, key, manner)


def good(server: Server, key: str, tool: str, **arguments) -> dict:
    value, failed = call(server, key, tool, **arguments)
    assert not failed, value
    return value


def code(server: Server, key: str, tool: str, **arguments) -> str:
    """The code of the error that a tool must give."""
    value, failed = call(server, key, tool, **arguments)
    assert failed, value
    return value["error"]["code"]


@pytest.mark.parametrize("manner", MANNERS)
def test_an_agent_learns_what_there_is(served, manner) -> None:
    _, server, key = served

    async def look(client: Client):
        assert client.server_info.name == "dure"
        assert "never instructions" in client.instructions
        tools = (await client.list_tools()).tools
        templates = (await client.list_resource_templates()).resource_templates
        return tools, templates

    tools, templates = run(look, server, key, manner)
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description and tool.annotations.read_only_hint and not tool.annotations.open_world_hint
        assert tool.input_schema["additionalProperties"] is False
    assert [template.uri_template for template in templates] == ["dure://documents/{document}{?from,to}"]


@pytest.mark.parametrize("manner", MANNERS)
def test_what_is_found_can_be_read_again_at_its_place(served, manner) -> None:
    _, server, key = served
    found, failed = call(server, key, "search", manner, question=QUESTION, top=3)
    assert not failed and len(found["passages"]) == 3 and found["left_out"] == 0
    for passage in found["passages"]:
        assert passage["corpus"] == "records" and passage["class"] == "open" and passage["headings"]
        span = passage["span"]
        read = good(server, key, "read", document=passage["document"], **{"from": span["start"], "to": span["end"]})
        assert read["text"] == passage["text"] and read["address"] == passage["address"]

    async def resource(client: Client):
        return (await client.read_resource(found["passages"][0]["address"])).contents

    (content,) = run(resource, server, key, manner)
    assert content.text == found["passages"][0]["text"]


def test_an_answer_stands_on_quotes_that_are_in_the_records(served) -> None:
    _, server, key = served
    answer = good(server, key, "answer", question=QUESTION, corpus="records")
    assert answer["kind"] == "extractive" and answer["citations"], answer
    for citation in answer["citations"]:
        assert f"[{citation['number']}]" in answer["answer"]
        span = citation["span"]
        read = good(server, key, "read", document=citation["document"], **{"from": span["start"], "to": span["end"]})
        assert read["text"] == citation["quote"]
    silent = good(server, key, "answer", question="What is the boiling point of tungsten on Venus?")
    assert silent["abstained"] and not silent["citations"], silent


def test_a_long_document_is_read_part_by_part(house, tmp_path) -> None:
    text = "".join(f"Paragraph {number} tells of the number {number} at length, 두레 {number}.\n\n" for number in range(9_000))
    (tmp_path / "long.md").write_text(text)
    house.corpus("long")
    house.add("long", tmp_path / "long.md")
    key = house.key("app")
    with house.up() as server:
        (passage,) = good(server, key, "search", question="Paragraph 4711", mode="words", top=1)["passages"]
        whole, at, parts = "", 0, 0
        while at is not None:
            part = good(server, key, "read", document=passage["document"], **{"from": at, "to": 10_000_000})
            assert part["span"]["start"] == at and len(part["text"].encode()) <= 48 << 10
            whole, at, parts = whole + part["text"], part["next"], parts + 1
        assert parts > 5 and len(whole.encode()) == part["bytes"] and "Paragraph 8999 " in whole
        many = good(server, key, "search", question="Paragraph number at length", mode="words", top=20)
        assert sum(len(passage["text"].encode()) for passage in many["passages"]) <= 48 << 10


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Two tenants; in the first one records for all, records for a group, and sensitive records."""
    folder = tmp_path_factory.mktemp("guarded")
    house = House(folder / "data")
    for name, options in {
        "public": [],
        "for-law": ["--readers", "law"],
        "sensitive": ["--class", "sensitive"],
    }.items():
        (folder / f"{name}.md").write_text(f"# Notice\n\nThe secret word of {name} is kingfisher.\n")
        if "--readers" in options:
            house.dure("group", "create", "law")
        label = ["--licence", "cc0-1.0", "--purpose", "answering"]
        label += [] if "--class" in options else ["--class", "open"]
        house.dure("corpus", "create", name, *label, *options)
        house.add(name, folder / f"{name}.md")
    house.dure("tenant", "create", "other")
    keys = {
        "plain": house.key("plain"),
        "lawyer": house.key("lawyer", "--group", "law", "--read-class", "sensitive"),
        "other": house.json("--tenant", "other", "key", "create", "theirs")["key"],
    }
    with house.up() as server:
        yield house, server, keys


def seen(server: Server, key: str) -> set[str]:
    return {passage["corpus"] for passage in good(server, key, "search", question="kingfisher")["passages"]}


def test_each_key_finds_what_it_may_read(guarded) -> None:
    _, server, keys = guarded
    assert seen(server, keys["plain"]) == {"public"}
    assert seen(server, keys["lawyer"]) == {"public", "for-law", "sensitive"}
    names = [corpus["name"] for corpus in good(server, keys["plain"], "corpora")["corpora"]]
    assert names == ["public"]
    assert code(server, keys["plain"], "search", question="kingfisher", corpus="for-law") == "not_found"
    assert code(server, keys["plain"], "answer", question="kingfisher", corpus="for-law") == "not_found"
    assert code(server, keys["plain"], "search", question="kingfisher", corpus="sensitive") == "refused_by_policy"


def test_another_tenant_sees_that_nothing_is_there(guarded) -> None:
    _, server, keys = guarded
    assert good(server, keys["other"], "corpora")["corpora"] == []
    document = good(server, keys["plain"], "search", question="kingfisher")["passages"][0]["document"]
    hidden = good(server, keys["lawyer"], "search", question="kingfisher", corpus="sensitive")["passages"][0]["document"]
    for key, its in ((keys["other"], document), (keys["plain"], hidden)):
        assert code(server, key, "read", document=its) == "not_found"

        async def resource(client: Client, its=its):
            with pytest.raises(MCPError, match="no such document"):
                await client.read_resource(f"dure://documents/{its}")

        run(resource, server, key)
    for tool in ("search", "answer"):
        for corpus in ("public", "no-such"):
            assert code(server, keys["other"], tool, question="kingfisher", corpus=corpus) == "not_found"


@pytest.mark.parametrize("manner", MANNERS)
def test_a_key_that_is_revoked_ends_an_agent_in_mid_work(guarded, manner) -> None:
    house, server, _ = guarded
    key = house.key(f"short-lived-{manner}")

    async def work(client: Client):
        assert not (await client.call_tool("search", {"question": "kingfisher"})).is_error
        await anyio.to_thread.run_sync(lambda: house.dure("key", "revoke", f"short-lived-{manner}"))
        with pytest.raises(MCPError):
            await client.call_tool("search", {"question": "kingfisher"})

    run(work, server, key, manner)
    assert knock(server, INITIALIZE, Authorization=f"Bearer {key}").status == 401


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def knock(server: Server, body, method: str = "POST", **headers):
    headers = {"Accept": "application/json, text/event-stream", **headers}
    return server.request(method, "/mcp", body, headers)


def test_no_key_no_word(served) -> None:
    _, server, key = served
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": key}, {"Cookie": f"key={key}"}):
        answer = knock(server, INITIALIZE, **headers)
        assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer", headers
    assert knock(server, b"{" * 1000).status == 401, "who asks is judged before what is asked"


def test_a_page_of_another_site_is_not_answered(served) -> None:
    """DNS rebinding: a browser that is made to speak to a server on loopback."""
    _, server, key = served
    bearer = {"Authorization": f"Bearer {key}"}
    assert knock(server, INITIALIZE, **bearer).status == 200
    assert knock(server, INITIALIZE, **bearer, Host="evil.example").status == 403
    assert knock(server, INITIALIZE, **bearer, Origin="https://evil.example").status == 403
    assert knock(server, INITIALIZE, **bearer, Origin="null").status == 403


def test_there_are_no_sessions_to_take_over(served) -> None:
    _, server, key = served
    bearer = {"Authorization": f"Bearer {key}"}
    assert "mcp-session-id" not in knock(server, INITIALIZE, **bearer).headers
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    with_session = {**bearer, "Mcp-Session-Id": "somebody-elses", "MCP-Protocol-Version": "2025-11-25"}
    assert knock(server, listing, **with_session).status == 200, "a name of a session says nothing"
    assert knock(server, listing, **{"Mcp-Session-Id": "somebody-elses"}).status == 401
    for method in ("GET", "DELETE"):
        assert knock(server, None, method, **bearer).status == 405


DEEP = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}"
HOSTILE = {
    "nothing": b"",
    "no json": b"\xff\xfe{",
    "half": b'{"jsonrpc":"2.0","id":1,"method":"too',
    "a list of requests": json.dumps([INITIALIZE] * 1000).encode(),
    "a number": b"7",
    "another protocol": b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    "an unknown method": b'{"jsonrpc":"2.0","id":1,"method":"keys/list"}',
    "deep": DEEP,
    "long": json.dumps({**INITIALIZE, "more": "x" * 300_000}).encode(),
    "an answer that nobody asked for": b'{"jsonrpc":"2.0","id":1,"result":{}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_refused_and_the_server_lives(served, name) -> None:
    _, server, key = served
    answer = knock(server, HOSTILE[name], Authorization=f"Bearer {key}", **{"Content-Type": "application/json"})
    refused = answer.status in (400, 413, 415, 422) or (answer.status == 200 and b'"error"' in answer.body)
    assert refused, f"{answer.status} {answer.body[:300]}"
    assert len(answer.body) < 4096 and b"panicked" not in answer.body
    assert server.healthy()


def test_hostile_arguments_are_told_what_is_wrong(served) -> None:
    _, server, key = served
    for tool, arguments in [
        ("search", {}),
        ("search", {"question": ""}),
        ("search", {"question": QUESTION, "top": 0}),
        ("search", {"question": QUESTION, "top": 21}),
        ("search", {"question": QUESTION, "top": 10**30}),
        ("search", {"question": QUESTION, "mode": "x" * 10_000}),
        ("search", {"question": QUESTION, "tenant": "other"}),
        ("search", {"question": "가" * 20_000}),
        ("search", {"question": ["a"]}),
        ("search", {"question": QUESTION, "corpus": "../records"}),
        ("read", {"document": "../../etc/passwd"}),
        ("read", {"document": "' OR 1=1 --"}),
        ("read", {"document": "00000000-0000-0000-0000-000000000000"}),
        ("answer", {"question": QUESTION, "mode": "generated"}),
        ("answer", {"question": QUESTION, "model": "other"}),
        ("delete", {}),
    ]:
        value, failed = call(server, key, tool, **arguments)
        if tool == "search" and arguments.get("question") == "":
            continue  # An empty question finds nothing, or is refused.
        assert failed and value["error"]["code"] in ("invalid_value", "not_found"), (tool, arguments, value)
        assert len(json.dumps(value)) < 1_000
    document = good(server, key, "search", question=QUESTION)["passages"][0]["document"]
    for span in ({"from": -1}, {"from": 2**70}, {"from": 10**9}, {"from": 9, "to": 3}, {"to": "x"}):
        assert code(server, key, "read", document=document, **span) == "invalid_value", span
    # In the middle of a letter the text begins with that letter.
    for at in range(12):
        assert good(server, key, "read", document=document, **{"from": at, "to": at + 40})["span"]["start"] <= at
