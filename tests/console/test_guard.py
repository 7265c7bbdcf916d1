"""Receipts, policies and masking at the console: what is shown of them, to whom, and that a proof is really checked."""

import json
import re
import uuid
from pathlib import Path

import pytest
from house import House, Server, eventually
from playwright.sync_api import Locator, Page, Route, expect
from test_accessible import check
from test_upstream import Upstream, configured, table
from visit import QUESTION, City, Visit, asked, visiting

TEXT = "민원인 홍길동(010-1234-5678)이 산다. hong@example.com"


def chat(server: Server, key: str, text: str, model: str = "fake"):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    answer = server.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
    return answer, answer.headers.get("x-dure-receipt", "")


def rows(page: Page) -> Locator:
    return page.locator(".entries tbody tr")


# --- the list ----------------------------------------------------------------------------------------------------------


def test_new_entries_come_in_on_top_while_the_page_is_looked_at(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/receipts?kind=receipt")
    chat(city.server, city.reader, "하나", "fake")
    first = rows(page).first
    expect(first).to_contain_text("reader")
    before = first.locator("a").get_attribute("href")
    _, receipt = chat(city.server, city.reader, "둘", "fake")
    expect(rows(page).first.locator("a")).to_have_attribute("href", f"#/receipts/{receipt}")
    expect(rows(page).nth(1).locator("a")).to_have_attribute("href", before)
    # Whoever wants the list to stand still stops it.
    page.get_by_label("새로 생기는 대로 보여 주기").uncheck()
    asks: list[str] = []
    page.on("request", lambda request: asks.append(request.url))
    chat(city.server, city.reader, "셋", "fake")
    page.wait_for_timeout(4_500)
    assert not asks
    expect(rows(page).first.locator("a")).to_have_attribute("href", f"#/receipts/{receipt}")


def test_filters_stand_in_the_address_and_hold(city: City, visit: Visit) -> None:
    chat(city.server, city.reader, "안녕", "no-such-model")
    chat(city.server, city.reader, "안녕", "fake")
    chat(city.server, city.administrator, "안녕", "fake")
    page = visit.page(city.administrator, "#/receipts")
    expect(rows(page).first).to_be_visible()
    page.get_by_label("결과", exact=True).select_option("refused")
    expect(rows(page).first).to_contain_text("그런 경로나 모델이 없음")
    assert page.evaluate("location.hash") == "#/receipts?outcome=refused"
    for row in rows(page).all():
        expect(row).to_contain_text("거절함")
    page.get_by_label("결과", exact=True).select_option("")
    page.get_by_label("항목", exact=True).select_option("act")
    expect(rows(page).first).to_contain_text("행위")
    page.get_by_label("항목", exact=True).select_option("")
    page.get_by_label("경로 또는 모델").fill("fake")
    page.keyboard.press("Enter")
    expect(rows(page).filter(has_text="행위")).to_have_count(0)
    page.get_by_label("내 것만").check()
    expect(rows(page).filter(has_text="reader")).to_have_count(0)
    expect(rows(page).filter(has_text="desk").first).to_be_visible()
    assert page.evaluate("location.hash") == "#/receipts?asked=fake&mine=1"
    # The address alone brings the same list back.
    page.reload()
    expect(page.get_by_label("내 것만")).to_be_checked()
    expect(page.get_by_label("경로 또는 모델")).to_have_value("fake")
    expect(rows(page).filter(has_text="reader")).to_have_count(0)
    page.goto(f"{visit.server.url}/#/receipts?to=2020-01-01")
    expect(page.get_by_role("heading", name="맞는 항목이 없습니다")).to_be_visible()
    page.goto(f"{visit.server.url}/#/receipts?from=2020-01-01&outside=1")
    expect(page.get_by_role("heading", name="맞는 항목이 없습니다")).to_be_visible()
    page.get_by_label("밖으로 나간 것만").uncheck()
    expect(rows(page).first).to_be_visible()


def test_why_something_was_refused_leaves_room_on_a_phone(city: City, visit: Visit) -> None:
    chat(city.server, city.reader, "안녕", "no-such-model")
    page = visit.page(city.administrator, "#/receipts?outcome=refused", viewport={"width": 390, "height": 800}, locale="en-GB")
    expect(rows(page).first).to_contain_text("no such route or model")
    assert min(cell.bounding_box()["width"] for cell in rows(page).first.locator("th, td:nth-child(2)").all()) > 70


@pytest.mark.parametrize("query", ["kind=<img src=x>", "outcome=' OR 1=1 --", "from=never&to=2026-99-99", "after=-1", "after=x", "asked=" + "가" * 300])
def test_addresses_that_say_nonsense_break_nothing(city: City, visit: Visit, query: str) -> None:
    page = visit.page(city.administrator, f"#/receipts?{query}")
    expect(page.get_by_role("heading", name="영수증", level=1)).to_be_visible()
    expect(page.locator(".entries, .empty, .failure").first).to_be_visible()


def test_older_entries_are_a_page_away(city: City, visit: Visit) -> None:
    for _ in range(51):
        chat(city.server, city.reader, "안녕", "fake")
    page = visit.page(city.administrator, "#/receipts")
    expect(rows(page)).to_have_count(50)
    newest = rows(page).first.locator("a").get_attribute("href")
    page.get_by_role("button", name="더 이전").click()
    expect(rows(page).first.locator("a")).not_to_have_attribute("href", newest)
    expect(page.get_by_label("새로 생기는 대로 보여 주기")).to_be_disabled()
    page.get_by_role("button", name="가장 최근").click()
    expect(rows(page).first.locator("a")).to_have_attribute("href", newest)
    page.go_back()
    expect(rows(page).first.locator("a")).not_to_have_attribute("href", newest)


# --- one receipt and its proof -----------------------------------------------------------------------------------------


def proof(page: Page) -> Locator:
    return page.locator(".proof")


def verdicts(page: Page) -> list[str]:
    expect(proof(page).locator(".proof-steps li").first).to_be_visible()
    return proof(page).locator(".proof-steps li").evaluate_all("all => all.map(one => one.className)")


def test_an_answer_leads_to_its_receipt_and_its_proof_holds(city: City, visit: Visit, tmp_path: Path) -> None:
    page = visit.page(city.administrator)
    asked(page, QUESTION, "records")
    page.locator(".foot").get_by_role("link", name="영수증").click()
    expect(page.get_by_role("heading", name="대화", exact=False, level=1)).to_be_visible()
    says = page.locator(".about").first
    for part in ("desk", "records", "fake", "KR", "아니요, 집 안에 머물렀습니다", "공개", "answering", "cc0-1.0"):
        expect(says).to_contain_text(part)
    expect(says.get_by_role("link", name=re.compile("^doc_")).first).to_be_visible()
    expect(proof(page).locator(".state")).to_contain_text("증명이 맞습니다")
    assert verdicts(page) == ["holds"] * 6
    # The salt came with the answer and is filled in; the question proves itself.
    page.get_by_label("글", exact=True).fill(QUESTION)
    page.get_by_role("button", name="비교").click()
    expect(page.locator(".kept .state.good")).to_contain_text("물음이 맞습니다")
    page.get_by_label("글", exact=True).fill(QUESTION + " ")
    expect(page.locator(".kept .state")).to_have_count(0)
    page.get_by_role("button", name="비교").click()
    expect(page.locator(".kept .state.bad")).to_contain_text("물음도 답도 아닙니다")
    page.get_by_label("소금").fill("00")
    page.get_by_role("button", name="비교").click()
    expect(page.get_by_text("소금은 0-9와 a-f로 된 32글자입니다.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="증명 저장").click()
    saved = tmp_path / "receipt.tlog-proof"
    download.value.save_as(saved)
    key = city.server.request("GET", "/api/v1/ledger", headers={"Authorization": f"Bearer {city.reader}"}).json()["key"]
    assert "stands in the log" in city.house.dure("ledger", "check", saved, "--key", key)
    check(page, "receipt")


def test_the_answers_text_is_the_one_that_is_committed_to(city: City, visit: Visit) -> None:
    answer, receipt = chat(city.server, city.reader, "안녕하세요")
    page = visit.page(city.reader, f"#/receipts/{receipt}")
    page.get_by_label("소금").fill(answer.headers["x-dure-receipt-salt"].upper())
    page.get_by_label("글", exact=True).fill(answer.json()["choices"][0]["message"]["content"])
    page.get_by_role("button", name="비교").click()
    # The fake engine says what it is told.
    expect(page.locator(".kept .state.good")).to_contain_text("물음이며, 답이기도 합니다")


def other(encoded: str) -> str:
    """Base64 with another first character."""
    return ("B" if encoded[0] == "A" else "A") + encoded[1:]


def changed(text: str, what: str) -> str:
    """A proof's file with one thing in it that is not as it was."""
    lines = text.split("\n")
    index = next(at for at, line in enumerate(lines) if line.startswith("index "))
    note = lines.index("")
    if what == "path":
        lines[index + 1] = other(lines[index + 1])
    elif what == "index":
        lines[index] = f"index {int(lines[index][6:]) ^ 1}"
    elif what == "root":
        lines[note + 3] = other(lines[note + 3])
    elif what == "signature":
        head, _, signature = lines[note + 5].rpartition(" ")
        lines[note + 5] = f"{head} {signature[:20]}{other(signature[20:])}"
    elif what == "nothing":
        return "<html>no proof</html>"
    assert "\n".join(lines) != text, what
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [("path", ["path"]), ("index", ["path"]), ("root", ["path", "signature"]), ("signature", ["signature"]), ("nothing", ["form"])],
)
def test_a_tampered_proof_shows_red(city: City, visit: Visit, what: str, wrong: list[str]) -> None:
    for _ in range(4):
        _, receipt = chat(city.server, city.administrator, "안녕")
    page = visit.page(city.administrator)

    def tamper(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=changed(answer.text(), what))

    page.route("**/api/v1/receipts/*/proof", tamper)
    page.goto(f"{visit.server.url}/#/receipts/{receipt}")
    expect(proof(page).locator(".state.bad")).to_contain_text("증명이 맞지 않습니다")
    order = ["form", "entry", "path", "key", "signature", "same"]
    assert [name for name, verdict in zip(order, verdicts(page), strict=False) if verdict == "fails"] == wrong
    # It is red: the colour of what is wrong, in the step and in the verdict.
    red = page.evaluate("getComputedStyle(document.querySelector('.proof .state.bad .icon')).color")
    assert red == proof(page).locator(".proof-steps .fails .icon").first.evaluate("one => getComputedStyle(one).color")
    assert tuple(map(int, re.findall(r"\d+", red)[:3])) == (161, 38, 43), red
    check(page, "a proof that does not hold")


def test_a_changed_entry_and_another_key_show_red(city: City, visit: Visit) -> None:
    _, receipt = chat(city.server, city.administrator, "안녕")
    page = visit.page(city.administrator, f"#/receipts/{receipt}")
    expect(proof(page).locator(".state.good")).to_be_visible()

    def other_entry(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "asked": "qwen"})

    page.route(re.compile("/api/v1/receipts/receipt_[0-9a-f]+$"), other_entry)
    page.reload()
    expect(proof(page).locator(".state.bad")).to_be_visible()
    assert verdicts(page) == ["holds", "fails", "holds", "holds", "holds", "holds"]
    page.unroute_all()

    # A server that shows the key of another log: this browser has seen the right one.
    strange = "dure.invalid/other+00000000+AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh"
    page.route("**/api/v1/ledger", lambda route: route.fulfill(json={**route.fetch().json(), "key": strange}))
    page.reload()
    expect(proof(page).locator(".state.bad")).to_be_visible()
    assert verdicts(page) == ["holds", "holds", "holds", "fails", "fails", "fails"]
    page.unroute_all()
    page.reload()
    expect(proof(page).locator(".state.good")).to_be_visible()
    # A house that was restored has another key; whoever knows that says so, once.
    page.evaluate("key => localStorage.setItem('dure.ledger.key', key)", strange)
    page.reload()
    expect(proof(page).locator(".state.bad")).to_be_visible()
    assert verdicts(page) == ["holds"] * 5 + ["fails"]
    page.get_by_role("button", name="까닭을 압니다").click()
    expect(proof(page).locator(".state.good")).to_be_visible()
    page.reload()
    expect(proof(page).locator(".state.good")).to_be_visible()

    # A key that somebody kept counts instead of the server's.
    key = city.server.request("GET", "/api/v1/ledger", headers={"Authorization": f"Bearer {city.administrator}"}).json()["key"]
    page.get_by_text("간직해 둔 키로 확인").click()
    field = page.get_by_label("공개 키")
    field.fill(strange)
    field.press("Tab")
    expect(proof(page).locator(".state.bad")).to_be_visible()
    field.fill(key)
    field.press("Tab")
    expect(proof(page).locator(".state.good")).to_be_visible()
    assert verdicts(page) == ["holds"] * 5


def test_what_a_browser_cannot_check_is_never_said_to_hold(city: City, visit: Visit) -> None:
    _, receipt = chat(city.server, city.administrator, "안녕")
    page = visit.page(city.administrator)
    page.add_init_script(
        "const real = crypto.subtle.importKey; SubtleCrypto.prototype.importKey = function (form, key, kind, ...rest) {"
        " return kind.name === 'Ed25519' ? Promise.reject(new DOMException('no', 'NotSupportedError')) : real.call(this, form, key, kind, ...rest); };"
    )
    page.goto(f"{visit.server.url}/?one#/receipts/{receipt}")
    expect(proof(page).locator(".state")).to_contain_text("모두 확인하지는 못했습니다")
    expect(proof(page)).to_contain_text("Ed25519 서명을 확인하지 못합니다")
    assert verdicts(page)[4] == "unknown"
    expect(proof(page).locator(".state.good")).to_have_count(0)
    # Over plain HTTP from elsewhere a page has no cryptography at all.
    page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined });")
    page.goto(f"{visit.server.url}/?two#/receipts/{receipt}")
    expect(proof(page)).to_contain_text("암호 기능을 내주지 않습니다")
    expect(proof(page).locator(".state, .proof-steps")).to_have_count(0)
    expect(page.locator(".kept form")).to_have_count(0)
    expect(proof(page).get_by_role("button", name="증명 저장")).to_be_visible()


