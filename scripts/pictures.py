"""Makes the pictures of the README: the console over the example records, with the models of a data folder.

    DURE_MODELS_DATA=~/.cache/dure/models-data ~/.cache/dure/python/bin/python scripts/pictures.py

Without models the fake engine answers. It also prints how long the browser took to the first paint.
"""

import base64
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "console")]

from house import EXAMPLES, House  # noqa: E402
from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402
from visit import ARGUMENTS, QUESTION, asked  # noqa: E402

PICTURES = ROOT / "docs" / "images"
SIZE = {"width": 1360, "height": 850}
# A picture of a screen has few colours; this keeps letters sharp.
TO_WEBP = """async bytes => {
  const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${bytes}`)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext('2d').drawImage(picture, 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.86 });
  const read = new FileReader();
  await new Promise(done => { read.onload = done; read.readAsDataURL(blob); });
  return read.result.split(',')[1];
}"""


def main() -> None:
    models = os.environ.get("DURE_MODELS_DATA")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        if models:
            shutil.copytree(models, data)
        house = House(data, engine=None if models else "fake")
        house.corpus("해솔시", "--residency", "KR")
        house.dure("corpus", "add", "해솔시", EXAMPLES)
        house.dure("route", "create", "city", "--corpus", "해솔시", *([] if models else ["--model", "fake"]))
        if models:
            house.dure("corpus", "status", "해솔시", "--wait", timeout=600)
        key = house.key("민원실", "--administrator")
        with house.up() as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            blank = browser.new_page()
            for name, light in (("ask", "light"), ("search", "light"), ("health", "dark")):
                context = browser.new_context(
                    viewport=SIZE, device_scale_factor=1.5, locale="ko-KR", color_scheme=light
                )
                page = context.new_page()
                page.goto(server.url)
                page.evaluate("key => sessionStorage.setItem('dure.key', key)", key)
                page.goto(server.url + "/#/ask")
                page.reload()
                globals()[name](page, server.url)
                PICTURES.mkdir(parents=True, exist_ok=True)
                webp = blank.evaluate(TO_WEBP, base64.b64encode(page.screenshot()).decode())
                (PICTURES / f"{name}.webp").write_bytes(base64.b64decode(webp))
                context.close()
            first_paint(browser.new_page(), server.url)
            browser.close()


def ask(page: Page, url: str) -> None:
    expect.set_options(timeout=120_000)
    asked(page, QUESTION, "city")
    page.locator(".prose button.cite").first.click()
    expect(page.locator(".excerpt-text mark")).to_be_visible()
    page.mouse.move(700, 600)


def search(page: Page, url: str) -> None:
    page.goto(url + "/#/records/해솔시?tab=search")
    page.get_by_role("searchbox", name="검색").fill("수도요금 감면 대상")
    page.keyboard.press("Enter")
    expect(page.locator(".hits tbody tr").first).to_be_visible()


def health(page: Page, url: str) -> None:
    """Two minutes of somebody asking."""
    page.goto(url + "/#/health")
    expect(page.locator(".sparks")).to_be_visible()
    other = page.context.new_page()
    other.goto(url)
    other.evaluate(
        "key => sessionStorage.setItem('dure.key', key)", page.evaluate("sessionStorage.getItem('dure.key')")
    )
    for question in (
        QUESTION,
        "수도요금은 언제까지 내야 하나요?",
        "중앙도서관은 몇 시까지 여나요?",
        "장애인 가구의 수도요금 감면은?",
    ) * 2:
        other.goto(url + "/#/ask")
        other.reload()
        asked(other, question, "city")
        other.wait_for_timeout(4_000)
    other.close()


def first_paint(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("textbox").wait_for()
    paints = page.evaluate(
        "performance.getEntriesByType('paint').map(one => `${one.name} ${Math.round(one.startTime)} ms`)"
    )
    print(", ".join(paints))


if __name__ == "__main__":
    main()
