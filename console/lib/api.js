// The one road to the server. Whoever is refused with 401 is signed out gently.

import { signal } from "../vendor/signals.js";
import { known, t } from "./text.js";

/** @type {import("../vendor/signals-core.js").Signal<string | null>} */
export const key = signal(null);

/** Told when the server no longer knows the key. */
export const refused = signal(0);

export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {number} [wait] */
  constructor(status, code, message, wait) {
    super(message);
    this.status = status;
    this.code = code;
    this.wait = wait;
  }
}

/** @param {string} method @param {string} path @param {unknown} [body] @param {AbortSignal} [signal] */
async function send(method, path, body, signal) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  if (key.value) headers.authorization = `Bearer ${key.value}`;
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers["content-type"] = "application/json";
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : form ? body : JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", "");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("retry-after")) || undefined;
  if (response.status === 401 && key.value) refused.value += 1;
  throw new ApiError(response.status, told.error?.code ?? String(response.status), told.error?.message ?? "", wait);
}

/**
 * A request and its JSON.
 * @param {string} method @param {string} path @param {unknown} [body] @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function call(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  return response.json();
}

/** A request and its text. @param {string} path @returns {Promise<string>} */
export async function text(path) {
  return (await send("GET", path)).text();
}

/**
 * A request and its bytes, with what the server says of them.
 * @param {string} path @param {AbortSignal} [signal]
 * @returns {Promise<{ bytes: Uint8Array<ArrayBuffer>, headers: Headers }>}
 */
export async function file(path, signal) {
  const response = await send("GET", path, undefined, signal);
  return { bytes: new Uint8Array(await response.arrayBuffer()), headers: response.headers };
}

/**
 * The items of a list. A paged one says `data` and `next`, and is read to its end, or to `max` items.
 * @param {string} path @param {number} [max]
 * @returns {Promise<any[]>}
 */
export async function list(path, max = 1000) {
  const items = [];
  /** @type {string | null} */
  let after = null;
  do {
    const { data, next } = await page(path, after);
    items.push(...data);
    after = next;
  } while (after !== null && items.length < max);
  return items;
}

/**
 * One page of a list.
 * @param {string} path @param {string | null} [after] @param {AbortSignal} [signal]
 * @returns {Promise<{ data: any[], next: string | null }>}
 */
export async function page(path, after, signal) {
  const joint = path.includes("?") ? "&" : "?";
  const got = await call("GET", after ? `${path}${joint}after=${encodeURIComponent(after)}` : path, undefined, signal);
  return Array.isArray(got) ? { data: got, next: null } : { data: got.data ?? [], next: got.next ?? null };
}

/** @param {Response} response @returns {AsyncGenerator<string>} */
async function* linesOf(response) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {any} value */
function checked(value) {
  if (value?.error) throw new ApiError(200, value.error.code ?? "failed", value.error.message ?? "");
  return value;
}

/**
 * Long work, told as JSON lines: `{"progress": …}` and at the end `{"result": …}`.
 * @param {string} path @param {unknown} body @param {(progress: any) => void} tell @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function work(path, body, tell, signal) {
  const response = await send("POST", path, body, signal);
  for await (const line of linesOf(response)) {
    if (!line.trim()) continue;
    const step = checked(JSON.parse(line));
    if ("progress" in step) tell(step.progress);
    if ("result" in step) return step.result;
  }
  throw new ApiError(0, "broken", "");
}

/**
 * Server-sent events until `[DONE]`. A stream that ends without it broke.
 * @param {string} path @param {unknown} body @param {AbortSignal} signal @param {(head: Headers) => void} begun
 * @returns {AsyncGenerator<any>}
 */
export async function* events(path, body, signal, begun) {
  const response = await send("POST", path, body, signal);
  begun(response.headers);
  for await (const line of linesOf(response)) {
    if (!line.startsWith("data:")) continue;
    const data = line.slice(5).trim();
    if (data === "[DONE]") return;
    yield checked(JSON.parse(data));
  }
  throw new ApiError(0, "broken", "");
}

/**
 * What to tell a person of an error: a sentence in their language, and the server's own words where those say more.
 * @param {unknown} error
 * @returns {{ text: string, detail: string }}
 */
export function told(error) {
  if (!isTold(error)) return { text: t("error.page"), detail: error instanceof Error ? error.message : "" };
  const name = `error.${error.code}`;
  const text = known(name) ? t(name, { s: error.wait ?? 1 }) : t("error.other");
  return { text, detail: PLAIN.has(error.code) ? "" : error.message };
}

/** @param {any} error @returns {error is { code: string, message: string, wait?: number }} */
const isTold = (error) => typeof error?.code === "string" && typeof error.message === "string";

/** Errors of which all is said. */
const PLAIN = new Set(["unreachable", "broken", "invalid_api_key", "rate_limit_exceeded", "internal", "body_too_large", "disk_full", "insufficient_quota", "reports_busy", "reports_forbidden"]);
