"""Approvals and routes with several models at the console."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, Server
from playwright.sync_api import Browser, expect
from visit import Visit, visiting


def ask_for_a_lower_class(server: Server, key: str) -> str:
    path = "/api/v1/corpora/records/document/class?document=%ED%9A%8C%EC%9D%98%EB%A1%9D.md"
    refused = server.request("POST", path, {"to": "open", "reason": "공보에 실렸음"}, {"Authorization": f"Bearer {key}"})
    assert refused.status == 403, refused.body
    return refused.headers["x-dure-approval"]


@pytest.fixture
def archive(tmp_path: Path, browser: Browser) -> Iterator[tuple[Visit, dict[str, str]]]:
    """A house with a sensitive document, one who asks for a lower class, and one who may approve it."""
    house = House(tmp_path / "data")
    source = tmp_path / "records"
    source.mkdir()
    (source / "회의록.md").write_text("# 회의록\n\n점검은 매월 셋째 주에 한다.\n", encoding="utf-8")
    house.corpus("records")
    house.dure("corpus", "add", "records", source, "--class", "sensitive")
    house.dure("group", "create", "data-protection")
    keys = {"desk": house.key("desk", "--administrator")}
    for name, groups in [("kim", []), ("lee", ["--group", "data-protection"])]:
        house.dure("person", "create", name, *groups)
        keys[name] = house.key(name, "--person", name, "--read-class", "sensitive")
    with house.up() as server:
        for visit in visiting(server, browser):
            yield visit, keys


def test_somebody_else_approves_at_the_console(archive) -> None:
    visit, keys = archive
    request = ask_for_a_lower_class(visit.server, keys["kim"])
    own = visit.page(keys["kim"], "#/approvals")
    expect(own.locator(".request")).to_contain_text(request)
    expect(own.get_by_role("button", name="승인", exact=True)).to_have_count(0)
    page = visit.page(keys["lee"], "#/approvals")
    shown = page.locator(".request")
    expect(shown).to_contain_text("공개")
    # Who asks for what, and why: an approver need not administer anything to be told.
    for told in ("kim", "records / 회의록.md", "공보에 실렸음"):
        expect(shown).to_contain_text(told)
    shown.get_by_role("button", name="승인", exact=True).click()
    dialog = page.get_by_role("dialog")
    # Which of several requests it is stands in the question, too.
    for told in ("kim", "records / 회의록.md", "공보에 실렸음"):
        expect(dialog).to_contain_text(told)
    expect(dialog.get_by_role("button", name="승인", exact=True)).to_be_disabled()
    dialog.get_by_label("까닭").fill("살펴보니 괜찮음")
    dialog.get_by_label("날수").fill("3")
    dialog.get_by_role("button", name="승인", exact=True).click()
    expect(page.get_by_role("heading", name="아무것도 없습니다")).to_be_visible()
    page.get_by_role("tab", name="승인됨").click()
    expect(page.locator(".request")).to_contain_text("살펴보니 괜찮음")
    expect(page.locator(".request")).to_contain_text("lee (data-protection)")
    assert page.evaluate("location.hash") == "#/approvals?state=approved"
    visit.watched.check()


def test_somebody_else_declines_and_administrators_see_it(archive) -> None:
    visit, keys = archive
    ask_for_a_lower_class(visit.server, keys["kim"])
    page = visit.page(keys["lee"], "#/approvals")
    page.locator(".request").get_by_role("button", name="거절", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("까닭").fill('<img src=x onerror="alert(1)">')
    dialog.get_by_role("button", name="거절", exact=True).click()
    expect(page.get_by_role("heading", name="아무것도 없습니다")).to_be_visible()
    desk = visit.page(keys["desk"], "#/approvals?state=declined")
    expect(desk.locator(".request")).to_contain_text("<img src=x")
    expect(desk.locator(".request")).to_contain_text("kim")
    visit.watched.check()


def test_a_route_has_several_models_and_keeps_their_conditions(new_house) -> None:
    visit, key = new_house
    # The one model that is here; conditions are made on the command line, and survive an edit at the console.
    headers = {"Authorization": f"Bearer {key}"}
    models = {"list": [{"model": "fake", "when": {"prompt_tokens_max": 500}}]}
    made = visit.server.request("POST", "/api/v1/routes", {"name": "desk", "models": models}, headers)
    assert made.status == 200, made.body
    page = visit.page(key, "#/routes")
    expect(page.get_by_role("row").filter(has_text="desk")).to_contain_text("fake")
    page.get_by_role("button", name="desk 고치기").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("조건 있음")).to_be_visible()
    expect(dialog.get_by_role("button", name="대신할 모델 더하기")).to_have_count(0)
    dialog.get_by_label("지시").fill("짧게")
    dialog.get_by_role("button", name="저장").click()
    expect(dialog).to_have_count(0)
    kept = visit.server.request("GET", "/api/v1/routes/desk", headers=headers).json()
    assert kept["models"]["list"][0]["when"] == {"prompt_tokens_max": 500} and kept["instructions"] == "짧게"
