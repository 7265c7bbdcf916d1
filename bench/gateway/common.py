"""What the measurements of the gateway share: where processes run, what they use, the load, and the servers that are measured.

The gateway has core 0 alone; what stands around it, the fake upstream and the load generator, shares core 1.
"""

import contextlib
import datetime
import json
import os
import platform
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

GATEWAY_CORE, OTHER_CORE = "0", "1"
# What the fake upstream does for each model: one token at once; 50 tokens, five a second, so ten seconds; one token, and the
# request is kept so that it can be looked at.
MODELS = {"instant": "instant,tokens=1", "paced": "tokens=50,pace=200", "kept": "tokens=1"}


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


class Gateway:
    """What is measured: where it listens, the key that it takes, and its processes."""

    def __init__(self, to: str, key: str, *processes: Process):
        self.to, self.key, self.processes = to, key, processes

    def resident_mb(self) -> float:
        return round(sum(process.resident_mb() for process in self.processes), 1)

    def cpu_seconds(self) -> float:
        return sum(process.cpu_seconds() for process in self.processes)

    def end(self) -> None:
        for process in self.processes:
            process.end()


class Load:
    """The load generator against one server."""

    def __init__(self, binaries: Path, to: str, key: str = "none"):
        self.command = [binaries / "gateway-load", "--to", to, "--key", key]

    def run(self, model: str, *how: str | float, gateway: Gateway | None = None) -> dict:
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


def added(through: dict, direct: dict) -> dict:
    """What the way through the gateway takes more than the way without it."""
    if "failed" in through or "failed" in direct:
        return {}
    field = "milliseconds" if "milliseconds" in through else "delay_milliseconds"
    return {name: round(through[field][name] - direct[field][name], 3) for name in ("p50", "p90", "p99")}


@contextlib.contextmanager
def upstream(binaries: Path) -> Iterator[str]:
    """A fake upstream; its address."""
    process = pinned(OTHER_CORE, binaries / "fake-upstream", stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()


def dure(binaries: Path, folder: Path, upstream: str, owner: str = "", policy: str = "", durability: str = "relaxed") -> Gateway:
    """Dure with a key and a quota: whose the upstream is, the policies in place of the starting ones, and whether an answer's
    end waits for its receipt."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    owned = f'owner = "{owner}"\n' if owner else ""
    tables = "".join(
        f'[[upstreams]]\nname = "{name}"\nbase_url = "http://{upstream}/v1"\nmodel = "{model}"\ncountry = "KR"\n{owned}'
        f'class_max = "open"\ncontext_tokens = 8192\nrequests_max = 4096\n'
        for name, model in MODELS.items()
    )
    (data / "settings.toml").write_text(f'[server]\nrequests_max = 4096\n[ledger]\ndurability = "{durability}"\n{tables}')
    if policy:
        (data / "policy").mkdir()
        (data / "policy" / "own.cedar").write_text(policy)
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
    to = process.stdout.readline().split("http://")[1].split("/")[0]
    return Gateway(to, key, Process(process))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(url: str, process: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    """Waits until a server answers at `url`."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2)
            return
        if time.monotonic() > until or process.poll() is not None:
            process.kill()
            raise SystemExit(f"nothing answers at {url}: {log.read_text()[-2000:]}")
        time.sleep(0.5)


def beside() -> list[str]:
    """What else uses this machine just now."""
    shown = subprocess.run(["ps", "-eo", "pcpu,comm", "--sort=-pcpu"], capture_output=True, text=True).stdout
    busy = [line.split(None, 1) for line in shown.splitlines()[1:9]]
    return [f"{name} {share} %" for share, name in busy if float(share) > 5]


def circumstances() -> dict:
    """When and where a measurement is made, and beside what."""
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}",
        "load_before": os.getloadavg(),
        "beside": beside(),
        "request_bytes": 1024,
    }


def keep(report: dict, out: Path | None) -> None:
    text = json.dumps(report, indent=2)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    print(text)
