// Searching one corpus, with the reasons: each hit's place by words, by meaning, and by both together.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { plain } from "../answer/markdown.js";
import { call } from "../lib/api.js";
import { address } from "../lib/place.js";
import { number, seconds, t } from "../lib/text.js";
import { Empty } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Failure } from "../parts/loaded.js";

/** @typedef {"fused" | "words" | "meaning"} Order */

/** @param {{ corpus: any }} props */
export function Search({ corpus }) {
  const [question, setQuestion] = useState("");
  const [order, setOrder] = useState(/** @type {Order} */ ("fused"));
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  const stopper = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => stopper.current?.abort(), []);
  const search = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!question.trim()) return;
    stopper.current?.abort();
    const own = new AbortController();
    stopper.current = own;
    setBusy(true);
    setError(null);
    const began = performance.now();
    try {
      const got = await call("POST", `/api/v1/corpora/${encodeURIComponent(corpus.name)}/search`, { question: question.trim(), top: 30, patience_ms: 2000 }, own.signal);
      setFound({ ...got, asked: question.trim(), took: performance.now() - began });
    } catch (problem) {
      if (!own.signal.aborted) setError(problem);
    }
    if (stopper.current === own) setBusy(false);
  };
  return html`<form class="search-form" role="search" onSubmit=${search}>
      <label class="search-field large"><span class="unseen">${t("search.question")}</span><${Icon} name="search" /><input type="search" value=${question} maxlength="2000" placeholder=${t("search.placeholder")} onInput=${(/** @type {any} */ event) => setQuestion(event.currentTarget.value)} /></label>
      <button type="submit" class="primary" disabled=${busy || !question.trim()}>${busy ? t("search.busy") : t("search.go")}</button>
    </form>
    ${error !== null && html`<${Failure} error=${error} />`}
    ${found ? html`<${Hits} corpus=${corpus} found=${found} order=${order} setOrder=${setOrder} />` : !error && html`<p class="hint">${t("search.hint")}</p>`}`;
}

/** @param {{ corpus: any, found: any, order: Order, setOrder: (order: Order) => void }} props */
function Hits({ corpus, found, order, setOrder }) {
  /** @type {any[]} */
  const hits = found.hits.map((/** @type {any} */ hit, /** @type {number} */ index) => ({ ...hit, fused_rank: index + 1 }));
  const rank = `${order}_rank`;
  const sorted = hits.toSorted((a, b) => (a[rank] ?? Infinity) - (b[rank] ?? Infinity));
  if (!hits.length) return html`<${Empty} title=${t("search.none")} text=${t("search.none.text")} />`;
  const column = (/** @type {Order} */ name) => html`<th scope="col" class="rank" aria-sort=${order === name ? "ascending" : undefined}><button type="button" class="quiet small" onClick=${() => setOrder(name)}>${t(`search.${name}`)}${order === name && html`<${Icon} name="down" />`}</button></th>`;
  return html`<p class="facts" role="status"><span>${t("search.found", { n: hits.length, searched: found.searched })}</span><span>${seconds(found.took)}</span>
      ${found.embedded < found.searched && html`<span>${t("search.vectors", { part: number((100 * found.embedded) / Math.max(1, found.searched)) })}</span>`}
      ${found.without_meaning && html`<span class="tag warning">${t(/** @type {any} */ (`search.without.${found.without_meaning}`))}</span>`}</p>
    <div class="table-scroll"><table class="list hits">
      <thead><tr>${column("fused")}${column("words")}${column("meaning")}<th scope="col">${t("search.passage")}</th></tr></thead>
      <tbody>${sorted.map(
        (hit) => html`<tr key=${hit.passage}>
          ${["fused", "words", "meaning"].map((name) => html`<td class=${name === order ? "rank lead" : "rank"}>${hit[`${name}_rank`] ?? html`<span aria-label=${t("search.notfound")}>–</span>`}</td>`)}
          <td><a href=${address(["records", corpus.name, "document"], { id: hit.document, from: String(hit.span.start), to: String(hit.span.end) })}>${hit.headings.map(plain).join(" › ") || plain(hit.path)}</a>
            <p class="snippet">${marked(plain(hit.text), found.asked)}</p>${hit.flags.length > 0 && html`<span class="tag warning">${t("documents.flags", { n: hit.flags.length })}</span>`}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
}

/** The text with the question's words set apart. @param {string} text @param {string} question */
function marked(text, question) {
  const words = question.split(/[\s?!.,]+/).filter((word) => word.length > 1).map((word) => word.slice(0, 40).replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const shown = text.length > 320 ? `${text.slice(0, 320)}…` : text;
  if (!words.length) return shown;
  return shown.split(new RegExp(`(${words.slice(0, 24).join("|")})`, "giu")).map((part, index) => (index % 2 ? html`<b>${part}</b>` : part));
}
