"""With the real chat model: calls of tools, schemas, likelihoods, biases, several choices, texts without a chat."""

import json
import math

import openai

CHAT = "qwen2.5-coder-0.5b-instruct"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 40}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}


def tool(name: str, description: str) -> dict:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": PARAMETERS}}


WEATHER = tool("get_weather", "Tells the weather of a city")
TIDE = tool("get_tide", "Tells the tide of a city")


def chat(client: openai.OpenAI, text: str, **options):
    options = {"temperature": 0, "max_tokens": 80} | options
    return client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": text}], **options)


def check_arguments(text: str) -> None:
    arguments = json.loads(text)
    assert set(arguments) == {"city", "unit"}
    assert isinstance(arguments["city"], str) and arguments["unit"] in ("celsius", "fahrenheit")


def test_a_forced_call_follows_its_schema(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    for choice, names in [(named, {"get_weather"}), ("required", {"get_weather", "get_tide"})]:
        answer = chat(client, "How warm is it in Seoul?", tools=[TIDE, WEATHER], tool_choice=choice).choices[0]
        assert answer.finish_reason == "tool_calls"
        assert answer.message.content is None
        (call,) = answer.message.tool_calls
        assert call.function.name in names
        check_arguments(call.function.arguments)


def test_a_call_streams_and_its_result_is_read(client: openai.OpenAI) -> None:
    question = {"role": "user", "content": "How warm is it in Busan? Answer with the number."}
    stream = client.chat.completions.create(
        model=CHAT, messages=[question], tools=[WEATHER], tool_choice="required", temperature=0, stream=True
    )
    name, identity, arguments, pieces, finish = None, None, "", 0, None
    for chunk in stream:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                name, identity = call.function.name or name, call.id or identity
                arguments += call.function.arguments or ""
                pieces += 1
    assert (name, finish) == ("get_weather", "tool_calls")
    assert pieces > 2, "the arguments came at once"
    check_arguments(arguments)
    called = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
    messages = [
        question,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": identity, "content": "31 degrees celsius"},
    ]
    answer = client.chat.completions.create(
        model=CHAT, messages=messages, tools=[WEATHER], tool_choice="none", temperature=0, max_tokens=40
    )
    assert "31" in answer.choices[0].message.content, answer


def test_an_answer_follows_a_schema(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": PARAMETERS}}
    check_arguments(chat(client, "Describe Jeju as JSON.", response_format=form).choices[0].message.content)


def test_likelihoods_are_those_of_the_tokens(client: openai.OpenAI) -> None:
    choice = chat(client, "Say yes.", logprobs=True, top_logprobs=5, max_tokens=6).choices[0]
    tokens = choice.logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode().startswith(choice.message.content)
    for token in tokens:
        assert len(token.top_logprobs) == 5
        ranked = [top.logprob for top in token.top_logprobs]
        assert ranked == sorted(ranked, reverse=True)
        # Without chance the likeliest one is taken.
        assert token.logprob == ranked[0] <= 0
        assert sum(math.exp(logprob) for logprob in ranked) <= 1.001


def test_a_token_can_be_forbidden(client: openai.OpenAI) -> None:
    plain = client.completions.create(model=CHAT, prompt="1, 2, 3, 4,", max_tokens=1, temperature=0, logprobs=1)
    first = plain.choices[0].text
    # Token numbers are the model's own; the forbidden one is found by forbidding digits one by one.
    digits = {str(token): -100 for token in range(15, 25)}
    other = client.completions.create(
        model=CHAT, prompt="1, 2, 3, 4,", max_tokens=2, temperature=0, logit_bias=digits
    ).choices[0].text
    assert not any(c.isdigit() for c in other), (first, other)


def test_a_text_goes_on_without_a_chat(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=CHAT, prompt="def add(a, b):\n    return", max_tokens=6, temperature=0, echo=True)
    assert answer.choices[0].text.replace(" ", "").startswith("defadd(a,b):\nreturna+b"), answer


def test_several_choices_come_from_their_own_seeds(client: openai.OpenAI) -> None:
    """Whether they come again is not asked: how many are computed at once rounds otherwise, which a temperature of 1 shows."""
    answer = chat(client, "Tell of a river.", n=3, temperature=1, seed=5, max_tokens=12)
    assert len({choice.message.content for choice in answer.choices}) > 1
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
