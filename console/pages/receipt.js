// One entry of the ledger: what it says, its proof, and whether a kept text is the one that it commits to.

import { html, useState } from "../lib/html.js";
import { call } from "../lib/api.js";
import { names, whoIs } from "../lib/names.js";
import { address } from "../lib/place.js";
import { canHash, commitment } from "../lib/proof.js";
import { called, ended, isAct, isOpen, obliged, outside, what, when, worded } from "../lib/receipt.js";
import { saltOf } from "../lib/salts.js";
import { administers } from "../lib/session.js";
import { exactly, number, seconds, t } from "../lib/text.js";
import { Field } from "../parts/field.js";
import { Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Class, residencyText } from "../parts/label.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { Proof } from "./proof.js";

/** @param {{ id: string }} props */
export function Receipt({ id }) {
  const loaded = useLoaded(async (signal) => {
    const [entry, known] = await Promise.all([call("GET", `/api/v1/receipts/${encodeURIComponent(id)}`, undefined, signal), names()]);
    return { entry, known };
  }, [id]);
  return html`<div class="page receipt">
    <${Show} loaded=${loaded}>${(/** @type {any} */ { entry, known }) => html`
      <${Head} title=${`${what(entry)} · ${exactly(when(entry))}`} back=${{ href: address(["receipts"]), label: t("nav.receipts") }} lead=${html`<code>${entry.id}</code>`} />
      <${End} entry=${entry} />
      <section><h2>${t("receipt.says")}</h2><${Says} entry=${entry} known=${known} /></section>
      ${entry.entry === "receipt" && html`<${Decided} entry=${entry} />`}
      <${Proof} entry=${entry} again=${loaded.again} />
      ${(entry.question || entry.answer) && html`<${Kept} entry=${entry} />`}
      <details class="raw"><summary>${t("receipt.raw")}</summary><pre class="sample" tabindex="0"><code>${JSON.stringify(entry, null, 2)}</code></pre></details>`}</${Show}>
  </div>`;
}

/** @param {{ entry: any }} props */
function End({ entry }) {
  const { text, tone } = ended(entry);
  const good = entry.entry === "act" ? entry.status < 400 : entry.how === "served";
  const why = entry.why ? ` (${worded(`why.${entry.why}`, entry.why)})` : "";
  const told = entry.entry === "act" ? t("receipt.status", { status: text }) : isOpen(entry) ? t("outcome.open") : `${text}${why}`;
  const hint = isOpen(entry) ? t("outcome.open.hint") : entry.entry === "receipt" ? worded(`outcome.hint.${entry.how}`, "") : "";
  return html`<p class=${good ? "state good" : tone === "bad" ? "state bad" : "state"}><${Icon} name=${good ? "check" : "warning"} /><span>${told}${hint && html`<span class="detail"> ${hint}</span>`}</span></p>`;
}

/** How often each kind of personal data was hidden. @param {Record<string, number> | undefined} kinds */
const counted = (kinds) => Object.entries(kinds ?? {}).map(([kind, count]) => `${kind} ${number(count)}`).join(", ") || t("receipt.masked.none");

