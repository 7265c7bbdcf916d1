"""The folders and servers that tests share."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from house import EXAMPLES, House, Server, program


def pytest_configure() -> None:
    if not program().is_file():
        raise pytest.UsageError(f"{program()} is not built: `make test` builds it, or cargo build --release -p dure")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty data folder with the fake engine."""
    return House(tmp_path / "data")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, str]]:
    """A folder with the example records, a route and a key, and its server with the fake engine."""
    house = House(tmp_path_factory.mktemp("served") / "data")
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    house.dure("route", "create", "records", "--model", "fake", "--corpus", "records")
    key = house.key("app")
    with house.up() as server:
        yield house, server, key


@pytest.fixture
def client(served: tuple[House, Server, str]) -> Iterator[openai.OpenAI]:
    """The official client, with the key of the shared server."""
    _, server, key = served
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
        yield client
