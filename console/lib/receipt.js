// What an entry of the ledger says, in people's words. An entry is a receipt, an act, or an intent that nothing closed yet.

import { known, t } from "./text.js";

/** Whether it tells of what somebody did, or began to do. @param {any} entry @returns {boolean} */
export const isAct = (entry) => entry.entry === "act" || entry.entry === "begun";

/** Whether it is not over. @param {any} entry @returns {boolean} */
export const isOpen = (entry) => entry.entry === "intent" || entry.entry === "begun";

/** When it was. @param {any} entry @returns {string} */
export const when = (entry) => entry.began ?? entry.at;

/** What it is, in a word. @param {any} entry */
export const what = (entry) => (isAct(entry) ? t("receipt.act") : worded(`flow.${entry.kind}`, entry.kind));

/** What was called, or done. @param {any} entry @returns {string} */
export const called = (entry) => (isAct(entry) ? entry.action : entry.asked) ?? "";

/** How it ended: the word for it, and whether it is good, bad or neither. @param {any} entry @returns {{ text: string, tone: "" | "warning" | "bad" }} */
export function ended(entry) {
  if (isOpen(entry)) return { text: t("outcome.intent"), tone: "" };
  if (entry.entry === "act") return { text: String(entry.status), tone: entry.status < 400 ? "" : entry.status < 500 ? "warning" : "bad" };
  const tones = /** @type {const} */ ({ served: "", refused: "warning", hung_up: "", failed: "bad", lost: "bad" });
  return { text: worded(`outcome.${entry.how}`, entry.how), tone: tones[/** @type {keyof typeof tones} */ (entry.how)] ?? "" };
}

/** Whether its text left the house: to the engine that answered, or to one that was tried before it. @param {any} entry @returns {boolean} */
export const outside = (entry) => Boolean(entry.engine?.outside) || (entry.passed_over ?? []).some((/** @type {any} */ one) => one.sent && one.engine.outside);

/** All tokens of a flow; none where none were used. @param {any} entry @returns {number} */
export const tokens = (entry) => (entry.usage ? entry.usage.prompt_tokens + entry.usage.completion_tokens : 0);

/** What policies ask for in return for a yes, each in a sentence. @param {any} obligations @returns {string[]} */
export function obliged(obligations) {
  const { mask = [], mask_answer: hidden = [], approval = [], label, contain, keep_years: years } = obligations ?? {};
  const said = [];
  if (mask.length) said.push(t("obligation.mask", { kinds: mask.join(", ") }));
  if (hidden.length) said.push(t("obligation.mask.answer", { kinds: hidden.join(", ") }));
  if (approval.length) said.push(t("obligation.approval", { groups: approval.join(", ") }));
  if (label) said.push(t(label === "visible" ? "obligation.visible" : "obligation.metadata"));
  if (contain) said.push(t(contain === "always" ? "obligation.contain.always" : "obligation.contain.records"));
  if (years) said.push(t("obligation.years", { n: years }));
  return said;
}

/** The text of a key that ends in a word of the API, or that word where there is none. @param {string} key @param {string} word */
export const worded = (key, word) => (known(key) ? t(key) : word);
