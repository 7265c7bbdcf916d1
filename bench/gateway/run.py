#!/usr/bin/env python3
"""What the gateway adds in front of a model: requests a second, time, memory, and the delay of a streamed token.

Run: `python3 bench/gateway/run.py --bin target/release --litellm VENV --out bench/gateway/results/NAME.json`

The gateway runs on core 0 alone. The fake upstream and the load generator share core 1, so what they need is part of what is
measured; `direct` is the same load without a gateway. Keys and a quota are on. Without `--litellm` the peer is left out.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import resource
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

GATEWAY_CORE, OTHER_CORE = "0", "1"
RATE = 5_000
STREAMS = 2_000
PEER_RATE = 50
PEER_STREAMS = 50
# 50 tokens of each stream, five a second: ten seconds.
INSTANT, PACED = "instant,tokens=1", "tokens=50,pace=200"


def pinned(core: str, *command: str | Path, **options) -> subprocess.Popen:
    return subprocess.Popen(["taskset", "-c", core, *map(str, command)], **options)


class Process:
    """A process and its children: what they hold and use."""

    def __init__(self, process: subprocess.Popen):
        self.process = process

    def pids(self) -> list[int]:
        found, at = [self.process.pid], 0
        while at < len(found):
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{found[at]}/task/{found[at]}/children").read_text().split()
                found += [int(child) for child in children]
            at += 1
        return found

    def resident_mb(self) -> float:
        kilobytes = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        kilobytes += int(line.split()[1])
        return round(kilobytes / 1024, 1)

    def cpu_seconds(self) -> float:
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Load:
    """The load generator against one server."""

    def __init__(self, program: Path, to: str, key: str):
        self.command = [program, "--to", to, "--key", key]

    def run(self, model: str, *how: str, gateway: Process | None = None) -> dict:
        before = gateway.cpu_seconds() if gateway else 0
        done = subprocess.run(
            ["taskset", "-c", OTHER_CORE, *map(str, self.command), "--model", model, *map(str, how)],
            capture_output=True,
            text=True,
            timeout=170,
        )
        if done.returncode != 0:
            return {"failed": done.stderr.strip()[-500:]}
        result = json.loads(done.stdout)
        if done.stderr:
            result["first_error"] = done.stderr.strip()[-300:]
        if gateway:
            used = gateway.cpu_seconds() - before
            count = result.get("requests") or result.get("tokens") or 1
            result["gateway_cpu_microseconds_each"] = round(used / count * 1e6, 1)
            result["gateway_resident_mb"] = gateway.resident_mb()
        return result


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def dure(binaries: Path, folder: Path, upstream: str) -> tuple[Process, str, str]:
    """The gateway with a key and a quota; its address and the key."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    tables = "".join(
        f'[[upstreams]]\nname = "{name}"\nbase_url = "http://{upstream}/v1"\nmodel = "{model}"\ncountry = "KR"\n'
        f'class_max = "open"\ncontext_tokens = 8192\nrequests_max = 4096\n'
        for name, model in [("instant", INSTANT), ("paced", PACED)]
    )
    (data / "settings.toml").write_text(f"[server]\nrequests_max = 4096\n{tables}")
    environment = {**os.environ, "DURE_ENGINE_KIND": "fake", "DURE_LOG_LEVEL": "warn"}
    program = [binaries / "dure", "--data", data]

    def run(*words: str) -> dict:
        done = subprocess.run([*program, *words, "--json"], capture_output=True, text=True, env=environment, check=True)
        return json.loads(done.stdout)

    run("tenant", "create", "measured", "--quota-tokens", str(10**15))
    key = run("--tenant", "measured", "key", "create", "load")["key"]
    process = pinned(
        GATEWAY_CORE, *program, "up", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE, text=True, env=environment
    )
    said = process.stdout.readline()
    return Process(process), said.split("http://")[1].split("/")[0], key


