"""Clients that others made: `openai` and the Vercel AI SDK for Node, `langchain-openai` for Python, with the fake engine.

Node's packages are pinned by the lock file beside the scripts. `make test` installs them outside the checkout and names
the place in `DURE_CLIENTS`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from house import Server

SCRIPTS = Path(__file__).resolve().parent / "clients"
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "해솔"}}\n</tool_call>'


def run_node(script: str, server: Server, key: str, folder: Path, **more: str) -> None:
    """Runs one of the scripts. Node looks for packages beside the script, so it runs from a folder that has both."""
    installed = os.environ.get("DURE_CLIENTS")
    if not installed or not shutil.which("node"):
        pytest.skip("needs Node and its packages: `make test` installs them and sets DURE_CLIENTS")
    (folder / "node_modules").symlink_to(Path(installed) / "node_modules")
    shutil.copy(SCRIPTS / script, folder)
    environment = {"PATH": os.environ["PATH"], "DURE_URL": f"{server.url}/v1", "DURE_KEY": key, **more}
    done = subprocess.run(
        ["node", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", ["openai.mjs", "vercel.mjs"])
def test_a_client_for_node_finds_what_it_expects(served, tmp_path: Path, script: str) -> None:
    _, server, key = served
    run_node(script, server, key, tmp_path)


def test_langchain_calls_a_tool_and_goes_on(served) -> None:
    langchain_openai = pytest.importorskip("langchain_openai")
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"{city}: 맑음"

    _, server, key = served
    for responses in (False, True):
        model = langchain_openai.ChatOpenAI(
            model="fake", base_url=f"{server.url}/v1", api_key=key, max_retries=0, use_responses_api=responses
        ).bind_tools([weather])
        called = model.invoke(CALL)
        assert [(call["name"], call["args"]) for call in called.tool_calls] == [("weather", {"city": "해솔"})]
        result: ToolMessage = weather.invoke(called.tool_calls[0])
        said = model.invoke([HumanMessage(CALL), called, result, HumanMessage("그래서?")])
        assert said.text == "그래서?"
        streamed = None
        for chunk in model.stream(CALL):
            streamed = chunk if streamed is None else streamed + chunk
        assert streamed.tool_calls[0]["args"] == {"city": "해솔"}
