"""The official `openai` client against the server, with the fake engine."""

import json
import socket

import openai
import pytest
from house import House, Server, eventually

# Tokens that a long answer may have: enough for a client to leave in the middle.
TOKENS_MAX = 1_000
QUESTION = "전 직원이 참여하는 누출 대응 훈련을 해마다 몇 월에 하나요?"


def chat(client: openai.OpenAI, model: str, text: str, **options):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)


def test_models_and_routes_are_listed(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"fake", "records"} <= names
    assert client.models.retrieve("records").id == "records"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_a_plain_chat_is_answered_and_counted(client: openai.OpenAI) -> None:
    answer = chat(client, "fake", "두레는 함께 일하는 옛 풍습이다.")
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_route_answers_with_citations_whose_quotes_stand_in_the_records(served, client: openai.OpenAI) -> None:
    house, server, key = served
    message = chat(client, "records", QUESTION).choices[0].message
    assert message.annotations, message.content
    for annotation in message.annotations:
        assert annotation.type == "url_citation"
        mark = annotation.url_citation
        assert message.content[mark.start_index : mark.end_index].startswith("[")
        citation = annotation.model_dump()["citation"]
        shown = server.request("GET", mark.url, headers={"Authorization": f"Bearer {key}"})
        assert shown.status == 200, shown.body
        document = house.json("corpus", "show", "records", citation["path"])
        text = document["text"].encode()
        span = citation["span"]
        assert text[span["start"] : span["end"]].decode() == citation["quote"]


def test_a_stream_says_what_a_whole_answer_says(client: openai.OpenAI) -> None:
    whole = chat(client, "fake", "강을 따라 흐르는 물").choices[0].message.content
    streamed, finish, usage = "", None, None
    for chunk in chat(client, "fake", "강을 따라 흐르는 물", stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            streamed += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert streamed == whole
    assert finish == "stop"
    assert usage.completion_tokens > 0


def test_a_streamed_route_ends_with_its_annotations(client: openai.OpenAI) -> None:
    last = None
    for chunk in chat(client, "records", QUESTION, stream=True):
        if chunk.choices and chunk.choices[0].finish_reason:
            last = chunk.choices[0].delta.model_dump()
    assert last and last["annotations"]


def test_embeddings_have_a_shape_and_equal_texts_are_equal(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="fake", input=["물", "불", "물"])
    vectors = [item.embedding for item in answer.data]
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert len({len(vector) for vector in vectors}) == 1
    assert vectors[0] == vectors[2] != vectors[1]
    assert answer.usage.prompt_tokens > 0


def test_what_is_wrong_is_said_in_the_clients_own_errors(client: openai.OpenAI, served) -> None:
    _, server, _ = served
    with pytest.raises(openai.NotFoundError):
        chat(client, "no-such-model", "hello")
    with pytest.raises(openai.BadRequestError):
        chat(client, "fake", "hello", n=1_000_000_000)
    with pytest.raises(openai.BadRequestError):
        chat(client, "fake", "hello", extra_body={"api_base": "http://127.0.0.1:1"})
    stranger = openai.OpenAI(base_url=f"{server.url}/v1", api_key="dure_wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        chat(stranger, "fake", "hello")
    assert server.healthy()


def test_a_client_that_hangs_up_frees_its_slot_and_pays_what_it_took(house: House) -> None:
    """Reads the first words of long answers and leaves, more often than there are slots, then asks once more."""
    house.dure("tenant", "create", "city", "--quota-tokens", "200000")
    key = house.key("app", "--tenant", "city")
    text = "가나다라 " * 1_000
    with house.up() as server:
        used = house.json("tenant", "list")
        for _ in range(12):
            hang_up(server, key, text)
            assert server.alive()
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
            whole = chat(client, "fake", text, max_tokens=TOKENS_MAX)
        cost = whole.usage.total_tokens
        before = {tenant["name"]: tenant["used_tokens"] for tenant in used}["city"]

        def settled() -> int:
            spent = {tenant["name"]: tenant["used_tokens"] for tenant in house.json("tenant", "list")}["city"] - before
            return spent if spent >= cost else 0

        spent = eventually(settled)
        assert spent <= 13 * cost, "a hang-up cost more than a whole answer"
        # What was reserved for those who left is free again: all that remains can be reserved.
        house.dure("tenant", "quota", "city", str(before + spent + 2 * cost))
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
            assert eventually(lambda: asks_once(client, text)).usage.total_tokens == cost


def asks_once(client: openai.OpenAI, text: str):
    """A whole answer, or nothing while the last reservation is still on its way back."""
    try:
        return chat(client, "fake", text, max_tokens=TOKENS_MAX)
    except openai.RateLimitError:
        return None


def hang_up(server: Server, key: str, text: str) -> None:
    messages = [{"role": "user", "content": text}]
    body = json.dumps({"model": "fake", "stream": True, "max_tokens": TOKENS_MAX, "messages": messages}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(head + body)
        received = b""
        while b'"content":' not in received:
            part = connection.recv(4096)
            assert part, received
            received += part
        assert received.startswith(b"HTTP/1.1 200"), received
        # The rest is refused at once (RST), as when a client's process dies.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
