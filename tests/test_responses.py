"""`/v1/responses` with the official client, whose types say what the shapes are, and the fake engine."""

import json

import openai
import pytest
from openai.types import responses as shapes
from pydantic import TypeAdapter
from test_openai_client import QUESTION

EVENT = TypeAdapter(shapes.ResponseStreamEvent)
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "해솔"}}\n</tool_call>'


def strictly(response: shapes.Response) -> shapes.Response:
    """The same response, with every field checked by the client's own types, which reading does not do."""
    return shapes.Response.model_validate(response.model_dump(mode="json", by_alias=True))


def events_of(client: openai.OpenAI, **options) -> list:
    """A stream's events, each checked by its type, numbered without a gap."""
    events = [EVENT.validate_python(event.model_dump()) for event in client.responses.create(stream=True, **options)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    return events


def test_a_text_is_answered_kept_shown_and_deleted(client: openai.OpenAI) -> None:
    made = strictly(
        client.responses.create(model="fake", input="강을 따라", instructions="짧게", metadata={"case": "7"}, user="me")
    )
    assert (made.output_text, made.status, made.metadata) == ("강을 따라", "completed", {"case": "7"})
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    assert client.responses.retrieve(made.id).model_dump() == made.model_dump()
    items = client.responses.input_items.list(made.id)
    assert [item.content[0].text for item in items] == ["강을 따라"]
    client.responses.delete(made.id)
    for gone in [
        lambda: client.responses.retrieve(made.id),
        lambda: client.responses.delete(made.id),
        lambda: client.responses.input_items.list(made.id),
        lambda: client.responses.create(model="fake", input="x", previous_response_id=made.id),
    ]:
        with pytest.raises(openai.NotFoundError):
            gone()


def test_a_stream_says_what_a_whole_response_says(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="fake", input="강을 따라 흐르는 물", store=False)
    events = events_of(client, model="fake", input="강을 따라 흐르는 물", store=False)
    assert [event.type for event in events if event.type != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1 and "".join(deltas) == whole.output_text
    last = events[-1].response
    assert (last.output_text, last.usage) == (whole.output_text, whole.usage)
    assert events[-2].item.model_dump() == last.output[0].model_dump()


def test_the_clients_own_stream_helper_follows(client: openai.OpenAI) -> None:
    with client.responses.stream(model="fake", input="물은 흐른다") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "물은 흐른다"


def test_a_route_answers_with_citations(client: openai.OpenAI) -> None:
    whole = strictly(client.responses.create(model="records", input=QUESTION))
    text, notes = whole.output_text, whole.output[0].content[0].annotations
    assert notes, text
    for note in notes:
        assert note.type == "url_citation" and text[note.start_index : note.end_index].startswith("[")
    events = events_of(client, model="records", input=QUESTION)
    added = [event.annotation for event in events if event.type == "response.output_text.annotation.added"]
    assert [note["url"] if isinstance(note, dict) else note.url for note in added] == [note.url for note in notes]
    assert whole.model_dump()["dure"]["sources"]


def test_a_search_in_a_vector_store_is_a_cited_answer(served, client: openai.OpenAI) -> None:
    tool = {"type": "file_search", "vector_store_ids": ["records"], "max_num_results": 3}
    asked = {"model": "fake", "input": QUESTION, "tools": [tool], "include": ["file_search_call.results"]}
    whole = strictly(client.responses.create(**asked))
    search, message = whole.output
    assert (search.type, search.status, search.queries) == ("file_search_call", "completed", [QUESTION])
    assert 1 <= len(search.results) <= 3
    notes = message.content[0].annotations
    assert notes and {note.type for note in notes} == {"file_citation"}
    assert {note.filename for note in notes} <= {result.filename for result in search.results}
    kinds = [event.type for event in events_of(client, **asked)]
    assert kinds[2:7] == [
        "response.output_item.added",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.output_item.done",
    ]
    nowhere = {"type": "file_search", "vector_store_ids": ["elsewhere"]}
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="fake", input=QUESTION, tools=[nowhere])
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="records", input=QUESTION, tools=[tool])


def test_one_response_goes_on_from_another(client: openai.OpenAI) -> None:
    first = client.responses.create(model="fake", input="하나", instructions="not carried over")
    second = client.responses.create(model="fake", input="둘", previous_response_id=first.id)
    third = client.responses.create(model="fake", input="셋", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    # The fake engine counts tokens by what goes in: each goes on from more.
    alone = client.responses.create(model="fake", input="셋")
    assert third.usage.input_tokens > second.usage.input_tokens > alone.usage.input_tokens
    named = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "넷"}]
    fourth = client.responses.create(model="fake", input=named)
    assert fourth.output_text == "넷" and fourth.usage.input_tokens > alone.usage.input_tokens
    kept = client.responses.create(model="fake", input="다섯", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="fake", input="여섯", previous_response_id=kept.id)


