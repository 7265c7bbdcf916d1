"""What an installed release must do where nothing but loopback is reached. Run by closed-network.sh, plain Python."""

import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

QUESTION = "염소 누출 대응 훈련은 몇 월에 하나요?"
FACT = "4월과 10월"
START_MAX_S = 60


def address_of(server: subprocess.Popen) -> str:
    """Where the server listens, as its first line says; a server that says nothing is ended."""
    impatience = threading.Timer(START_MAX_S, server.kill)
    impatience.start()
    said = server.stdout.readline()
    impatience.cancel()
    found = re.search(r"http://([^/\s]+)", said)
    if not found:
        raise SystemExit(f"the server did not start: {said!r}")
    return found.group(1)


def ask_by_api(address: str, key: str) -> dict:
    body = {"model": "records", "messages": [{"role": "user", "content": QUESTION}]}
    request = urllib.request.Request(
        f"http://{address}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


def main() -> None:
    work = Path(sys.argv[1])
    data = work / "data"
    program = [str(work / "opt/dure/dure"), "--data", str(data)]
    server = subprocess.Popen([*program, "up", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    address = address_of(server)
    key = json.loads((work / "key.json").read_text())["key"]
    subprocess.run([*program, "route", "create", "records", "--corpus", "records"], check=True)

    answer = ask_by_api(address, key)
    message = answer["choices"][0]["message"]
    quotes = [annotation["citation"]["quote"] for annotation in message["annotations"]]
    print(message["content"])
    print("quotes:", quotes)
    assert quotes, f"no citation: {answer}"
    assert any(FACT in quote for quote in quotes), f"`{FACT}` is not among the quotes: {quotes}"

    printed = subprocess.run([*program, "ask", "records", QUESTION], check=True, capture_output=True, text=True)
    assert FACT in printed.stdout, printed.stdout
    server.terminate()
    assert server.wait(timeout=30) == 0
    print("==> closed network: a cited answer, with no route out")
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main()
