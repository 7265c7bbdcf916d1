"""The built program, as these tests use it: one data folder, commands, a server, requests as bytes.

Nothing here imports anything of the program. Waiting is always for something that the program says, with a bound.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "examples" / "records"
START_MAX_S = 60
COMMAND_MAX_S = 120


def program() -> Path:
    named = os.environ.get("DURE_BIN")
    if named:
        return Path(named)
    cache = os.environ.get("DURE_CACHE") or Path.home() / ".cache" / "dure"
    target = os.environ.get("CARGO_TARGET_DIR") or Path(cache) / "target"
    return Path(target) / "release" / "dure"


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass
class Server:
    """A running server. `process` is its process, `address` where it listens."""

    process: subprocess.Popen
    address: str
    log: Path

    @property
    def host(self) -> str:
        return self.address.rsplit(":", 1)[0]

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def alive(self) -> bool:
        return self.process.poll() is None

    def request(self, method: str, path: str, body=None, headers: dict | None = None, timeout: float = 60) -> Response:
        """One request by the standard library's client."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            as_it_is = body is None or isinstance(body, (bytes, str)) or hasattr(body, "__next__")
            sent = body if as_it_is else json.dumps(body)
            content = {"Content-Type": "application/json"} if sent is not None else {}
            connection.request(method, path, body=sent, headers={**content, **(headers or {})})
            answer = connection.getresponse()
            head = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, head, answer.read())
        finally:
            connection.close()

    def raw(self, request: bytes, timeout: float = 30) -> bytes:
        """Bytes as they are, and the bytes that come back until the server ends or `timeout` passes."""
        received = b""
        with socket.create_connection((self.host, self.port), timeout=timeout) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            with contextlib.suppress(ConnectionResetError, TimeoutError):
                while part := connection.recv(65536):
                    received += part
        return received

    def healthy(self) -> bool:
        return self.alive() and self.request("GET", "/healthz").status == 200


class House:
    """One data folder and the commands that work on it."""

    def __init__(self, data: Path, engine: str | None = "fake"):
        self.data = data
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DURE_") or name == "DURE_CACHE"
        }
        self.environment["RUST_BACKTRACE"] = "0"
        if engine:
            self.environment["DURE_ENGINE_KIND"] = engine

    def command(self, *words: str | Path) -> list[str]:
        return [str(program()), "--data", str(self.data), *map(str, words)]

    def run(self, *words: str | Path, timeout: float = COMMAND_MAX_S, **options) -> subprocess.CompletedProcess:
        """Runs a command to its end, whatever that is."""
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=timeout, env=self.environment, **options
        )

    def dure(self, *words: str | Path, **options) -> str:
        """Runs a command that must succeed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def json(self, *words: str | Path, **options):
        """What a command prints for machines; of several lines the last one, which is the result."""
        return json.loads(self.dure(*words, "--json", **options).strip().splitlines()[-1])

    def refuses(self, *words: str | Path, **options) -> str:
        """Runs a command that must fail with a message, not a crash; gives the message."""
        done = self.run(*words, **options)
        assert done.returncode in (1, 2), f"{words} ended with {done.returncode}: {done.stdout} {done.stderr}"
        message = done.stderr.strip()
        assert message, f"{words} failed and said nothing"
        assert "panicked" not in message, message
        return message

    def key(self, name: str, *options: str) -> str:
        return self.json("key", "create", name, *options)["key"]

    def corpus(self, name: str, *options: str) -> None:
        label = ["--class", "open", "--licence", "cc0-1.0", "--purpose", "answering"]
        self.dure("corpus", "create", name, *label, *options)

    def add(self, corpus: str, *paths: Path, **options) -> dict:
        """What an add of these paths reports at its end."""
        return self.json("corpus", "add", corpus, *paths, **options)["result"]

    @contextlib.contextmanager
    def up(self, files_max: int | None = None, **settings: object) -> Iterator[Server]:
        """A server on a free port, ended with the block. `settings` are as the environment names them, in small
        letters and without `DURE_`; `files_max` is how many files it may have open."""
        environment = {**self.environment, **{f"DURE_{name.upper()}": str(value) for name, value in settings.items()}}
        limit = ["prlimit", f"--nofile={files_max}:{files_max}"] if files_max else []
        log = self.data.parent / f"{self.data.name}.log"
        with open(log, "ab") as errors:
            process = subprocess.Popen(
                [*limit, *self.command("up", "--listen", "127.0.0.1:0")],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        # A server that says nothing is ended, which ends the wait for its line.
        impatience = threading.Timer(START_MAX_S, process.kill)
        impatience.start()
        try:
            said = process.stdout.readline().decode()
            impatience.cancel()
            found = re.search(r"https?://([^/\s]+)", said)
            assert found, f"the server did not start: {said!r} {log.read_text()[-2000:]}"
            yield Server(process, found.group(1), log)
        finally:
            impatience.cancel()
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def eventually(look, seconds: float = 20):
    """What `look` gives as soon as it gives something true; fails when the time has passed."""
    until = time.monotonic() + seconds
    while True:
        if value := look():
            return value
        assert time.monotonic() < until, f"still not so after {seconds} s: {look}"
        time.sleep(0.02)
