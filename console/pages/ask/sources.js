// The panel that shows a citation in its place: the document's text around it, the quote marked and in view.

import { html, signal, useEffect, useRef } from "../../lib/html.js";
import { plain } from "../../answer/markdown.js";
import { call } from "../../lib/api.js";
import { address } from "../../lib/place.js";
import { day, t } from "../../lib/text.js";
import { Icon } from "../../parts/icon.js";
import { Show, useLoaded } from "../../parts/loaded.js";

/** @typedef {import("./conversation.js").Turn} Turn */
/** @typedef {{ document: string, number: number, title: string, path: string, headings: string[], span: { start: number, end: number }, quote?: string, excerpt?: string, dated?: string | null, replaced?: boolean }} Place */

/** @type {import("../../vendor/signals-core.js").Signal<{ turn: string, place: Place } | null>} */
export const shown = signal(null);

/** What had the focus before the panel opened. @type {HTMLElement | null} */
let before = null;

/** @param {string} turn @param {Place} place */
export function show(turn, place) {
  if (!shown.value && document.activeElement instanceof HTMLElement) before = document.activeElement;
  shown.value = isShown(turn, place) ? null : { turn, place };
}

export function close() {
  if (!shown.value) return;
  shown.value = null;
  before?.focus({ preventScroll: true });
  before = null;
}

/** @param {string} turn @param {Place} place */
export const isShown = (turn, place) => shown.value?.turn === turn && shown.value.place.document === place.document && shown.value.place.span.start === place.span.start && shown.value.place.span.end === place.span.end;

/** @param {{ turns: Turn[] }} props */
export function Sources({ turns }) {
  const panel = useRef(/** @type {HTMLElement | null} */ (null));
  const turn = turns.find((one) => one.id === shown.value?.turn);
  useEffect(() => {
    panel.current?.focus({ preventScroll: true });
  }, [shown.value !== null]);
  if (!shown.value || !turn) return null;
  /** @type {Place[]} */
  const offered = turn.citations.length ? [...turn.citations, ...turn.extract] : turn.sources;
  const all = [...new Map(offered.map((one) => [`${one.document} ${one.span.start} ${one.span.end}`, one])).values()];
  const at = all.findIndex((one) => isShown(turn.id, one));
  const step = (/** @type {number} */ by) => {
    const next = all[at + by];
    if (next) shown.value = { turn: turn.id, place: next };
  };
  return html`<aside class="sources" ref=${panel} tabindex="-1" aria-label=${t("sources")}>
    <header>
      <h2>${t("sources")}</h2>
      <span class="sources-step">
        <button type="button" class="quiet icon-only small" aria-label=${t("sources.before")} disabled=${at <= 0} onClick=${() => step(-1)}><${Icon} name="back" /></button>
        <span class="number">${t("sources.of", { at: Math.max(0, at) + 1, all: all.length })}</span>
        <button type="button" class="quiet icon-only small" aria-label=${t("sources.next")} disabled=${at < 0 || at >= all.length - 1} onClick=${() => step(1)}><${Icon} name="next" /></button>
      </span>
      <button type="button" class="quiet icon-only" aria-label=${t("close")} onClick=${close}><${Icon} name="close" /></button>
    </header>
    <${Excerpt} place=${shown.value.place} />
  </aside>`;
}

/** @param {{ place: Place }} props */
function Excerpt({ place }) {
  const { document: id, span } = place;
  const loaded = useLoaded((signal) => call("GET", `/api/v1/documents/${encodeURIComponent(id)}?from=${span.start}&to=${span.end}`, undefined, signal), [id, span.start, span.end]);
  const fresh = loaded.value && loaded.value.document.id === id && loaded.value.span.start === span.start;
  const parts = place.headings.filter((heading) => heading !== place.title).map(plain);
  return html`<div class="excerpt">
    <div class="excerpt-head">
      <span class="cite" aria-hidden="true">${place.number}</span>
      <div>
        <h3>${plain(place.title || place.path)}</h3>
        ${parts.length > 0 && html`<p class="crumbs">${parts.join(" › ")}</p>`}
        <p class="detail">${[plain(place.path), place.dated ? day(place.dated) : "", place.replaced ? t("sources.replaced") : ""].filter(Boolean).join(" · ")}</p>
      </div>
    </div>
    <${Show} loaded=${fresh || loaded.error ? loaded : { ...loaded, value: undefined }}>${(/** @type {any} */ got) => html`<${Around} key=${`${id} ${span.start}`} around=${got.around} span=${got.span} />
      <p class="excerpt-more"><a href=${address(["records", got.corpus, "document"], { id, from: String(span.start), to: String(span.end) })}>${t("sources.whole")}</a></p>`}</${Show}>
  </div>`;
}

/** @param {{ around: { start: number, end: number, text: string }, span: { start: number, end: number } }} props */
function Around({ around, span }) {
  const mark = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    mark.current?.scrollIntoView({ block: "center" });
  }, []);
  const [head, quote, tail] = cut(around.text, span.start - around.start, span.end - around.start);
  return html`<div class="excerpt-text" dir="auto" tabindex="0" role="region" aria-label=${t("sources.text")}>${plain(head)}<mark ref=${mark}>${plain(quote)}</mark>${plain(tail)}</div>`;
}

/** A text cut at two places that are given in bytes. @param {string} text @param {number} from @param {number} to */
export function cut(text, from, to) {
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder();
  return [bytes.slice(0, from), bytes.slice(from, to), bytes.slice(to)].map((part) => decoder.decode(part));
}