/** The fields in words. What an entry does not have is not named. @param {{ entry: any, known: Map<string, string> }} props */
function Says({ entry, known }) {
  const { label, usage, engine } = entry;
  const corpora = entry.corpora ?? [];
  const took = entry.ended ? Date.parse(entry.ended) - Date.parse(entry.began) : null;
  const id = (/** @type {string} */ one) => known.get(one) ?? one;
  /** @type {[string, unknown][]} */
  const rows = [
    [t("receipts.who"), html`${whoIs(entry.who, known)} <span class="detail">${t(`subject.${/** @type {"person"} */ (entry.who.kind)}`)}</span>`],
    [t("receipts.when"), html`${exactly(when(entry))}${took !== null && html` <span class="detail">${t("receipt.took", { time: seconds(took) })}</span>`}`],
    [isAct(entry) ? t("receipt.done") : t("receipts.asked"), html`<code>${called(entry)}</code>`],
    [t("receipt.on"), entry.on && html`<ul class="ids">${entry.on.map((/** @type {string} */ one) => html`<li><code>${one}</code></li>`)}</ul>`],
    [t("receipt.from"), entry.from && html`<code>${entry.from}</code>`],
    [t("receipts.engine"), engine && html`${engine.name}${engine.file && html` <code class="detail hash">${engine.file}</code>`}`],
    [t("receipt.country"), engine?.country],
    [t("receipt.passed"), entry.passed_over && html`<ul class="ids">${entry.passed_over.map((/** @type {any} */ one) => html`<li>${one.engine.name} (${one.engine.country}) <span class="detail">${worded(`why.${one.why}`, one.why)} · ${one.sent ? t("receipt.passed.sent") : t("receipt.passed.unsent")}</span></li>`)}</ul>`],
    [t("receipt.outside"), (engine || entry.passed_over) && (outside(entry) ? html`<span class="tag warning">${t("receipt.outside.yes")}</span>` : t("receipt.outside.no"))],
    [t("label.class"), label && html`<${Class} name=${label.class} />`],
    [t("label.residency"), label && residencyText(label.residency)],
    [t("label.purposes"), label && (label.purposes.join(", ") || t("none"))],
    [t("label.licences"), label && (label.licences.join(", ") || t("none"))],
    [t("nav.records"), corpora.length > 0 && html`<ul class="ids">${corpora.map((/** @type {string} */ one) => html`<li>${known.has(one) ? html`<a href=${address(["records", id(one)])}>${id(one)}</a>` : html`<code>${one}</code>`}</li>`)}</ul>`],
    [t("receipt.documents"), entry.documents?.length > 0 && html`<ul class="ids">${entry.documents.map((/** @type {string} */ one) => html`<li>${corpora.length === 1 && known.has(corpora[0]) ? html`<a href=${address(["records", id(corpora[0]), "document"], { id: one })}><code>${one}</code></a>` : html`<code>${one}</code>`}</li>`)}</ul>`],
    [t("receipt.masked"), entry.entry === "receipt" && counted(entry.masked)],
    [t("receipt.masked.answer"), entry.masked_answer && counted(entry.masked_answer)],
    [t("receipt.inert"), entry.made_inert !== undefined && t("receipt.inert.count", { n: entry.made_inert })],
    [t("receipts.tokens"), usage && t("foot.tokens.hint", { prompt: usage.prompt_tokens, completion: usage.completion_tokens })],
    [t("receipt.question"), entry.question && html`<code class="hash">${entry.question}</code>`],
    [t("receipt.answer"), entry.answer && html`<code class="hash">${entry.answer}</code>`],
    [t("receipt.leaf"), number(entry.leaf)],
  ];
  return html`<dl class="about">${rows.filter(([, value]) => value).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** What the policies answered. @param {{ entry: any }} props */
function Decided({ entry }) {
  if (!entry.policy) return html`<section><h2>${t("nav.policies")}</h2><p class="hint">${t("receipt.undecided")}</p></section>`;
  const asked = obliged(entry.obligations);
  const notices = entry.obligations?.notices ?? [];
  return html`<section><h2>${t("nav.policies")}</h2><dl class="about">
    <div><dt>${t("receipt.decided")}</dt><dd>${entry.decided_by?.length ? entry.decided_by.map((/** @type {string} */ one) => html`<code>${one}</code> `) : t("policies.builtin")}</dd></div>
    ${entry.how === "served" && html`<div><dt>${t("policies.obligations")}</dt><dd>${asked.length || notices.length ? html`<ul>${asked.map((one) => html`<li>${one}</li>`)}${notices.map((/** @type {any} */ one) => html`<li>${t("obligation.notice")} <q lang="ko">${one.ko}</q> <q lang="en">${one.en}</q></li>`)}</ul>` : t("policies.obligations.none")}</dd></div>`}
    <div><dt>${t("policies.version")}</dt><dd><code class="hash">${entry.policy}</code></dd></div>
    ${administers.value && entry.ask && html`<div><dt></dt><dd><a href=${address(["policies"], { receipt: entry.id })}>${t("receipt.explain")}</a></dd></div>`}
  </dl></section>`;
}

/** A field for who kept a text and its salt. @param {{ entry: any }} props */
function Kept({ entry }) {
  const [salt, setSalt] = useState(saltOf(entry.id));
  const [text, setText] = useState("");
  const [result, setResult] = useState(/** @type {"" | "salt" | "question" | "answer" | "both" | "neither"} */ (""));
  const compare = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const made = await commitment(salt, text);
    const [question, answer] = [made === entry.question, made === entry.answer];
    setResult(made === null ? "salt" : question && answer ? "both" : question ? "question" : answer ? "answer" : "neither");
  };
  const typed = (/** @type {(value: string) => void} */ set) => (/** @type {any} */ event) => {
    set(event.currentTarget.value);
    setResult("");
  };
  const good = result !== "neither";
  return html`<section class="kept"><h2>${t("kept.title")}</h2><p class="hint">${t("kept.lead")}</p>
    ${!canHash() ? html`<p class="callout warning">${t("proof.insecure")}</p>` : html`<form class="form" onSubmit=${compare}>
      <${Field} label=${t("kept.salt")} hint=${t("kept.salt.hint")} error=${result === "salt" ? t("kept.salt.wrong") : undefined}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} aria-invalid=${result === "salt" ? "true" : undefined} class="code" autocomplete="off" spellcheck=${false} maxlength="64" required value=${salt} onInput=${typed(setSalt)} />`}</${Field}>
      <${Field} label=${t("kept.text")} hint=${t("kept.text.hint")}>${(/** @type {any} */ { id, described }) => html`<textarea id=${id} aria-describedby=${described} rows="4" value=${text} onInput=${typed(setText)}></textarea>`}</${Field}>
      <div class="actions start"><button type="submit">${t("kept.check")}</button></div>
    </form>`}
    <div role="status">${result && result !== "salt" && html`<p class=${good ? "state good" : "state bad"}><${Icon} name=${good ? "check" : "close"} /><span>${t(`kept.${result}`)}</span></p>`}</div>
  </section>`;
}