def test_others_receipts_are_not_there(city: City, visit: Visit) -> None:
    _, theirs = chat(city.server, city.administrator, "안녕")
    _, own = chat(city.server, city.reader, "안녕")
    page = visit.page(city.reader, "#/receipts")
    expect(rows(page).first.locator("a")).to_have_attribute("href", f"#/receipts/{own}")
    expect(page.locator(".entries")).not_to_contain_text("POST")
    expect(page.get_by_label("내 것만")).to_have_count(0)
    hrefs = rows(page).locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert f"#/receipts/{theirs}" not in hrefs
    page.goto(f"{visit.server.url}/#/receipts/{theirs}")
    expect(page.get_by_role("alert")).to_contain_text("여기에 없거나")
    page.goto(f"{visit.server.url}/#/receipts/{own}")
    expect(proof(page).locator(".state.good")).to_be_visible()
    name = "away-" + uuid.uuid4().hex[:6]
    city.house.dure("tenant", "create", name)
    stranger = visit.page(city.house.key("k", "--administrator", "--tenant", name), "#/receipts")
    expect(stranger.locator(".entries, .empty").first).to_be_visible()
    expect(stranger.locator("main")).not_to_contain_text("fake")
    stranger.goto(f"{visit.server.url}/#/receipts/{theirs}")
    expect(stranger.get_by_role("alert")).to_contain_text("여기에 없거나")


