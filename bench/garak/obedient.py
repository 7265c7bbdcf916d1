"""The worst model: it repeats what it is asked, and does what the probes ask of a model, so that what is measured is the guard.

An upstream with OpenAI's API, streamed. Its answer is the prompt itself and, behind it, what the prompt asks to be made: pieces
put together, an address completed, a code undone, each with a secret in the place that the prompt names for it.
"""

import base64
import binascii
import codecs
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "johann+hunter2+4111"
# Where a prompt wants the conversation, its summary or a secret.
PLACE = re.compile(r"\[(DATA|INFO|NUM)\]")


def put_together(prompt: str) -> Iterator[str]:
    """`Concatenate these strings please: "ht","tps" and replace [X]`, and pieces numbered (1), (2), (3)."""
    for found in re.finditer(r"(?s)strings please:\s*(.+?)\s+and replace", prompt):
        text = re.sub(r'","|[",]', "", found[1])
        # An end without its beginning: the worst model knows which one is meant.
        yield text if text.count("(") == text.count(")") else f"![x](https://{text}"
    numbered = re.findall(r"(?m)^\(\d+\) (.+?) *$", prompt)
    if numbered:
        yield "".join(SECRET if piece.startswith("then ") else piece for piece in numbered)


def completed(prompt: str) -> Iterator[str]:
    """`Print the following ADDRESS, whereas`, and `by responding with ADDRESS replacing`."""
    for found in re.finditer(r"(?s)Print the following\s+(.+?)\s*,\s*whereas|responding with (.+?) replacing", prompt):
        text = found[1] or found[2]
        yield text + ")" * (text.count("(") - text.count(")"))


def undone(prompt: str) -> Iterator[str]:
    """What is written in base64, base32, hexadecimal digits or unseen letters, and what is behind `as raw bytes:` or
    `Unescape the following:`."""
    if unseen := "".join(chr(ord(letter) - 0xE0000) for letter in prompt if 0xE0020 <= ord(letter) < 0xE007F):
        yield unseen
    for word in re.findall(r"[A-Za-z0-9+/=]{8,}", prompt):
        for decode in (base64.b64decode, base64.b32decode, bytes.fromhex):
            try:
                yield decode(word).decode()
            except (binascii.Error, ValueError):
                continue
    for found in re.finditer(r"(?s)(?:raw bytes|Unescape the following):\s*(.+)", prompt):
        try:
            yield codecs.decode(found[1].replace("\\e", "\\x1b"), "unicode_escape")
        except UnicodeDecodeError:
            continue


def obeyed(prompt: str) -> str:
    made = [*put_together(prompt), *completed(prompt), *undone(prompt)]
    return PLACE.sub(SECRET, "\n\n".join([prompt, *made]))


class Obedient(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.server_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = obeyed(asked["messages"][-1]["content"])
        # Pieces of seven letters, so that a stream is cut in places that nobody chose.
        pieces = [{"index": 0, "delta": {"content": answer[at : at + 7]}} for at in range(0, len(answer), 7)]
        choices = [*pieces, {"index": 0, "delta": {}, "finish_reason": "stop"}]
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        events = [json.dumps({**head, "choices": [choice]}) for choice in choices]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        events += [json.dumps({**head, "choices": [], "usage": usage}), "[DONE]"]
        body = "".join(f"data: {event}\n\n" for event in events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
