"""Durable receipts a second with 1, 64 and 256 callers, with machine and date.

Run: `python3 bench/ledger/run.py --out bench/ledger/results/NAME.json`

It builds the crate's example `ledger_bench` and runs it in a folder of its own below `--disk`, which is the disk that is
measured; memory (`/dev/shm`) has no syncs to wait for.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--disk", type=Path, default=Path.home())
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--out", type=Path)
    asked = arguments.parse_args()
    build = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "ledger", "--example", "ledger_bench"]
    subprocess.run(build, cwd=REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
    with tempfile.TemporaryDirectory(dir=asked.disk, prefix="ledger-bench-") as folder:
        bench = [str(target / "release/examples/ledger_bench"), "--dir", folder, "--seconds", str(asked.seconds)]
        load = os.getloadavg()[0]
        done = subprocess.run(bench, capture_output=True, text=True, check=True)
    machine = {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "kernel": platform.release()}
    result = {"date": date.today().isoformat(), "machine": machine, "load_before": load, **json.loads(done.stdout)}
    text = json.dumps(result, indent=1) + "\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
