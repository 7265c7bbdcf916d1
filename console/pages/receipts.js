// The ledger as it grows: what went through the house and what was changed, the newest first. New entries come in by
// themselves while the first page is looked at, unless somebody stops that.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { page } from "../lib/api.js";
import { names, whoIs } from "../lib/names.js";
import { address, become, go, place } from "../lib/place.js";
import { called, ended, outside, tokens, what, when, worded } from "../lib/receipt.js";
import { administers } from "../lib/session.js";
import { exactly, number, t } from "../lib/text.js";
import { Empty, Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Class } from "../parts/label.js";
import { Failure } from "../parts/loaded.js";
import { Receipt } from "./receipt.js";

const EVERY_MS = 2_000;
const SHOWN = 50;
const KINDS = /** @type {const} */ (["receipt", "act", "intent"]);
const OUTCOMES = /** @type {const} */ (["served", "refused", "failed", "hung_up", "lost"]);
const WORDS = ["kind", "outcome", "asked", "from", "to"];
const SWITCHES = ["outside", "mine"];

export function Receipts() {
  const id = place.value.parts[1];
  return id ? html`<${Receipt} key=${id} id=${id} />` : html`<${Entries} />`;
}

function Entries() {
  const { query } = place.value;
  const wanted = asked(query);
  const after = query.get("after");
  const [live, setLive] = useState(true);
  const { got, fresh, error, again } = useEntries(wanted, after, live && !after);
  const [known, setKnown] = useState(/** @type {Map<string, string>} */ (new Map()));
  useEffect(() => {
    names().then(setKnown, () => {});
  }, []);
  const narrowed = [...query.keys()].length > 0;
  return html`<div class="page">
    <${Head} title=${t("nav.receipts")} lead=${administers.value ? t("receipts.lead") : t("receipts.lead.own")} />
    <${Filters} query=${query} />
    <div class="bar"><label class="check"><input type="checkbox" checked=${live && !after} disabled=${after !== null} onChange=${(/** @type {any} */ event) => setLive(event.currentTarget.checked)} /><span>${t("receipts.live")}</span></label>
      <span class="unseen" role="status">${fresh.size > 0 && t("receipts.fresh", { n: fresh.size })}</span></div>
    ${error !== null && html`<${Failure} error=${error} again=${again} />`}
    ${got === null
      ? error === null && html`<p class="waiting" role="status">${t("loading")}</p>`
      : got.data.length === 0
        ? html`<${Empty} title=${narrowed ? t("receipts.none") : t("receipts.empty")} text=${narrowed ? t("documents.none.text") : t("receipts.empty.text")} />`
        : html`<${Table} entries=${got.data} fresh=${fresh} known=${known} />`}
    ${(got?.next || after) && html`<nav class="pages" aria-label=${t("pages")}>
      <button type="button" class="small" disabled=${!after} onClick=${() => go(["receipts"], without(query, "after"))}>${t("receipts.newest")}</button>
      <button type="button" class="small" disabled=${!got?.next} onClick=${() => got?.next && go(["receipts"], { ...without(query, "after"), after: got.next })}>${t("receipts.older")}</button>
    </nav>`}
  </div>`;
}

/**
 * A page of entries, looked at again and again while `live`, and which of them came since the first look.
 * @param {string} wanted @param {string | null} after @param {boolean} live
 */
function useEntries(wanted, after, live) {
  const [got, setGot] = useState(/** @type {{ data: any[], next: string | null } | null} */ (null));
  const [fresh, setFresh] = useState(/** @type {Set<number>} */ (new Set()));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [count, setCount] = useState(0);
  const seen = useRef({ what: "", top: -1 });
  useEffect(() => {
    const own = new AbortController();
    const what = `${wanted} ${after} ${count}`;
    let busy = false;
    const once = async () => {
      // A slow answer is waited for, and a page that nobody sees is not kept up.
      if (busy || (document.hidden && seen.current.what === what)) return;
      busy = true;
      try {
        const now = await page(`/api/v1/receipts?${wanted}`, after, own.signal);
        const top = now.data[0]?.leaf ?? -1;
        const { what: before, top: known } = seen.current;
        setFresh(before === what ? new Set(now.data.filter((entry) => entry.leaf > known).map((entry) => entry.leaf)) : new Set());
        seen.current = { what, top };
        setGot(now);
        setError(null);
      } catch (problem) {
        if (!own.signal.aborted) setError(problem);
      }
      busy = false;
    };
    // Stopping is no reason to look again.
    if (live || seen.current.what !== what) once();
    const timer = live ? setInterval(once, EVERY_MS) : 0;
    return () => {
      clearInterval(timer);
      own.abort();
    };
  }, [wanted, after, live, count]);
  return { got, fresh, error, again: () => setCount((before) => before + 1) };
}

