"""How the server comes to its end: nothing new, last words for what runs, quotas settled, and out."""

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time

import pytest
from house import House, Server, eventually

STREAMS = 500


def request(server: Server, key: str, text: str, stream: bool) -> bytes:
    body = {"model": "fake", "messages": [{"role": "user", "content": text}], "stream": stream}
    sent = json.dumps(body).encode()
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    ).encode() + sent


def dechunked(answer: bytes) -> bytes:
    """The body of an answer in chunks, which must come to a proper end."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower(), head
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            assert rest == b"\r\n", rest
            return body
        body += rest[:count]
        assert rest[count : count + 2] == b"\r\n", "a chunk was cut"
        rest = rest[count + 2 :]


def events(body: bytes) -> list:
    """The events of a stream, each of them whole."""
    assert body.endswith(b"\n\n"), body[-200:]
    parts = body.decode().removesuffix("\n\n").split("\n\n")
    assert all(part.startswith("data: ") for part in parts), parts
    data = [part.removeprefix("data: ") for part in parts]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


async def read_to_end(reader: asyncio.StreamReader, begun: asyncio.Event | None = None) -> bytes:
    answer = b""
    while part := await reader.read(65536):
        answer += part
        if begun and b"data: " in answer:
            begun.set()
    return answer


async def many_streams(server: Server, key: str) -> tuple[list[bytes], float]:
    """Opens idle streams, stops the server once all have begun, and reads each to its end."""
    begun, readers, writers = [], [], []
    for _ in range(STREAMS):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(request(server, key, "one two three four five six seven eight nine ten " * 20, stream=True))
        begun.append(asyncio.Event())
        readers.append(asyncio.create_task(read_to_end(reader, begun[-1])))
        writers.append(writer)
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in begun)), 60)
    server.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    answers = await asyncio.wait_for(asyncio.gather(*readers), 30)
    for writer in writers:
        writer.close()
    return answers, told


def test_five_hundred_idle_streams_end_with_a_last_event_each(house: House) -> None:
    house.dure("tenant", "create", "town")
    house.dure("tenant", "quota", "town", "100000000")
    key = house.key("app", "--tenant", "town")
    with house.up(engine_slots=STREAMS, engine_fake_tokens_a_second=1, server_drain_s=2) as server:
        answers, told = asyncio.run(many_streams(server, key))
        code = server.process.wait(timeout=20)
        # The bound is the promise itself, not a measurement.
        assert time.monotonic() - told < 10
        assert code == 0, server.log.read_text()[-2000:]
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        *before, last = events(dechunked(answer))
        assert last["error"]["code"] == "server_stopping", last
        assert before and all("choices" in event for event in before)
    assert "panicked" not in server.log.read_text()
    # What was set aside for the streams went back: a prompt of each, and the few tokens that were written.
    used = next(tenant for tenant in house.json("tenant", "list") if tenant["name"] == "town")["used_tokens"]
    assert 0 < used < STREAMS * 400, used


def test_what_ends_in_time_ends_as_ever(house: House) -> None:
    key = house.key("app")
    with house.up(engine_fake_tokens_a_second=20, server_drain_s=20) as server:
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            connection.sendall(request(server, key, "one two three four five six", stream=True))
            answer = connection.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            # Whoever comes now is not let in.
            eventually(lambda: refuses(server))
            while part := connection.recv(65536):
                answer += part
        said = events(dechunked(answer))
        assert said[-1] == "[DONE]" and "error" not in said[-2]
        assert server.process.wait(timeout=20) == 0


def test_a_server_that_is_being_stopped_is_not_ready(house: House) -> None:
    key = house.key("app")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with house.up(engine_fake_tokens_a_second=1, server_drain_s=3, metrics_listen=f"127.0.0.1:{port}") as server:
        watching = Server(server.process, f"127.0.0.1:{port}", server.log)
        assert watching.request("GET", "/readyz").status == 200
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            connection.sendall(request(server, key, "one two three four five six seven eight", stream=True))
            connection.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            answer = eventually(lambda: (seen := watching.request("GET", "/readyz")).status == 503 and seen)
            assert answer.json()["checks"]["server"]["ok"] is False, answer.body
        assert server.process.wait(timeout=20) == 0


def refuses(server: Server) -> bool:
    try:
        socket.create_connection((server.host, server.port), timeout=5).close()
    except (ConnectionRefusedError, ConnectionResetError):
        # Reset is what whoever stood in the queue gets in the moment when the listener closes.
        return True
    return False


def test_an_answer_that_does_not_come_in_time_is_an_error_and_no_silence(house: House) -> None:
    key = house.key("app")
    with house.up(engine_fake_tokens_a_second=1, server_drain_s=1) as server:
        whole = request(server, key, "one two three four five six seven eight nine ten", stream=False)
        answers = []

        def ask(sent: bytes) -> None:
            answers.append(server.raw(sent, timeout=30))

        threads = [threading.Thread(target=ask, args=(whole,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(busy(server)) >= 3)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(timeout=30)
        assert server.process.wait(timeout=20) == 0
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503"), answer[:200]
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"retry-after: " in head.lower()
        assert json.loads(body)["error"]["code"] == "server_stopping"


def busy(server: Server) -> list[str]:
    """Connections to the server that are open, as the system counts them."""
    port = f"{server.port:04X}"
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [row[2] for row in rows if row[1].endswith(f":{port}") and row[3] == "01"]


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(house: House, first: signal.Signals) -> None:
    key = house.key("app")
    with house.up(engine_fake_tokens_a_second=1, server_drain_s=600) as server:
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            connection.sendall(request(server, key, "one two three four five six seven eight", stream=True))
            connection.recv(65536)
            server.process.send_signal(first)
            eventually(lambda: refuses(server))
            assert server.alive()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=20) == 1
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(65536):
                    pass
    # The folder is whole: the next server has it.
    with house.up() as server:
        assert server.healthy()


def test_an_idle_server_is_gone_at_once(house: House) -> None:
    house.key("app")
    with house.up(server_drain_s=600) as server:
        # A connection that is kept alive and has nothing to say holds nobody up.
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=20) == 0
