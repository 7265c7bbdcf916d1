"""Anthropic's own client against `/v1/messages`: nothing here knows how Dure makes its answers."""

from collections.abc import Iterator

import anthropic
import pytest
from house import House, Server

WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
# The fake engine says again what it is told, in the dress in which many models call a tool.
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "해솔"}}\n</tool_call>'
QUESTION = "회의를 녹음한 파일은 언제 삭제하나요?"


@pytest.fixture
def client(served: tuple[House, Server, str]) -> Iterator[anthropic.Anthropic]:
    _, server, key = served
    with anthropic.Anthropic(base_url=server.url, api_key=key, max_retries=0, timeout=60) as client:
        yield client


def test_a_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="fake", max_tokens=50, system="Be brief.", messages=[{"role": "user", "content": "good morning"}]
    )
    assert message.content[0].text == "good morning"
    assert (message.role, message.stop_reason, message.type) == ("assistant", "end_turn", "message")
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0


def test_a_message_that_is_too_short(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model="fake", max_tokens=2, messages=[{"role": "user", "content": "a b c d e f"}])
    assert message.stop_reason == "max_tokens"


def test_a_stream_is_the_message_in_pieces(client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model="fake", max_tokens=50, messages=[{"role": "user", "content": "한 번에 조금씩"}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == "한 번에 조금씩"
    assert final.stop_reason == "end_turn" and final.usage.output_tokens > 0


def test_a_route_with_records_cites(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="records", max_tokens=300, messages=[{"role": "user", "content": QUESTION}]
    )
    cited = message.content[0].citations
    assert cited and "6개월" in cited[0].cited_text and cited[0].source.startswith("/api/v1/documents/")
    with client.messages.stream(model="records", max_tokens=300, messages=[{"role": "user", "content": QUESTION}]) as stream:
        final = stream.get_final_message()
    assert final.content[0].text == message.content[0].text
    assert [one.cited_text for one in final.content[0].citations] == [one.cited_text for one in cited]


def test_a_round_of_tools(client: anthropic.Anthropic) -> None:
    asked = [{"role": "user", "content": CALL}]
    message = client.messages.create(
        model="fake", max_tokens=200, messages=asked, tools=[WEATHER]
    )
    assert message.stop_reason == "tool_use"
    call = next(block for block in message.content if block.type == "tool_use")
    assert (call.name, call.input) == ("weather", {"city": "해솔"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "맑음"}
    after = client.messages.create(
        model="fake",
        max_tokens=200,
        messages=[*asked, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}],
        tools=[WEATHER],
    )
    assert after.content


def test_errors_are_those_of_the_client(served: tuple[House, Server, str], client: anthropic.Anthropic) -> None:
    _, server, _ = served
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nothing", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(
            model="fake", max_tokens=2000, messages=[{"role": "user", "content": "x"}], thinking={"type": "enabled", "budget_tokens": 1024}
        )
    assert "thinking" in refused.value.message
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model="fake", max_tokens=9, messages=[])
    with anthropic.Anthropic(base_url=server.url, api_key="dure_wrong", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            stranger.messages.create(model="fake", max_tokens=9, messages=[{"role": "user", "content": "x"}])
