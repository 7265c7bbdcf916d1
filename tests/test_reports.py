"""Reports: what they count is what was done, what they cite can be checked by anybody, and nobody gets another's.

Proofs are checked by hand, as in `test_receipts`.
"""

import base64
import csv
import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from house import EXAMPLES, House, Response, Server
from test_leaks import Abroad
from test_receipts import chat, entry_of, listed, of, opened, proved, receipt
from test_upstream import Upstream, configured, table

NAMES = ["cross-border", "access-log", "automated-decisions", "notice-and-label", "models", "breach"]
HOSTILE = "<script>alert(1)</script>"
NOW = datetime.now(UTC)
FROM, TO = (f"{NOW + timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))
PHONE = "연락처는 010-1234-5678 입니다"


class Town:
    """What was done, and who did it."""

    def __init__(self, house: House, server: Server, keys: dict[str, str], document: str):
        self.house, self.server, self.keys, self.document = house, server, keys, document
        self.made: dict[str, list[str]] = {}

    def ask(self, name: str, by: str = "chief", **query: str | None) -> Response:
        given = {"from": FROM, "to": TO, **({"upstream": "far"} if name == "breach" else {}), **query}
        words = "&".join(f"{field}={quoted(value)}" for field, value in given.items() if value is not None)
        return self.server.request("GET", f"/api/v1/reports/{name}?{words}", headers=of(self.keys[by]))

    def report(self, name: str, **query: str | None) -> dict:
        answer = self.ask(name, **query)
        assert answer.status == 200, answer.body
        return answer.json()


def quoted(text: str) -> str:
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in text.encode())


def figures(report: dict) -> dict:
    return {figure["key"]: figure["value"] for figure in report["figures"]}


def rows(report: dict, key: str) -> list[dict]:
    return next(table["rows"] for table in report["tables"] if table["key"] == key)