def test_a_masked_answer_from_abroad_says_so(tmp_path: Path, browser) -> None:
    upstream = Upstream()
    try:
        house = House(tmp_path / "data")
        key = house.key("desk", "--administrator")
        abroad = {"country": "US", "class_max": "open", "owner": "acme"}
        far, away = ("far", "instant"), ("away", "status=503")
        configured(house, *(table(name, upstream.address, model, **abroad) for name, model in (far, away)))
        with house.up() as server:
            answer, receipt = chat(server, key, TEXT, "far")
            assert answer.status == 200, answer.body
            for visit in visiting(server, browser):
                page = visit.page(key, "#/receipts?outside=1")
                expect(rows(page)).to_have_count(2)
                expect(rows(page)).to_contain_text(["응답함", "나가기 전"])
                expect(rows(page).first).to_contain_text("far (US)")
                rows(page).first.locator("a").click()
                expect(page.locator("main")).to_contain_text("예, 글이 집 밖으로 나갔습니다")
                for part in ("phone 1", "email 1", "개인정보를 먼저 가립니다: general, kr", "기록을 3년 남깁니다"):
                    expect(page.locator("main")).to_contain_text(part)
                expect(page.locator("main")).to_contain_text("send-open-text-abroad")
                expect(proof(page).locator(".state.good")).to_be_visible()
                check(page, "a receipt from abroad")
                page.get_by_role("link", name="지금 정책에 똑같이 묻기").click()
                expect(page.get_by_label("나라")).to_have_value("US")
                expect(page.get_by_label("운영하는 곳")).to_have_value("acme")
                page.get_by_role("button", name="정책에 묻기").click()
                expect(page.locator(".explained .state.good")).to_be_visible()
                # One that answers at home, after one abroad was sent the text and did not.
                route = {"name": "mixed", "models": {"list": [{"model": "away"}, {"model": "fake"}]}}
                made = server.request("POST", "/api/v1/routes", route, {"Authorization": f"Bearer {key}"})
                assert made.status == 200, made.body
                answer, receipt = chat(server, key, TEXT, "mixed")
                assert answer.status == 200, answer.body
                page.goto(f"{server.url}/#/receipts/{receipt}")
                for part in ("먼저 시도한 엔진", "away (US)", "글을 보냄", "예, 글이 집 밖으로 나갔습니다"):
                    expect(page.locator("main")).to_contain_text(part)
                expect(proof(page).locator(".state.good")).to_be_visible()
                page.goto(f"{server.url}/#/receipts?asked=mixed")
                expect(rows(page).first).to_contain_text("fake (KR)")
                expect(rows(page).first.locator(".tag.warning")).to_have_text("밖")
    finally:
        upstream.end()


