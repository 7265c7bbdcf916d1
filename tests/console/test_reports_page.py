"""Reports at the console: what can be asked for, what is shown of it, and that files are what the ledger says they are."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from house import EXAMPLES, REPOSITORY, House, Server
from playwright.sync_api import Browser, Download, Locator, Page, Route, expect
from test_accessible import check
from test_console import overflow
from test_leaks import Abroad
from test_upstream import configured, table
from visit import City, Visit, visiting

HOSTILE = "<img/src=x/onerror=window.hit=1>"
NOW = datetime.now(UTC)
FROM, TO = (f"{NOW + timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))
DAYS = f"from={FROM}&to={TO}"
FLOWS = 60


class Town:
    """A house with upstreams, one of a hostile name, and what went to them."""

    def __init__(self, house: House, server: Server, keys: dict[str, str]):
        self.house, self.server, self.keys = house, server, keys

    def chat(self, by: str, model: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "연락처는 010-1234-5678 입니다"}]}
        answer = self.server.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {self.keys[by]}"})
        assert answer.status == 200, answer.body

    def acts(self) -> list[dict]:
        headers = {"Authorization": f"Bearer {self.keys['chief']}"}
        entries = self.server.request("GET", "/api/v1/receipts?kind=act&limit=100", headers=headers).json()["data"]
        return [one for one in entries if one["action"] == "GET /api/v1/reports/{name}"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    abroad = Abroad()
    house = House(tmp_path_factory.mktemp("reports") / "data")
    configured(
        house,
        table("far", abroad.address, "m", country="US", class_max="open", owner="Acme Inc.", retention_days=30),
        table(HOSTILE, abroad.address, "m", country="US", class_max="open", owner="=cmd()"),
    )
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    house.dure("person", "create", "민지")
    keys = {"chief": house.key("chief", "--administrator"), "minji": house.key("minji", "--person", "민지")}
    keys["app"] = house.key("app")
    try:
        with house.up() as server:
            town = Town(house, server, keys)
            town.chat("minji", "far")
            town.chat("minji", "fake")
            town.chat("app", HOSTILE)
            for _ in range(FLOWS - 2):
                town.chat("app", "far")
            yield town
    finally:
        abroad.shutdown()
        abroad.server_close()


@pytest.fixture
def officer(town: Town, browser: Browser) -> Iterator[Visit]:
    yield from visiting(town.server, browser)


def paper(page: Page) -> Locator:
    return page.locator("article.paper")


def files(page: Page, format: str) -> Locator:
    return page.locator(".files li").filter(has=page.locator("strong", has_text=format))


def made(page: Page, button: str = "만들기") -> Locator:
    page.get_by_role("button", name=button, exact=True).click()
    expect(paper(page)).to_be_visible()
    return paper(page)


def sheet(page: Page, title: str) -> Locator:
    return paper(page).locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))


def saved(page: Page, format: str) -> Download:
    with page.expect_download() as taken:
        files(page, format).get_by_role("button").click()
    return taken.value


def sha256(download: Download) -> str:
    return hashlib.sha256(Path(download.path()).read_bytes()).hexdigest()


# --- what can be asked for ---------------------------------------------------------------------------------------------


def test_each_report_says_what_it_is_for_and_which_law_it_follows(town: Town, officer: Visit) -> None:
    before = len(town.acts())
    page = officer.page(town.keys["chief"], "#/reports")
    forms = page.locator(".forms > li")
    expect(forms).to_have_count(6)
    log = forms.filter(has_text="접속기록 점검표")
    expect(log).to_contain_text("매월 한 번 점검합니다")
    expect(log).to_contain_text("개인정보 보호법 제29조")
    expect(log).to_contain_text("법률 제21445호, 2026-09-11 시행")
    # Whoever has not read a text says so.
    expect(log.locator(".laws li").nth(1)).to_contain_text("다른 글에 인용된 것으로만 앎")
    expect(forms.filter(has_text="생성물 표시 현황").locator(".laws li").first).to_contain_text("조문을 직접 읽음")
    log.get_by_role("link").click()
    expect(page.get_by_role("heading", name="개인정보처리시스템 접속기록 점검표", level=1)).to_be_visible()
    assert page.evaluate("location.hash") == "#/reports/access-log"
    page.get_by_text("따르는 법령 (2)").click()
    expect(page.get_by_text("접속기록의 다섯 항목")).to_be_visible()
    assert len(town.acts()) == before, "looking at a form makes no report"


def test_only_administrators_see_reports(city: City, visit: Visit) -> None:
    page = visit.page(city.reader, "#/reports/access-log")
    expect(page.get_by_label("질문", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation", name="주 메뉴").get_by_role("link", name="보고서")).to_have_count(0)


def test_the_days_begin_with_what_is_usual_and_are_a_click_away(town: Town, officer: Visit) -> None:
    # An evening in New York is the next morning, and the next month, in Korea.
    page = officer.page(town.keys["chief"], "#/reports/access-log", timezone_id="America/New_York")
    page.clock.set_fixed_time("2026-11-30T20:00:00Z")
    page.reload()

    def days() -> list[str]:
        return [page.get_by_label(name, exact=True).input_value() for name in ("첫날", "마지막 날")]

    expect(page.get_by_role("button", name="지난달")).to_have_attribute("aria-pressed", "true")
    assert days() == ["2026-11-01", "2026-11-30"]
    page.get_by_role("button", name="이번 달").click()
    assert days() == ["2026-12-01", "2026-12-01"]
    page.get_by_role("button", name="최근 30일").click()
    assert days() == ["2026-11-02", "2026-12-01"]
    expect(page.get_by_role("button", name="지난달")).to_have_attribute("aria-pressed", "false")
    page.goto(f"{town.server.url}/#/reports/models")
    expect(page.get_by_role("button", name="최근 30일")).to_have_attribute("aria-pressed", "true")


# --- what is shown -----------------------------------------------------------------------------------------------------


def test_a_report_is_shown_with_its_hash_and_its_record(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/access-log?{DAYS}")
    expect(page.get_by_label("첫날", exact=True)).to_have_value(FROM)
    before = len(town.acts())
    shown = made(page)
    # Whoever uses a keyboard goes on where the report begins.
    expect(shown.get_by_role("heading", level=2)).to_be_focused()
    assert page.evaluate("location.hash") == f"#/reports/access-log?{DAYS}&language=ko"
    for text in ("default", FROM, TO, "KST-9", "점검자", "개인정보 보호책임자", "운영자 (이 기계의 명령줄)", "권한"):
        expect(shown).to_contain_text(text)
    expect(sheet(page, "살펴볼 계정").locator("td .blank").first).to_contain_text("사람이 적는 칸")
    act = town.acts()[0]
    assert len(town.acts()) == before + 1
    expect(files(page, "JSON").locator(".hash").first).to_have_text(re.sub("^sha256:", "", act["on"][3]))
    expect(files(page, "JSON")).to_contain_text("이 브라우저가 받은 바이트에서 다시 계산한 값과 같습니다")
    files(page, "JSON").get_by_role("link").click()
    assert page.evaluate("location.hash") == f"#/receipts/{act['id']}"
    expect(page.locator(".proof .state")).to_contain_text("증명이 맞습니다")
    # Back is what was there, and nothing is made again for it.
    page.go_back()
    expect(paper(page)).to_be_visible()
    assert len(town.acts()) == before + 1
    # A report is not in an address: whoever opens that one asks for it first.
    page.reload()
    expect(page.get_by_label("마지막 날", exact=True)).to_have_value(TO)
    expect(paper(page)).to_have_count(0)
    assert len(town.acts()) == before + 1


def test_files_are_the_bytes_that_the_ledger_names(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/cross-border?{DAYS}")
    made(page)
    before = len(town.acts())
    taken = {}
    for format in ("JSON", "HTML", "CSV"):
        taken[format] = saved(page, format)
        assert taken[format].suggested_filename == f"cross-border_{FROM}_{TO}.{format.lower()}"
        expect(files(page, format).locator(".hash").first).to_have_text(sha256(taken[format]))
        expect(files(page, format)).to_contain_text("다시 계산한 값과 같습니다")
    # What is on the page is saved as it is; the other two are made, and recorded.
    assert [one["on"][2] for one in town.acts()[:2]] == ["csv", "html"] and len(town.acts()) == before + 2
    assert {one["on"][3] for one in town.acts()[:3]} == {f"sha256:{sha256(one)}" for one in taken.values()}
    report = json.loads(Path(taken["JSON"].path()).read_bytes())
    assert report["proof"]["cited"][0]["proof"].startswith("c2sp.org/tlog-proof@v1")
    html = Path(taken["HTML"].path()).read_text()
    assert html.startswith("<!doctype html>") and "&lt;img" in html and HOSTILE not in html
    assert Path(taken["CSV"].path()).read_bytes().startswith("\ufeff자리,시각".encode()), "a spreadsheet's mark stays"


def test_a_hostile_name_is_a_text_wherever_it_stands(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/cross-border?{DAYS}")
    made(page)
    expect(sheet(page, "업스트림별 이전")).to_contain_text(HOSTILE)
    expect(sheet(page, "처리위탁 현황")).to_contain_text(HOSTILE)
    page.goto(f"{town.server.url}/#/reports/breach?{DAYS}")
    # It is offered, and can be chosen.
    expect(page.locator(f"datalist option[value='{HOSTILE}']")).to_have_count(1)
    page.get_by_label("업스트림이나 엔진").fill(HOSTILE)
    made(page)
    expect(sheet(page, "관련 흐름").locator("tbody tr")).to_have_count(1)
    expect(sheet(page, "관련 엔진")).to_contain_text(HOSTILE)
    expect(page.locator("main img")).to_have_count(0)
    assert page.evaluate("window.hit") is None


def test_long_tables_are_shown_step_by_step(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/cross-border?{DAYS}")
    made(page)
    flows = sheet(page, "기관 밖으로 나간 흐름의 목록")
    expect(flows.locator("tbody tr")).to_have_count(50)
    flows.get_by_role("button", name=f"{FLOWS - 50}행 더 보기").click()
    expect(flows.locator("tbody tr")).to_have_count(FLOWS)
    expect(flows.get_by_role("button")).to_have_count(0)
    flows.locator("tbody tr").last.get_by_role("link").click()
    expect(page.locator(".proof .state")).to_contain_text("증명이 맞습니다")


def test_a_breach_is_of_something_and_its_clock_runs(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/breach?{DAYS}", locale="en-GB")
    page.get_by_role("button", name="Make", exact=True).click()
    key = page.get_by_label("Key", exact=True)
    expect(key).to_be_focused()
    expect(key).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Name a key, a person, a document or an upstream.")).to_be_visible()
    page.get_by_label("Person", exact=True).fill("민지")
    known = datetime.now(UTC) + timedelta(hours=9) - timedelta(hours=2)
    page.get_by_label("When the breach was known").fill(f"{known:%Y-%m-%dT%H:%M}")
    shown = made(page, "Make")
    for text in ("Breach kit", "Account", "민지", "Notice to the people concerned (draft)", "person_"):
        expect(shown).to_contain_text(text)
    figures = shown.locator(".figures > div")
    expect(figures.filter(has_text="Hours left").locator("dd")).to_have_text("69")
    expect(figures.filter(has_text=re.compile("^Until")).locator("dd")).to_contain_text(f"{known + timedelta(hours=72):%Y-%m-%d %H:%M}")
    expect(figures.filter(has_text=re.compile("^Kinds of personal data masked")).locator("dd")).to_have_text("phone 1")
    expect(sheet(page, "Flows concerned").locator("tbody tr")).to_have_count(2)
    expect(shown.locator(".letter .blank").first).to_contain_text("to be filled in by hand")
    # Nobody said when it was known: boxes instead of a guess.
    page.get_by_label("When the breach was known").fill("")
    made(page, "Make")
    expect(figures.filter(has_text="Hours left").locator(".blank")).to_be_visible()


def test_a_report_has_a_language_of_its_own(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/automated-decisions?{DAYS}&person=%EB%AF%BC%EC%A7%80")
    page.get_by_label("보고서의 언어").select_option("en")
    shown = made(page)
    expect(shown).to_have_attribute("lang", "en")
    expect(shown).to_contain_text("Automated decisions: material for an explanation")
    expect(sheet(page, "Material for an explanation of each answer")).to_contain_text("served")
    expect(shown).not_to_contain_text(re.compile("제공|사람이 적는 칸"))
    # The page around it stays as it was.
    expect(page.get_by_role("button", name="HTML 저장")).to_be_visible()
    expect(shown.locator(".sheets > li")).to_have_count(2)


def test_on_paper_there_is_the_report_alone(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/models?{DAYS}")
    made(page)
    page.emulate_media(media="print")
    expect(paper(page)).to_be_visible()
    for gone in ("form", ".files", ".side nav", ".head"):
        expect(page.locator(gone).first).to_be_hidden()


# --- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_period_that_is_none_is_said_at_its_field(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], "#/reports/models?from=2006-01-01&to=2026-01-01")
    expect(page.locator("form")).to_be_visible()
    asks: list[str] = []
    page.on("request", lambda request: asks.append(request.url) if "/reports/" in request.url else None)
    make = page.get_by_role("button", name="만들기", exact=True)
    make.click()
    to = page.get_by_label("마지막 날", exact=True)
    expect(to).to_be_focused()
    expect(page.get_by_text("길어야 열 해(3,660일)")).to_be_visible()
    to.fill("2005-12-31")
    make.click()
    expect(page.get_by_text("마지막 날이 첫날보다 앞입니다.")).to_be_visible()
    to.fill("")
    make.click()
    expect(page.get_by_text("날짜를 고르세요.")).to_be_visible()
    assert not asks
    to.fill("2006-12-31")
    made(page)
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_who_is_not_here_is_told_in_the_servers_words(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/breach?{DAYS}&key=nobody")
    page.get_by_role("button", name="만들기", exact=True).click()
    expect(page.locator(".failure")).to_contain_text("여기에 없거나")
    expect(page.get_by_label("키", exact=True)).to_have_value("nobody")
    page.get_by_label("키", exact=True).fill("app")
    made(page)
    expect(page.locator(".failure")).to_have_count(0)


def test_too_many_at_a_time_are_told_to_come_again(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/models?{DAYS}")
    busy = {"error": {"code": "rate_limit_exceeded", "message": "other reports are being made; ask again"}}
    pattern = re.compile("/api/v1/reports/models")
    page.route(pattern, lambda route: route.fulfill(status=429, json=busy, headers={"retry-after": "2"}))
    page.get_by_role("button", name="만들기", exact=True).click()
    failure = page.locator(".failure")
    expect(failure).to_contain_text("다른 보고서를 만들고 있습니다. 2초 뒤에 다시 시도하세요.")
    page.unroute(pattern)
    failure.get_by_role("button", name="다시 시도").click()
    expect(paper(page)).to_be_visible()
    expect(failure).to_have_count(0)


def test_who_administers_no_longer_is_told_so(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/models?{DAYS}")
    refused = {"error": {"code": "refused_by_policy", "message": "only administrators"}}
    page.route(re.compile("/api/v1/reports/models"), lambda route: route.fulfill(status=403, json=refused))
    page.get_by_role("button", name="만들기", exact=True).click()
    expect(page.locator(".failure")).to_contain_text("보고서는 기관의 관리자만 받습니다.")


def test_making_can_be_stopped(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/models?{DAYS}")
    held: list[Route] = []
    page.route(re.compile("/api/v1/reports/models"), lambda route: held.append(route))
    page.get_by_role("button", name="만들기", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="멈추기").click()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_role("button", name="만들기", exact=True)).to_be_enabled()
    expect(page.locator(".failure")).to_have_count(0)
    expect(paper(page)).to_have_count(0)


def test_bytes_that_changed_on_their_way_are_called_so(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/models?{DAYS}")

    def changed(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("default", "another", 1))

    page.route(re.compile("/api/v1/reports/models"), changed)
    made(page)
    expect(files(page, "JSON")).to_contain_text("이 보고서를 쓰지 마세요")


def test_where_nothing_can_be_hashed_nothing_is_called_the_same(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/models?{DAYS}")
    page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    page.reload()
    made(page)
    expect(files(page, "JSON")).to_contain_text("이 화면에서는 다시 계산할 수 없습니다")
    expect(files(page, "JSON")).not_to_contain_text("같습니다")


def test_a_report_that_is_none_breaks_nothing(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], f"#/reports/{HOSTILE.replace('/', '%2F')}")
    expect(page.locator(".failure")).to_contain_text("여기에 없거나")
    for query in ("from=never&to=2026-99-99", "from=<img src=x>", "key=" + "가" * 300 + f"&{DAYS}"):
        page.goto(f"{town.server.url}/#/reports/breach?{query}")
        expect(page.get_by_role("button", name="만들기", exact=True)).to_be_enabled()
        page.get_by_role("button", name="만들기", exact=True).click()
        expect(page.locator("[aria-invalid], .failure").first).to_be_visible()


# --- for everybody -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("light", "locale", "button"), [("light", "ko-KR", "만들기"), ("dark", "en-GB", "Make")])
def test_reports_break_no_rule_of_accessibility(town: Town, officer: Visit, light: str, locale: str, button: str) -> None:
    page = officer.page(town.keys["chief"], color_scheme=light, locale=locale)
    for name in ("cross-border", "access-log", "automated-decisions", "notice-and-label", "models", "breach"):
        page.goto(f"{town.server.url}/#/reports/{name}?{DAYS}{'&upstream=far' if name == 'breach' else ''}")
        expect(page.locator("form")).to_be_visible()
        check(page, f"{name} form {light} {locale}")
        made(page, button)
        check(page, f"{name} {light} {locale}")


def test_reports_are_no_wider_than_a_phone(town: Town, officer: Visit) -> None:
    page = officer.page(town.keys["chief"], viewport={"width": 360, "height": 740})
    for name in ("cross-border", "access-log", "automated-decisions", "models", "breach"):
        page.goto(f"{town.server.url}/#/reports/{name}?{DAYS}{'&upstream=far' if name == 'breach' else ''}")
        made(page)
        assert overflow(page) <= 0, name


def test_the_console_has_the_words_of_the_reports() -> None:
    """A report's JSON holds codes, and which boxes are a person's: what the program prints for them, the page shows."""
    words = tomllib.loads((REPOSITORY / "crates/report/src/words.toml").read_text())
    for language in ("ko", "en"):
        source = (REPOSITORY / f"console/text/{language}.js").read_text()
        shown = dict(re.findall(r'^  "code\.(\w+)": "(.*)",$', source, re.MULTILINE))
        assert shown == {code: told[language] for code, told in words["code"].items()}, language
    by_hand = set(re.findall(r'"(\w+)"', re.search(r"BY_HAND = new Set\(\[(.*)\]\)", (REPOSITORY / "console/lib/report.js").read_text())[1]))
    told = {key.removeprefix("column.") for key, told in words["say"].items() if told["ko"].endswith("(기입)")}
    assert told and told <= by_hand
