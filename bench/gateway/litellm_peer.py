"""LiteLLM's proxy as a peer: by itself, or with Presidio as its guardrail.

It has one master key and no database, so its budget is one of a deployment, which it keeps in memory; budgets of keys need
PostgreSQL and a program that its client fetches from elsewhere.
"""

import contextlib
import os
from pathlib import Path

from common import GATEWAY_CORE, MODELS, Gateway, Process, answers, free_port, pinned

HERE = Path(__file__).resolve().parent
# Personal data are masked on the way in and turned back in the answer, as Dure does it.
GUARDRAIL = """guardrails:
  - guardrail_name: presidio
    litellm_params:
      guardrail: presidio
      mode: pre_call
      default_on: true
      presidio_language: en
      presidio_filter_scope: input
      output_parse_pii: true
"""
BUDGET = """      max_budget: 1000000
      budget_duration: 1d
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000001
"""


def litellm(venv: Path, folder: Path, upstream: str, guarded: bool = False) -> Gateway:
    """The proxy; `guarded` with a budget and with Presidio's two services, which count as part of it."""
    processes: list[Process] = []
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": f"{venv}/bin:{os.environ['PATH']}"}

    def started(name: str, port: int, health: str, *command: str | Path) -> None:
        log = folder / f"{name}.log"
        with open(log, "w") as out:
            process = pinned(GATEWAY_CORE, *command, stdout=out, stderr=out, env=environment, cwd=HERE)
        processes.append(Process(process))
        answers(f"http://127.0.0.1:{port}{health}", process, log)

    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        + "".join(
            f"  - model_name: {name}\n    litellm_params:\n      model: openai/{model}\n"
            f"      api_base: http://{upstream}/v1\n      api_key: none\n{BUDGET if guarded else ''}"
            for name, model in MODELS.items()
        )
        + "general_settings:\n  master_key: sk-measured\nlitellm_settings:\n  telemetry: false\n"
        + (GUARDRAIL if guarded else "")
    )
    with contextlib.ExitStack() as failed:
        failed.callback(lambda: [process.end() for process in processes])
        for service in ("analyzer", "anonymizer") if guarded else ():
            port = free_port()
            environment[f"PRESIDIO_{service.upper()}_API_BASE"] = f"http://127.0.0.1:{port}"
            served = (venv / "bin" / "gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", f"litellm_presidio:{service}()")
            started(service, port, "/health", *served)
        port = free_port()
        proxy = (venv / "bin" / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port))
        started("litellm", port, "/health/liveliness", *proxy)
        failed.pop_all()
    return Gateway(f"127.0.0.1:{port}", "sk-measured", *processes)
