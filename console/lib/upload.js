// Files from somebody's device into a corpus: gathered from a drop or a field, sent in portions that fit the server's
// bound on one body, each answered with how far the reading is.

import { ApiError, work } from "./api.js";

/** @typedef {{ path: string, file: File }} Item */
/**
 * @typedef {object} Report
 * @property {number} added @property {number} changed @property {number} unchanged
 * @property {{ path: string, reason: { kind: string, detail?: unknown } }[]} failed
 * @property {{ path: string, detail: string }[]} warnings
 */
/** @typedef {{ sent: number, all: number, current: string }} Step */

/** Bytes and files of one portion; a file larger than that goes alone. */
const PORTION_BYTES_MAX = 4 << 20;
const PORTION_FILES_MAX = 64;
const FILES_MAX = 20_000;

/** What was dropped, folders with all that is in them. @param {DataTransfer} dropped @returns {Promise<Item[]>} */
export async function itemsOf(dropped) {
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  /** @type {Item[]} */
  const items = [];
  for (const entry of entries) await gather(entry, "", items);
  return items;
}

/** @param {FileSystemEntry} entry @param {string} folder @param {Item[]} items */
async function gather(entry, folder, items) {
  if (items.length >= FILES_MAX || entry.name.startsWith(".")) return;
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    items.push({ path, file });
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  while (true) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const inner of some) await gather(inner, path, items);
  }
}

/** What a file field holds. @param {FileList} files @returns {Item[]} */
export const itemsIn = (files) =>
  [...files].slice(0, FILES_MAX).filter((file) => !file.name.startsWith(".")).map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** @param {Item[]} items @returns {Item[][]} */
function portions(items) {
  /** @type {Item[][]} */
  const out = [];
  let bytes = Infinity;
  for (const item of items) {
    if (bytes + item.file.size > PORTION_BYTES_MAX || (out.at(-1)?.length ?? 0) >= PORTION_FILES_MAX) {
      out.push([]);
      bytes = 0;
    }
    out.at(-1)?.push(item);
    bytes += item.file.size;
  }
  return out;
}

/**
 * Sends files, and reports on them together. A portion that is refused as too large is reported and the rest goes on.
 * @param {string} corpus @param {Item[]} items @param {(step: Step) => void} tell @param {AbortSignal} signal
 * @returns {Promise<Report>}
 */
export async function upload(corpus, items, tell, signal) {
  /** @type {Report} */
  const whole = { added: 0, changed: 0, unchanged: 0, failed: [], warnings: [] };
  let sent = 0;
  for (const portion of portions(items)) {
    tell({ sent, all: items.length, current: portion[0].path });
    const form = new FormData();
    for (const { path, file } of portion) form.append("file", file, path);
    try {
      const address = `/api/v1/corpora/${encodeURIComponent(corpus)}/files`;
      const report = await work(address, form, (step) => tell({ sent: sent + Math.min(step.files_done ?? 0, portion.length), all: items.length, current: step.current || portion[0].path }), signal);
      whole.added += report.added;
      whole.changed += report.changed;
      whole.unchanged += report.unchanged;
      whole.failed.push(...report.failed);
      whole.warnings.push(...report.warnings);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "body_too_large") throw error;
      whole.failed.push(...portion.map(({ path }) => ({ path, reason: { kind: "too_large" } })));
    }
    sent += portion.length;
    tell({ sent, all: items.length, current: "" });
  }
  return whole;
}
