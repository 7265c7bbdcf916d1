"""A thousand slow readers and writers, and how long everybody else waits meanwhile.

    python bench/stress/slow.py --dure target/release/dure

It starts a server of its own with the fake engine. Half of the slow peers send a body drop by drop, half
ask for a long streamed answer and read a few bytes now and then. Beside them one client after the other asks a small
question, alternately with and without the slow ones there, so that drift of the machine falls on both alike.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLOW = 1_000
QUESTIONS = 400
ROUNDS = 3
BODY = json.dumps({"model": "fake", "messages": [{"role": "user", "content": "hello"}]}).encode()
LONG = json.dumps(
    {"model": "fake", "messages": [{"role": "user", "content": "slow " * 6_000}], "stream": True}
).encode()


def head(host: str, key: str, length: int) -> bytes:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


async def slow_writer(host: str, port: int, key: str, there: asyncio.Semaphore) -> None:
    """Sends its body a byte a second, and begins anew when it is let go."""
    while True:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head(f"{host}:{port}", key, 4_000) + b'{"model":')
        there.release()
        try:
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(1)
        except OSError:
            pass
        finally:
            writer.close()


async def slow_reader(host: str, port: int, key: str, there: asyncio.Semaphore) -> None:
    """Asks for a long answer and reads 64 bytes a second."""
    while True:
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(head(f"{host}:{port}", key, len(LONG)) + LONG)
        there.release()
        try:
            while await reader.read(64):
                await asyncio.sleep(1)
        except OSError:
            pass
        finally:
            writer.close()


async def questions(host: str, port: int, key: str) -> list[float]:
    """How long each of many small questions took, in milliseconds."""
    took = []
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(QUESTIONS):
        begun = time.perf_counter()
        writer.write(head(f"{host}:{port}", key, len(BODY)) + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = int(re.search(rb"content-length: (\d+)", answer, re.IGNORECASE).group(1))
        await reader.readexactly(length)
        took.append((time.perf_counter() - begun) * 1_000)
        await asyncio.sleep(0.005)
    writer.close()
    return took


def child(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)


async def be_slow(host: str, port: int, key: str) -> None:
    there = asyncio.Semaphore(0)
    kinds = (slow_writer, slow_reader)
    tasks = [asyncio.create_task(kinds[number % 2](host, port, key, there)) for number in range(SLOW)]
    for _ in range(SLOW):
        await there.acquire()
    print("there", flush=True)
    await asyncio.gather(*tasks)


def quantiles(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"p50_ms": round(cuts[49], 3), "p99_ms": round(cuts[98], 3), "max_ms": round(max(took), 3)}


def resident_mb(pid: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def measure(host: str, port: int, key: str, pid: int) -> dict:
    without, beside, memory = [], [], [resident_mb(pid)]
    for _ in range(ROUNDS):
        without += asyncio.run(questions(host, port, key))
        # A process of their own, so that the measuring one is not slowed down by them.
        slow = child(["--be-slow", host, str(port), key])
        try:
            assert slow.stdout.readline() == "there\n"
            time.sleep(1)
            beside += asyncio.run(questions(host, port, key))
            memory.append(resident_mb(pid))
        finally:
            slow.kill()
            slow.wait()
        time.sleep(1)
    return {
        "slow_peers": SLOW,
        "without": quantiles(without),
        "beside": quantiles(beside),
        "resident_mb": {"before": round(memory[0], 1), "beside": round(max(memory), 1)},
    }


def main() -> None:
    if sys.argv[1:2] == ["--be-slow"]:
        return asyncio.run(be_slow(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dure", default=os.environ.get("DURE_BIN", "dure"), help="the program")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "DURE_ENGINE_KIND": "fake", "DURE_ENGINE_SLOTS": "2000",
            "DURE_LOG_LEVEL": "error", "DURE_DATA": folder,
        }  # fmt: skip
        made = subprocess.run(
            [arguments.dure, "key", "create", "bench", "--json"], capture_output=True, text=True, env=environment
        )
        key = json.loads(made.stdout)["key"]
        server = subprocess.Popen(
            [arguments.dure, "up", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            host, port = re.search(r"http://([\d.]+):(\d+)", server.stdout.readline()).groups()
            result = measure(host, int(port), key, server.pid)
        finally:
            server.terminate()
            server.wait()
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)
    result |= {"machine": f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"}
    result |= {"date": time.strftime("%Y-%m-%d")}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
