// A conversation: turns, each a question and what came back. One turn is written at a time; stopping ends it where it is.

import { batch, computed, signal } from "../../lib/html.js";
import { ApiError, events } from "../../lib/api.js";
import * as history from "../../lib/history.js";
import { received } from "../../lib/salts.js";

/**
 * @typedef {object} Citation
 * @property {number} number @property {string} document @property {string} path @property {string} title
 * @property {string[]} headings @property {{ start: number, end: number }} span @property {string} quote
 * @property {{ start: number, end: number }} mark
 */
/**
 * @typedef {object} Source
 * @property {number} number @property {string} document @property {string} path @property {string} title
 * @property {string[]} headings @property {{ start: number, end: number }} span @property {string | null} dated
 * @property {boolean} replaced @property {string} excerpt
 */
/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {number | null} number Its number in a conversation that is kept.
 * @property {boolean} hidden Whether it may not be shown any more.
 * @property {string} question
 * @property {string} model The route or model that was asked.
 * @property {string} text
 * @property {"waiting" | "writing" | "done" | "stopped" | "failed"} state
 * @property {Citation[]} citations
 * @property {Source[]} sources
 * @property {Citation[]} extract
 * @property {{ span: { start: number, end: number }, reason: string }[]} unsupported
 * @property {"chat" | "generated" | "extractive" | "abstained"} kind
 * @property {number} withheld
 * @property {string} finish
 * @property {{ prompt_tokens: number, completion_tokens: number } | null} usage
 * @property {number | null} first Milliseconds to the first text.
 * @property {number} took Milliseconds in all.
 * @property {string | null} receipt The id of its receipt, where the answer told it.
 * @property {{ code: string, message: string, wait?: number } | null} error
 */

/** @type {import("../../vendor/signals-core.js").Signal<Turn[]>} */
export const turns = signal([]);
/** The conversation's id, if it is kept. @type {import("../../vendor/signals-core.js").Signal<string | null>} */
export const id = signal(null);
export const busy = computed(() => turns.value.some((turn) => turn.state === "waiting" || turn.state === "writing"));

/** @type {AbortController | null} */
let stopper = null;

/** Begins an empty conversation. */
export function begin() {
  stop();
  batch(() => {
    id.value = null;
    turns.value = [];
  });
}

/** Opens a kept conversation. @param {string} wanted @returns {Promise<boolean>} whether it is there */
export async function open(wanted) {
  if (id.value === wanted) return true;
  stop();
  try {
    const found = await history.load(wanted);
    batch(() => {
      id.value = wanted;
      turns.value = found;
    });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}

/** Ends the turn that is being written. */
export function stop() {
  stopper?.abort();
}

/**
 * Asks; of the turns so far, those from `from` on are replaced.
 * @param {string} model @param {string} question @param {number} [from]
 */
export async function ask(model, question, from = turns.value.length) {
  stop();
  const before = turns.value.slice(0, from);
  /** @type {Turn} */
  const turn = {
    id: `new ${(last += 1)}`,
    number: null,
    hidden: false,
    question,
    model,
    text: "",
    state: "waiting",
    citations: [],
    sources: [],
    extract: [],
    unsupported: [],
    kind: "chat",
    withheld: 0,
    finish: "",
    usage: null,
    first: null,
    took: 0,
    receipt: null,
    error: null,
  };
  turns.value = [...before, turn];
  const own = new AbortController();
  stopper = own;
  const began = performance.now();
  const update = (/** @type {Partial<Turn>} */ more) => {
    Object.assign(turn, more, { took: performance.now() - began });
    turns.value = turns.value.map((other) => (other.id === turn.id ? { ...turn } : other));
  };
  let shown = 0;
  try {
    if (!id.value && !before.length) {
      const made = await history.create();
      // Somebody may have gone elsewhere meanwhile.
      if (turns.value.includes(turn)) id.value = made;
    }
    const body = { model, messages: said(before, question), stream: true, stream_options: { include_usage: true }, ...place(before) };
    const begun = (/** @type {Headers} */ head) => {
      turn.number = Number(head.get("x-dure-turn")) || null;
      turn.receipt = received(head);
    };
    for await (const chunk of events("/v1/chat/completions", body, own.signal, begun)) {
      const more = changes(turn, chunk);
      if (more.text && turn.first === null) more.first = performance.now() - began;
      // As often as a screen shows it.
      const now = performance.now();
      if (turn.state === "waiting" || now - shown > 30 || !more.text) {
        shown = now;
        update({ ...more, state: turn.text || more.text ? "writing" : "waiting" });
      } else Object.assign(turn, more);
    }
    update({ state: "done" });
  } catch (error) {
    if (own.signal.aborted) update({ state: "stopped" });
    else if (error instanceof ApiError) update({ state: "failed", error: { code: error.code, message: error.message, wait: error.wait } });
    else throw error;
  }
  if (stopper === own) stopper = null;
  if (id.value) history.changes.value += 1;
}

let last = 0;

/** Where in a conversation that is kept the new turn belongs; what stood there is replaced. @param {Turn[]} before */
function place(before) {
  if (!id.value) return {};
  return { dure: { conversation: id.value, after: Math.max(0, ...before.map((turn) => turn.number ?? 0)) } };
}

/** What the model is to know: of a conversation that is kept, the house knows the rest. @param {Turn[]} before @param {string} question */
function said(before, question) {
  const earlier = id.value ? [] : before.filter((turn) => turn.text);
  const messages = earlier.flatMap((turn) => [
    { role: "user", content: turn.question },
    { role: "assistant", content: turn.text },
  ]);
  return [...messages, { role: "user", content: question }];
}

/** What a chunk brings. @param {Turn} turn @param {any} chunk @returns {Partial<Turn>} */
function changes(turn, chunk) {
  /** @type {Partial<Turn>} */
  const more = {};
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) more.text = turn.text + choice.delta.content;
  if (choice?.delta?.annotations) more.citations = choice.delta.annotations.map((/** @type {any} */ note) => note.citation).filter(Boolean);
  if (choice?.finish_reason) more.finish = choice.finish_reason;
  if (chunk.usage) more.usage = chunk.usage;
  const { sources, extract, unsupported, kind, withheld } = choice?.dure ?? chunk.dure ?? {};
  if (sources) more.sources = sources;
  if (extract) more.extract = extract;
  if (unsupported) more.unsupported = unsupported;
  if (kind) more.kind = kind;
  if (withheld !== undefined) more.withheld = withheld;
  return more;
}
