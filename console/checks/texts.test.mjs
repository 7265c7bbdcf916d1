// What people read stands in the two dictionaries and nowhere else, and both say the same things.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import en from "../text/en.js";
import ko from "../text/ko.js";

const root = new URL("..", import.meta.url);
const FOLDERS = ["", "answer/", "lib/", "pages/", "pages/ask/", "parts/"];
/** Names, units and samples that are the same in every language. */
const SAME = new Set(["JSON", "Markdown", "dure_…", "KR", "kogl-1", "SHA-256"]);
const READ_ALOUD = /\b(?:aria-label|aria-roledescription|alt|label|placeholder|title)="([^"]*)"/g;

const sources = FOLDERS.flatMap((folder) =>
  readdirSync(new URL(folder || ".", root)).filter((name) => name.endsWith(".js")).map((name) => folder + name),
).map((name) => [name, readFileSync(new URL(name, root), "utf8").replace(/^\s*\/\/.*$/gm, "").replace(/\/\*\*.*?\*\//gs, "")]);

/** The markup of all `html` templates of a source, with everything between `${` and `}` taken out. @param {string} source */
function templates(source) {
  const out = [];
  /** @param {number} at @returns {[string, number]} */
  const template = (at) => {
    let text = "";
    while (source[at] !== "`") {
      if (source[at] === "$" && source[at + 1] === "{") {
        at = expression(at + 2);
        text += "\u0000";
      } else {
        text += source[at];
        at += 1;
      }
    }
    return [text, at + 1];
  };
  /** @param {number} at */
  const expression = (at) => {
    for (let depth = 1; ; at += 1) {
      if (source[at] === "`") {
        const tagged = source.slice(0, at).endsWith("html");
        const [text, end] = template(at + 1);
        if (tagged) out.push(text);
        at = end - 1;
      } else if (source[at] === "{") depth += 1;
      else if (source[at] === "}" && --depth === 0) return at + 1;
    }
  };
  for (let at = source.indexOf("html`"); at >= 0; at = source.indexOf("html`", at)) {
    const [text, end] = template(at + 5);
    out.push(text);
    at = end;
  }
  return out;
}

test("no text stands in a component", () => {
  let seen = 0;
  for (const [name, source] of sources) {
    for (const markup of templates(source)) {
      seen += 1;
      const spoken = [...markup.matchAll(READ_ALOUD)].map(([, text]) => text);
      const shown = markup.replace(/<[^>]*>/g, "\u0000").split("\u0000");
      for (const text of [...spoken, ...shown].map((text) => text.trim())) {
        assert.ok(!/\p{L}/u.test(text) || SAME.has(text), `${name}: “${text}” is not in the dictionaries`);
      }
    }
  }
  assert.ok(seen > 100, "the templates were found");
});

test("both languages have every key, the same values in it, and no empty text", () => {
  assert.deepEqual(Object.keys(ko).sort(), Object.keys(en).sort());
  const values = (/** @type {string} */ text) => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const [key, text] of Object.entries(en)) {
    const other = ko[/** @type {keyof typeof ko} */ (key)];
    assert.ok(text.trim() && other.trim(), key);
    const both = [...new Set([...values(text), ...values(other)])];
    const without = text.includes("|") ? ["{n}"] : [];
    for (const value of both) assert.ok((values(text).includes(value) && values(other).includes(value)) || without.includes(value), `${key}: ${value}`);
  }
});

test("every key is used, and every key that is used is there", () => {
  const all = sources.map(([, source]) => source).join("\n");
  const made = [...all.matchAll(/`([a-z]+(?:\.[a-z]+)*\.)\$\{/g)].map(([, start]) => start);
  for (const key of Object.keys(en)) {
    assert.ok(all.includes(`"${key}"`) || made.some((start) => key.startsWith(start)), `${key} is used nowhere`);
  }
  for (const [, key] of all.matchAll(/\bt\("([^"]+)"/g)) assert.ok(Object.hasOwn(en, key), key);
});
