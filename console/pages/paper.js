// A report as its form has it: head, signatures, figures, tables, letters, law, proof. In the report's own language, which
// need not be the page's. Everything in it is text; boxes that only a person can fill in are hatched.

import { html, useState } from "../lib/html.js";
import { plain } from "../answer/markdown.js";
import { address } from "../lib/place.js";
import { cell, clock } from "../lib/report.js";
import { known, number, said } from "../lib/text.js";

/** @typedef {import("../lib/text.js").Language} Language */
/** @typedef {import("../lib/report.js").Words} Words */
/** @typedef {import("../lib/report.js").Form["law"][number]} Law */
/** @typedef {{ key: string, title: string, columns: { key: string, label: string }[], rows: Record<string, unknown>[], more: number }} Sheet */
/** @typedef {{ tongue: Language, words: Words }} Said */

/** Rows of a table that are shown at first, and that come with each further step. */
const SHOWN = 50;
const STEP = 500;
/** Columns from which on a row is shown by itself, and how many of these rows are shown at first. */
const WIDE = 13;
const CARDS = 10;

/** @param {{ report: any, heading: { current: HTMLElement | null } }} props */
export function Paper({ report, heading }) {
  /** @type {Language} */
  const tongue = report.language;
  const time = clock(report.timezone);
  /** @type {Words} */
  const words = { number, time, code: (word) => (known(`code.${word}`) ? said(tongue, /** @type {import("../lib/text.js").Key} */ (`code.${word}`)) : word) };
  const own = { tongue, words };
  /** @type {[string, unknown][]} */
  const head = [
    [said(tongue, "paper.institution"), plain(report.institution)],
    [said(tongue, "paper.period"), html`${report.from} – ${report.to} <span class="detail">${report.timezone}</span>`],
    ...report.narrowed.map((/** @type {any} */ figure) => [figure.label, html`<${Value} name=${figure.key} value=${figure.value} ...${own} />`]),
    [said(tongue, "paper.made"), time(report.made)],
    [said(tongue, "paper.program"), report.program],
  ];
  return html`<article class="paper" lang=${tongue} aria-labelledby="paper-title">
    <header><div class="grow"><h2 id="paper-title" ref=${heading} tabindex="-1">${report.title}</h2><p>${report.about}</p></div>
      ${report.signatures.length > 0 && html`<dl class="signatures">${report.signatures.map((/** @type {string} */ name) => html`<div><dt>${plain(name)}</dt><dd>${said(tongue, "paper.signature")}</dd></div>`)}</dl>`}</header>
    <dl class="about">${head.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <p class="by-hand"><span class="blank"></span>${said(tongue, "paper.blanks")}</p>
    ${report.notes.length > 0 && html`<section><h3>${said(tongue, "paper.notes")}</h3><ul class="notes">${report.notes.map((/** @type {string} */ note) => html`<li>${plain(note)}</li>`)}</ul></section>`}
    <section><h3>${said(tongue, "paper.figures")}</h3><dl class="figures">${report.figures.map((/** @type {any} */ figure) => html`<div><dt>${figure.label}</dt><dd><${Value} name=${figure.key} value=${figure.value} ...${own} /></dd></div>`)}</dl></section>
    ${report.tables.map((/** @type {Sheet} */ table) => html`<${Table} key=${table.key} table=${table} ...${own} />`)}
    ${report.drafts.map((/** @type {any} */ draft) => html`<section class="letter"><h3>${draft.title}</h3><dl>${draft.items.map((/** @type {any} */ item) => html`<div><dt>${item.title}</dt><dd>${item.text === null ? html`<${Blank} tongue=${tongue} />` : plain(item.text)}</dd></div>`)}</dl></section>`)}
    ${report.law.length > 0 && html`<section><h3>${said(tongue, "paper.law")}</h3><${Laws} law=${report.law} tongue=${tongue} whole=${true} /></section>`}
    <${Stand} report=${report} tongue=${tongue} />
  </article>`;
}