/** @param {{ query: URLSearchParams }} props */
function Filters({ query }) {
  const set = (/** @type {string} */ name, /** @type {string} */ value) => become(["receipts"], { ...without(query, name, "after"), ...(value && { [name]: value }) });
  const pick = (/** @type {"kind" | "outcome"} */ name, /** @type {string} */ all, /** @type {readonly string[]} */ values, /** @type {(value: any) => string} */ text) => html`<span class="picker"><select aria-label=${t(`receipts.${name}`)} onChange=${(/** @type {any} */ event) => set(name, event.currentTarget.value)}>
      <option value="" selected=${!query.get(name)}>${all}</option>${values.map((one) => html`<option value=${one} selected=${query.get(name) === one}>${text(one)}</option>`)}</select><${Icon} name="down" /></span>`;
  const on = (/** @type {string} */ name, /** @type {string} */ text) => html`<label class="check"><input type="checkbox" checked=${query.has(name)} onChange=${(/** @type {any} */ event) => set(name, event.currentTarget.checked ? "1" : "")} /><span>${text}</span></label>`;
  const date = (/** @type {"from" | "to"} */ name) => html`<label class="dated"><span>${t(`receipts.${name}`)}</span><input type="date" value=${query.get(name) ?? ""} onChange=${(/** @type {any} */ event) => set(name, event.currentTarget.value)} /></label>`;
  return html`<div class="filters" role="search">
    ${pick("kind", t("receipts.kind.all"), KINDS, (/** @type {typeof KINDS[number]} */ one) => t(`entry.${one}`))}
    ${pick("outcome", t("receipts.outcome.all"), OUTCOMES, (/** @type {typeof OUTCOMES[number]} */ one) => t(`outcome.${one}`))}
    <label class="search-field"><span class="unseen">${t("receipts.asked")}</span><${Icon} name="search" /><input type="search" value=${query.get("asked") ?? ""} maxlength="128" placeholder=${t("receipts.asked")} onChange=${(/** @type {any} */ event) => set("asked", event.currentTarget.value.trim())} /></label>
    <div class="dates">${date("from")}${date("to")}</div>
    ${on("outside", t("receipts.outside"))}
    ${administers.value && on("mine", t("receipts.mine"))}
  </div>`;
}

/** @param {{ entries: any[], fresh: Set<number>, known: Map<string, string> }} props */
function Table({ entries, fresh, known }) {
  return html`<div class="table-scroll"><table class="list entries">
    <thead><tr><th scope="col">${t("receipts.when")}</th><th scope="col">${t("receipts.what")}</th>${administers.value && html`<th scope="col">${t("receipts.who")}</th>`}<th scope="col" class="wide-only">${t("receipts.engine")}</th><th scope="col" class="wide-only">${t("label.class")}</th><th scope="col" class="right wide-only">${t("receipts.tokens")}</th><th scope="col">${t("receipts.ended")}</th></tr></thead>
    <tbody>${entries.map((entry) => {
      const end = ended(entry);
      return html`<tr key=${entry.leaf} class=${fresh.has(entry.leaf) ? "fresh" : ""}>
        <th scope="row" class="when-cell"><a href=${address(["receipts", entry.id])}>${exactly(when(entry))}</a></th>
        <td>${what(entry)} <code>${called(entry)}</code></td>
        ${administers.value && html`<td class="who-cell">${whoIs(entry.who, known)}</td>`}
        <td class="wide-only">${entry.engine ? `${entry.engine.name} (${entry.engine.country}) ` : "–"}${outside(entry) && html`<span class="tag warning">${t("receipt.outside.tag")}</span>`}</td>
        <td class="wide-only nowrap">${entry.label ? html`<${Class} name=${entry.label.class} />` : "–"}</td>
        <td class="right wide-only">${tokens(entry) ? number(tokens(entry)) : "–"}</td>
        <td><span class=${end.tone ? `tag flush ${end.tone}` : ""}>${end.text}</span>${entry.why && html`<span class="detail why">${worded(`why.${entry.why}`, entry.why)}</span>`}</td>
      </tr>`;
    })}</tbody>
  </table></div>`;
}

/** What is asked of the server for what stands in the address. Days are those of this device. @param {URLSearchParams} query */
function asked(query) {
  const wanted = new URLSearchParams({ limit: String(SHOWN) });
  for (const name of WORDS) {
    const value = query.get(name);
    const date = name === "from" || name === "to" ? day(value, name === "to" ? 1 : 0) : value;
    if (date) wanted.set(name, date);
  }
  for (const name of SWITCHES) if (query.has(name)) wanted.set(name, "true");
  return String(wanted);
}

/** The first moment of a day, or of the one after it. @param {string | null} text @param {number} later */
function day(text, later) {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text ?? "") ?? [];
  const begins = new Date(Number(year), Number(month) - 1, Number(date) + later);
  return Number.isNaN(begins.getTime()) ? "" : begins.toISOString();
}

/** @param {URLSearchParams} query @param {string[]} gone @returns {Record<string, string>} */
const without = (query, ...gone) => Object.fromEntries([...query].filter(([name]) => !gone.includes(name)));
