// Masked texts in pieces: nothing is lost, and places are counted in characters.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces } from "../lib/masked.js";

/** @param {string} source @param {string} value */
function finding(source, value, kind = "name") {
  const start = Buffer.byteLength(source.slice(0, source.indexOf(value)));
  return { kind, span: { start, end: start + Buffer.byteLength(value) }, confidence: 0.9, check: /** @type {const} */ ("none") };
}

test("both texts are whole, and each finding has its value, its stand-in and its place", () => {
  const source = "😀 민원인 홍길동(010-1234-5678)이 [이름-9]를 찾는다. 홍길동";
  const first = finding(source, "홍길동");
  const last = { ...first, span: { start: Buffer.byteLength(source) - 9, end: Buffer.byteLength(source) } };
  const findings = [first, finding(source, "010-1234-5678", "phone"), finding(source, "[이름-9]", "literal"), last];
  const masked = "😀 민원인 [이름-1]([전화-1])이 [literal-1]를 찾는다. [이름-1]";
  const { before, after, found } = pieces(source, masked, findings);
  assert.equal(before.map((piece) => piece.text).join(""), source);
  assert.equal(after.map((piece) => piece.text).join(""), masked);
  assert.deepEqual(found.map((one) => [one.value, one.standIn]), [["홍길동", "[이름-1]"], ["010-1234-5678", "[전화-1]"], ["[이름-9]", "[literal-1]"], ["홍길동", "[이름-1]"]]);
  assert.deepEqual(found.map((one) => [...source].slice(one.from, one.to).join("")), found.map((one) => one.value));
});

test("neighbours without anything between, a mark at the beginning, and nothing at all", () => {
  const source = "\uFEFF가나다라";
  const { before, after, found } = pieces(source, "\uFEFF[이름-1][이름-2]", [finding(source, "가나"), finding(source, "다라")]);
  assert.deepEqual(after.map((piece) => piece.text), ["\uFEFF", "[이름-1]", "[이름-2]"]);
  assert.equal(before.length, 3);
  assert.equal(found[1].from, 3);
  assert.deepEqual(pieces("", "", []), { before: [], after: [], found: [] });
  assert.deepEqual(pieces("그대로", "그대로", []).after, [{ text: "그대로", number: null }]);
});
