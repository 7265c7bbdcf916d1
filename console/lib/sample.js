// What a running server's metrics say over a while: what grew between two looks, and what holds at the second.

/** @typedef {{ labels: Record<string, string>, value?: number, count?: number, sum?: number, buckets?: [number | null, number][] }} Series */
/** @typedef {{ at: string, since: string, ready: boolean, reasons: string[], errors: any[], metrics: Record<string, { series: Series[] }> }} Look */
/** @typedef {{ name: string, up: boolean, slots: number | null, busy: number, waiting: number, memory: number, restarts: number }} Engine */
/**
 * @typedef {object} Sample
 * @property {number} requests A second. @property {number} errors A second.
 * @property {number} tokens Written in a second.
 * @property {number | null} first Seconds to the first token, the middle one. @property {number | null} search Seconds.
 * @property {number} open Streams. @property {number} cores @property {number} memory Bytes.
 * @property {Engine[]} engines @property {number} passages @property {number} outstanding Vectors. @property {number} disk Bytes free.
 */

/** @param {Look} look @param {string} name */
const series = (look, name) => look.metrics[name]?.series ?? [];

/** @param {Look} look @param {string} name */
const sum = (look, name) => series(look, name).reduce((all, one) => all + (one.value ?? one.count ?? 0), 0);

/** @param {Look} before @param {Look} now @returns {Sample} */
export function between(before, now) {
  const over = Math.max(0.001, (Date.parse(now.at) - Date.parse(before.at)) / 1000);
  const grown = (/** @type {string} */ name) => Math.max(0, sum(now, name) - sum(before, name)) / over;
  return {
    requests: grown("http_server_request_duration_seconds"),
    errors: grown("dure_http_errors_total"),
    tokens: grown("dure_output_tokens_total"),
    first: middle(before, now, "gen_ai_server_time_to_first_token_seconds"),
    search: middle(before, now, "dure_search_duration_seconds"),
    open: sum(now, "dure_streams_open"),
    cores: grown("process_cpu_seconds_total"),
    memory: sum(now, "process_resident_memory_bytes") + sum(now, "dure_engine_resident_memory_bytes"),
    engines: engines(now),
    passages: sum(now, "dure_passages"),
    outstanding: sum(now, "dure_vectors_outstanding"),
    disk: sum(now, "dure_disk_free_bytes"),
  };
}

/** The middle value of what a histogram saw between the looks, evenly spread inside a bucket. @param {Look} before @param {Look} now @param {string} name */
function middle(before, now, name) {
  const old = buckets(before, name);
  const seen = buckets(now, name).map(([bound, count], at) => /** @type {const} */ ([bound, count - (old[at]?.[1] ?? 0)]));
  const total = seen.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const at = seen.findIndex(([, count]) => count >= total / 2);
  const [low, below] = at > 0 ? seen[at - 1] : [0, 0];
  const [high, count] = seen[at];
  return high === Infinity ? low : low + ((high - low) * (total / 2 - below)) / Math.max(1, count - below);
}

/** @param {Look} look @param {string} name @returns {[number, number][]} */
function buckets(look, name) {
  /** @type {[number, number][]} */
  const all = [];
  for (const one of series(look, name)) {
    one.buckets?.forEach(([bound, count], at) => {
      all[at] ??= [bound ?? Infinity, 0];
      all[at][1] += count;
    });
  }
  return all;
}

/** @param {Look} look @returns {Engine[]} */
function engines(look) {
  const of = (/** @type {string} */ name, /** @type {string} */ model) => series(look, name).find((one) => one.labels.model === model)?.value;
  return series(look, "dure_engine_up").map(({ labels: { model }, value }) => ({
    name: model,
    up: Boolean(value),
    slots: of("dure_engine_slots", model) ?? null,
    busy: of("dure_engine_busy", model) ?? 0,
    waiting: of("dure_engine_waiting", model) ?? 0,
    memory: of("dure_engine_resident_memory_bytes", model) ?? 0,
    restarts: of("dure_engine_restarts_total", model) ?? 0,
  }));
}
