"""With the real default models: cited answers, the engine's death, hostile templates in real weights."""

import math
import os
import signal
from pathlib import Path

import gguf
import openai
import pytest
from house import Server, eventually
from test_outside_clients import run_node

CHAT = "qwen2.5-coder-0.5b-instruct"
EMBED = "multilingual-e5-small"
# A question of the example records, the document that answers it, and words of the sentence that does.
QUESTIONS = [
    ("염소 누출 대응 훈련은 몇 월에 하나요?", "염소누출비상대응.html", "4월과 10월"),
    ("회의를 녹음한 파일은 회의록 확정 후 얼마가 지나면 삭제하나요?", "기록물관리규칙.md", "6개월"),
    ("단수가 몇 시간을 넘길 것 같으면 급수차가 옵니까?", "민원처리지침.md", "6시간"),
    ("How many waterworks employees can Haesol send to Port Ellery per year?", "sister-city-water", "four"),
]
NOT_THERE = "부산광역시의 지하철 요금은 얼마인가요?"


def chat(client: openai.OpenAI, model: str, text: str, **options):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)


@pytest.mark.parametrize(("question", "document", "fact"), QUESTIONS, ids=[fact for *_, fact in QUESTIONS])
def test_a_question_of_the_records_gets_a_cited_answer(real, client, question, document, fact) -> None:
    _, server, key = real
    answer = chat(client, "records", question)
    cited = [annotation.model_dump()["citation"] for annotation in answer.choices[0].message.annotations]
    assert cited, answer
    # A small model may choose a weaker sentence to write down; the records' own words stand beside it.
    beside = answer.model_dump()["dure"]["extract"]
    assert any(document in one["path"] and fact in one["quote"] for one in cited + beside), answer
    for citation in cited + beside:
        path = f"/api/v1/corpora/records/document?document={citation['document']}"
        shown = server.request("GET", path, headers={"Authorization": f"Bearer {key}"}).json()
        span = citation["span"]
        assert shown["text"].encode()[span["start"] : span["end"]].decode() == citation["quote"]


def test_a_streamed_route_ends_with_its_annotations(client: openai.OpenAI) -> None:
    last = None
    for chunk in chat(client, "records", QUESTIONS[0][0], stream=True):
        if chunk.choices and chunk.choices[0].finish_reason:
            last = chunk.choices[0].delta.model_dump()
    assert last and last["annotations"]


def test_responses_and_others_clients_find_the_same_model(real, client, tmp_path: Path) -> None:
    first = client.responses.create(model=CHAT, input="Say: water.", max_output_tokens=16)
    second = client.responses.create(model=CHAT, input="Again.", max_output_tokens=16, previous_response_id=first.id)
    assert first.output_text and second.usage.input_tokens > first.usage.input_tokens
    cited = client.responses.create(model="records", input=QUESTIONS[0][0])
    assert cited.model_dump()["dure"]["sources"], cited
    _, server, key = real
    prompt = "What is the weather in Seoul?"
    run_node("vercel.mjs", server, key, tmp_path, DURE_MODEL=CHAT, DURE_PROMPT=prompt)


def test_what_the_records_do_not_say_is_not_answered(client: openai.OpenAI) -> None:
    answer = chat(client, "records", NOT_THERE)
    assert answer.model_dump()["dure"]["abstained"], answer.choices[0].message.content
    assert not answer.choices[0].message.annotations


def test_the_command_line_answers_too(real) -> None:
    house, _, _ = real
    question, _, fact = QUESTIONS[0]
    assert fact in house.dure("ask", "records", question, timeout=280)


def test_the_records_own_sentences_are_there_without_a_model(real) -> None:
    house, _, _ = real
    for question, _, fact in QUESTIONS:
        reply = house.json("ask", "records", question, "--mode", "extractive", timeout=280)
        assert fact in str(reply), f"{question}: {reply}"


def test_a_chat_streams_and_says_the_same_again_without_chance(client: openai.OpenAI) -> None:
    def once() -> str:
        stream = chat(client, CHAT, "Name three rivers of Korea.", stream=True, seed=7, max_tokens=40, temperature=0)
        return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)

    first = once()
    assert len(first) > 10
    assert once() == first


def test_embeddings_have_the_models_shape_and_know_what_is_near(client: openai.OpenAI) -> None:
    texts = ["물이 나오지 않습니다", "수돗물이 끊겼어요", "The stock market fell today"]
    vectors = [item.embedding for item in client.embeddings.create(model=EMBED, input=texts).data]
    assert {len(vector) for vector in vectors} == {384}
    for vector in vectors:
        assert math.isclose(math.sqrt(sum(x * x for x in vector)), 1, abs_tol=1e-3)

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]) + 0.02


def engine_children(server: Server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return sorted({int(pid) for file in children for pid in file.read_text().split()})


def busiest(children: list[int]) -> int:
    def ticks(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    return max(children, key=lambda pid: (CHAT_FILE in maps(pid), ticks(pid)))


CHAT_FILE = "1d9614638d18"


def maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_an_engine_killed_in_mid_answer_ends_the_answer_and_nothing_else(real, client: openai.OpenAI) -> None:
    _, server, _ = real
    chat(client, CHAT, "Say yes.", max_tokens=2)
    stream = chat(client, CHAT, "Count from one to two hundred in English words.", stream=True, max_tokens=400)
    words = 0
    killed = None
    with pytest.raises(openai.APIError) as error:
        for chunk in stream:
            words += sum(bool(choice.delta.content) for choice in chunk.choices)
            if words >= 1 and killed is None:
                killed = busiest(engine_children(server))
                os.kill(killed, signal.SIGKILL)
    assert killed, "the answer had no word"
    assert words < 400, "the answer went on after its engine's death"
    assert str(error.value), error
    assert server.healthy()

    def answers() -> str | None:
        try:
            return chat(client, CHAT, "Say yes.", max_tokens=4).choices[0].message.content
        except openai.APIStatusError as refused:
            assert refused.status_code in (502, 503), refused
            return None

    assert eventually(answers, seconds=60)
    assert killed not in engine_children(server)


# C1, in weights that are otherwise right: what a template asks for is not done, and takes no time.
TEMPLATES = {
    "a loop of a billion": "{% for i in range(1000000000) %}x{% endfor %}",
    "loops in loops": "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}",
    "python's classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a file": "{% include '/etc/passwd' %}",
    "a text that grows": "{% set n = namespace(x='aaaa') %}{% for i in range(64) %}{% set n.x = n.x~n.x %}{% endfor %}",
}


def test_hostile_templates_in_real_weights_harm_nobody(real, client, models: Path, scratch: Path) -> None:
    house, server, _ = real
    source = next(iter((models / "blobs").glob(f"??/{CHAT_FILE}*")))
    for number, (name, template) in enumerate(TEMPLATES.items()):
        path, guest = scratch / "guest.gguf", f"guest-{number}"
        gguf.with_template(source, path, template)
        done = house.run("model", "import", path, "--name", guest)
        path.unlink()
        if done.returncode != 0:
            assert done.stderr.strip() and "panicked" not in done.stderr, name
            continue
        with pytest.raises(openai.APIStatusError) as refused:
            chat(client, guest, "hello", max_tokens=4, timeout=60)
        assert refused.value.status_code in (400, 502, 503), f"{name}: {refused.value}"
        assert "root:" not in str(refused.value)
        house.dure("model", "remove", guest)
        assert server.healthy(), name
    assert chat(client, CHAT, "Say yes.", max_tokens=4).choices[0].message.content
