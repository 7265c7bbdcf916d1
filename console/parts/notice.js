// What happened, told once, at the foot of the page and to screen readers.

import { html, signal } from "../lib/html.js";
import { told } from "../lib/api.js";
import { t } from "../lib/text.js";
import { Icon } from "./icon.js";

/** @typedef {{ id: number, kind: "done" | "failed", text: string, detail: string }} Notice */

/** @type {import("../vendor/signals-core.js").Signal<Notice[]>} */
const notices = signal([]);
let last = 0;

/** @param {string} text */
export function say(text) {
  show({ kind: "done", text, detail: "" }, 5000);
}

/** @param {unknown} error */
export function complain(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  show({ kind: "failed", ...told(error) }, 12000);
}

/** @param {Omit<Notice, "id">} notice @param {number} wait */
function show(notice, wait) {
  const id = ++last;
  notices.value = [...notices.value.slice(-2), { id, ...notice }];
  setTimeout(() => drop(id), wait);
}

/** @param {number} id */
const drop = (id) => {
  notices.value = notices.value.filter((notice) => notice.id !== id);
};

export function Notices() {
  return html`<div class="notices" role="status" aria-live="polite">
    ${notices.value.map(
      (notice) => html`<div key=${notice.id} class=${`notice ${notice.kind}`}>
        <${Icon} name=${notice.kind === "done" ? "check" : "warning"} />
        <div><p>${notice.text}</p>${notice.detail && html`<p class="detail">${notice.detail}</p>`}</div>
        <button type="button" class="quiet icon-only small" aria-label=${t("close")} onClick=${() => drop(notice.id)}><${Icon} name="close" /></button>
      </div>`,
    )}
  </div>`;
}
