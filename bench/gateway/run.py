#!/usr/bin/env python3
"""What the gateway adds in front of a model: requests a second, time, memory, and the delay of a streamed token.

Run: `python3 bench/gateway/run.py --bin target/release --litellm VENV --out bench/gateway/results/NAME.json`

The gateway runs on core 0 alone. The fake upstream and the load generator share core 1, so what they need is part of what is
measured; `direct` is the same load without a gateway. Keys and a quota are on. Without `--litellm` the peer is left out.
"""

import argparse
import resource
import tempfile
from pathlib import Path

from common import MODELS, Load, added, circumstances, dure, keep, upstream
from litellm_peer import litellm

RATE = 5_000
STREAMS = 2_000
PEER_RATE = 50
PEER_STREAMS = 50


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", type=Path, required=True, help="where `dure`, `fake-upstream`, `gateway-load` are")
    arguments.add_argument("--litellm", type=Path, help="an environment with `pip install 'litellm[proxy]'`")
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--seconds", type=float, default=10)
    given = arguments.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))

    report = circumstances()
    saturate = ("saturate", "--seconds", given.seconds)
    rate = ("rate", "--per-second", RATE, "--seconds", given.seconds)
    streams = ("streams", "--count", STREAMS)
    peer_rate = ("rate", "--per-second", PEER_RATE, "--connections", "16", "--seconds", given.seconds)
    peer_streams = ("streams", "--count", PEER_STREAMS)
    with tempfile.TemporaryDirectory(prefix="dure-bench-") as folder, upstream(given.bin) as address:
        direct = Load(given.bin, address)
        report["direct"] = {
            "rate": direct.run(MODELS["instant"], *rate),
            "saturate": direct.run(MODELS["instant"], *saturate),
            "streams": direct.run(MODELS["paced"], *streams),
        }
        gateway = dure(given.bin, Path(folder), address)
        try:
            load = Load(given.bin, gateway.to, gateway.key)
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
            gateway = litellm(given.litellm.resolve(), Path(folder), address)
            try:
                load = Load(given.bin, gateway.to, gateway.key)
                peer = {"resident_mb_idle": gateway.resident_mb()}
                report["direct"]["peer_rate"] = direct.run(MODELS["instant"], *peer_rate)
                peer["rate"] = load.run("instant", *peer_rate, gateway=gateway)
                peer["saturate"] = load.run("instant", *saturate, "--connections", "16", gateway=gateway)
                peer["streams"] = load.run("paced", *peer_streams, gateway=gateway)
                peer["rate"]["added_milliseconds"] = added(peer["rate"], report["direct"]["peer_rate"])
                report["litellm"] = peer
            finally:
                gateway.end()
    keep(report, given.out)


if __name__ == "__main__":
    main()
