"""What people do at the console, from the first visit on."""

from pathlib import Path

from visit import QUESTION, City, Visit, asked
from playwright.sync_api import Page, expect


def test_the_first_visit_leads_to_a_cited_answer(new_house: tuple[Visit, str]) -> None:
    visit, key = new_house
    page = visit.page()
    page.get_by_label("키", exact=True).fill(key)
    page.get_by_role("button", name="로그인").click()
    page.get_by_role("button", name="말뭉치 만들기").click()
    page.get_by_role("button", name="예시 기록 쓰기").click()
    expect(page.get_by_label("질문", exact=True)).to_have_value(QUESTION)
    page.get_by_role("button", name="묻기", exact=True).click()
    cite = page.locator(".prose button.cite").first
    cite.click()
    panel = page.get_by_role("complementary", name="출처")
    quote = panel.locator("mark")
    expect(quote).to_be_in_viewport()
    expect(quote).to_contain_text("4월과 10월")
    expect(panel).to_contain_text("정비매뉴얼/")
    expect(page.locator(".foot")).to_contain_text("토큰")
    expect(page.locator(".foot .whose")).to_contain_text("기록")
    expect(page.locator(".foot .chat")).to_have_count(0)


def test_a_wrong_key_is_told_and_a_revoked_one_leads_back(city: City, visit: Visit) -> None:
    page = visit.page()
    page.get_by_label("키", exact=True).fill("dure_wrong")
    page.get_by_role("button", name="로그인").click()
    expect(page.get_by_role("alert")).to_contain_text("등록되지 않은 키")
    key = city.house.key("short-lived")
    page.get_by_label("키", exact=True).fill(key)
    page.get_by_role("button", name="로그인").click()
    expect(page.get_by_role("navigation", name="주 메뉴")).to_be_visible()
    # What the page asks for at first is answered; the next thing that is asked finds the key gone.
    page.wait_for_load_state("networkidle")
    city.house.dure("key", "revoke", "short-lived")
    page.get_by_role("link", name="기록", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("더 이상 유효하지 않아")
    assert page.evaluate("[sessionStorage.length, localStorage.getItem('dure.key')]") == [0, None]


def test_staying_signed_in_is_a_choice(city: City, visit: Visit) -> None:
    page = visit.page(city.reader)
    expect(page.get_by_role("link", name="묻기", exact=True)).to_be_visible()
    assert page.evaluate("localStorage.getItem('dure.key')") is None
    other = page.context.new_page()
    other.goto(f"{visit.server.url}/")
    other.get_by_label("키", exact=True).fill(city.reader)
    other.get_by_label("이 기기에서 로그인 유지").check()
    other.get_by_role("button", name="로그인").click()
    expect(other.get_by_role("link", name="묻기", exact=True)).to_be_visible()
    third = page.context.new_page()
    third.goto(f"{visit.server.url}/")
    third.get_by_role("button", name="로그아웃").click()
    expect(third.get_by_role("heading", name="두레에 로그인")).to_be_visible()
    assert third.evaluate("localStorage.getItem('dure.key')") is None


def test_an_ordinary_key_sees_what_it_may_do(city: City, visit: Visit) -> None:
    page = visit.page(city.reader)
    links = page.get_by_role("navigation", name="주 메뉴").get_by_role("link")
    expect(links).to_have_text(["묻기", "기록", "영수증", "승인", "가리기"])
    page.goto(f"{visit.server.url}/#/access")
    expect(page.get_by_label("질문", exact=True)).to_be_visible()
    page.goto(f"{visit.server.url}/#/records/records")
    expect(page.get_by_role("link", name="염소가스 누출 비상 대응 절차")).to_be_visible()
    expect(page.get_by_text("여기에 놓으세요")).to_have_count(0)


def test_records_are_uploaded_read_and_searched(new_house: tuple[Visit, str], tmp_path: Path) -> None:
    visit, key = new_house
    folder = tmp_path / "folder"
    (folder / "안내").mkdir(parents=True)
    (folder / "안내" / "주차.md").write_text(
        "# 주차 안내\n\n## 시간\n\n청사 주차장은 90분까지 무료이다.\n\n## 장애인\n\n장애인 차량은 종일 무료이다.\n"
    )
    (folder / "안내" / "그림.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    page = visit.page(key, "#/records")
    page.get_by_role("button", name="새 말뭉치").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("이름", exact=True).fill("안내")
    dialog.get_by_text("기밀 (C)").click()
    expect(dialog.get_by_text("이 키로는 민감 기록까지만")).to_be_visible()
    dialog.get_by_text("민감 (S)").click()
    expect(dialog.get_by_text("이 키로는 민감 기록까지만")).to_have_count(0)
    dialog.get_by_role("button", name="말뭉치 만들기").click()
    page.get_by_label("폴더 고르기").set_input_files(folder)
    report = page.locator(".report")
    expect(report).to_contain_text("추가 1건")
    expect(report).to_contain_text("그림.png")
    page.get_by_role("link", name="주차 안내").click()
    expect(page.get_by_role("region", name="문서의 본문")).to_contain_text("90분까지 무료")
    page.get_by_role("navigation", name="차례").get_by_role("link", name="장애인").click()
    expect(page.locator("mark")).to_contain_text("종일 무료")
    page.goto(f"{visit.server.url}/#/records/{'안내'}?tab=search")
    page.get_by_role("searchbox", name="검색").fill("주차장 무료 시간")
    page.keyboard.press("Enter")
    first = page.locator(".hits tbody tr").first
    expect(first.locator("td").nth(0)).to_have_text("1")
    expect(first.locator("td").nth(1)).to_have_text("1")
    expect(first).to_contain_text("90분까지")


def test_an_answer_is_stopped_in_its_middle_and_asked_again(city: City, visit: Visit) -> None:
    page = visit.page(city.reader)
    slow = page.context.new_cdp_session(page)
    slow.send("Network.enable")
    page.get_by_label("경로 또는 모델").select_option("fake")
    question = "강을 따라 흐르는 물 " * 400
    page.get_by_label("질문", exact=True).fill(question)
    conditions = {"offline": False, "latency": 0, "uploadThroughput": -1}
    slow.send("Network.emulateNetworkConditions", {**conditions, "downloadThroughput": 8_000})
    page.keyboard.press("Enter")
    expect(page.locator(".prose")).to_contain_text("강을 따라")
    page.get_by_role("button", name="멈추기").click()
    expect(page.get_by_text("여기에서 답변을 멈췄습니다.")).to_be_visible()
    shown = page.locator(".prose").inner_text()
    assert 0 < len(shown) < len(question) / 2
    slow.send("Network.emulateNetworkConditions", {**conditions, "downloadThroughput": -1})
    page.get_by_role("button", name="질문 고치기").click()
    page.locator("#edit").fill("짧은 물음")
    page.keyboard.press("Enter")
    expect(page.locator(".prose")).to_have_text("짧은 물음")
    expect(page.locator(".turn")).to_have_count(1)


def test_the_language_changes_everywhere_at_once_and_stays(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/records")
    expect(page.get_by_role("heading", name="기록", level=1)).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Records", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Ask", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    page.reload()
    expect(page.get_by_role("heading", name="Records", level=1)).to_be_visible()
    other = visit.page(city.reader, locale="en-US")
    expect(other.get_by_role("heading", name="What would you like to know?")).to_be_visible()


def test_a_model_of_many_languages_says_so(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/models")
    expect(page.get_by_text("언어: 영어, 여러 언어")).to_be_visible()


PLACES = [
    "#/ask",
    "#/records",
    "#/records/records",
    "#/records/records?tab=search",
    "#/models",
    "#/routes",
    "#/access",
    "#/receipts",
    "#/reports",
    "#/reports/access-log",
    "#/reports/breach",
    "#/policies",
    "#/policies?tab=files",
    "#/approvals",
    "#/masking",
    "#/health",
]


def test_nothing_is_wider_than_a_phone(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, viewport={"width": 360, "height": 740})
    asked(page, QUESTION, "records")
    page.locator(".prose button.cite").first.click()
    expect(page.get_by_role("complementary", name="출처").locator("mark")).to_be_in_viewport()
    assert overflow(page) <= 0
    page.keyboard.press("Escape")
    for place in PLACES:
        page.goto(f"{visit.server.url}/{place}")
        expect(page.locator("main h1").first).to_be_attached()
        expect(page.locator("main .waiting")).to_have_count(0)
        assert overflow(page) <= 0, place
    page.get_by_role("button", name="메뉴").click()
    page.get_by_role("dialog").get_by_role("link", name="경로").click()
    expect(page.get_by_role("heading", name="경로", level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_all_is_done_by_keyboard_alone(city: City, visit: Visit) -> None:
    page = visit.page()
    # Nobody has to look for the field: it has the focus.
    expect(page.get_by_role("textbox", name="키", exact=True)).to_be_focused()
    page.keyboard.type(city.administrator)
    page.keyboard.press("Enter")
    expect(page.get_by_label("질문", exact=True)).to_be_focused()
    page.get_by_label("경로 또는 모델").select_option("records")
    page.get_by_label("질문", exact=True).focus()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.get_by_role("button", name="다시 묻기")).to_be_enabled()
    cite = page.locator(".prose button.cite").first
    reach(page, cite, backwards=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="출처")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary", name="출처")).to_have_count(0)
    expect(cite).to_be_focused()
    page.locator("main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="단축키")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("k")
    tab = page.get_by_role("tab", name="키", exact=True)
    reach(page, tab)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="사람")).to_be_focused()
    expect(page.get_by_role("tab", name="사람")).to_have_attribute("aria-selected", "true")


def test_a_form_that_comes_late_has_the_focus_all_the_same(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/routes")
    page.get_by_role("button", name="새 경로").first.click()
    expect(page.get_by_role("dialog").get_by_label("이름", exact=True)).to_be_focused()


def reach(page: Page, wanted, backwards: bool = False) -> None:
    """Tabs until `wanted` has the focus."""
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_a_key_is_shown_once_and_revoked_with_a_question(city: City, visit: Visit) -> None:
    page = visit.page(city.administrator, "#/access")
    page.get_by_role("button", name="새 키").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("이름", exact=True).fill("민원실")
    dialog.get_by_role("button", name="키 만들기").click()
    secret = dialog.get_by_label("키", exact=True).input_value()
    assert secret.startswith("dure_")
    answer = visit.server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status == 200
    dialog.get_by_role("button", name="잘 보관했습니다").click()
    assert secret not in page.content()
    page.get_by_role("button", name="폐기 민원실").click()
    page.get_by_role("dialog").get_by_role("button", name="폐기").click()
    expect(page.get_by_role("row", name="민원실")).to_have_count(0)
    answer = visit.server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status == 401


def test_conversations_are_found_again_taken_along_and_deleted(city: City, visit: Visit, tmp_path: Path) -> None:
    # A key of its own, whose conversations are these alone.
    page = visit.page(city.house.key("keeper"))
    asked(page, QUESTION, "records")
    page.get_by_role("link", name="묻기", exact=True).click()
    expect(page.locator(".turn")).to_have_count(0)
    page.get_by_role("region", name="대화").get_by_role("link", name=QUESTION).click()
    expect(page.locator(".question")).to_contain_text(QUESTION)
    expect(page.locator(".prose button.cite").first).to_be_visible()
    page.get_by_role("button", name="내보내기, 삭제").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Markdown", exact=True).click()
    text = Path(taken.value.path()).read_text()
    assert QUESTION in text and "전 직원이 참여하는" in text
    page.get_by_role("button", name=f"‘{QUESTION}’ 삭제").click()
    expect(page.get_by_role("dialog").get_by_text("대화가 여기에 쌓입니다.")).to_be_visible()
