#!/usr/bin/env python3
"""What each protection costs a request at 1,000 requests a second: policy and receipt, masking, a receipt that is waited for,
an intent before text leaves the house.

Run: `python3 bench/gateway/protections.py --bin target/release --out bench/gateway/results/NAME.json`

As in `run.py` the gateway has core 0 alone, and what stands around it shares core 1. Each row is a server of its own, and turns
one thing on beside the row before it says. Key, quota, policies and receipts are on in all.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from run import GATEWAY_CORE, INSTANT, OTHER_CORE, Load, Process, added, beside, pinned

RATE = 1_000
MASKING = """
@id("send")
@mask("kr, general")
permit (principal, action == Action::"send", resource);
@id("search")
permit (principal, action == Action::"search", resource);
"""
# What is on: whose the upstream is, whether an answer's end waits for its receipt, the policies in place of the starting ones.
ROWS = {
    "policy and receipt": {"owner": "house"},
    "and masking both ways": {"owner": "house", "policy": MASKING},
    "and the receipt is waited for": {"owner": "house", "policy": MASKING, "durability": "strict"},
    "and an intent before it leaves": {"owner": "somebody", "policy": MASKING, "durability": "strict"},
    "policy, receipt and intent alone": {"owner": "somebody"},
}


def server(binaries: Path, folder: Path, upstream: str, owner: str, policy: str = "", durability: str = "relaxed"):
    data = folder / "data"
    data.mkdir(mode=0o700)
    (data / "settings.toml").write_text(
        f'[server]\nrequests_max = 4096\n[ledger]\ndurability = "{durability}"\n'
        f'[[upstreams]]\nname = "instant"\nbase_url = "http://{upstream}/v1"\nmodel = "{INSTANT}"\ncountry = "KR"\n'
        f'owner = "{owner}"\nclass_max = "open"\ncontext_tokens = 8192\nrequests_max = 4096\n'
    )
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
    process = pinned(GATEWAY_CORE, *program, "up", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE, text=True, env=environment)
    return Process(process), process.stdout.readline().split("http://")[1].split("/")[0], key


def fdatasync_ms(folder: Path) -> dict:
    """How long this disk takes to have 4 KB, one write after the other."""
    file, took = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY), []
    for _ in range(300):
        os.write(file, b"x" * 4096)
        began = time.perf_counter()
        os.fdatasync(file)
        took.append((time.perf_counter() - began) * 1e3)
    os.close(file)
    return {"p50": round(statistics.median(took), 3), "p99": round(sorted(took)[-4], 3)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", type=Path, required=True, help="where `dure`, `fake-upstream`, `gateway-load` are")
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--seconds", type=float, default=10)
    given = arguments.parse_args()
    upstream = pinned(OTHER_CORE, given.bin / "fake-upstream", stdout=subprocess.PIPE, text=True)
    address = upstream.stdout.readline().split()[-1]
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    rate = ("rate", "--per-second", RATE, "--connections", "64", "--seconds", given.seconds)
    report = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}",
        "beside": beside(),
        "requests_per_second": RATE,
        "request_bytes": 1024,
    }
    report["direct"] = Load(given.bin / "gateway-load", address, "none").run(INSTANT, *rate)
    report["rows"] = {}
    for name, row in ROWS.items():
        with tempfile.TemporaryDirectory(prefix="dure-bench-") as folder:
            report.setdefault("fdatasync_milliseconds", fdatasync_ms(Path(folder)))
            gateway, to, key = server(given.bin, Path(folder), address, **row)
            try:
                load = Load(given.bin / "gateway-load", to, key)
                load.run("instant", "rate", "--per-second", RATE, "--seconds", 2)
                told = load.run("instant", *rate, gateway=gateway)
            finally:
                gateway.end()
        told["added_milliseconds"] = added(told, report["direct"])
        report["rows"][name] = told
    upstream.kill()
    upstream.wait()
    text = json.dumps(report, indent=2)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
