"""Visits to the console, and what is watched while they last.

A script error, a breach of the content policy, or a request that would leave this machine fails the test, also where the
test itself looks at something else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from house import House, Server
from playwright.sync_api import Browser, BrowserContext, Page, expect

QUESTION = "염소 누출 대응 훈련은 몇 월에 하나요?"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Watched:
    """What a page did that it should not have done."""

    address: str
    outside: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def look(self, context: BrowserContext) -> None:
        context.on("request", self.requested)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("console", self.said)

    def requested(self, request) -> None:
        if not request.url.startswith((f"http://{self.address}/", "blob:")):
            self.outside.append(request.url)

    def said(self, message) -> None:
        # What the server refuses is reported by the browser too; pages show it in their own words.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def check(self) -> None:
        assert not self.outside, f"the page asked for something elsewhere: {self.outside}"
        assert not self.problems, f"the page had trouble: {self.problems}"


@dataclass
class Visit:
    """Somebody at a server's console."""

    server: Server
    browser: Browser
    watched: Watched
    contexts: list[BrowserContext] = field(default_factory=list)

    def page(self, key: str | None = None, place: str = "", **options) -> Page:
        """A page at a place of the console, signed in if there is a key."""
        context = self.browser.new_context(**{"locale": "ko-KR", "viewport": {"width": 1280, "height": 860}, **options})
        self.contexts.append(context)
        self.watched.look(context)
        page = context.new_page()
        page.goto(f"{self.server.url}/{place}")
        if key:
            # As if signed in before in this tab.
            page.evaluate("key => sessionStorage.setItem('dure.key', key)", key)
            page.reload()
        return page


def visiting(server: Server, browser: Browser) -> Iterator[Visit]:
    """A visit, watched until it is over."""
    visit = Visit(server, browser, Watched(server.address))
    yield visit
    for context in visit.contexts:
        context.close()
    visit.watched.check()


@dataclass
class City:
    """A house with the example records and keys, and its server."""

    house: House
    server: Server
    administrator: str
    reader: str


def asked(page: Page, question: str, route: str | None = None) -> None:
    """Asks, and waits for the end of the answer."""
    if route:
        page.get_by_label("경로 또는 모델").select_option(route)
    page.get_by_label("질문", exact=True).fill(question)
    page.get_by_label("질문", exact=True).press("Enter")
    expect(page.locator(".turn").last.get_by_role("button", name="다시 묻기")).to_be_enabled()
