// Tabs as keyboards know them: one stop, arrows between them.

import { html } from "../lib/html.js";

/** @param {{ label: string, current: string, choose: (name: string) => void, tabs: { name: string, label: string }[], children?: unknown }} props */
export function Tabs({ label, current, choose, tabs, children }) {
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const at = tabs.findIndex((tab) => tab.name === current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    choose(tabs[next].name);
    const buttons = /** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button");
    buttons[next]?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${pressed}>
      ${tabs.map((tab) => html`<button type="button" role="tab" id=${`tab-${tab.name}`} aria-controls="tab-panel" aria-selected=${tab.name === current} tabindex=${tab.name === current ? 0 : -1} onClick=${() => choose(tab.name)}>${tab.label}</button>`)}
    </div>
    <div class="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby=${`tab-${current}`}>${children}</div>`;
}
