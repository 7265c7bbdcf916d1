// Models on their way in. A pull goes on while one looks at other pages; leaving the console ends it, and the next pull
// goes on where it was.

import { signal } from "../vendor/signals.js";
import { told, work } from "./api.js";

/** @typedef {{ phase: string, source: string, done: number, total: number, error: { text: string, detail: string } | null, stop: () => void }} Pull */

/** @type {import("../vendor/signals-core.js").Signal<Record<string, Pull>>} */
export const pulls = signal({});

/** Goes up when a model arrived. */
export const arrived = signal(0);

/** @param {string} name @param {Pull | null} pull */
function set(name, pull) {
  const { [name]: _, ...rest } = pulls.value;
  pulls.value = pull ? { ...rest, [name]: pull } : rest;
}

/** @param {string} name @param {boolean} accept Whether a person accepted the licence. */
export async function pull(name, accept) {
  const own = new AbortController();
  /** @type {Pull} */
  const state = { phase: "waiting", source: "", done: 0, total: 0, error: null, stop: () => own.abort() };
  set(name, state);
  try {
    await work(`/api/v1/models/${encodeURIComponent(name)}/pull`, { accept_licence: accept }, (step) => set(name, { ...state, phase: step.phase, source: step.source, done: step.bytes_done, total: step.bytes_total }), own.signal);
    set(name, null);
    arrived.value += 1;
  } catch (error) {
    set(name, own.signal.aborted ? null : { ...state, phase: "failed", error: told(error) });
  }
}
