// What masking would hide in a text, shown beside it. The text goes to the server and is forgotten there.

import { html, useState } from "../lib/html.js";
import { call, list } from "../lib/api.js";
import { pieces } from "../lib/masked.js";
import { language, number, percent, t } from "../lib/text.js";
import { Field } from "../parts/field.js";
import { Head } from "../parts/head.js";
import { Failure, Show, useLoaded } from "../parts/loaded.js";

/** @typedef {{ kind: string, label: string, pack: string, default: boolean }} Kind */
/** @typedef {import("../lib/masked.js").Finding} Finding */
/** @typedef {import("../lib/masked.js").Piece} Piece */
/** @typedef {{ source: string, text: string, findings: Finding[] }} Preview */

/** Findings that the table names; a text of many more is told in counts. */
const ROWS_MAX = 500;

export function Masking() {
  const loaded = useLoaded(() => list("/api/v1/mask"), []);
  return html`<div class="page">
    <${Head} title=${t("nav.masking")} lead=${t("masking.lead")} />
    <${Show} loaded=${loaded}>${(/** @type {Kind[]} */ kinds) => html`<${Form} kinds=${kinds} />`}</${Show}>
  </div>`;
}

/** @param {{ kinds: Kind[] }} props */
function Form({ kinds }) {
  const packs = [...new Set(kinds.map((kind) => kind.pack))];
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(packs);
  const [preview, setPreview] = useState(/** @type {Preview | null} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  const look = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      setPreview({ source: text, ...(await call("POST", "/api/v1/mask", { text, mask: chosen })) });
    } catch (problem) {
      setPreview(null);
      setError(problem);
    }
    setBusy(false);
  };
  const box = (/** @type {string} */ name, /** @type {unknown} */ label) => html`<label class="check"><input type="checkbox" checked=${chosen.includes(name)} onChange=${(/** @type {any} */ event) => setChosen(event.currentTarget.checked ? [...chosen, name] : chosen.filter((one) => one !== name))} /><span>${label}</span></label>`;
  return html`<form class="form masking" onSubmit=${look}>
      <${Field} label=${t("masking.text")} hint=${t("masking.text.hint")}>${(/** @type {any} */ { id, described }) => html`<textarea id=${id} aria-describedby=${described} rows="7" spellcheck=${false} placeholder=${t("masking.placeholder")} value=${text} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)}></textarea>`}</${Field}>
      <fieldset class="choices inline"><legend>${t("masking.packs")}</legend>${packs.map((pack) => box(pack, html`<code>${pack}</code> <span class="detail">${t("masking.pack", { n: kinds.filter((kind) => kind.pack === pack && kind.default).length })}</span>`))}</fieldset>
      <details class="raw"><summary>${t("masking.kinds")}</summary><p class="hint">${t("masking.kinds.hint")}</p>
        <div class="inline kinds">${kinds.map((kind) => box(kind.kind, html`<code>${kind.kind}</code> ${kind.label}${!kind.default && html`<span class="tag">${t("masking.off")}</span>`}`))}</div></details>
      <div class="actions start"><button type="submit" class="primary" disabled=${busy || !text || !chosen.length}>${busy ? t("masking.busy") : t("masking.go")}</button>${!chosen.length && html`<span class="hint">${t("masking.choose")}</span>`}</div>
    </form>
    ${error !== null && html`<${Failure} error=${error} />`}
    <div role="status">${preview && html`<p class="facts masked-count"><span>${preview.findings.length ? t("masking.found", { n: preview.findings.length }) : t("masking.nothing")}</span></p>`}</div>
    ${preview && html`<${Shown} preview=${preview} kinds=${kinds} />`}`;
}

/** @param {{ preview: Preview, kinds: Kind[] }} props */
function Shown({ preview, kinds }) {
  const { before, after, found } = pieces(preview.source, preview.text, preview.findings);
  const label = (/** @type {string} */ kind) => kinds.find((one) => one.kind === kind)?.label ?? t("masking.literal");
  // Labels are Korean words; elsewhere the kind's own name says more.
  const named = (/** @type {string} */ kind) => (language.value === "ko" || kind === "literal" ? html`${label(kind)} <code class="detail">${kind}</code>` : html`${kind} <span class="detail" lang="ko">${label(kind)}</span>`);
  const titled = (/** @type {Piece} */ piece) => (piece.number === null ? piece.text : html`<mark title=${label(preview.findings[piece.number].kind)}>${piece.text}</mark>`);
  return html`<div class="beside">
      <section><h2>${t("masking.before")}</h2><div class="masked-text" dir="auto" tabindex="0" role="region" aria-label=${t("masking.before")}>${before.map(titled)}</div></section>
      <section><h2>${t("masking.after")}</h2><div class="masked-text" dir="auto" tabindex="0" role="region" aria-label=${t("masking.after")}>${after.map(titled)}</div></section>
    </div>
    ${found.length > 0 && html`<div class="table-scroll" tabindex="0" role="region" aria-label=${t("masking.list")}><table class="list findings">
      <thead><tr><th scope="col">${t("masking.kind")}</th><th scope="col">${t("masking.value")}</th><th scope="col">${t("masking.standin")}</th><th scope="col" class="right">${t("masking.place")}</th><th scope="col" class="right">${t("masking.confidence")}</th><th scope="col" class="wide-only">${t("masking.check")}</th></tr></thead>
      <tbody>${found.slice(0, ROWS_MAX).map((one, at) => {
        const finding = preview.findings[at];
        return html`<tr key=${at}><th scope="row">${named(finding.kind)}</th><td class="value">${one.value}</td><td><code>${one.standIn}</code></td><td class="right">${number(one.from + 1)}–${number(one.to)}</td><td class="right">${percent(finding.confidence)}</td><td class="wide-only">${t(`masking.check.${finding.check}`)}</td></tr>`;
      })}</tbody></table></div>
      ${found.length > ROWS_MAX && html`<p class="hint">${t("masking.more", { shown: ROWS_MAX, n: found.length })}</p>`}`}`;
}
