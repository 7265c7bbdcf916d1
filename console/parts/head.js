// How a page begins: its name, one sentence, and what can be done here.

import { html } from "../lib/html.js";

/** @param {{ title: unknown, lead?: unknown, back?: { href: string, label: string }, children?: unknown }} props */
export function Head({ title, lead, back, children }) {
  return html`<header class="head">
    ${back && html`<a class="back" href=${back.href}>${back.label}</a>`}
    <div class="head-row"><h1>${title}</h1>${children && html`<div class="head-actions">${children}</div>`}</div>
    ${lead && html`<p class="lead">${lead}</p>`}
  </header>`;
}

/** Nothing is here yet: what would be, and how it comes. @param {{ title: string, text: string, children?: unknown }} props */
export function Empty({ title, text, children }) {
  return html`<div class="empty"><h2>${title}</h2><p>${text}</p>${children && html`<div class="actions start">${children}</div>`}</div>`;
}
