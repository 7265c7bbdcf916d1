"""The articles of a folder of statutes: one Markdown file an act, `## 제N조 title` an article."""

import pathlib
import re

ARTICLE = re.compile(r"(?m)^## (제\d+조(?:의\d+)?)[ \t]*(.*)$")


def articles(folder):
    """Yields (file, article, act, title, body), in the order of the files."""
    for path in sorted(pathlib.Path(folder).glob("*.md")):
        text = path.read_text(encoding="utf-8")
        act = text.split("\n", 1)[0].lstrip("# ").strip()
        parts = ARTICLE.split(text)
        for number, title, body in zip(parts[1::3], parts[2::3], parts[3::3]):
            yield path.name, number, act, title.strip(), body.strip()
