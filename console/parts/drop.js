// Where files are dropped or chosen, and how far their reading is.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { itemsIn, itemsOf, upload } from "../lib/upload.js";
import { known, t } from "../lib/text.js";
import { Icon } from "./icon.js";
import { Progress } from "./loaded.js";
import { complain } from "./notice.js";

/** @typedef {import("../lib/upload.js").Item} Item */
/** @typedef {import("../lib/upload.js").Report} Report */

/** @param {{ corpus: string, done: (report: Report) => void, children?: unknown, offer?: { label: string, items: () => Promise<Item[]> } }} props */
export function Drop({ corpus, done, offer }) {
  const [over, setOver] = useState(false);
  const [step, setStep] = useState(/** @type {import("../lib/upload.js").Step | null} */ (null));
  const [report, setReport] = useState(/** @type {Report | null} */ (null));
  const stopper = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => stopper.current?.abort(), []);
  const take = async (/** @type {Promise<Item[]> | Item[]} */ from) => {
    setOver(false);
    setReport(null);
    const own = new AbortController();
    stopper.current = own;
    setStep({ sent: 0, all: 0, current: "" });
    try {
      const items = await from;
      if (items.length) {
        const made = await upload(corpus, items, setStep, own.signal);
        setReport(made);
        done(made);
      }
    } catch (error) {
      if (own.signal.aborted) done({ added: 0, changed: 0, unchanged: 0, failed: [], warnings: [] });
      else complain(error);
    }
    setStep(null);
  };
  const chosen = (/** @type {any} */ event) => {
    take(itemsIn(event.currentTarget.files));
    event.currentTarget.value = "";
  };
  if (step) {
    return html`<div class="drop working">
      <p role="status"><strong>${t("drop.reading", { done: step.sent, all: step.all })}</strong><span class="detail ellipsis">${step.current}</span></p>
      <${Progress} part=${step.all ? step.sent / step.all : null} label=${t("drop.progress")} />
      <button type="button" class="small" onClick=${() => stopper.current?.abort()}>${t("drop.stop")}</button>
    </div>`;
  }
  return html`<div class=${over ? "drop over" : "drop"}
      onDragOver=${(/** @type {DragEvent} */ event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave=${() => setOver(false)}
      onDrop=${(/** @type {DragEvent} */ event) => {
        event.preventDefault();
        if (event.dataTransfer) take(itemsOf(event.dataTransfer));
      }}>
      <p><strong>${t("drop.title")}</strong><span class="detail">${t("drop.formats")}</span></p>
      <div class="actions">
        <label class="button"><${Icon} name="upload" />${t("drop.files")}<input class="unseen" type="file" multiple onChange=${chosen} /></label>
        <label class="button"><${Icon} name="folder" />${t("drop.folder")}<input class="unseen" type="file" webkitdirectory multiple onChange=${chosen} /></label>
        ${offer && html`<button type="button" onClick=${() => take(offer.items())}>${offer.label}</button>`}
      </div>
    </div>
    ${report && html`<${Told} report=${report} />`}`;
}

/** What came of it: in numbers, then what needs a look. @param {{ report: Report }} props */
function Told({ report }) {
  const problems = [
    ...report.failed.map((one) => ({ path: one.path, text: reasonOf(one.reason), bad: true })),
    ...report.warnings.map((one) => ({ path: one.path, text: one.detail, bad: false })),
  ];
  return html`<div class="report" role="status">
    <p><${Icon} name="check" />${t("drop.done", { added: report.added, changed: report.changed, unchanged: report.unchanged })}</p>
    ${problems.length > 0 && html`<details open=${report.failed.length > 0}><summary>${t("drop.problems", { n: problems.length })}</summary>
      <ul>${problems.slice(0, 200).map((one) => html`<li class=${one.bad ? "bad" : ""}><span>${one.path}</span><span>${one.text}</span></li>`)}</ul></details>`}
  </div>`;
}

/** @param {{ kind: string, detail?: unknown }} reason */
export function reasonOf(reason) {
  const name = `failure.${reason.kind}`;
  const detail = typeof reason.detail === "string" ? reason.detail : "";
  return [known(name) ? t(name) : reason.kind, detail].filter(Boolean).join(": ");
}