/** The texts that a form follows, and how well its writers know them. @param {{ law: Law[], tongue: Language, whole?: boolean }} props */
export function Laws({ law, tongue, whole }) {
  return html`<ul class="laws">${law.map((one) => html`<li><strong>${one.name}</strong> <span class="detail">${one.version}</span> <span class=${one.read === "text" ? "tag flush" : "tag warning"}>${said(tongue, /** @type {import("../lib/text.js").Key} */ (`reports.read.${one.read}`))}</span>${whole && html`<p>${one.says}</p>`}</li>`)}</ul>`;
}

/** @param {{ table: Sheet } & Said} props */
function Table({ table, tongue, words }) {
  const cards = table.columns.length >= WIDE;
  const [shown, setShown] = useState(cards ? CARDS : SHOWN);
  const rows = table.rows.slice(0, shown);
  const left = table.rows.length - rows.length;
  const value = (/** @type {string} */ name, /** @type {Record<string, unknown>} */ row) => html`<${Value} name=${name} value=${row[name]} row=${row} short=${!cards} tongue=${tongue} words=${words} />`;
  const right = (/** @type {string} */ name) => (typeof table.rows[0]?.[name] === "number" ? "right" : "");
  return html`<section><h3>${table.title}</h3>
    ${rows.length === 0
      ? html`<p class="detail">${said(tongue, "paper.none")}</p>`
      : cards
        ? html`<ol class="sheets">${rows.map((row, at) => html`<li key=${at}><dl>${table.columns.map((column) => html`<div><dt>${column.label}</dt><dd>${value(column.key, row)}</dd></div>`)}</dl></li>`)}</ol>`
        : html`<div class="table-scroll" tabindex="0" role="region" aria-label=${table.title}><table class="list sheet">
            <thead><tr>${table.columns.map((column) => html`<th scope="col" class=${right(column.key)}>${column.label}</th>`)}</tr></thead>
            <tbody>${rows.map((row, at) => html`<tr key=${at}>${table.columns.map((column) => html`<td class=${right(column.key)}>${value(column.key, row)}</td>`)}</tr>`)}</tbody></table></div>`}
    ${left > 0 && html`<div class="actions start"><button type="button" class="small" onClick=${() => setShown(shown + (cards ? SHOWN : STEP))}>${said(tongue, "paper.show", { n: Math.min(left, cards ? SHOWN : STEP) })}</button></div>`}
    ${table.more > 0 && html`<p class="hint">${said(tongue, "paper.more", { n: table.more })}</p>`}
  </section>`;
}

/** One value; a receipt leads to its page, and in a line its end is enough. @param {{ name: string, value: unknown, row?: Record<string, unknown>, short?: boolean } & Said} props */
function Value({ name, value, row, short, tongue, words }) {
  const { text, kind, id } = cell(name, value, words, row);
  if (kind === "blank") return html`<${Blank} tongue=${tongue} />`;
  if (name === "receipt" && kind === "code") return html`<a class="hash" href=${address(["receipts", text])} title=${text}><code>${short ? `…${text.slice(-8)}` : text}</code></a>`;
  if (kind === "code") return html`<code class="hash">${text}</code>`;
  if (kind === "time") return html`<span class="moment">${text}</span>`;
  return id ? html`${text}<code class="detail hash">${id}</code>` : text;
}

/** @param {{ tongue: Language }} props */
const Blank = ({ tongue }) => html`<span class="blank"><span class="unseen">${said(tongue, "paper.blank")}</span></span>`;

/** What it stands on. @param {{ report: any, tongue: Language }} props */
function Stand({ report, tongue }) {
  const { origin, size, root, key, checkpoint } = report.ledger;
  /** @type {[string, unknown][]} */
  const rows = [
    [said(tongue, "paper.origin"), html`<code class="hash">${origin}</code>`],
    [said(tongue, "paper.size"), number(size)],
    [said(tongue, "paper.cited"), number(report.proof.cited.length + report.proof.more)],
    [said(tongue, "paper.root"), html`<code class="hash">${root}</code>`],
    [said(tongue, "paper.public"), html`<code class="hash">${key}</code>`],
    [said(tongue, "paper.checkpoint"), html`<pre class="hash">${checkpoint}</pre>`],
  ];
  return html`<section><h3>${said(tongue, "paper.proof")}</h3><p class="hint">${said(tongue, "paper.proof.how")}</p><dl class="about">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></section>`;
}
