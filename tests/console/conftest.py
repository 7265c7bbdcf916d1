"""A browser for the tests of the console: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import EXAMPLES, House
from playwright.sync_api import Browser, expect, sync_playwright
from visit import ARGUMENTS, City, Visit, visiting

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = os.environ.get("DURE_CHROMIUM") or shutil.which("chromium")
    if not program:
        raise pytest.UsageError("there is no chromium: `make test` installs it, or name one with DURE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    house = House(tmp_path_factory.mktemp("city") / "data")
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    house.dure("route", "create", "records", "--model", "fake", "--corpus", "records")
    administrator = house.key("desk", "--administrator")
    reader = house.key("reader")
    with house.up() as server:
        yield City(house, server, administrator, reader)


@pytest.fixture
def visit(city: City, browser: Browser) -> Iterator[Visit]:
    """A visit to the city's console."""
    yield from visiting(city.server, browser)


@pytest.fixture
def new_house(tmp_path: Path, browser: Browser) -> Iterator[tuple[Visit, str]]:
    """A visit to a house where nothing is yet, with an administrator's key."""
    house = House(tmp_path / "data")
    key = house.key("desk", "--administrator", "--read-class", "sensitive")
    with house.up() as server:
        for visit in visiting(server, browser):
            yield visit, key
