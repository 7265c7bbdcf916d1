"""The official `openai` client against the server, with the fake engine."""

import base64
import json
import socket
import struct

import openai
import pytest
from house import House, Server, eventually

# Tokens that a long answer may have: enough for a client to leave in the middle.
TOKENS_MAX = 1_000
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "해솔"}}\n</tool_call>'
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
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


def test_vectors_come_as_bytes_too_and_are_never_cut(client: openai.OpenAI) -> None:
    # The client itself asks for bytes where nothing is said; here both spellings are asked for and compared.
    as_numbers = client.embeddings.create(model="fake", input="물", encoding_format="float").data[0].embedding
    as_bytes = client.embeddings.create(model="fake", input="물", encoding_format="base64").data[0].embedding
    decoded = struct.unpack(f"<{len(as_numbers)}f", base64.b64decode(as_bytes))
    assert decoded == pytest.approx(as_numbers, abs=1e-6)
    whole = client.embeddings.create(model="fake", input="물", dimensions=len(as_numbers))
    assert len(whole.data[0].embedding) == len(as_numbers)
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="fake", input="물", dimensions=len(as_numbers) - 1)


def test_a_tool_is_called_and_its_result_goes_back(client: openai.OpenAI) -> None:
    first = chat(client, "fake", CALL, tools=[WEATHER]).choices[0]
    assert first.finish_reason == "tool_calls"
    [call] = first.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "해솔"})
    said = client.chat.completions.create(
        model="fake",
        tools=[WEATHER],
        messages=[
            {"role": "user", "content": CALL},
            first.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "맑음"},
            {"role": "user", "content": "그래서?"},
        ],
    )
    assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("그래서?", "stop")
    forbidden = chat(client, "fake", CALL, tools=[WEATHER], tool_choice="none").choices[0]
    assert not forbidden.message.tool_calls
    with pytest.raises(openai.BadRequestError):
        chat(client, "records", QUESTION, tools=[WEATHER])


def test_calls_are_streamed_part_by_part(client: openai.OpenAI) -> None:
    two = CALL + CALL.replace("해솔", "부산")
    calls: dict[int, dict] = {}
    finish = None
    for chunk in chat(client, "fake", two, tools=[WEATHER], stream=True):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
                call["arguments"] += part.function.arguments or ""
    assert finish == "tool_calls"
    assert [json.loads(call["arguments"])["city"] for call in calls.values()] == ["해솔", "부산"]
    assert len({call["id"] for call in calls.values()}) == 2


def test_several_choices_their_likelihoods_and_formats(client: openai.OpenAI) -> None:
    answer = chat(client, "fake", "강물", n=3, logprobs=True, top_logprobs=1, seed=7)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    for choice in answer.choices:
        tokens = choice.logprobs.content
        assert b"".join(bytes(token.bytes) for token in tokens).decode() == choice.message.content == "강물"
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 1 for token in tokens)
    seen = {choice.index for chunk in chat(client, "fake", "강물", n=3, stream=True) for choice in chunk.choices}
    assert seen == {0, 1, 2}
    schema = {"type": "json_schema", "json_schema": {"name": "any", "schema": {"type": "object"}, "strict": True}}
    for form in ({"type": "text"}, {"type": "json_object"}, schema):
        assert chat(client, "fake", "{}", response_format=form).choices[0].message.content == "{}"
    for refused in ({"n": 0}, {"n": 9}, {"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 99}):
        with pytest.raises(openai.BadRequestError):
            chat(client, "fake", "강물", **refused)


def test_a_text_is_continued_without_a_chat(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="fake", prompt="옛날 옛적에", max_tokens=50)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("옛날 옛적에", "stop")
    parts = client.completions.create(model="fake", prompt="옛날 옛적에", stream=True)
    assert "".join(choice.text for part in parts for choice in part.choices) == "옛날 옛적에"
    several = client.completions.create(model="fake", prompt=["하나", "둘"])
    assert [choice.text for choice in several.choices] == ["하나", "둘"]
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model="fake", prompt="")


def test_a_misspelt_field_is_named(client: openai.OpenAI) -> None:
    for answer in [
        client.chat.completions.with_raw_response.create(
            model="fake", messages=[{"role": "user", "content": "x"}], extra_body={"temprature": 1}
        ),
        client.responses.with_raw_response.create(model="fake", input="x", extra_body={"temprature": 1}),
    ]:
        assert "temprature" in answer.headers["x-dure-warning"]


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
