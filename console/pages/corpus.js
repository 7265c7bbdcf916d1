// One corpus: its documents, a search that shows its reasons, and what governs it.

import { html, useEffect, useState } from "../lib/html.js";
import { call, list, page } from "../lib/api.js";
import { refresh } from "../lib/callable.js";
import { address, become, go, place } from "../lib/place.js";
import { administers } from "../lib/session.js";
import { day, moment, number, size, t } from "../lib/text.js";
import { Confirm } from "../parts/dialog.js";
import { Drop } from "../parts/drop.js";
import { Empty, Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Class, residencyText } from "../parts/label.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { complain, say } from "../parts/notice.js";
import { Tabs } from "../parts/tabs.js";
import { Search } from "./search.js";

const path = (/** @type {string} */ name) => `/api/v1/corpora/${encodeURIComponent(name)}`;

export function Corpus() {
  const name = place.value.parts[1];
  const tab = place.value.query.get("tab") ?? "documents";
  const loaded = useLoaded((signal) => call("GET", path(name), undefined, signal), [name]);
  return html`<div class="page">
    <${Show} loaded=${loaded}>${(/** @type {any} */ corpus) => html`
      <${Head} title=${corpus.title || corpus.name} back=${{ href: address(["records"]), label: t("nav.records") }}
        lead=${html`<span class="facts"><${Class} name=${corpus.label.class} /><span>${t("corpus.documents", { n: corpus.status.documents })}</span><span>${t("corpus.passages", { n: corpus.status.passages })}</span><span>${size(corpus.status.text_bytes)}</span>${corpus.status.version > 0 && html`<span>${t("corpus.version", { version: corpus.status.version, day: day(corpus.changed) })}</span>`}</span>`} />
      <${Tabs} label=${corpus.name} current=${tab} choose=${(/** @type {string} */ to) => become(["records", name], to === "documents" ? undefined : { tab: to })}
        tabs=${[
          { name: "documents", label: t("corpus.tab.documents") },
          { name: "search", label: t("corpus.tab.search") },
          { name: "about", label: t("corpus.tab.about") },
        ]}>
        ${tab === "search" ? html`<${Search} corpus=${corpus} />` : tab === "about" ? html`<${About} corpus=${corpus} changed=${loaded.again} />` : html`<${Documents} corpus=${corpus} changed=${loaded.again} />`}
      </${Tabs}>`}</${Show}>
  </div>`;
}

const PAGE = 100;

/** @param {{ corpus: any, changed: () => void }} props */
function Documents({ corpus, changed }) {
  const [words, setWords] = useState("");
  const [warned, setWarned] = useState(false);
  const [level, setLevel] = useState("");
  const [before, setBefore] = useState(/** @type {string[]} */ ([]));
  const [removing, setRemoving] = useState(/** @type {any} */ (null));
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (words.trim()) query.set("q", words.trim());
  if (warned) query.set("warnings", "true");
  if (level) query.set("class", level);
  const after = before.at(-1) ?? null;
  const loaded = useLoaded((signal) => page(`${path(corpus.name)}/documents?${query}`, after, signal), [corpus.name, String(query), after]);
  useEffect(() => setBefore([]), [words, warned, level]);
  const again = () => {
    loaded.again();
    changed();
  };
  const remove = async (/** @type {any} */ document) => {
    try {
      await call("DELETE", `${path(corpus.name)}/document?document=${encodeURIComponent(document.id)}`);
      say(t("document.removed", { name: document.path }));
      again();
    } catch (error) {
      complain(error);
    }
  };
  const narrowed = Boolean(words.trim() || warned || level);
  return html`
    ${administers.value && html`<${Drop} corpus=${corpus.name} done=${again} />`}
    ${corpus.status.documents > 0 && html`<div class="filters" role="search">
      <label class="search-field"><span class="unseen">${t("documents.filter")}</span><${Icon} name="search" /><input type="search" value=${words} placeholder=${t("documents.filter")} onInput=${(/** @type {any} */ event) => setWords(event.currentTarget.value)} /></label>
      <label class="picker"><span class="unseen">${t("label.class")}</span><select value=${level} onChange=${(/** @type {any} */ event) => setLevel(event.currentTarget.value)}>
        <option value="">${t("documents.class.all")}</option>${/** @type {const} */ (["open", "sensitive", "classified"]).map((one) => html`<option value=${one}>${t(`class.${one}`)}</option>`)}</select><${Icon} name="down" /></label>
      <label class="check"><input type="checkbox" checked=${warned} onChange=${(/** @type {any} */ event) => setWarned(event.currentTarget.checked)} /><span>${t("documents.warned")}</span></label>
    </div>`}
    <${Show} loaded=${loaded}>${(/** @type {{ data: any[], next: string | null }} */ got) =>
      got.data.length === 0
        ? html`<${Empty} title=${narrowed ? t("documents.none") : t("documents.empty")} text=${narrowed ? t("documents.none.text") : administers.value ? t("documents.empty.text") : t("documents.empty.reader")} />`
        : html`<div class="table-scroll"><table class="list">
            <thead><tr><th scope="col">${t("documents.title")}</th><th scope="col" class="wide-only">${t("documents.kind")}</th><th scope="col" class="wide-only">${t("documents.dated")}</th><th scope="col" class="right">${t("records.passages")}</th><th scope="col" class="right wide-only">${t("records.size")}</th><th scope="col" class="right">${t("records.warnings")}</th>${administers.value && html`<th scope="col"><span class="unseen">${t("delete")}</span></th>`}</tr></thead>
            <tbody>${got.data.map(
              (document) => html`<tr key=${document.id}>
                <th scope="row"><a href=${address(["records", corpus.name, "document"], { id: document.id })}>${document.title || document.path}</a><span class="detail">${document.path}</span>${document.flags > 0 && html` <span class="tag warning">${t("documents.flags", { n: document.flags })}</span>`}${document.class !== corpus.label.class && html`<${Class} name=${document.class} />`}</th>
                <td class="wide-only nowrap">${document.kind}</td>
                <td class="wide-only nowrap">${document.dated ?? "–"}</td>
                <td class="right">${number(document.passages)}</td>
                <td class="right wide-only">${size(document.text_bytes)}</td>
                <td class="right">${document.warnings ? html`<span class="tag warning">${number(document.warnings)}</span>` : "–"}</td>
                ${administers.value && html`<td class="right"><button type="button" class="quiet icon-only small reveal" aria-label=${t("document.remove", { name: document.path })} onClick=${() => setRemoving(document)}><${Icon} name="trash" /></button></td>`}
              </tr>`,
            )}</tbody>
          </table></div>
          ${(got.next || before.length > 0) && html`<nav class="pages" aria-label=${t("pages")}>
            <button type="button" class="small" disabled=${!before.length} onClick=${() => setBefore(before.slice(0, -1))}>${t("pages.before")}</button>
            <span class="number">${t("pages.at", { at: before.length + 1 })}</span>
            <button type="button" class="small" disabled=${!got.next} onClick=${() => got.next && setBefore([...before, got.next])}>${t("pages.next")}</button>
          </nav>`}`}</${Show}>
    ${removing && html`<${Confirm} title=${t("document.remove.title")} text=${t("document.remove.text", { name: removing.path })} yes=${t("delete")} close=${() => setRemoving(null)} act=${() => remove(removing)} />`}`;
}

