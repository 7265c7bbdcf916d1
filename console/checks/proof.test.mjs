// Proofs of the ledger: one that holds is said to hold, and whatever is changed in it is seen.

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { check, checkpoint, commitment, logKey, read, rootOf } from "../lib/proof.js";

/** @param {(string | Uint8Array)[]} parts */
const sha = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest();
/** @param {Uint8Array} entry */
const leafOf = (entry) => sha(Uint8Array.of(0), entry);
/** @param {Uint8Array} left @param {Uint8Array} right */
const nodeOf = (left, right) => sha(Uint8Array.of(1), left, right);

/** RFC 6962's definition, word by word. @param {Uint8Array[]} leaves @returns {Uint8Array} */
function root(leaves) {
  if (leaves.length === 1) return leaves[0];
  const half = split(leaves.length);
  return nodeOf(root(leaves.slice(0, half)), root(leaves.slice(half)));
}

/** @param {Uint8Array[]} leaves @param {number} index @returns {Uint8Array[]} */
function path(leaves, index) {
  if (leaves.length === 1) return [];
  const half = split(leaves.length);
  return index < half
    ? [...path(leaves.slice(0, half), index), root(leaves.slice(half))]
    : [...path(leaves.slice(half), index - half), root(leaves.slice(0, half))];
}

/** The largest power of two below n. @param {number} n */
const split = (n) => 2 ** Math.floor(Math.log2(n - 1));
/** @param {Uint8Array} raw */
const base64 = (raw) => Buffer.from(raw).toString("base64");

const NAME = "example.com/log";
const pair = generateKeyPairSync("ed25519");
const raw = Buffer.concat([Buffer.of(1), pair.publicKey.export({ type: "spki", format: "der" }).subarray(-32)]);
const id = sha(`${NAME}\n`, raw).subarray(0, 4);
const KEY = `${NAME}+${id.toString("hex")}+${base64(raw)}`;
const ENTRIES = Array.from({ length: 23 }, (_, at) => ({ entry: "act", id: `receipt_${at}`, on: ["가"], status: 200 }));

/** @param {number} index @param {number} size */
function proof(index, size) {
  const entries = ENTRIES.slice(0, size).map((entry) => Buffer.from(JSON.stringify(entry)));
  const leaves = entries.map(leafOf);
  const text = `${NAME}\n${size}\n${base64(root(leaves))}\n`;
  const signature = base64(Buffer.concat([id, sign(null, Buffer.from(text), pair.privateKey)]));
  return ["c2sp.org/tlog-proof@v1", `extra ${base64(entries[index])}`, `index ${index}`, ...path(leaves, index).map(base64), "", `${text}\n— ${NAME} ${signature}\n`].join("\n");
}

/** @param {string} text @param {string} [key] @param {Record<string, unknown>} [shown] */
const verdicts = async (text, key = KEY, shown = ENTRIES[5]) => (await check(text, key, shown)).steps.filter((step) => step.verdict !== "holds").map((step) => step.name);

test("every entry of logs of many sizes is proved", async () => {
  for (const size of [1, 2, 3, 4, 7, 8, 9, 23]) {
    for (let index = 0; index < size; index += 1) {
      const { steps } = await check(proof(index, size), KEY, ENTRIES[index]);
      assert.deepEqual(steps.map((step) => step.verdict), Array(5).fill("holds"), `${index} of ${size}`);
    }
  }
});

