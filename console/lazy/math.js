// Formulas as MathML, made of nodes: temml gives a tree, and of the tree only elements and attributes of MathML are taken.

import { h } from "../vendor/preact.js";
import temml from "./temml.js";

const ELEMENTS = new Set(
  "math mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover menclose none".split(" "),
);
const ATTRIBUTES = new Set(
  "accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height largeop linethickness lspace mathsize mathvariant maxsize minsize movablelimits notation rowalign rowlines rowspacing rspace scriptlevel separator stretchy symmetric voffset width".split(" "),
);

/**
 * @param {string} tex @param {boolean} display
 * @returns {import("../vendor/preact.js").VNode | null} nothing if it is no formula
 */
export function formula(tex, display) {
  try {
    const tree = temml.__renderToMathMLTree(tex, { displayMode: display, throwOnError: true, trust: false, maxSize: [10, 10], maxExpand: 200 });
    return /** @type {import("../vendor/preact.js").VNode} */ (element(tree));
  } catch {
    return null;
  }
}

/** @param {import("./temml.js").MathNode} node @returns {import("../vendor/preact.js").ComponentChildren} */
function element(node) {
  if (typeof node.text === "string") return node.text;
  const children = (node.children ?? []).map(element);
  if (!node.type || !ELEMENTS.has(node.type)) return children;
  /** @type {Record<string, string>} */
  const attributes = {};
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    if (ATTRIBUTES.has(name)) attributes[name] = String(value);
  }
  return h(node.type, attributes, ...children);
}