/** @param {{ corpus: any, changed: () => void }} props */
function About({ corpus, changed }) {
  const [removing, setRemoving] = useState(false);
  const remove = async () => {
    try {
      await call("DELETE", path(corpus.name));
      await refresh();
      go(["records"]);
    } catch (error) {
      complain(error);
    }
  };
  const { label } = corpus;
  return html`<dl class="about">
      <div><dt>${t("corpus.name")}</dt><dd><code>${corpus.name}</code></dd></div>
      <div><dt>${t("label.class")}</dt><dd><${Class} name=${label.class} /><p class="hint">${t(`class.${/** @type {"open" | "sensitive" | "classified"} */ (label.class)}.hint`)}</p></dd></div>
      <div><dt>${t("label.residency")}</dt><dd>${residencyText(label.residency)}</dd></div>
      <div><dt>${t("label.purposes")}</dt><dd>${label.purposes.join(", ") || t("none")}</dd></div>
      <div><dt>${t("label.licences")}</dt><dd>${label.licences.join(", ") || t("none")}</dd></div>
      <div><dt>${t("corpus.readers")}</dt><dd>${administers.value ? html`<${Readers} corpus=${corpus} changed=${changed} />` : corpus.readers.length ? corpus.readers.join(", ") : t("corpus.everybody")}</dd></div>
      <div><dt>${t("created")}</dt><dd>${moment(corpus.created)}</dd></div>
    </dl>
    ${administers.value && html`<section class="danger-zone"><h2>${t("corpus.remove")}</h2><p>${t("corpus.remove.text")}</p><button type="button" class="danger" onClick=${() => setRemoving(true)}>${t("corpus.remove")}</button></section>`}
    ${removing && html`<${Confirm} title=${t("corpus.remove")} text=${t("corpus.remove.sure", { name: corpus.name, documents: corpus.status.documents })} yes=${t("delete")} close=${() => setRemoving(false)} act=${remove} />`}`;
}

/** @param {{ corpus: any, changed: () => void }} props */
function Readers({ corpus, changed }) {
  const groups = useLoaded(() => list("/api/v1/groups"), []);
  const set = async (/** @type {string[]} */ readers) => {
    try {
      await call("PATCH", path(corpus.name), { readers });
      changed();
    } catch (error) {
      complain(error);
    }
  };
  return html`<p>${corpus.readers.length ? corpus.readers.join(", ") : t("corpus.everybody")}</p>
    <${Show} loaded=${groups}>${(/** @type {any[]} */ all) =>
      all.length === 0
        ? html`<p class="hint">${t("corpus.nogroups")}</p>`
        : html`<div class="inline">${all.map((group) => html`<label class="check"><input type="checkbox" checked=${corpus.readers.includes(group.name)} onChange=${(/** @type {any} */ event) => set(event.currentTarget.checked ? [...corpus.readers, group.name] : corpus.readers.filter((/** @type {string} */ one) => one !== group.name))} /><span>${group.name}</span></label>`)}</div>`}</${Show}>`;
}