test("whatever is changed in a proof is seen, and which step does not hold is said", async () => {
  const sound = proof(5, 23);
  assert.deepEqual(await verdicts(sound), []);
  const changed = (/** @type {string | RegExp} */ from, /** @type {string} */ to) => {
    const text = sound.replace(from, to);
    assert.notEqual(text, sound, String(from));
    return text;
  };
  const other = base64(Buffer.from(JSON.stringify({ ...ENTRIES[5], status: 404 })));
  assert.deepEqual(await verdicts(changed(/extra \S+/, `extra ${other}`)), ["entry", "path"]);
  assert.deepEqual(await verdicts(changed(/extra \S+/, `extra ${other}`), KEY, { ...ENTRIES[5], status: 404 }), ["path"]);
  assert.deepEqual(await verdicts(sound, KEY, ENTRIES[6]), ["entry"]);
  assert.deepEqual(await verdicts(sound, KEY, { ...ENTRIES[5], more: 1 }), ["entry"]);
  assert.deepEqual(await verdicts(changed("index 5", "index 4")), ["path"]);
  assert.deepEqual(await verdicts(changed("index 5", "index 23")), ["path"]);
  assert.deepEqual(await verdicts(changed(/(index 5\n)[^\n]+\n/, "$1")), ["path"]);
  // The path of an early entry may fit a size near the right one; the signature does not.
  assert.deepEqual(await verdicts(changed("\n23\n", "\n24\n")), ["signature"]);
  assert.deepEqual(await verdicts(changed("\n23\n", "\n40\n")), ["path", "signature"]);
  assert.deepEqual(await verdicts(changed(/ \S+\n$/, ` ${base64(Buffer.concat([id, Buffer.alloc(64, 7)]))}\n`)), ["signature"]);
  assert.deepEqual(await verdicts(`${sound}— ${NAME} ${base64(Buffer.concat([id, Buffer.alloc(64, 7)]))}\n`), ["signature"]);
  assert.deepEqual(await verdicts(changed(/—[^\n]+\n$/, "— somebody AAAAAAAA\n")), ["signature"]);
  for (const text of ["", "x", "\n\n", sound.replace("@v1", "@v2"), sound.replace("index 5", "index 05"), sound.replace(/extra [^\n]+\n/, ""), sound.replace("\n23\n", "\nmany\n")]) {
    assert.deepEqual(await verdicts(text), ["form"], text.slice(0, 30));
  }
});

test("another key, and one that is none, does not make a proof hold", async () => {
  const sound = proof(5, 23);
  const stranger = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  const own = Buffer.concat([Buffer.of(1), stranger]);
  const strange = `${NAME}+${sha(`${NAME}\n`, own).subarray(0, 4).toString("hex")}+${base64(own)}`;
  assert.deepEqual(await verdicts(sound, strange), ["signature"]);
  // Under the id of the right key it is not that key either.
  assert.deepEqual(await verdicts(sound, strange.replace(/\+[0-9a-f]{8}\+/, `+${id.toString("hex")}+`)), ["key", "signature"]);
  assert.deepEqual(await verdicts(sound, KEY.replace(NAME, "example.com/other")), ["key", "signature"]);
  for (const none of ["", "a+b", KEY.slice(0, -4), KEY.replace("+", " ")]) {
    assert.equal(logKey(none), null, none);
    assert.deepEqual(await verdicts(sound, none), ["key", "signature"]);
  }
});

test("a note that others signed is read as they do", async () => {
  // Of the documentation of Go's sumdb/note: not a checkpoint, so it proves nothing, but its key's id is right.
  assert.equal(logKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")?.name, "PeterNeumann");
  assert.equal(checkpoint("a\n\n— b AAAA\n"), null);
  assert.equal(read("c2sp.org/tlog-proof@v1\nindex 18446744073709551615\n\n")?.index, 18446744073709551615n);
  assert.equal(await rootOf(Buffer.alloc(32), 0n, 1n, [Buffer.alloc(32)]), null);
});

test("a commitment is the hash of the salt's bytes and the text", async () => {
  assert.equal(await commitment("00112233445566778899aabbccddeeff", "물음"), sha(Buffer.from("00112233445566778899aabbccddeeff", "hex"), "물음").toString("hex"));
  for (const salt of ["", "0011", "zz112233445566778899aabbccddeeff"]) assert.equal(await commitment(salt, "x"), null);
});
