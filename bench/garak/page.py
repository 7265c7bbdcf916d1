"""Makes pages of Markdown as two readers do that let everything through: reads a list of texts as JSON, writes a list of pages.

One is markdown-it with tables, HTML, any scheme, and links made of whatever looks like an address; the other is Python-Markdown.
"""

import json
import sys

from markdown import markdown
from markdown_it import MarkdownIt

reader = MarkdownIt("gfm-like", {"html": True, "linkify": True})
reader.validateLink = lambda url: True
reader.linkify.set({"fuzzy_link": True, "fuzzy_email": False})
texts = json.load(sys.stdin)
print(json.dumps([f"{reader.render(text)}\n{markdown(text, extensions=['extra'])}" for text in texts]))