def said(answer: Response) -> str:
    assert answer.status == 200, answer.body
    return answer.headers["x-dure-receipt"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    abroad = Abroad()
    house = House(tmp_path_factory.mktemp("reports") / "data")
    terms = {"owner": "Acme Inc.", "retention": "kept for thirty days", "retention_days": 30}
    configured(
        house,
        table("far", abroad.address, "m", country="US", class_max="open", **terms),
        table("near", abroad.address, "m", owner="cloud"),
        table(HOSTILE, abroad.address, "m", country="US", class_max="open", owner="=cmd()"),
        table("idle", abroad.address, "m", country="FR", class_max="open", owner="quiet"),
    )
    house.corpus("records")
    house.dure("corpus", "add", "records", EXAMPLES)
    house.dure("route", "create", "records", "--model", "fake", "--corpus", "records")
    house.dure("person", "create", "민지")
    house.dure("tenant", "create", "waterworks")
    keys = {
        "chief": house.key("chief", "--administrator"),
        "app": house.key("app"),
        "minji": house.key("minji", "--person", "민지"),
        "stranger": house.key("k", "--tenant", "waterworks", "--administrator"),
    }
    try:
        with house.up() as server:
            listing = server.request("GET", "/api/v1/corpora/records/documents?limit=1", headers=of(keys["chief"]))
            document = listing.json()["data"][0]["id"]
            town = Town(house, server, keys, document)
            ask = lambda key, model, text="안녕하세요": said(chat(server, keys[key], text, model))  # noqa: E731
            town.made = {
                "far": [ask("app", "far", PHONE), ask("app", "far", PHONE), ask("minji", "far")],
                "near": [ask("app", "near")],
                "fake": [ask("app", "fake"), ask("minji", "fake")],
                "hostile": [ask("app", HOSTILE)],
                "records": [said(chat(server, keys["minji"], "회의를 녹음한 파일은 언제 삭제하나요?", "records"))],
            }
            assert chat(server, keys["app"], model="no-such-model").status == 404
            assert chat(server, keys["stranger"], PHONE, "far").status == 200
            for _ in range(2):
                look = server.request("GET", f"/api/v1/documents/{document}?from=0&to=9", headers=of(keys["minji"]))
                assert look.status == 200, look.body
            assert server.request("POST", "/api/v1/keys", {"name": "more"}, of(keys["chief"])).status in (200, 201)
            assert server.request("DELETE", "/api/v1/keys/nobody", headers=of(keys["chief"])).status == 404
            yield town
    finally:
        abroad.shutdown()
        abroad.server_close()


# --- figures ---------------------------------------------------------------------------------------------------------


def test_transfers_are_those_that_were_made(town: Town) -> None:
    report = town.report("cross-border")
    found = figures(report)
    outside = town.made["far"] + town.made["near"] + town.made["hostile"]
    assert (found["left_house"], found["left_country"]) == (len(outside), 4)
    assert found["countries"] == ["KR", "US"] and found["refused"] == 1
    told = [receipt(town.server, town.keys["chief"], name) for name in outside]
    assert found["tokens_out"] == sum(entry["usage"]["prompt_tokens"] for entry in told)
    assert found["masked"] == sum(sum(entry.get("masked", {}).values()) for entry in told) >= 2
    far, near, hostile, idle = rows(report, "upstreams")
    assert (far["upstream"], far["country"], far["owner"], far["abroad"]) == ("far", "US", "Acme Inc.", True)
    assert (far["retention"], far["retention_days"], far["class_max"]) == ("kept for thirty days", 30, "open")
    assert far["flows"] == 3 and far["classes"] == {"open": 3} and sum(far["masked"].values()) >= 2
    assert far["first"] == told[0]["began"] and far["last"] == told[2]["began"]
    assert near["abroad"] is False and hostile["upstream"] == HOSTILE
    assert idle["flows"] == 0 and idle["first"] is None
    assert [row["receipt"] for row in rows(report, "flows_out")] == outside
    processors = {row["processor"]: row for row in rows(report, "processors")}
    assert set(processors) == {"Acme Inc.", "cloud", "=cmd()", "quiet"} and processors["Acme Inc."]["contract"] is None


def test_the_access_log_has_the_five_fields_of_every_act(town: Town) -> None:
    report = town.report("access-log")
    acts = [entry for entry in reversed(listed(town.server, town.keys["chief"], "&kind=act")) if entry["leaf"] < report["ledger"]["size"]]
    told = rows(report, "acts")
    assert [row["receipt"] for row in told] == [act["id"] for act in acts]
    for row, act in zip(told, acts, strict=True):
        assert (row["when"], row["action"], row["status"]) == (act["at"], act["action"], act["status"])
        assert (row["place"], row["target"]) == (act.get("from"), act.get("on", []))
    looks = [row for row in told if row["action"] == "GET /api/v1/documents/{id}"]
    assert {row["account"]["name"] for row in looks} == {"민지"} and len(looks) == 2
    assert all(row["place"] == "127.0.0.1" and row["target"] == [town.document] and row["did"] == "look" for row in looks)
    accounts = {row["who"]["name"]: row for row in rows(report, "accounts") if isinstance(row["who"], dict)}
    assert (accounts["민지"]["looks"], accounts["민지"]["flows"]) == (2, 3)
    assert accounts["민지"]["distinct_documents"] >= 1
    assert accounts["app"]["refused"] == 1 and accounts["chief"]["permissions"] == 2 and accounts["chief"]["refused"] == 1
    assert figures(report)["looks"] == 2
    assert report["signatures"] == ["점검자", "개인정보 보호책임자"]


def test_answers_come_with_what_explains_them(town: Town) -> None:
    report = town.report("automated-decisions", person="민지", requested_at=f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    told = {row["receipt"]: row for row in rows(report, "decisions")}
    assert set(told) == {town.made["far"][2], town.made["fake"][1], town.made["records"][0]} & set(told)
    row = told[town.made["far"][2]]
    entry = receipt(town.server, town.keys["chief"], town.made["far"][2])
    assert (row["policy"], row["decided_by"], row["answer"]) == (entry["policy"], entry["decided_by"], entry["answer"])
    assert row["engine"] == "far" and "notice" in row["obligations"] and "label: visible" in row["obligations"]
    found = figures(report)
    assert found["clock_hours"] == 720 and 718 <= found["clock_left_hours"] <= 720
    assert report["narrowed"][0]["value"]["name"] == "민지"
    everybody = town.report("automated-decisions")
    assert set(town.made["far"]) <= {row["receipt"] for row in rows(everybody, "decisions")}
    assert figures(everybody)["clock_from"] is None


def test_markings_are_counted_by_policy_and_what_has_none_is_listed(town: Town) -> None:
    report = town.report("notice-and-label")
    found = figures(report)
    visible = town.made["far"] + town.made["hostile"]
    assert found["visible"] == len(visible) == found["noticed"]
    assert found["generated"] == found["visible"] + found["unmarked"]
    exceptions = {row["receipt"] for row in rows(report, "exceptions")}
    assert set(town.made["near"] + town.made["fake"]) <= exceptions and not exceptions & set(visible)
    notice = rows(report, "notices")[0]
    assert "국외" in notice["notice_ko"] and notice["flows"] == len(visible)
    policy = town.server.request("GET", "/api/v1/policies", headers=of(town.keys["chief"])).json()["version"]
    assert {row["policy"] for row in rows(report, "by_policy")} == {policy}


def test_models_are_listed_with_what_they_were_used_for(town: Town) -> None:
    report = town.report("models")
    told = {row["name"]: row for row in rows(report, "models")}
    assert told["far"]["flows"] == 3 and told["far"]["component"] == "upstream" and told["far"]["owner"] == "Acme Inc."
    assert told["idle"]["flows"] == 0 and told["fake"]["flows"] >= 2
    assert told["fake"]["here"] is False, "the fake engine is no model of the catalogue"
    assert figures(report)["upstreams_here"] == 4


def test_a_breach_names_what_it_touched_and_runs_the_clock(town: Town) -> None:
    known = f"{NOW - timedelta(hours=10):%Y-%m-%dT%H:%M:%SZ}"
    report = town.report("breach", upstream="far", known_at=known)
    assert [row["receipt"] for row in rows(report, "flows")] == town.made["far"]
    assert {row["who"]["name"] for row in rows(report, "people")} == {"app", "민지"}
    found = figures(report)
    assert (found["flows"], found["people"], found["left_house"]) == (3, 2, 3)
    assert found["clock_hours"] == 72 and 60 <= found["clock_left_hours"] <= 62
    draft = next(draft for draft in report["drafts"] if draft["key"] == "to_people")
    assert draft["items"][0]["text"] == "default" and "far (US)" in draft["items"][2]["text"]
    assert any(item["text"] is None for item in draft["items"]), "what only a person knows stays blank"
    assert "{" not in json.dumps([item["text"] for draft in report["drafts"] for item in draft["items"]])
    # By key, by person, by document; a person's key is the person.
    by_key = town.report("breach", upstream=None, key="app")
    assert len(rows(by_key, "flows")) == 6 and figures(by_key)["people"] == 1
    assert town.report("breach", upstream=None, key="minji")["narrowed"][1]["value"] is True
    by_person = town.report("breach", upstream=None, person="민지")
    assert len(rows(by_person, "flows")) == 3 and len(rows(by_person, "acts")) == 2
    by_document = town.report("breach", upstream=None, document=town.document)
    assert len(rows(by_document, "acts")) == 2
    both = town.report("breach", upstream="far", person="민지")
    assert [row["receipt"] for row in rows(both, "flows")] == town.made["far"][2:]


def test_text_that_an_upstream_had_and_did_not_answer_counts_as_sent(tmp_path: Path) -> None:
    it = Upstream()
    try:
        house = House(tmp_path / "data")
        abroad = {"country": "US", "owner": "acme", "class_max": "open"}
        configured(
            house,
            table("first", it.address, "status=503", failures_max=1000, **abroad),
            table("second", it.address, "instant", **abroad),
        )
        chief = house.key("chief", "--administrator")
        with house.up() as server:
            body = {"name": "both", "models": {"order": "listed", "list": [{"model": "first"}, {"model": "second"}]}}
            assert server.request("POST", "/api/v1/routes", body, of(chief)).status == 200
            name = said(chat(server, chief, model="both"))
            town = Town(house, server, {"chief": chief}, "")
            report = town.report("cross-border")
            first, second = rows(report, "upstreams")
            assert (first["flows"], first["outcomes"], first["tokens_out"]) == (1, {"passed_over": 1}, 0)
            assert (second["flows"], second["outcomes"]) == (1, {"served": 1})
            assert figures(report)["left_house"] == 1 and rows(report, "flows_out")[0]["engine"] == ["first", "second"]
            for upstream in ("first", "second"):
                assert [row["receipt"] for row in rows(town.report("breach", upstream=upstream), "flows")] == [name]
    finally:
        it.end()


# --- proofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_cited_is_proved_at_one_checkpoint(town: Town, name: str) -> None:
    report = town.report(name)
    ledger = report["ledger"]
    key = town.server.request("GET", "/api/v1/ledger", headers=of(town.keys["app"])).json()["key"]
    assert ledger["key"] == key and ledger["origin"] == key.split("+")[0]
    size, root = opened(ledger["checkpoint"], key)
    assert (size, root.hex()) == (ledger["size"], ledger["root"])
    cited = {(row["receipt"]) for table in report["tables"] for row in table["rows"] if "receipt" in row}
    assert {one["id"] for one in report["proof"]["cited"]} == cited
    for one in report["proof"]["cited"]:
        entry = entry_of(one["proof"])
        assert proved(one["proof"], key, entry) == one["leaf"] < size
        assert json.loads(entry)["id"] == one["id"]
        assert opened(one["proof"].partition("\n\n")[2], key) == (size, root)
    assert name == "models" or cited


def test_the_program_checks_a_proof_out_of_a_report(town: Town, tmp_path: Path) -> None:
    report = town.report("cross-border")
    file = tmp_path / "receipt.tlog-proof"
    file.write_text(report["proof"]["cited"][0]["proof"])
    checked = town.house.json("ledger", "check", file, "--key", report["ledger"]["key"])
    assert checked["entry"]["id"] == town.made["far"][0]


@pytest.mark.parametrize("format", ["json", "html", "csv"])
def test_what_is_given_out_is_recorded_with_its_hash(town: Town, format: str) -> None:
    answer = town.ask("cross-border", format=format)
    hashed = hashlib.sha256(answer.body).hexdigest()
    assert answer.headers["x-dure-report-sha256"] == hashed
    act = receipt(town.server, town.keys["chief"], answer.headers["x-dure-receipt"])
    assert act["action"] == "GET /api/v1/reports/{name}" and act["from"] == "127.0.0.1"
    assert act["on"] == ["cross-border", f"{FROM}..{TO}", format, f"sha256:{hashed}"]
    # The next check of the access log sees it.
    told = rows(town.report("access-log"), "acts")
    assert act["id"] in [row["receipt"] for row in told if row["did"] == "export"]


# --- forms -----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_needs_nothing_and_runs_nothing(town: Town, name: str, language: str) -> None:
    answer = town.ask(name, format="html", language=language)
    text = answer.body.decode()
    page = Page()
    page.feed(text)
    assert page.tags & {"script", "link", "img", "iframe", "object", "form", "base"} == set()
    assert page.attributes & {"src", "href", "action", "style"} == set()
    assert not any(attribute.startswith("on") for attribute in page.attributes)
    assert f'<html lang="{language}">' in text and "@page" in text and "A4" in text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    if name in ("cross-border", "models", "automated-decisions"):
        assert "&lt;script&gt;" in text
    law = town.report(name, language=language)["law"]
    for one in law:
        assert one["name"].split(",")[0] in text
    assert ("법률 제" if language == "ko" else "Act No.") in text
    assert sum("가" <= letter <= "힣" for letter in text) > 300 or language == "en"


def test_laws_are_named_with_number_and_date_and_how_they_are_known(town: Town) -> None:
    answer = town.server.request("GET", "/api/v1/reports?language=en", headers=of(town.keys["chief"]))
    forms = answer.json()["data"]
    assert [form["name"] for form in forms] == NAMES and answer.json()["next"] is None
    for form in forms:
        assert form["country"] == "KR" and form["law"]
        for law in form["law"]:
            assert law["read"] in ("text", "digest", "second_hand", "not_read") and law["version"]
    unread = [law for form in forms for law in form["law"] if law["read"] == "second_hand"]
    assert any("not read" in law["version"] for law in unread)


def test_a_table_of_a_spreadsheet_has_no_formula(town: Town) -> None:
    text = town.ask("cross-border", format="csv", language="en").body.decode("utf-8-sig")
    told = list(csv.DictReader(io.StringIO(text)))
    assert [row["Receipt"] for row in told] == town.made["far"] + town.made["near"] + town.made["hostile"]
    assert not any(cell[:1] in "=+@" and cell for row in told for cell in row.values())


def test_another_country_brings_its_forms_as_a_file(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.key("chief")
    packs = house.data / "packs" / "fr"
    packs.mkdir(parents=True)
    (packs / "reports.toml").write_text(
        'country = "FR"\ntimezone = "CET-1CEST,M3.5.0,M10.5.0/3"\n'
        'hours = { from = "09:00", to = "18:00", days = ["mon"] }\n'
        "unusual = { refusals = 5, documents = 50, exports = 10 }\n"
        '[[report]]\nname = "models"\ntitle = { ko = "목록", en = "Liste" }\nabout = { ko = "가", en = "a" }\n'
        '[[report.law]]\nname = { ko = "법", en = "Loi" }\nversion = { ko = "1", en = "1" }\nsays = { ko = "가", en = "a" }\nread = "not_read"\n'
    )
    house.environment["DURE_ENGINE_COUNTRY"] = "FR"
    found = {form["name"]: form for form in house.json("report", "list", "--language", "en")}
    assert found["models"]["title"] == "Liste" and found["models"]["country"] == "FR"
    assert found["breach"]["law"] == [] and found["breach"]["country"] is None
    (packs / "reports.toml").write_text("timezone = 1")
    assert "reports.toml" in house.refuses("report", "list")


# --- who and what ----------------------------------------------------------------------------------------------------


def test_only_administrators_get_reports_and_only_their_own(town: Town) -> None:
    for name in NAMES:
        assert town.ask(name, by="app").status == 403
        theirs = town.ask(name, by="stranger", format="json")
        assert theirs.status == 200
        text = theirs.body.decode()
        for names in town.made.values():
            assert not any(one in text for one in names), name
        assert "민지" not in text and town.keys["app"].split("_")[1][:16] not in text
    assert figures(town.ask("cross-border", by="stranger").json())["left_house"] == 1
    for query in [{"person": "민지"}, {"key": "app"}, {"key": "chief"}]:
        assert town.ask("breach", by="stranger", upstream=None, **query).status == 404, query
    nothing = town.ask("breach", by="stranger", upstream=None, document=town.document).json()
    assert figures(nothing)["flows"] == figures(nothing)["acts"] == 0
    assert town.server.request("GET", f"/api/v1/reports/models?from={FROM}&to={TO}").status == 401


WRONG = [
    ("cross-border", {"from": None}, "from"),
    ("cross-border", {"to": None}, "to"),
    ("cross-border", {"from": "yesterday"}, "from"),
    ("cross-border", {"from": "2026-02-30"}, "from"),
    ("cross-border", {"from": "2026-11-01T00:00:00Z"}, "from"),
    ("cross-border", {"from": "9" * 5000}, "from"),
    ("cross-border", {"from": "2026-11-02", "to": "2026-11-01"}, "to"),
    ("cross-border", {"from": "0001-01-01", "to": "9999-12-31"}, "to"),
    ("cross-border", {"from": "9999-12-31", "to": "9999-12-31"}, "to"),
    ("cross-border", {"format": "pdf"}, "format"),
    ("cross-border", {"format": "../html"}, "format"),
    ("cross-border", {"language": "fr"}, "language"),
    ("cross-border", {"key": "app"}, "person"),
    ("cross-border", {"known_at": "2026-11-30T09:00"}, "known_at"),
    ("breach", {"upstream": None}, "key"),
    ("breach", {"person": "민지", "key": "app"}, "key"),
    ("breach", {"document": "민원.md"}, "document"),
    ("breach", {"upstream": "x" * 257}, "upstream"),
    ("breach", {"known_at": "tomorrow"}, "known_at"),
    ("breach", {"requested_at": "2026-11-30T09:00"}, "requested_at"),
]


@pytest.mark.parametrize("name,query,field", WRONG)
def test_what_is_no_question_is_refused_with_its_field(town: Town, name: str, query: dict, field: str) -> None:
    answer = town.ask(name, **query)
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["param"] == field


@pytest.mark.parametrize("name", ["nothing", "", "..%2Fbreach", "%00", "access_log", "x" * 3000])
def test_reports_that_are_none_are_not_found(town: Town, name: str) -> None:
    assert town.ask(name).status == 404
    assert town.server.healthy()


def test_names_of_nobody_are_not_found(town: Town) -> None:
    for query in [{"person": "nobody"}, {"key": "' OR 1=1 --"}, {"person": HOSTILE}]:
        assert town.ask("breach", upstream=None, **query).status == 404


@pytest.mark.parametrize("name", NAMES)
def test_a_time_in_which_nothing_happened_makes_an_empty_report(town: Town, name: str) -> None:
    for span in [{"from": "1999-01-01", "to": "1999-01-01"}, {"from": "2090-01-01", "to": "2099-12-31"}]:
        report = town.report(name, **span)
        counted = {key: value for key, value in figures(report).items() if not key.startswith("clock") and not key.endswith("_here")}
        assert not any(counted.values()), counted
        assert report["proof"] == {"cited": [], "more": 0}
        assert town.ask(name, format="html", **span).status == 200
        assert town.ask(name, format="csv", **span).body.count(b"\n") <= 6


def test_days_begin_in_the_countrys_time(town: Town) -> None:
    seoul = NOW + timedelta(hours=9)
    day = f"{seoul:%Y-%m-%d}"
    whole = figures(town.report("cross-border", **{"from": day, "to": day}))["flows"]
    before = f"{seoul - timedelta(days=1):%Y-%m-%d}"
    rest = figures(town.report("cross-border", **{"from": before, "to": before}))["flows"]
    assert whole + rest == figures(town.report("cross-border"))["flows"] and whole > 0


# --- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_prints_what_the_server_gives(town: Town, tmp_path: Path) -> None:
    house = town.house
    assert "개인정보 보호법" in house.dure("report", "list")
    span = ["--from", FROM, "--to", TO]
    page = house.dure("report", "access-log", *span)
    assert page.startswith("<!doctype html>") and "점검자" in page
    out = tmp_path / "보고서.json"
    told = house.json("report", "breach", *span, "--upstream", "far", "--known-at", f"{NOW:%Y-%m-%dT%H:%M}", "--out", out)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == told["sha256"] and told["receipt"].startswith("receipt_")
    assert json.loads(out.read_bytes())["report"] == "breach"
    assert "English" not in page
    english = json.loads(house.dure("report", "models", *span, "--language", "en", "--format", "json"))
    assert english["title"] == "AI bill of materials"
    for words in [["breach", *span], ["access-log", "--from", "x", "--to", TO], ["nothing", *span], ["models"]]:
        assert house.refuses("report", *words)
    assert "--out" in house.refuses("report", "models", *span, "--format", "pdf")


def test_a_house_that_is_closed_gives_reports_too(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.key("app")
    report = json.loads(house.dure("report", "access-log", "--from", FROM, "--to", TO, "--json"))
    assert figures(report)["permissions"] == 1
    assert report["tables"][2]["rows"][0]["account"] == "operator"
    _, root = opened(report["ledger"]["checkpoint"], report["ledger"]["key"])
    assert base64.b64encode(root).decode() in report["ledger"]["checkpoint"]


@pytest.mark.skipif(not shutil.which("chromium"), reason="a PDF is printed by Chromium, and none is here")
def test_a_pdf_is_the_page_printed(town: Town, tmp_path: Path) -> None:
    out = tmp_path / "통지 & #1.pdf"
    told = town.house.json("report", "cross-border", "--from", FROM, "--to", TO, "--format", "pdf", "--out", out)
    assert out.read_bytes().startswith(b"%PDF-") and out.stat().st_size > 10_000
    page = out.with_suffix(".html")
    assert told["files"] == [str(out), str(page)]
    assert hashlib.sha256(page.read_bytes()).hexdigest() == told["sha256"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, page.name]), "nothing is left beside"


def test_without_chromium_a_pdf_says_what_to_do(town: Town, tmp_path: Path) -> None:
    path = town.house.environment["PATH"]
    try:
        town.house.environment["PATH"] = str(tmp_path)
        told = town.house.refuses("report", "models", "--from", FROM, "--to", TO, "--format", "pdf", "--out", tmp_path / "x.pdf")
    finally:
        town.house.environment["PATH"] = path
    assert "html" in told and list(tmp_path.iterdir()) == []
