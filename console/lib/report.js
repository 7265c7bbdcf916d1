// Reports: the days that one may be about, what is asked of the server for it, and what its values say. No markup here.

import { plain } from "../answer/markdown.js";

/** @typedef {{ from: string, to: string }} Period */
/** @typedef {Record<string, string>} Draft What is filled in, by the API's names. */
/** @typedef {{ name: string, title: string, about: string, country: string | null, law: { name: string, version: string, says: string, read: string }[] }} Form */
/** @typedef {{ code: (word: string) => string, number: (value: number) => string, time: (moment: string) => string }} Words */
/** @typedef {{ text: string, kind: "" | "number" | "time" | "code" | "blank", id?: string }} Cell */

/** Days of one report, at most: ten years. */
export const DAYS_MAX = 3660;
const DAY_MS = 86_400_000;

export const QUICK = /** @type {const} */ (["last_month", "this_month", "last_days"]);

/** What a report may be narrowed to, and the moment that its clock runs from. */
const NARROWED = ["key", "person", "document", "upstream"];
const FIELDS = /** @type {Record<string, string[]>} */ ({
  breach: [...NARROWED, "known_at"],
  "automated-decisions": [...NARROWED, "requested_at"],
});

/** The fields that a report has beside its days. @param {string} name */
export const fieldsOf = (name) => FIELDS[name] ?? [];

/** The time of the country whose forms these are, where it has but one. General forms follow UTC. @param {Form[]} forms @returns {string | undefined} */
export function zoneOf(forms) {
  const country = forms.find((form) => form.country)?.country;
  if (!country) return "UTC";
  try {
    /** @type {any} */
    const region = new Intl.Locale("und", { region: country });
    const zones = region.getTimeZones?.() ?? region.timeZones ?? [];
    return zones.length === 1 ? zones[0] : undefined;
  } catch {
    return undefined;
  }
}

/** Which day it is there, as in `2026-11-30`. @param {string | undefined} zone @param {Date} [now] */
export const today = (zone, now = new Date()) => now.toLocaleDateString("sv-SE", { timeZone: zone });

/** @param {typeof QUICK[number]} which @param {string} day today @returns {Period} */
export function quick(which, day) {
  const [year, month, date] = day.split("-").map(Number);
  if (which === "last_days") return { from: dated(year, month - 1, date - 29), to: day };
  if (which === "this_month") return { from: dated(year, month - 1, 1), to: day };
  return { from: dated(year, month - 2, 1), to: dated(year, month - 1, 0) };
}

/** A day of a year, with months from 0 on and days that may lie outside their month. @param {number} year @param {number} month @param {number} date */
const dated = (year, month, date) => new Date(Date.UTC(year, month, date)).toISOString().slice(0, 10);

/** What a report begins with: the access log is checked for the month that is over. @param {string} name @param {string} day today */
export const usual = (name, day) => quick(name === "access-log" ? "last_month" : "last_days", day);

/**
 * What stands in the form: what the address says, and else what is usual.
 * @param {string} name @param {URLSearchParams} query @param {string} day today
 * @returns {Draft}
 */
export function drafted(name, query, day) {
  const said = Object.fromEntries(["from", "to", "language", ...fieldsOf(name)].map((field) => [field, query.get(field) ?? ""]));
  return said.from || said.to ? said : { ...said, ...usual(name, day) };
}

/** What is asked of the server, and stands in the address. @param {string} name @param {Draft} draft */
export const wish = (name, draft) => Object.fromEntries(["from", "to", ...fieldsOf(name), "language"].map((field) => [field, said(field, (draft[field] ?? "").trim())]).filter(([, value]) => value));

/** What a field says: of a document's address, the document. @param {string} field @param {string} value */
const said = (field, value) => (field === "document" && /\bdoc_[0-9a-f]{32}\b/.exec(value)?.[0]) || value;

/**
 * What is wrong with it, by the field: what the server would refuse.
 * @param {string} name @param {Draft} draft
 * @returns {Record<string, "day" | "order" | "long" | "nobody" | "both">}
 */
