// The proof of an entry, fetched and gone through in this browser, step by step.

import { html, useState } from "../lib/html.js";
import { call, text } from "../lib/api.js";
import { save } from "../lib/copy.js";
import { keep, kept } from "../lib/kept.js";
import { canHash, check } from "../lib/proof.js";
import { isOpen } from "../lib/receipt.js";
import { number, t } from "../lib/text.js";
import { Field } from "../parts/field.js";
import { Icon } from "../parts/icon.js";
import { Show, useLoaded } from "../parts/loaded.js";

/** @typedef {import("../lib/proof.js").Checked} Checked */
/** @typedef {{ name: "form" | "entry" | "path" | "key" | "signature" | "same", verdict: import("../lib/proof.js").Verdict }} Step */

const ICONS = /** @type {const} */ ({ holds: "check", fails: "close", unknown: "question" });

/** @param {{ entry: any, again: () => void }} props */
export function Proof({ entry, again }) {
  const loaded = useLoaded(async (signal) => {
    const [proof, ledger] = await Promise.all([text(`/api/v1/receipts/${encodeURIComponent(entry.id)}/proof`), call("GET", "/api/v1/ledger", undefined, signal)]);
    return { proof, key: ledger.key };
  }, [entry.id]);
  return html`<section class="proof"><h2>${t("proof.title")}</h2><p class="hint">${t("proof.lead")}</p>
    ${canHash()
      ? html`<${Show} loaded=${loaded}>${(/** @type {any} */ got) => html`<${Steps} entry=${entry} proof=${got.proof} told=${got.key} again=${again} />`}</${Show}>`
      : html`<p class="callout warning">${t("proof.insecure")}</p>`}
    ${loaded.value && html`<div class="actions start"><button type="button" class="small" onClick=${() => save(`${entry.id}.tlog-proof`, loaded.value?.proof ?? "", "text/plain")}><${Icon} name="download" />${t("proof.save")}</button></div>`}
  </section>`;
}

/** @param {{ entry: any, proof: string, told: string, again: () => void }} props */
function Steps({ entry, proof, told, again }) {
  const [own, setOwn] = useState("");
  const key = own.trim() || told;
  const loaded = useLoaded(async () => {
    const { leaf: _, ...shown } = entry;
    const checked = await check(proof, key, shown);
    return { checked, steps: own.trim() ? checked.steps : [...checked.steps, remembered(told, checked)] };
  }, [proof, key]);
  return html`<${Show} loaded=${loaded}>${(/** @type {{ checked: Checked, steps: Step[] }} */ { checked, steps }) => {
    const verdict = steps.some((step) => step.verdict === "fails") ? "fails" : steps.some((step) => step.verdict === "unknown") ? "unknown" : "holds";
    return html`<p class=${verdict === "holds" ? "state good" : verdict === "fails" ? "state bad" : "state"} role="status"><${Icon} name=${ICONS[verdict]} /><span>${t(`proof.${verdict}`)}</span></p>
      <ol class="proof-steps">${steps.map(
        (step) => html`<li class=${step.verdict}><${Icon} name=${ICONS[step.verdict]} /><div><p>${t(`proof.step.${step.name}`)}<span class="tag verdict-tag">${t(`proof.verdict.${step.verdict}`)}</span></p><p class="detail">${why(step, checked)}</p></div></li>`,
      )}</ol>
      ${steps.some((step) => step.name === "same" && step.verdict === "fails") && html`<div class="actions start"><button type="button" class="small" onClick=${() => {
        keep("ledger.key", told);
        loaded.again();
      }}>${t("proof.accept")}</button></div>`}
      ${verdict === "fails" && isOpen(entry) && html`<div class="actions start"><button type="button" class="small" onClick=${again}>${t("again")}</button></div>`}`;
  }}</${Show}>
    <details class="raw"><summary>${t("proof.key.own")}</summary>
      <${Field} label=${t("proof.key")} hint=${t("proof.key.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} class="code" autocomplete="off" spellcheck=${false} maxlength="512" placeholder=${told} value=${own} onChange=${(/** @type {any} */ event) => setOwn(event.currentTarget.value)} />`}</${Field}>
    </details>`;
}

/** What a step found. @param {Step} step @param {Checked} checked */
function why(step, checked) {
  if (step.verdict === "unknown") return t("proof.noed25519");
  if (step.name === "path" && step.verdict === "holds") return t("proof.why.path.holds", { index: number(Number(checked.index)), size: number(Number(checked.size)), root: checked.root.slice(0, 16) });
  return t(/** @type {import("../lib/text.js").Key} */ (`proof.why.${step.name}.${step.verdict}`));
}

/**
 * Whether this is the key that this browser saw when it first looked. A server that shows another one must say why. Only a
 * key that signed is kept.
 * @param {string} told @param {Checked} checked @returns {Step}
 */
function remembered(told, checked) {
  const before = kept("ledger.key");
  const signed = checked.steps.every((step) => step.verdict === "holds");
  if (before === null && signed) keep("ledger.key", told);
  return { name: "same", verdict: before === null || before === told ? "holds" : "fails" };
}
