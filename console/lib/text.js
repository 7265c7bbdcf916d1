// Every text that people read comes from here, in the language that they chose, or that their browser asks for.

import en from "../text/en.js";
import ko from "../text/ko.js";
import { signal } from "../vendor/signals.js";
import { keep, kept } from "./kept.js";

/** @typedef {keyof typeof en} Key */
/** @typedef {"ko" | "en"} Language */

/** @type {Record<Language, Record<Key, string>>} */
const texts = { en, ko };

/** @type {import("../vendor/signals-core.js").Signal<Language>} */
export const language = signal(first());

function first() {
  const chosen = kept("language");
  if (chosen === "ko" || chosen === "en") return chosen;
  return navigator.languages.some((name) => name.toLowerCase().startsWith("ko")) ? "ko" : "en";
}

/** @param {Language} name */
export function choose(name) {
  keep("language", name);
  language.value = name;
}

/**
 * The text of a key. `{name}` stands for a value; `one|many` chooses by the value `n`.
 * @param {Key} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export const t = (key, values) => said(language.value, key, values);

/**
 * The text of a key in a language that need not be this page's.
 * @param {Language} tongue @param {Key} key @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function said(tongue, key, values) {
  let text = texts[tongue][key] ?? key;
  if (!values) return text;
  if ("n" in values && text.includes("|")) {
    const [one, many] = text.split("|");
    text = Number(values.n) === 1 ? one : many;
  }
  return text.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    return value === undefined ? all : typeof value === "number" ? number(value) : value;
  });
}

/** Whether there is a text of this key. @param {string} key @returns {key is Key} */
export const known = (key) => Object.hasOwn(en, key);

const locale = () => (language.value === "ko" ? "ko-KR" : "en-GB");

/** @param {number} value @param {number} [digits] */
export const number = (value, digits = 0) => value.toLocaleString(locale(), { maximumFractionDigits: digits });

/** @param {number} part */
export const percent = (part) => part.toLocaleString(locale(), { style: "percent", maximumFractionDigits: 0 });

/** A large number in short: 630M, 6.3억. @param {number} value */
export const short = (value) => value.toLocaleString(locale(), { notation: "compact", maximumFractionDigits: 1 });

/** What a language is called, by its code; `mul` is ISO 639's for many. @param {string} code */
export const languageName = (code) => (code === "mul" ? t("models.languages.many") : new Intl.DisplayNames([locale()], { type: "language" }).of(code) ?? code);

/** Bytes as people say them. @param {number} bytes */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, value < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

/** @param {number} ms */
export const seconds = (ms) => t("time.seconds", { s: (ms / 1000).toLocaleString(locale(), { minimumFractionDigits: 1, maximumFractionDigits: ms < 1000 ? 2 : 1 }) });

/** A day and its time. @param {string | number} when */
export function moment(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
}

/** A day and its time to the second. @param {string | number} when */
export function exactly(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" });
}

/** A day. @param {string | number} when */
export function day(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleDateString(locale(), { dateStyle: "medium" });
}