# --- policies ----------------------------------------------------------------------------------------------------------


def test_the_policies_say_what_would_happen_and_why(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/policies")
    expect(page.locator(".policy-now")).to_contain_text("시작 정책")
    expect(page.locator(".policy-now")).to_contain_text("31개 가운데 31개가 맞음")
    page.get_by_label("운영하는 곳").fill("acme")
    page.get_by_role("button", name="정책에 묻기").click()
    told = page.locator(".explained")
    expect(told.locator(".state.good")).to_have_text("허용")
    expect(told).to_contain_text("개인정보를 먼저 가립니다: general, kr")
    expect(told.locator("q[lang=en]")).to_contain_text("personal data masked")
    expect(told.locator("q[lang=ko]")).to_be_visible()
    page.get_by_role("group", name="어떤 글을").get_by_label("등급", exact=True).select_option("sensitive")
    page.get_by_role("button", name="정책에 묻기").click()
    expect(told.locator(".state.bad")).to_have_text("거절")
    expect(told.locator("[lang=ko]")).to_have_text("민감·기밀 등급의 글은 국외로 보낼 수 없습니다")
    expect(told.locator("[lang=en]")).to_have_text("sensitive and classified text does not leave the country")
    check(page, "an explanation")
    told.get_by_role("link", name=re.compile(r"20-send\.cedar")).first.click()
    expect(page.locator(".source mark")).to_be_in_viewport()
    expect(page.locator(".source")).to_contain_text('@id("no-secrets-abroad")')
    page.get_by_role("link", name="cases.toml").click()
    expect(page.locator(".source")).to_contain_text("[[case]]")


def test_the_form_asks_for_each_kind_of_act(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/policies")
    sent: list[dict] = []
    page.on("request", lambda request: sent.append(request.post_data_json) if request.url.endswith("/explain") else None)
    act = page.get_by_label("하는 일")
    told = page.locator(".explained")

    def ask(verdict: str) -> dict:
        before = len(sent)
        page.get_by_role("button", name="정책에 묻기").click()
        eventually(lambda: len(sent) > before)
        expect(told.locator(".state")).to_have_text(verdict)
        return sent[-1]

    page.get_by_label("이 키처럼").select_option("desk")
    act.select_option("search")
    page.get_by_label("말뭉치", exact=True).select_option("records")
    question = ask("허용")
    assert question["who"]["kind"] == "service" and question["who"]["administrator"]
    assert question["act"]["search"]["corpus"].startswith("corpus_") and question["text"]["licences"] == ["cc0-1.0"]
    # No policy opens what the built-in rule closes: the corpus may be used for answering alone.
    page.get_by_label("무슨 일로").fill("training")
    ask("거절")
    expect(told).to_contain_text("내장 규칙")
    page.get_by_label("무슨 일로").fill("answering")
    act.select_option("use_tool")
    page.get_by_label("도구", exact=True).fill("mail")
    page.get_by_label("나라").fill("kr")
    assert ask("허용")["act"]["use_tool"]["country"] == "KR"
    act.select_option("declassify")
    page.get_by_label("읽기 한도").select_option("classified")
    page.get_by_role("group", name="어떤 글을").get_by_label("등급", exact=True).select_option("sensitive")
    page.get_by_label("종류").select_option("person")
    page.get_by_label("까닭").fill("공개 기한이 지남")
    assert ask("허용")["act"]["declassify"] == {"to": "open", "reason": "공개 기한이 지남"}
    expect(told).to_contain_text("data-protection")
    page.get_by_label("무슨 일로").fill("나쁜 말; DROP")
    page.get_by_role("button", name="정책에 묻기").click()
    expect(told.get_by_role("alert")).to_contain_text("맞지 않는 것이 있습니다")


def test_what_is_wrong_with_the_policy_folder_is_shown(tmp_path: Path, browser) -> None:
    house = House(tmp_path / "data")
    key = house.key("desk", "--administrator")
    house.dure("policy", "init")
    with house.up() as server:
        for visit in visiting(server, browser):
            page = visit.page(key, "#/policies")
            expect(page.locator(".policy-now")).to_contain_text("기관이 정한 정책")
            (house.data / "policy" / "90-own.cedar").write_text("permit (principal", encoding="utf-8")
            eventually(lambda: server.request("GET", "/api/v1/policies", headers={"Authorization": f"Bearer {key}"}).json()["problems"])
            page.reload()
            expect(page.get_by_role("alert")).to_contain_text("90-own.cedar:1")
            check(page, "a policy folder with mistakes")


def test_an_ordinary_key_has_no_page_of_policies(city: City, visit: Visit) -> None:
    page = visit.page(city.reader, "#/policies")
    expect(page.get_by_label("질문", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="정책", level=1)).to_have_count(0)


# --- masking -----------------------------------------------------------------------------------------------------------


def test_masking_shows_what_would_be_hidden_beside_the_text(city: City, visit: Visit) -> None:
    page = visit.page(city.reader, "#/masking")
    page.get_by_label("글", exact=True).fill(TEXT)
    page.get_by_role("button", name="가려 보기").click()
    expect(page.get_by_role("status").filter(has_text="3곳을 가립니다")).to_be_visible()
    before, after = page.get_by_role("region", name="원래 글"), page.get_by_role("region", name="나갈 글")
    expect(before).to_have_text(TEXT)
    expect(before.locator("mark")).to_have_text(["홍길동", "010-1234-5678", "hong@example.com"])
    expect(after).to_have_text("민원인 [이름-1]([전화-1])이 산다. [이메일-1]")
    row = page.locator("tbody tr").filter(has_text="phone")
    for part in ("010-1234-5678", "[전화-1]", "9–21", "%"):
        expect(row).to_contain_text(part)
    check(page, "a preview")
    # Fewer packs hide less, single kinds more.
    page.get_by_label(re.compile("^kr ")).uncheck()
    page.get_by_role("button", name="가려 보기").click()
    expect(after).to_have_text("민원인 홍길동(010-1234-5678)이 산다. [이메일-1]")
    page.get_by_text("종류 하나씩").click()
    page.get_by_label(re.compile("^phone ")).check()
    page.get_by_role("button", name="가려 보기").click()
    expect(after).to_have_text("민원인 홍길동([전화-1])이 산다. [이메일-1]")
    check(page, "single kinds")
    page.get_by_label(re.compile("^phone ")).uncheck()
    page.get_by_label(re.compile("^general ")).uncheck()
    expect(page.get_by_role("button", name="가려 보기")).to_be_disabled()


def test_a_text_stays_text_and_leaves_no_entry(city: City, visit: Visit) -> None:
    page = visit.page(city.reader, "#/masking")
    state = city.server.request("GET", "/api/v1/ledger", headers={"Authorization": f"Bearer {city.reader}"}).json()
    text = "<img src=x onerror='window.hit=1'> 홍길동 과장\u202e"
    page.get_by_label("글", exact=True).fill(text)
    page.get_by_role("button", name="가려 보기").click()
    expect(page.get_by_role("region", name="나갈 글")).to_contain_text("<img src=x onerror='window.hit=1'> [이름-1] 과장")
    assert page.evaluate("window.hit === undefined && document.querySelectorAll('main img').length === 0")
    after = city.server.request("GET", "/api/v1/ledger", headers={"Authorization": f"Bearer {city.reader}"}).json()
    assert after["size"] == state["size"]
    # Nothing of it is kept in the browser either.
    assert "홍길동" not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    page.get_by_label("글", exact=True).fill("가" * 200_000)
    page.get_by_role("button", name="가려 보기").click()
    expect(page.get_by_role("alert")).to_contain_text("크기를 넘었습니다")


def test_the_pages_are_reached_by_keys_alone(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/health")
    for letter, name in (("e", "영수증"), ("p", "정책"), ("s", "가리기")):
        expect(page.locator("main h1")).to_be_visible()
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    # Letters that were switched off stay off.
    page.keyboard.press("?")
    page.get_by_label("한 글자 단축키 사용").uncheck()
    page.reload()
    expect(page.get_by_role("heading", name="가리기", level=1)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_timeout(300)
    expect(page.get_by_role("heading", name="가리기", level=1)).to_be_visible()


def test_texts_are_there_in_english_too(city: City, visit: Visit) -> None:
    _, receipt = chat(city.server, city.administrator, "hello")
    page = visit.page(city.administrator, f"#/receipts/{receipt}", locale="en-GB")
    expect(proof(page)).to_contain_text("The proof holds: this entry stands in the signed log.")
    shown = json.dumps(page.locator("main").inner_text(), ensure_ascii=False)
    assert not re.search("[가-힣]", shown), shown
