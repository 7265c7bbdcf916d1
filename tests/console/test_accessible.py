"""Every page, in both languages and both lights, by the rules of axe (WCAG 2.2 A and AA): nothing is found."""

import json
from pathlib import Path

import axe_playwright_python
import pytest
from visit import QUESTION, City, Visit, asked
from playwright.sync_api import Page, expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# A colour that is still fading in is not the one to judge. What was just opened begins to move a frame later: at rest is
# who has not moved for three frames. An animation that is cancelled has come to its end, too.
AT_REST = """async () => {
  for (let still = 0; still < 3; still += 1) {
    await new Promise(requestAnimationFrame);
    const moving = document.getAnimations().filter(one => one.effect.getTiming().iterations < 9 && one.playState !== "finished");
    if (moving.length) still = -1;
    await Promise.allSettled(moving.map(one => one.finished));
  }
}"""
PLACES = [
    "#/ask",
    "#/records",
    "#/records/records",
    "#/records/records?tab=about",
    "#/models",
    "#/routes",
    "#/access",
    "#/access?tab=groups",
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


def check(page: Page, where: str) -> None:
    page.evaluate(AT_REST)
    page.evaluate(AXE)
    found = page.evaluate(f"axe.run(document, {json.dumps(RULES)}).then(result => result.violations)")
    told = [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} ({one['nodes'][0]['failureSummary'][:300]})" for one in found
    ]
    assert not told, f"{where}: " + "\n".join(told)


@pytest.mark.parametrize("light", ["light", "dark"])
@pytest.mark.parametrize("locale", ["ko-KR", "en-GB"])
def test_no_rule_is_broken(city: City, visit: Visit, light: str, locale: str) -> None:
    options = {"color_scheme": light, "locale": locale}
    page = visit.page(**options)
    expect(page.locator("h1")).to_be_visible()
    check(page, "sign in")
    page = visit.page(city.administrator, **options)
    for place in PLACES:
        page.goto(f"{visit.server.url}/{place}")
        expect(page.locator("main h1").first).to_be_attached()
        expect(page.locator("main .waiting")).to_have_count(0)
        check(page, f"{place} {light} {locale}")


@pytest.mark.parametrize("light", ["light", "dark"])
def test_an_answer_with_its_sources_breaks_none_either(city: City, visit: Visit, light: str) -> None:
    page = visit.page(city.administrator, color_scheme=light)
    asked(page, QUESTION, "records")
    page.locator(".prose button.cite").first.click()
    expect(page.locator(".excerpt-text mark")).to_be_visible()
    check(page, f"answer {light}")
    page.goto(f"{visit.server.url}/#/records/records?tab=search")
    page.get_by_role("searchbox", name="검색").fill("염소 누출")
    page.keyboard.press("Enter")
    expect(page.locator(".hits tbody tr").first).to_be_visible()
    check(page, f"search {light}")
    page.goto(f"{visit.server.url}/#/access")
    page.get_by_role("button", name="새 키").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page, f"dialog {light}")