def litellm(venv: Path, folder: Path, upstream: str) -> tuple[Process, str, str]:
    """The peer, with its one master key and no database: it counts no quota."""
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        + "".join(
            f"  - model_name: {name}\n    litellm_params:\n      model: openai/{model}\n"
            f"      api_base: http://{upstream}/v1\n      api_key: none\n"
            for name, model in [("instant", INSTANT), ("paced", PACED)]
        )
        + "general_settings:\n  master_key: sk-measured\nlitellm_settings:\n  telemetry: false\n"
    )
    port = free_port()
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": f"{venv}/bin:{os.environ['PATH']}"}
    command = [venv / "bin" / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    log = open(folder / "litellm.log", "w")
    process = pinned(GATEWAY_CORE, *command, stdout=log, stderr=log, env=environment)
    until = time.monotonic() + 90
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=2)
            return Process(process), f"127.0.0.1:{port}", "sk-measured"
        if time.monotonic() > until or process.poll() is not None:
            raise SystemExit((folder / "litellm.log").read_text()[-2000:])
        time.sleep(0.5)


def added(through: dict, direct: dict) -> dict:
    if "failed" in through or "failed" in direct:
        return {}
    field = "milliseconds" if "milliseconds" in through else "delay_milliseconds"
    return {name: round(through[field][name] - direct[field][name], 3) for name in ("p50", "p90", "p99")}


def beside() -> list[str]:
    """What else uses this machine just now."""
    shown = subprocess.run(["ps", "-eo", "pcpu,comm", "--sort=-pcpu"], capture_output=True, text=True).stdout
    busy = [line.split(None, 1) for line in shown.splitlines()[1:9]]
    return [f"{name} {share} %" for share, name in busy if float(share) > 5]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", type=Path, required=True, help="where `dure`, `fake-upstream`, `gateway-load` are")
    arguments.add_argument("--litellm", type=Path, help="an environment with `pip install 'litellm[proxy]'`")
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--seconds", type=float, default=10)
    given = arguments.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))

    upstream = pinned(OTHER_CORE, given.bin / "fake-upstream", stdout=subprocess.PIPE, text=True)
    address = upstream.stdout.readline().split()[-1]
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    report = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}",
        "load_before": os.getloadavg(),
        "beside": beside(),
        "request_bytes": 1024,
    }
    saturate = ("saturate", "--seconds", given.seconds)
    rate = ("rate", "--per-second", RATE, "--seconds", given.seconds)
    streams = ("streams", "--count", STREAMS)
    peer_rate = ("rate", "--per-second", PEER_RATE, "--connections", "16", "--seconds", given.seconds)
    peer_streams = ("streams", "--count", PEER_STREAMS)
    with tempfile.TemporaryDirectory(prefix="dure-bench-") as folder:
        direct = Load(given.bin / "gateway-load", address, "none")
        report["direct"] = {
            "rate": direct.run(INSTANT, *rate),
            "saturate": direct.run(INSTANT, *saturate),
            "streams": direct.run(PACED, *streams),
        }
        gateway, to, key = dure(given.bin, Path(folder), address)
        try:
            load = Load(given.bin / "gateway-load", to, key)
            ours = {"resident_mb_idle": gateway.resident_mb()}
            for name, model, how in [("rate", "instant", rate), ("saturate", "instant", saturate)]:
                ours[name] = load.run(model, *how, gateway=gateway)
            ours["streams"] = load.run("paced", *streams, gateway=gateway)
            report["dure"] = ours
        finally:
            gateway.end()
        for name in ("rate", "streams"):
            ours[name]["added_milliseconds"] = added(ours[name], report["direct"][name])
        if given.litellm:
            gateway, to, key = litellm(given.litellm.resolve(), Path(folder), address)
            try:
                load = Load(given.bin / "gateway-load", to, key)
                peer = {"resident_mb_idle": gateway.resident_mb()}
                report["direct"]["peer_rate"] = direct.run(INSTANT, *peer_rate)
                peer["rate"] = load.run("instant", *peer_rate, gateway=gateway)
                peer["saturate"] = load.run("instant", *saturate, "--connections", "16", gateway=gateway)
                peer["streams"] = load.run("paced", *peer_streams, gateway=gateway)
                peer["rate"]["added_milliseconds"] = added(peer["rate"], report["direct"]["peer_rate"])
                report["litellm"] = peer
            finally:
                gateway.end()
    upstream.kill()
    upstream.wait()
    text = json.dumps(report, indent=2)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
