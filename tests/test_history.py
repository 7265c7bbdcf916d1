"""Conversations that are kept, from outside: through the API, with the official client where it can."""

import json
import socket

import openai
import pytest
from house import House, Server, eventually
from test_openai_client import QUESTION, chat

API = "/api/v1/conversations"


def api(server: Server, key: str, method: str, path: str, body=None):
    return server.request(method, path, body=body, headers={"Authorization": f"Bearer {key}"})


def begin(server: Server, key: str) -> str:
    made = api(server, key, "POST", API, {})
    assert made.status == 201, made.body
    return made.json()["id"]


def turns(server: Server, key: str, conversation: str) -> list[dict]:
    shown = api(server, key, "GET", f"{API}/{conversation}")
    assert shown.status == 200, shown.body
    return shown.json()["turns"]


def test_a_conversation_is_kept_shown_searched_exported_and_deleted(served, client: openai.OpenAI) -> None:
    _, server, key = served
    conversation = begin(server, key)
    place = {"dure": {"conversation": conversation}}
    answer = client.chat.completions.with_raw_response.create(
        model="records", messages=[{"role": "user", "content": QUESTION}], extra_body=place
    )
    assert answer.headers["x-dure-turn"] == "1"
    message = answer.parse().choices[0].message
    streamed = "".join(
        chunk.choices[0].delta.content or ""
        for chunk in chat(client, "fake", "그리고 또?", stream=True, extra_body=place)
        if chunk.choices
    )
    first, second = turns(server, key, conversation)
    assert (first["asked"], first["text"], first["ended"]) == (QUESTION, message.content, "complete")
    assert [cited["quote"] for cited in first["citations"]] == [
        note.model_dump()["citation"]["quote"] for note in message.annotations
    ]
    assert (second["asked"], second["text"], second["kind"]) == ("그리고 또?", streamed, "chat")

    found = api(server, key, "GET", f"{API}?q=%EA%B7%B8%EB%A6%AC%EA%B3%A0+%EB%98%90").json()
    assert [one["id"] for one in found["data"]] == [conversation]
    assert "그리고 또" in found["data"][0]["found"]
    assert api(server, key, "PATCH", f"{API}/{conversation}", {"title": "훈련"}).json()["title"] == "훈련"

    exported = api(server, key, "GET", f"{API}/{conversation}/export?format=markdown&lang=ko")
    assert "attachment" in exported.headers["content-disposition"]
    text = exported.body.decode()
    assert text.startswith("# 훈련\n") and "인공지능" in text and first["citations"][0]["quote"] in text
    assert json.loads(api(server, key, "GET", f"{API}/{conversation}/export").body)["turns"] == [first, second]

    assert api(server, key, "DELETE", f"{API}/{conversation}").status == 200
    assert api(server, key, "GET", f"{API}/{conversation}").status == 404
    assert api(server, key, "DELETE", f"{API}/{conversation}").status == 404


def test_another_key_and_another_tenant_find_nothing(served) -> None:
    house, server, key = served
    conversation = begin(server, key)
    house.dure("tenant", "create", "elsewhere")
    strangers = [house.key("colleague"), house.key("stranger", "--tenant", "elsewhere")]
    for stranger in strangers:
        for method, path, body in [
            ("GET", "", None),
            ("GET", "/export", None),
            ("PATCH", "", {"title": "mine"}),
            ("DELETE", "", None),
        ]:
            assert api(server, stranger, method, f"{API}/{conversation}{path}", body).status == 404
        listed = api(server, stranger, "GET", API).json()
        assert listed == {"data": [], "next": None, "enabled": True}
        asked = {
            "model": "fake",
            "messages": [{"role": "user", "content": "x"}],
            "dure": {"conversation": conversation},
        }
        assert api(server, stranger, "POST", "/v1/chat/completions", asked).status == 404
    for path in [API, f"{API}/{conversation}", f"{API}/{conversation}/export"]:
        assert server.request("GET", path).status == 401
    assert turns(server, key, conversation) == []


@pytest.mark.parametrize(
    "named",
    [
        "../../etc/passwd",
        "conv_",
        "conv_" + "0" * 32,
        "doc_" + "0" * 32,
        "%00",
        "conv_" + "g" * 32,
        "' OR 1=1 --",
    ],
)
def test_what_names_no_conversation_is_refused(served, named: str) -> None:
    _, server, key = served
    path = "".join(f"%{byte:02x}" for byte in named.encode())
    assert api(server, key, "GET", f"{API}/{path}").status == 404
    asked = {"model": "fake", "messages": [{"role": "user", "content": "x"}], "dure": {"conversation": named}}
    assert api(server, key, "POST", "/v1/chat/completions", asked).status in (400, 404)
    assert server.healthy()


def test_hostile_lists_and_titles_are_refused(served) -> None:
    _, server, key = served
    conversation = begin(server, key)
    for query in ["limit=0", "limit=-1", "limit=99999999999", "limit=x", "after=x", f"q={'a' * 5000}"]:
        assert api(server, key, "GET", f"{API}?{query}").status == 400, query
    for title in ["a\nb", "\x00", "x" * 201, 7, None]:
        assert api(server, key, "PATCH", f"{API}/{conversation}", {"title": title}).status == 400, title
    for place in [{"conversation": conversation, "after": -1}, {"conversation": conversation, "after": 9}, {}, 7]:
        asked = {"model": "fake", "messages": [{"role": "user", "content": "x"}], "dure": place}
        assert api(server, key, "POST", "/v1/chat/completions", asked).status == 400, place
    assert turns(server, key, conversation) == []


def test_a_turn_whose_client_died_is_kept_as_far_as_it_was(served) -> None:
    _, server, key = served
    conversation = begin(server, key)
    body = json.dumps(
        {
            "model": "fake",
            "stream": True,
            "max_tokens": 1_000,
            "messages": [{"role": "user", "content": "가나다라 " * 1_000}],
            "dure": {"conversation": conversation},
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        # A small window, so that the server has not written the whole answer before its client is gone.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(head + body)
        received = b""
        while b'"content":' not in received:
            received += connection.recv(1024)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    kept = eventually(lambda: next((turn for turn in turns(server, key, conversation) if turn["ended"] != "writing"), None))
    assert kept["ended"] in ("stopped", "length") and kept["text"].startswith("가나다라"), kept["ended"]
    # The conversation goes on from there.
    asked = {"model": "fake", "messages": [{"role": "user", "content": "x"}], "dure": {"conversation": conversation}}
    assert api(server, key, "POST", "/v1/chat/completions", asked).status == 200
    assert [turn["number"] for turn in turns(server, key, conversation)] == [1, 2]


def test_history_outlives_the_server_and_can_be_switched_off(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        conversation = begin(server, key)
        asked = {"model": "fake", "messages": [{"role": "user", "content": "무엇"}], "dure": {"conversation": conversation}}
        assert api(server, key, "POST", "/v1/chat/completions", asked).status == 200
    house.environment["DURE_HISTORY_ENABLED"] = "false"
    with house.up() as server:
        assert [turn["asked"] for turn in turns(server, key, conversation)] == ["무엇"]
        assert api(server, key, "POST", API, {}).status == 403
        assert api(server, key, "POST", "/v1/chat/completions", asked).status == 403
        response = api(server, key, "POST", "/v1/responses", {"model": "fake", "input": "x"})
        assert response.status == 200 and response.json()["store"] is False
        assert api(server, key, "GET", f"/v1/responses/{response.json()['id']}").status == 404
        assert api(server, key, "DELETE", API).json() == {"removed": 1}
