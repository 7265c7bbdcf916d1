// Labels in words that people outside the field understand.

import { html } from "../lib/html.js";
import { t } from "../lib/text.js";

/** @param {{ name: "open" | "sensitive" | "classified" }} props */
export function Class({ name }) {
  return html`<span class=${`class ${name}`}><b aria-hidden="true">${{ open: "O", sensitive: "S", classified: "C" }[name]}</b>${t(`class.${name}`)}</span>`;
}

/** Where a label lets a text be processed. @param {any} residency */
export const residencyText = (residency) => (residency === "anywhere" || residency?.only === undefined ? t("residency.anywhere") : residency.only.length ? residency.only.join(", ") : t("residency.nowhere"));
