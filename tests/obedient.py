"""An upstream that answers every question with the text that a test gives it, one letter at a time, as a model would that
obeys a record; and the doors by which it is asked."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from house import Response, Server
from test_receipts import of

QUESTION = "동파 계량기 교체비는 얼마인가요?"


class Upstream(ThreadingHTTPServer):
    """A server of a test's own, on a thread of its own."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.server_address)


class Streams(BaseHTTPRequestHandler):
    """Answers in server-sent events, chunk by chunk."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def asked(self) -> str:
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, value: dict, kind: str = "chat.completion.chunk") -> None:
        base = {"id": "c", "object": kind, "created": 1, "model": "m"}
        self.chunk(b"data: " + json.dumps({**base, **value}, ensure_ascii=False).encode() + b"\n\n")

    def end(self) -> None:
        self.event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Obedient(Upstream):
    """A model that says what it is told to by a test."""

    def __init__(self) -> None:
        self.answer = ""
        self.calls: list[dict] = []
        self.prompts: list[str] = []
        super().__init__(Handler)


class Handler(Streams):
    def do_POST(self) -> None:
        asked = json.loads(self.asked())
        self.server.prompts.append(json.dumps(asked, ensure_ascii=False))
        self.begin()
        chats = "messages" in asked
        for letter in self.server.answer:
            self.choice({"delta": {"content": letter}} if chats else {"text": letter}, chats)
        for at, called in enumerate(self.server.calls):
            self.choice({"delta": {"tool_calls": [{"index": at, **called}]}}, chats)
        finish = "tool_calls" if self.server.calls else "stop"
        self.choice({"delta": {}, "finish_reason": finish} if chats else {"text": "", "finish_reason": finish}, chats)
        self.end()

    def choice(self, choice: dict, chats: bool) -> None:
        kind = "chat.completion.chunk" if chats else "text_completion"
        self.event({"choices": [{"index": 0, "finish_reason": None, **choice}]}, kind)


@pytest.fixture(scope="module")
def model() -> Iterator[Obedient]:
    it = Obedient()
    yield it
    it.shutdown()
    it.server_close()


def post(server: Server, key: str, path: str, body: dict) -> Response:
    answer = server.request("POST", path, body, of(key))
    assert answer.status == 200, answer.body
    return answer


def events(answer: Response) -> list[dict]:
    assert "event-stream" in answer.headers["content-type"], answer.headers
    return [json.loads(line[5:]) for line in answer.body.decode().splitlines() if line.startswith("data: {") or line.startswith("data:{")]


def chat(server: Server, key: str, name: str, stream: bool) -> tuple[str, str]:
    answer = post(server, key, "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": QUESTION}], "stream": stream})
    if stream:
        text = "".join(choice["delta"].get("content") or "" for event in events(answer) for choice in event.get("choices", []))
    else:
        text = answer.json()["choices"][0]["message"]["content"]
    return text, answer.headers["x-dure-receipt"]


def completion(server: Server, key: str, name: str, stream: bool) -> tuple[str, str]:
    answer = post(server, key, "/v1/completions", {"model": name, "prompt": QUESTION, "stream": stream})
    choices = [choice for event in events(answer) for choice in event.get("choices", [])] if stream else answer.json()["choices"]
    return "".join(choice["text"] for choice in choices), answer.headers["x-dure-receipt"]


def response(server: Server, key: str, name: str, stream: bool) -> tuple[str, str]:
    answer = post(server, key, "/v1/responses", {"model": name, "input": QUESTION, "stream": stream})
    if stream:
        found = events(answer)
        text = "".join(event["delta"] for event in found if event["type"] == "response.output_text.delta")
        whole = next(event["response"] for event in found if event["type"] == "response.completed")
        assert text == "".join(part["text"] for item in whole["output"] if item["type"] == "message" for part in item["content"])
        # What is kept comes back as it went out.
        kept = server.request("GET", f"/v1/responses/{whole['id']}", headers=of(key)).json()
        assert kept["output"] == whole["output"]
        return text, answer.headers["x-dure-receipt"]
    output = answer.json()["output"]
    text = "".join(part["text"] for item in output if item["type"] == "message" for part in item["content"])
    return text, answer.headers["x-dure-receipt"]


def message(server: Server, key: str, name: str, stream: bool) -> tuple[str, str]:
    body = {"model": name, "max_tokens": 500, "messages": [{"role": "user", "content": QUESTION}], "stream": stream}
    answer = post(server, key, "/v1/messages", body)
    if stream:
        deltas = [event["delta"] for event in events(answer) if event["type"] == "content_block_delta"]
        text = "".join(delta.get("text", "") for delta in deltas)
    else:
        text = "".join(block["text"] for block in answer.json()["content"] if block["type"] == "text")
    return text, answer.headers["x-dure-receipt"]


def answer(server: Server, key: str, name: str, stream: bool) -> tuple[str, str]:
    body = {"question": QUESTION, "mode": name, "model": "obedient", "stream": stream}
    got = post(server, key, "/api/v1/corpora/records/answers", body)
    if stream:
        steps = [json.loads(line) for line in got.body.decode().splitlines() if line]
        text = "".join(step["data"] for step in steps if step["type"] == "text")
    else:
        text = got.json()["text"]
    return text, got.headers["x-dure-receipt"]


ROUTED = {"chat": chat, "response": response, "message": message, "answer": answer}
PLAIN = {"chat": chat, "completion": completion, "response": response, "message": message}
