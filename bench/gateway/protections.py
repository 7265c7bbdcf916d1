#!/usr/bin/env python3
"""What each protection costs a request at 1,000 requests a second: policy and receipt, masking, a receipt that is waited for,
an intent before text leaves the house. With `--litellm`, Dure with all of them beside LiteLLM with its guardrail.

Run: `python3 bench/gateway/protections.py --bin target/release --litellm VENV --out bench/gateway/results/NAME.json`

Each row is a server of its own, and turns one thing on beside the row before it says. Key, quota, policies and receipts are on
in all. It takes about two minutes, and five more for the peer.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from common import MODELS, Gateway, Load, added, circumstances, dure, keep, upstream
from litellm_peer import litellm

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
ALL_ON = "and an intent before it leaves"
# A rate is held if so much of it is answered in time; rates are tried from all that a saturated server answered downwards.
HELD = 0.98
TRIED = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
PEER_CONNECTIONS = 16
PEER_SECONDS = 30
MAIL = "minji.kim@naver.com"


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


def masks(gateway: Gateway, upstream: str) -> None:
    """Fails unless an address of mail is masked on its way to the upstream."""
    body = {"model": "kept", "messages": [{"role": "user", "content": f"Please write to {MAIL} today."}]}
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    asked = urllib.request.Request(f"http://{gateway.to}/v1/chat/completions", json.dumps(body).encode(), headers)
    urllib.request.urlopen(asked, timeout=60).read()
    seen = urllib.request.urlopen(f"http://{upstream}/seen", timeout=60).read().decode()
    if MAIL in seen or "Please write" not in seen:
        raise SystemExit(f"nothing is masked: {seen}")


def at(rate: float, seconds: float, connections: int = PEER_CONNECTIONS) -> tuple:
    return ("rate", "--per-second", round(rate, 2), "--connections", connections, "--seconds", seconds)


def rate_held(load: Load, gateway: Gateway, seconds: float, report: dict) -> float:
    """The highest rate of those tried that the gateway holds."""
    report["saturated"] = load.run("instant", "saturate", "--connections", PEER_CONNECTIONS, "--seconds", seconds, gateway=gateway)
    report["tried"] = []
    for share in TRIED:
        told = load.run("instant", *at(report["saturated"]["per_second"] * share, seconds), gateway=gateway)
        report["tried"].append(told)
        if "failed" not in told and not told["errors"] and told["per_second"] >= HELD * told["wanted_per_second"]:
            return told["per_second"]
    return 0.0


def side_by_side(binaries: Path, venv: Path, upstream: str, seconds: float) -> dict:
    """Both gateways with key, budget and masking, one after the other: what they hold, and times at one rate that both hold."""
    listed = subprocess.run([venv / "bin/pip", "list", "--format", "json"], capture_output=True, check=True)
    installed = {package["name"].replace("_", "-"): package["version"] for package in json.loads(listed.stdout)}
    report: dict = {
        "versions": {name: installed[name] for name in ("litellm", "presidio-analyzer", "presidio-anonymizer", "spacy")},
        "dure_has": ALL_ON,
    }
    starts: dict[str, Callable[[Path], Gateway]] = {
        "litellm": lambda folder: litellm(venv, folder, upstream, guarded=True),
        "dure": lambda folder: dure(binaries, folder, upstream, **ROWS[ALL_ON]),
    }
    for name, start in starts.items():
        told = report[name] = {}
        with tempfile.TemporaryDirectory(prefix="dure-bench-") as folder:
            gateway = start(Path(folder))
            try:
                masks(gateway, upstream)
                load = Load(binaries, gateway.to, gateway.key)
                told["resident_mb_idle"] = gateway.resident_mb()
                told["rate_held"] = rate_held(load, gateway, seconds, told)
                # LiteLLM comes first: half of what it holds is the rate for both, and is far from where requests queue.
                rate = report.setdefault("rate", max(1.0, round(told["rate_held"] / 2, 1)))
                direct = Load(binaries, upstream).run(MODELS["instant"], *at(rate, seconds))
                told["at_rate"] = load.run("instant", *at(rate, PEER_SECONDS), gateway=gateway)
                told["added_milliseconds"] = added(told["at_rate"], direct)
            finally:
                gateway.end()
    ours, peer = report["dure"], report["litellm"]
    report["side_by_side"] = {
        "added p50, ms": [ours["added_milliseconds"]["p50"], peer["added_milliseconds"]["p50"]],
        "added p99, ms": [ours["added_milliseconds"]["p99"], peer["added_milliseconds"]["p99"]],
        "highest rate held, requests/s": [round(ours["rate_held"], 1), round(peer["rate_held"], 1)],
        "processor time when saturated, ms": [side["saturated"]["gateway_cpu_microseconds_each"] / 1e3 for side in (ours, peer)],
        "resident, MB": [side["at_rate"]["gateway_resident_mb"] for side in (ours, peer)],
    }
    return report


def table(report: dict) -> str:
    lines = [f"at {report['rate']} requests/s | Dure | LiteLLM with Presidio | ratio"]
    for name, (ours, theirs) in report["side_by_side"].items():
        ratio = max(ours, theirs) / min(ours, theirs) if min(ours, theirs) > 0 else float("inf")
        lines.append(f"{name} | {ours:,.2f} | {theirs:,.2f} | {ratio:,.0f}")
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", type=Path, required=True, help="where `dure`, `fake-upstream`, `gateway-load` are")
    arguments.add_argument("--litellm", type=Path, help="an environment with what requirements-litellm.txt lists")
    arguments.add_argument("--only-peer", action="store_true", help="leave out the rows")
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--seconds", type=float, default=10)
    given = arguments.parse_args()
    report = {**circumstances(), "requests_per_second": RATE}
    with upstream(given.bin) as address:
        rate = at(RATE, given.seconds, connections=64)
        rows = {} if given.only_peer else ROWS
        report["direct"] = Load(given.bin, address).run(MODELS["instant"], *rate)
        report["rows"] = {}
        for name, row in rows.items():
            with tempfile.TemporaryDirectory(prefix="dure-bench-") as folder:
                report.setdefault("fdatasync_milliseconds", fdatasync_ms(Path(folder)))
                gateway = dure(given.bin, Path(folder), address, **row)
                try:
                    load = Load(given.bin, gateway.to, gateway.key)
                    load.run("instant", "rate", "--per-second", RATE, "--seconds", 2)
                    told = load.run("instant", *rate, gateway=gateway)
                finally:
                    gateway.end()
            told["added_milliseconds"] = added(told, report["direct"])
            report["rows"][name] = told
        if given.litellm:
            report["peer"] = side_by_side(given.bin, given.litellm.resolve(), address, given.seconds)
    keep(report, given.out)
    if given.litellm:
        print(table(report["peer"]))


if __name__ == "__main__":
    main()
