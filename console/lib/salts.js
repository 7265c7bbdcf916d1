// The salts of the answers that came to this page, by receipt. The server keeps none, and neither does this device: they
// are gone with the page.

/** @type {Map<string, string>} */
const salts = new Map();
const KEPT_MAX = 500;

/** @param {Headers} head The head of an answer. @returns {string | null} its receipt */
export function received(head) {
  const [receipt, salt] = [head.get("x-dure-receipt"), head.get("x-dure-receipt-salt")];
  if (receipt && salt && salts.size < KEPT_MAX) salts.set(receipt, salt);
  return receipt;
}

/** @param {string} receipt */
export const saltOf = (receipt) => salts.get(receipt) ?? "";
