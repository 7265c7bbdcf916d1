// Days of reports, what is asked for, and what values say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, clock, drafted, mistakes, quick, today, usual, wish, zoneOf } from "../lib/report.js";

const words = { code: (/** @type {string} */ word) => `<${word}>`, number: (/** @type {number} */ value) => `#${value}`, time: (/** @type {string} */ moment) => `@${moment}` };

test("a month that is over has its own length, also at the turn of the year", () => {
  assert.deepEqual(quick("last_month", "2026-03-31"), { from: "2026-02-01", to: "2026-02-28" });
  assert.deepEqual(quick("last_month", "2028-03-01"), { from: "2028-02-01", to: "2028-02-29" });
  assert.deepEqual(quick("last_month", "2027-01-15"), { from: "2026-12-01", to: "2026-12-31" });
  assert.deepEqual(quick("this_month", "2026-11-30"), { from: "2026-11-01", to: "2026-11-30" });
  assert.deepEqual(quick("last_days", "2026-03-01"), { from: "2026-01-31", to: "2026-03-01" });
  assert.deepEqual(usual("access-log", "2026-11-30"), { from: "2026-10-01", to: "2026-10-31" });
  assert.deepEqual(usual("breach", "2026-11-30"), { from: "2026-11-01", to: "2026-11-30" });
});

test("the day is the country's, not this machine's", () => {
  const form = { name: "x", title: "", about: "", law: [] };
  assert.equal(zoneOf([{ ...form, country: null }, { ...form, country: "KR" }]), "Asia/Seoul");
  assert.equal(zoneOf([{ ...form, country: "US" }]), undefined);
  assert.equal(zoneOf([{ ...form, country: null }]), "UTC");
  const evening = new Date("2026-11-30T15:30:00Z");
  assert.equal(today("Asia/Seoul", evening), "2026-12-01");
  assert.equal(today("UTC", evening), "2026-11-30");
});

test("the address says what is in the form, and the form what is in the address", () => {
  const query = new URLSearchParams("from=2026-11-01&to=2026-11-02&key=app&known_at=2026-11-30T09:00&after=x");
  const draft = drafted("breach", query, "2026-11-30");
  assert.deepEqual(wish("breach", { ...draft, person: " " }), { from: "2026-11-01", to: "2026-11-02", key: "app", known_at: "2026-11-30T09:00" });
  const id = `doc_${"0a".repeat(16)}`;
  for (const document of [id, ` ${id}`, `http://127.0.0.1:7400/#/records/minutes/document?id=${id}&from=3`]) {
    assert.equal(wish("breach", { document }).document, id);
  }
  assert.equal(wish("breach", { document: "doc_1" }).document, "doc_1");
  assert.equal(drafted("models", query, "2026-11-30").key, undefined);
  assert.equal(drafted("models", new URLSearchParams(), "2026-11-30").from, "2026-11-01");
});

test("what the server would refuse is said before it is asked", () => {
  const days = { from: "2026-11-01", to: "2026-11-30" };
  assert.deepEqual(mistakes("models", days), {});
  assert.deepEqual(mistakes("models", { from: "", to: "" }), { from: "day", to: "day" });
  assert.deepEqual(mistakes("models", { from: "2026-11-02", to: "2026-11-01" }), { to: "order" });
  assert.deepEqual(mistakes("models", { from: "2016-11-23", to: "2026-11-30" }), {});
  assert.deepEqual(mistakes("models", { from: "2016-11-22", to: "2026-11-30" }), { to: "long" });
  assert.deepEqual(mistakes("breach", { ...days, key: " " }), { key: "nobody" });
  assert.deepEqual(mistakes("breach", { ...days, key: "a", person: "b" }), { person: "both" });
  assert.deepEqual(mistakes("automated-decisions", days), {});
});

test("codes are turned into words where they are codes, and nowhere else", () => {
  const check = (/** @type {string} */ key, /** @type {unknown} */ value, /** @type {any} */ wanted, /** @type {any} */ row = undefined) => assert.deepEqual(cell(key, value, words, row), wanted);
  check("how", "served", { text: "<served>", kind: "" });
  check("how", ["refused: policy: x"], { text: "<refused>: policy: x", kind: "" });
  check("owner", "house", { text: "house", kind: "" });
  check("owner", "house", { text: "<house>", kind: "" }, { component: "chat" });
  check("engine", "served", { text: "served", kind: "" });
  check("masked", { phone: 3, rrn: 1 }, { text: "<phone> #3, <rrn> #1", kind: "" });
  check("masked", {}, { text: "–", kind: "" });
  check("who", { name: "민지", id: "person_1" }, { text: "민지", kind: "", id: "person_1" });
  check("who", "operator", { text: "<operator>", kind: "" });
  check("abroad", true, { text: "<yes>", kind: "" });
  check("when", "2026-11-30T13:32:09.107Z", { text: "@2026-11-30T13:32:09.107Z", kind: "time" });
  check("receipt", "receipt_01a22ca7e01373aa8cb5813bfc4f39a6", { text: "receipt_01a22ca7e01373aa8cb5813bfc4f39a6", kind: "code" });
  check("flows", 0, { text: "#0", kind: "number" });
});

test("a box is for what only a person knows; what there is none of is a dash", () => {
  assert.equal(cell("purpose", null, words).kind, "blank");
  assert.equal(cell("file", null, words).kind, "");
  assert.equal(cell("licence", null, words, { component: "upstream", here: true }).kind, "blank");
  assert.equal(cell("licence", null, words, { component: "upstream", here: false }).kind, "");
});

test("a name can turn no text around", () => {
  assert.equal(cell("engine", "\u202egpj.exe", words).text, "\uFFFDgpj.exe");
  assert.equal(cell("who", { name: "a\u2066b", id: "x" }, words).text, "a\uFFFDb");
});

test("clocks show the report's time", () => {
  assert.equal(clock("KST-9")("2026-11-30T13:32:09.107Z"), "2026-11-30 22:32:09");
  assert.equal(clock("<-0330>+3:30")("2026-11-30T13:32:09Z"), "2026-11-30 10:02:09");
  assert.equal(clock("UTC0")("2026-11-30T13:32:09Z"), "2026-11-30 13:32:09");
  assert.equal(clock("CET-1CEST,M3.5.0,M10.5.0/3")("2026-11-30T13:32:09Z"), "2026-11-30 13:32:09 UTC");
});
