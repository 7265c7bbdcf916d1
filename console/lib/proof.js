// Checks, in the browser, what a proof of the ledger says (C2SP tlog-proof, signed notes, tlog-checkpoint; RFC 6962): that
// an entry stands in the log that a key signed. What cannot be checked here is never said to hold.

/** @typedef {"holds" | "fails" | "unknown"} Verdict */
/** @typedef {{ name: "form" | "entry" | "path" | "key" | "signature", verdict: Verdict }} Step */
/** @typedef {{ index: bigint, path: Uint8Array[], extra: Uint8Array | null, note: string }} Proof */
/** @typedef {{ name: string, id: string, key: Uint8Array<ArrayBuffer> }} LogKey */
/** @typedef {{ steps: Step[], index: bigint | null, size: bigint | null, root: string, leaf: string }} Checked */

/** Whether this page may hash at all: browsers give pages on plain HTTP beyond loopback no cryptography. */
export const canHash = () => globalThis.crypto?.subtle !== undefined;

const HEAD = "c2sp.org/tlog-proof@v1";
const PATH_MAX = 63;
const ED25519 = 1;

/**
 * Goes through a proof, step by step. `shown` is the entry as the page shows it, without its place in the log.
 * @param {string} text @param {string} key @param {Record<string, unknown>} shown
 * @returns {Promise<Checked>}
 */
export async function check(text, key, shown) {
  const proof = read(text);
  const log = logKey(key);
  const told = proof && checkpoint(proof.note);
  /** @type {Step[]} */
  const steps = [{ name: "form", verdict: proof?.extra && told ? "holds" : "fails" }];
  if (!proof?.extra || !told) return { steps, index: null, size: null, root: "", leaf: "" };
  const entry = parsed(proof.extra);
  steps.push({ name: "entry", verdict: entry !== undefined && same(entry, shown) ? "holds" : "fails" });
  const leaf = await hash(Uint8Array.of(0), proof.extra);
  const root = await rootOf(leaf, proof.index, told.size, proof.path);
  steps.push({ name: "path", verdict: root !== null && hex(root) === hex(told.root) ? "holds" : "fails" });
  steps.push({ name: "key", verdict: log && log.name === told.origin && (await idOf(log)) === log.id ? "holds" : "fails" });
  steps.push({ name: "signature", verdict: log ? await signed(proof.note, log) : "fails" });
  return { steps, index: proof.index, size: told.size, root: hex(told.root), leaf: hex(leaf) };
}

/** The proof in a file; null for a text that is none. @param {string} text @returns {Proof | null} */
export function read(text) {
  const cut = text.indexOf("\n\n");
  if (cut < 0) return null;
  const lines = text.slice(0, cut).split("\n");
  if (lines.shift() !== HEAD) return null;
  const extra = lines[0]?.startsWith("extra ") ? bytes(/** @type {string} */ (lines.shift()).slice(6)) : null;
  const index = decimal(/^index (.*)$/.exec(lines.shift() ?? "")?.[1] ?? "");
  const path = lines.map(bytes);
  if (index === null || path.length > PATH_MAX || path.some((one) => one?.length !== 32)) return null;
  return { index, path: /** @type {Uint8Array[]} */ (path), extra, note: text.slice(cut + 2) };
}

/** A log's public key as signed notes write it: name+id+key. @param {string} text @returns {LogKey | null} */
export function logKey(text) {
  const found = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim());
  const raw = found && bytes(found[3]);
  return found && raw && raw.length === 33 && raw[0] === ED25519 ? { name: found[1], id: found[2], key: raw.slice(1) } : null;
}

/** What a checkpoint says, whoever signed it. @param {string} note */
export function checkpoint(note) {
  const [origin, size, root, ...rest] = signedText(note).split("\n");
  const [count, top] = [decimal(size ?? ""), bytes(root ?? "")];
  return origin && count !== null && top?.length === 32 && rest.at(-1) === "" ? { origin, size: count, root: top } : null;
}

/**
 * The root that an inclusion path leads to (RFC 9162, 2.1.3.2); null where it leads nowhere.
 * @param {Uint8Array} leaf @param {bigint} index @param {bigint} size @param {Uint8Array[]} path
 */
export async function rootOf(leaf, index, size, path) {
  if (index >= size) return null;
  let [node, last, reached] = [index, size - 1n, leaf];
  for (const step of path) {
    if (last === 0n) return null;
    if (node & 1n || node === last) {
      reached = await hash(Uint8Array.of(1), step, reached);
      while (!(node & 1n) && node) [node, last] = [node >> 1n, last >> 1n];
    } else reached = await hash(Uint8Array.of(1), reached, step);
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n ? reached : null;
}

/**
 * What a commitment is to this salt and text; null for a salt that is none.
 * @param {string} salt @param {string} text @returns {Promise<string | null>}
 */
export async function commitment(salt, text) {
  const pairs = /^[0-9a-f]{32}$/i.test(salt.trim()) ? salt.trim().match(/../g) : null;
  return pairs && hex(await hash(Uint8Array.from(pairs, (pair) => parseInt(pair, 16)), new TextEncoder().encode(text)));
}

/** Whether the log's key signed this note. One wrong signature under its name spoils it. @param {string} note @param {LogKey} log @returns {Promise<Verdict>} */
async function signed(note, log) {
  const text = signedText(note);
  const own = note.slice(text.length + 1).split("\n").map((line) => /^— (\S+) (\S+)$/.exec(line)).filter((line) => line?.[1] === log.name);
  const signatures = own.map((line) => bytes(line?.[2] ?? "")).filter((raw) => raw && hex(raw.slice(0, 4)) === log.id);
  if (!text || !signatures.length) return "fails";
  /** @type {CryptoKey} */
  let key;
  try {
    key = await crypto.subtle.importKey("raw", log.key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    // A browser without Ed25519 says that it does not know the name; a key that is none is another error.
    return error instanceof DOMException && error.name === "NotSupportedError" ? "unknown" : "fails";
  }
  for (const raw of signatures) {
    if (!raw || !(await crypto.subtle.verify({ name: "Ed25519" }, key, raw.slice(4), new TextEncoder().encode(text)))) return "fails";
  }
  return "holds";
}

/** The id that a key must have: the first bytes of a hash over its name, its kind and itself. @param {LogKey} log */
async function idOf(log) {
  return hex((await hash(new TextEncoder().encode(`${log.name}\n`), Uint8Array.of(ED25519), log.key)).slice(0, 4));
}

/** The part of a note that is signed, with its last line's end. @param {string} note */
const signedText = (note) => note.slice(0, note.lastIndexOf("\n\n") + 1);

/** The SHA-256 of bytes, one after the other. @param {Uint8Array[]} parts */
export async function hash(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

/** @param {Uint8Array} raw */
export const hex = (raw) => Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** What stands in base64, written as it must be. @param {string} text */
function bytes(text) {
  try {
    const raw = atob(text);
    return btoa(raw) === text ? Uint8Array.from(raw, (character) => character.charCodeAt(0)) : null;
  } catch {
    return null;
  }
}

/** @param {string} text */
const decimal = (text) => (/^(?:0|[1-9]\d{0,19})$/.test(text) ? BigInt(text) : null);

/** @param {Uint8Array} raw @returns {unknown} */
function parsed(raw) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw));
  } catch {
    return undefined;
  }
}

/** Whether two values of JSON say the same. @param {unknown} one @param {unknown} other @returns {boolean} */
function same(one, other) {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  const [a, b] = [/** @type {Record<string, unknown>} */ (one), /** @type {Record<string, unknown>} */ (other)];
  const keys = Object.keys(a);
  return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}
