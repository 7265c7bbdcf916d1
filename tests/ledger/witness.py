"""A witness that nobody here wrote: PyPI's `aics-witness`."""

import http.client
import socket
import subprocess
from pathlib import Path

from house import eventually


class Witness:
    """A running `aics-witness` that knows one log."""

    def __init__(self, aics: Path, place: Path, origin: str, key: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.program = str(aics / "aics-witness")
        self.config = str(place / "witness.json")
        name = ["--name", "witness.example/w1", "--listen", self.address, "--db", "w.db", "--key-file", "w.key"]
        said = self.run("init", *name)
        self.key = next(word for word in said.split() if word.startswith("witness.example/w1+"))
        self.run("add-log", "--origin", origin, "--vkey", key)
        self.process = subprocess.Popen([self.program, "serve", "--config", self.config], stderr=subprocess.DEVNULL)
        eventually(self.listens)

    def run(self, command: str, *words: str) -> str:
        done = subprocess.run(
            [self.program, command, "--config", self.config, *words], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def listens(self) -> bool:
        assert self.process.poll() is None, "the witness ended"
        with socket.socket() as probe:
            host, port = self.address.split(":")
            return probe.connect_ex((host, int(port))) == 0

    def post(self, body: str) -> int:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request("POST", "/add-checkpoint", body=body.encode())
            return connection.getresponse().status
        finally:
            connection.close()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