def test_a_tool_is_called_and_its_result_goes_back(client: openai.OpenAI) -> None:
    called = strictly(client.responses.create(model="fake", input=CALL, tools=[WEATHER]))
    call = called.output[0]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "해솔"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "맑음"}
    said = client.responses.create(
        model="fake",
        input=[result, {"role": "user", "content": "그래서?"}],
        previous_response_id=called.id,
        tools=[WEATHER],
    )
    assert said.output_text == "그래서?"
    events = events_of(client, model="fake", input=CALL, tools=[WEATHER])
    assert [event.type for event in events if not event.type.endswith("delta")] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    assert json.loads(deltas) == {"city": "해솔"}
    unasked = client.responses.create(model="fake", input="{}", tools=[WEATHER], tool_choice="none")
    assert unasked.output[0].type == "message"


def test_what_does_not_fit_is_incomplete_and_says_why(client: openai.OpenAI) -> None:
    cut = strictly(client.responses.create(model="fake", input="가나다라 " * 50, max_output_tokens=2))
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert cut.output[0].status == "incomplete"
    assert events_of(client, model="fake", input="가나다라 " * 50, max_output_tokens=2)[-1].type == "response.incomplete"
    turns = [{"role": role, "content": "긴 말 " * 400} for _ in range(20) for role in ("user", "assistant")]
    turns.append({"role": "user", "content": "끝"})
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="fake", input=turns)
    assert client.responses.create(model="fake", input=turns, truncation="auto").output_text == "끝"


def test_a_response_is_its_owners_alone(served, client: openai.OpenAI) -> None:
    house, server, _ = served
    ours = client.responses.create(model="fake", input="ours")
    house.dure("tenant", "create", "far-away")
    for key in [house.key("other-app"), house.key("far-app", "--tenant", "far-away")]:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as stranger:
            for look in [
                lambda: stranger.responses.retrieve(ours.id),
                lambda: stranger.responses.delete(ours.id),
                lambda: stranger.responses.cancel(ours.id),
                lambda: stranger.responses.input_items.list(ours.id),
                lambda: stranger.responses.create(model="fake", input="x", previous_response_id=ours.id),
                lambda: stranger.responses.create(
                    model="fake", input=[{"type": "item_reference", "id": ours.output[0].id}]
                ),
            ]:
                with pytest.raises(openai.NotFoundError):
                    look()
    assert client.responses.retrieve(ours.id).output_text == "ours"


@pytest.mark.parametrize(
    "body",
    [
        {"input": 7},
        {"input": [[]]},
        {"input": [{"type": "item_reference", "id": "../../x"}]},
        {"input": [{"type": "item_reference", "id": "msg_가나다라마바사아자차카타파하"}]},
        {"input": [{"type": "item_reference"}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1:1/x"}]}]},
        {"input": [{"role": "user", "content": "x"}] * 600},
        {"input": "x", "previous_response_id": "resp_" + "0" * 32},
        {"input": "x", "background": True},
        {"input": "x", "conversation": "conv_1"},
        {"input": "x", "tools": [{"type": "web_search"}]},
        {"input": "x", "tools": [{"type": "function", "name": "x" * 200}]},
        {"input": "x", "tool_choice": "required"},
        {"input": "x", "temperature": 1e300},
        {"input": "x", "max_output_tokens": 0},
        {"input": "x", "text": {"format": {"type": "json_schema", "name": "x"}}},
        {"input": "x", "metadata": {"k" * 100: "v"}},
        {"input": "x", "api_base": "http://127.0.0.1:1"},
        {},
    ],
)
def test_what_cannot_be_meant_is_refused(served, body: dict) -> None:
    _, server, key = served
    answer = server.request(
        "POST", "/v1/responses", body={"model": "fake", **body}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status in (400, 404), answer.body
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert server.healthy()


def test_nobody_is_answered_without_a_key(served) -> None:
    _, server, _ = served
    known = "resp_" + "0" * 32
    for method, path in [
        ("POST", "/v1/responses"),
        ("GET", f"/v1/responses/{known}"),
        ("DELETE", f"/v1/responses/{known}"),
        ("GET", f"/v1/responses/{known}/input_items"),
        ("POST", f"/v1/responses/{known}/cancel"),
    ]:
        body = {"model": "fake", "input": "x"} if path.endswith("responses") else None
        assert server.request(method, path, body=body).status == 401
