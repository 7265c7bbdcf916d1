// A tree of Markdown as elements.

import { html, useEffect, useState } from "../lib/html.js";
import { t } from "../lib/text.js";
import { copy } from "../lib/copy.js";
import { Icon } from "../parts/icon.js";
import { pieces } from "./highlight.js";

/**
 * What a mark and an unsupported sentence are shown as; the prose itself knows neither.
 * @typedef {object} Notes
 * @property {(index: number) => unknown} cite
 * @property {(number: number) => unknown} mark
 * @property {(index: number, text: string) => unknown} flag
 */

/** @param {{ blocks: import("./markdown.js").Block[], notes: Notes }} props */
export function Prose({ blocks, notes }) {
  return html`<div class="prose" dir="auto">${blocks.map((block) => Block(block, notes))}</div>`;
}

/** @param {import("./markdown.js").Block} block @param {Notes} notes @returns {unknown} */
function Block(block, notes) {
  switch (block.type) {
    case "heading":
      // The page has its own first headings.
      return html`<${`h${Math.min(6, block.level + 2)}`}>${inlines(block.children, notes)}</>`;
    case "paragraph":
      return html`<p>${inlines(block.children, notes)}</p>`;
    case "quote":
      return html`<blockquote>${block.children.map((child) => Block(child, notes))}</blockquote>`;
    case "list": {
      const items = block.items.map((item) => html`<li>${item.length === 1 && item[0].type === "paragraph" ? inlines(item[0].children, notes) : item.map((child) => Block(child, notes))}</li>`);
      return block.ordered ? html`<ol start=${block.start}>${items}</ol>` : html`<ul>${items}</ul>`;
    }
    case "table":
      return html`<div class="table-scroll" tabindex="0" role="region" aria-label=${t("answer.table")}>
        <table>
          <thead><tr>${block.head.map((cell, column) => html`<th scope="col" class=${block.align[column] ?? ""}>${inlines(cell, notes)}</th>`)}</tr></thead>
          <tbody>${block.rows.map((row) => html`<tr>${row.map((cell, column) => html`<td class=${block.align[column] ?? ""}>${inlines(cell, notes)}</td>`)}</tr>`)}</tbody>
        </table>
      </div>`;
    case "code":
      return html`<${Code} language=${block.language} text=${block.text} />`;
    case "math":
      return html`<${Formula} tex=${block.tex} display=${true} />`;
    case "rule":
      return html`<hr />`;
  }
}

/** @param {import("./markdown.js").Inline[]} nodes @param {Notes} notes @returns {unknown[]} */
function inlines(nodes, notes) {
  return nodes.map((node) => {
    switch (node.type) {
      case "text":
        return node.flag === null ? node.text : notes.flag(node.flag, node.text);
      case "code":
        return html`<code>${node.text}</code>`;
      case "strong":
        return html`<strong>${inlines(node.children, notes)}</strong>`;
      case "em":
        return html`<em>${inlines(node.children, notes)}</em>`;
      case "del":
        return html`<del>${inlines(node.children, notes)}</del>`;
      case "break":
        return html`<br />`;
      case "cite":
        return notes.cite(node.index);
      case "mark":
        return notes.mark(node.number);
      case "math":
        return html`<${Formula} tex=${node.tex} display=${node.display} />`;
      case "image":
        return html`<span class="unloaded">${node.host ? t("answer.image.from", { alt: node.alt, host: node.host }) : t("answer.image", { alt: node.alt })}</span>`;
      case "link":
        return html`<a href=${node.href} target="_blank" rel="noopener noreferrer nofollow">${inlines(node.children, notes)}</a><span class="host">${node.host}</span>`;
    }
  });
}

/** @param {{ language: string, text: string }} props */
function Code({ language, text }) {
  const [copied, setCopied] = useState(false);
  const take = async () => {
    setCopied(await copy(text));
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<figure class="code">
    <figcaption><span>${language}</span><button type="button" class="quiet small" onClick=${take}><${Icon} name=${copied ? "check" : "copy"} />${copied ? t("copied") : t("copy")}</button></figcaption>
    <pre tabindex="0"><code>${pieces(text, language).map((piece) => (piece.kind ? html`<span class=${`code-${piece.kind}`}>${piece.text}</span>` : piece.text))}</code></pre>
  </figure>`;
}

/** @type {Promise<typeof import("../lazy/math.js")> | null} */
let maths = null;

/** @param {{ tex: string, display: boolean }} props */
function Formula({ tex, display }) {
  const [made, setMade] = useState(/** @type {unknown} */ (null));
  useEffect(() => {
    let gone = false;
    maths ??= import("../lazy/math.js");
    maths.then(
      ({ formula }) => gone || setMade(formula(tex, display)),
      () => {},
    );
    return () => {
      gone = true;
    };
  }, [tex, display]);
  return made ? html`<span class=${display ? "formula display" : "formula"}>${made}</span>` : html`<code>${tex}</code>`;
}
