// Conversations that can be found again. The house keeps them, each for its owner alone; this browser keeps none.

import { signal } from "../vendor/signals.js";
import { ApiError, call, page, text } from "./api.js";
import { language } from "./text.js";

/** @typedef {{ id: string, title: string, model: string, turns: number, updated: string, found?: string }} Conversation */
/** @typedef {import("../pages/ask/conversation.js").Turn} Turn */

const ROOT = "/api/v1/conversations";
const place = (/** @type {string} */ id) => `${ROOT}/${encodeURIComponent(id)}`;

/** Goes up when something was kept, renamed or deleted. */
export const changes = signal(0);
/** Whether anything is kept in this house. */
export const keeps = signal(true);

/** Begins a conversation. @returns {Promise<string | null>} its id; nothing in a house that keeps none */
export async function create() {
  if (!keeps.value) return null;
  try {
    return (await call("POST", ROOT, {})).id;
  } catch (error) {
    if (!(error instanceof ApiError) || ![403, 404].includes(error.status)) throw error;
    keeps.value = false;
    return null;
  }
}

/** Those that say these words, the last one first. @param {string} words @param {string | null} [after] @returns {Promise<{ data: Conversation[], next: string | null }>} */
export async function list(words, after) {
  try {
    return await page(`${ROOT}?limit=100${words.trim() ? `&q=${encodeURIComponent(words.trim())}` : ""}`, after);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    keeps.value = false;
    return { data: [], next: null };
  }
}

/** All of them. @returns {Promise<Conversation[]>} */
export async function all() {
  const out = [];
  /** @type {string | null} */
  let after = null;
  do {
    const { data, next } = await list("", after);
    out.push(...data);
    after = next;
  } while (after);
  return out;
}

/** The turns of one. @param {string} id @returns {Promise<Turn[]>} */
export async function load(id) {
  const { turns } = await call("GET", place(id));
  return turns.map((/** @type {any} */ turn) => shown(id, turn));
}

/** A conversation as a file. @param {string} id @param {"json" | "markdown"} format */
export const exported = (id, format) => text(`${place(id)}/export?format=${format}&lang=${language.value}`);

/** @param {string} id */
export async function remove(id) {
  await call("DELETE", place(id));
  changes.value += 1;
}

/** Deletes them all. */
export async function clear() {
  await call("DELETE", ROOT);
  changes.value += 1;
}

const STATES = /** @type {const} */ ({ writing: "stopped", complete: "done", length: "done", stopped: "stopped", failed: "failed", broken: "failed" });

/** @param {string} id @param {any} turn @returns {Turn} */
function shown(id, turn) {
  return {
    id: `${id} ${turn.number}`,
    number: turn.number,
    question: turn.asked ?? "",
    model: turn.model ?? "",
    text: turn.text ?? "",
    state: STATES[/** @type {keyof typeof STATES} */ (turn.ended)] ?? "done",
    hidden: Boolean(turn.hidden),
    citations: turn.citations ?? [],
    sources: turn.sources ?? [],
    extract: turn.extract ?? [],
    unsupported: turn.unsupported ?? [],
    kind: turn.kind ?? "chat",
    withheld: turn.withheld ?? 0,
    finish: turn.ended === "length" ? "length" : "stop",
    usage: turn.usage ?? null,
    first: turn.first_ms ?? null,
    took: turn.ms ?? 0,
    receipt: null,
    error: turn.error ? { code: "failed", message: turn.error } : null,
  };
}
