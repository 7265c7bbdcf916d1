"""One server with the real default models and the example records, for all tests of this stage."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from house import EXAMPLES, House, Server


@pytest.fixture(scope="session")
def models() -> Path:
    """A data folder where the default models were pulled."""
    named = os.environ.get("DURE_MODELS_DATA")
    if not named or not Path(named, "blobs").is_dir():
        pytest.fail("DURE_MODELS_DATA names no data folder with models; `make test` pulls them")
    return Path(named)


@pytest.fixture(scope="session")
def real(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, str]]:
    house = House(tmp_path_factory.mktemp("real") / "data", engine=None)
    bring_models(models, house)
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    house.dure("route", "create", "records", "--corpus", "records")
    key = house.key("app")
    with house.up() as server:
        yield house, server, key


@pytest.fixture
def client(real: tuple[House, Server, str]) -> Iterator[openai.OpenAI]:
    _, server, key = real
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=280) as client:
        yield client


def bring_models(models: Path, house: House) -> None:
    """Installs what was pulled elsewhere: the catalogue knows the files by their content."""
    for model in House(models, engine=None).json("model", "list"):
        if not model["installed"]:
            continue
        digest = model["installed"]["sha256"]
        named = house.data.parent / f"{model['name']}.gguf"
        if not named.exists():
            named.symlink_to(models / "blobs" / digest[:2] / digest)
        house.dure("model", "import", named)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A place for files of some hundred megabytes, gone right after the test."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)