export function mistakes(name, draft) {
  const found = /** @type {ReturnType<typeof mistakes>} */ ({});
  for (const field of ["from", "to"]) if (Number.isNaN(Date.parse(draft[field]))) found[field] = "day";
  const days = (Date.parse(draft.to) - Date.parse(draft.from)) / DAY_MS;
  if (days < 0) found.to = "order";
  if (days >= DAYS_MAX) found.to = "long";
  const named = NARROWED.filter((field) => draft[field]?.trim());
  if (name === "breach" && !named.length) found.key = "nobody";
  if (named.includes("key") && named.includes("person")) found.person = "both";
  return found;
}

/** Columns and figures that only a person can fill in; there, nothing means a box. */
const BY_HAND = new Set(["purpose", "processor", "task", "contract", "published", "supervised", "checked", "reason", "fully_automated", "clock_from", "clock_until", "clock_left_hours"]);
/** Columns and figures that say the program's own codes. In all others a word is somebody's name. */
const CODED = new Set(["who", "account", "class", "class_max", "classes", "outcomes", "masked", "masked_kinds", "how", "did", "why", "unusual", "obligations", "component", "marked"]);

/**
 * A value as people read it.
 * @param {string} key The column's or figure's. @param {unknown} value @param {Words} words @param {Record<string, unknown>} [row]
 * @returns {Cell}
 */
export function cell(key, value, words, row) {
  // Models have the house as an owner; upstreams have names.
  const coded = CODED.has(key) || (key === "owner" && row?.component !== undefined);
  const code = coded ? words.code : (/** @type {string} */ word) => word;
  if (value === null || value === undefined) return { text: NOTHING, kind: isByHand(key, row) ? "blank" : "" };
  if (typeof value === "number") return { text: words.number(value), kind: "number" };
  if (typeof value === "boolean") return { text: words.code(value ? "yes" : "no"), kind: "" };
  if (typeof value === "string") return isMoment(value) ? { text: words.time(value), kind: "time" } : { text: plain(code(value)), kind: isCode(value) ? "code" : "" };
  if (Array.isArray(value)) return { text: value.map((one) => plain(paired(one, code))).join(", ") || NOTHING, kind: value.some(isCode) ? "code" : "" };
  const named = /** @type {Record<string, unknown>} */ (value);
  if (typeof named.name === "string") return { text: plain(named.name), kind: "", id: String(named.id) };
  return { text: Object.entries(named).map(([word, count]) => `${plain(code(word))} ${words.number(Number(count))}`).join(", ") || NOTHING, kind: "" };
}

const NOTHING = "–";

/** Of an upstream's model nobody here knows the licence. @param {string} key @param {Record<string, unknown>} [row] */
const isByHand = (key, row) => BY_HAND.has(key) || (key === "licence" && row?.component === "upstream" && row.here === true);

/** A code with what belongs to it, as in `mask: kr`. @param {string} text @param {(word: string) => string} code */
function paired(text, code) {
  const [, word, rest] = /^(\w+)(: .*)?$/s.exec(text) ?? [];
  return word ? code(word) + (rest ?? "") : text;
}

/** @param {string} text */
const isMoment = (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text);

/** An id or a hash: long, and broken wherever the line ends. @param {string} text */
const isCode = (text) => text.length >= 24 && /^[\w\-:.+/=]+$/.test(text);

/**
 * A clock of the report's own time, which POSIX writes as `KST-9`. Where that time changes with the season, UTC, and it says so.
 * @param {string} timezone
 * @returns {(moment: string) => string}
 */
export function clock(timezone) {
  const [, sign, hours, minutes] = /^(?:[A-Za-z]{3,}|<[^>]+>)([+-]?)(\d{1,2})(?::(\d\d))?$/.exec(timezone) ?? [];
  const west = (Number(hours) * 60 + Number(minutes ?? 0)) * (sign === "-" ? -1 : 1);
  const shift = hours === undefined ? 0 : west * 60_000;
  return (moment) => new Date(Date.parse(moment) - shift).toISOString().slice(0, 19).replace("T", " ") + (hours === undefined ? " UTC" : "");
}
