// A text and what masking hides in it, cut into pieces that can be shown side by side. The server counts places in bytes of
// UTF-8; people count characters.

/** @typedef {{ kind: string, span: { start: number, end: number }, confidence: number, check: "right" | "wrong" | "none" }} Finding */
/** @typedef {{ text: string, number: number | null }} Piece A piece, and which finding it is, from 0; none for what stays. */
/** @typedef {{ value: string, standIn: string, from: number, to: number }} Found Places in characters, from 0; `to` is not in it. */

/**
 * Both texts in pieces, and each finding with its value and its stand-in.
 * @param {string} source @param {string} masked @param {Finding[]} findings
 * @returns {{ before: Piece[], after: Piece[], found: Found[] }}
 */
export function pieces(source, masked, findings) {
  const raw = new TextEncoder().encode(source);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const part = (/** @type {number} */ start, /** @type {number} */ end) => decoder.decode(raw.subarray(start, end));
  /** @type {Piece[]} */
  const before = [];
  /** @type {Piece[]} */
  const after = [];
  /** @type {Found[]} */
  const found = [];
  let [byte, place, characters] = [0, 0, 0];
  findings.forEach(({ span }, number) => {
    const stays = part(byte, span.start);
    const value = part(span.start, span.end);
    place += stays.length;
    const standIn = /^\[[^\]]*\]/.exec(masked.slice(place, place + 80))?.[0] ?? "";
    before.push({ text: stays, number: null }, { text: value, number });
    after.push({ text: stays, number: null }, { text: standIn, number });
    const from = characters + [...stays].length;
    characters = from + [...value].length;
    found.push({ value, standIn, from, to: characters });
    byte = span.end;
    place += standIn.length;
  });
  before.push({ text: part(byte, raw.length), number: null });
  after.push({ text: masked.slice(place), number: null });
  return { before: before.filter(said), after: after.filter(said), found };
}

/** @param {Piece} piece */
const said = (piece) => piece.text !== "";
