// A document as it is stored: its headings to find the way, its text, a passage marked if one was asked for.

import { html, useEffect, useRef } from "../lib/html.js";
import { plain } from "../answer/markdown.js";
import { call } from "../lib/api.js";
import { address, place } from "../lib/place.js";
import { number, size, t } from "../lib/text.js";
import { Head } from "../parts/head.js";
import { Class } from "../parts/label.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { cut } from "./ask/sources.js";

/** Characters that are shown at once; a longer document is shown around the passage. */
const SHOWN_MAX = 400_000;

export function Reader() {
  const { parts, query } = place.value;
  const corpus = parts[1];
  const id = query.get("id") ?? "";
  const span = query.has("from") ? { start: Number(query.get("from")), end: Number(query.get("to")) } : null;
  const loaded = useLoaded((signal) => call("GET", `/api/v1/corpora/${encodeURIComponent(corpus)}/document?document=${encodeURIComponent(id)}`, undefined, signal), [corpus, id]);
  return html`<div class="page reader">
    <${Show} loaded=${loaded}>${(/** @type {any} */ got) => html`<${Document} key=${`${id} ${span?.start}`} corpus=${corpus} got=${got} span=${span} />`}</${Show}>
  </div>`;
}

/** @param {{ corpus: string, got: any, span: { start: number, end: number } | null }} props */
function Document({ corpus, got, span }) {
  const { document, text, passages, warnings, flags } = got;
  const mark = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    mark.current?.scrollIntoView({ block: "center" });
  }, []);
  const [head, inside, tail] = span ? cut(text, span.start, span.end) : [text, "", ""];
  const from = Math.max(0, head.length - SHOWN_MAX / 2);
  const shownHead = span ? head.slice(from) : head.slice(0, SHOWN_MAX);
  const shownTail = tail.slice(0, SHOWN_MAX / 2);
  const short = shownHead.length + shownTail.length < head.length + tail.length;
  return html`<${Head} title=${plain(document.title || document.path)} back=${{ href: address(["records", corpus]), label: corpus }}
      lead=${html`<span class="facts"><span>${plain(document.path)}</span><${Class} name=${document.class} />${document.dated && html`<span class="number">${document.dated}</span>`}<span>${t("corpus.passages", { n: document.passages })}</span><span>${size(document.text_bytes)}</span></span>`} />
    ${warnings.length > 0 && html`<details class="callout warning"><summary>${t("reader.warnings", { n: warnings.length })}</summary><ul>${warnings.map((/** @type {any} */ one) => html`<li>${one.detail || one.kind}</li>`)}</ul></details>`}
    ${flags.length > 0 && html`<details class="callout warning" open><summary>${t("reader.flags", { n: flags.length })}</summary><p>${t("reader.flags.text")}</p><ul>${flags.map((/** @type {any} */ one) => html`<li><a href=${address(["records", corpus, "document"], { id: document.id, from: String(one.span.start), to: String(one.span.end) })}>${flagText(one.kind)}</a> <code>${plain(one.rule)}</code></li>`)}</ul></details>`}
    ${short && html`<p class="callout">${t("reader.short", { shown: number(shownHead.length + inside.length + shownTail.length) })}</p>`}
    <div class="reader-body">
      <${Outline} corpus=${corpus} id=${document.id} passages=${passages} title=${document.title} />
      <div class="reader-text" dir="auto" tabindex="0" role="region" aria-label=${t("sources.text")}>${plain(shownHead)}${span && html`<mark ref=${mark}>${plain(inside)}</mark>`}${plain(shownTail)}</div>
    </div>`;
}

/** What kind of thing was seen. @param {string} kind */
function flagText(kind) {
  return t(`flag.${/** @type {"instruction" | "hidden_text" | "exfiltration" | "role_marker"} */ (kind)}`);
}

/** The headings, each leading to its first passage. @param {{ corpus: string, id: string, passages: any[], title: string }} props */
function Outline({ corpus, id, passages, title }) {
  /** @type {Map<string, any>} */
  const firsts = new Map();
  for (const passage of passages) {
    const path = passage.headings.filter((/** @type {string} */ heading) => heading !== title).join(" › ");
    if (path && !firsts.has(path)) firsts.set(path, passage);
  }
  if (firsts.size < 2) return null;
  return html`<nav class="outline" aria-label=${t("reader.outline")}><h2>${t("reader.outline")}</h2><ol>
    ${[...firsts].slice(0, 300).map(([path, passage]) => html`<li><a href=${address(["records", corpus, "document"], { id, from: String(passage.span.start), to: String(passage.span.end) })}>${plain(path.split(" › ").at(-1) ?? "")}</a></li>`)}
  </ol></nav>`;
}
