// A dialog of the browser's own kind: it traps the focus, gives it back, and Escape closes it.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { t } from "../lib/text.js";
import { Icon } from "./icon.js";

let last = 0;

/** @param {{ title: string, close: () => void, children?: unknown, wide?: boolean }} props */
export function Dialog({ title, close, children, wide }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    if (!dialog) return undefined;
    // To what is to be filled in, or else to what does no harm.
    const begin = () => {
      /** @type {HTMLElement | null} */
      const first = dialog.querySelector(".dialog-content :is(input, textarea, select)") ?? dialog.querySelector(".actions button");
      first?.focus();
      return first !== null;
    };
    // A form that is still on its way is waited for, unless somebody has gone on meanwhile.
    const before = document.activeElement;
    const coming = new MutationObserver(() => {
      if (document.activeElement !== before || begin()) coming.disconnect();
    });
    if (!begin()) coming.observe(dialog, { childList: true, subtree: true });
    return () => {
      coming.disconnect();
      dialog.close();
    };
  }, []);
  const [id] = useState(() => `dialog-${(last += 1)}`);
  const outside = (/** @type {MouseEvent} */ event) => {
    if (event.target === element.current) close();
  };
  return html`<dialog ref=${element} class=${wide ? "dialog wide" : "dialog"} aria-labelledby=${id} onCancel=${(/** @type {Event} */ event) => {
    event.preventDefault();
    close();
  }} onMouseDown=${outside}>
    <div class="dialog-body">
      <header><h2 id=${id}>${title}</h2><button type="button" class="quiet icon-only" aria-label=${t("close")} onClick=${close}><${Icon} name="close" /></button></header>
      <div class="dialog-content">${children}</div>
    </div>
  </dialog>`;
}

/** @param {{ title: string, text: string, yes: string, close: () => void, act: () => void, children?: unknown }} props */
export function Confirm({ title, text, yes, close, act, children }) {
  return html`<${Dialog} title=${title} close=${close}>
    <p>${text}</p>
    ${children}
    <div class="actions">
      <button type="button" onClick=${close}>${t("cancel")}</button>
      <button type="button" class="danger" onClick=${() => {
        close();
        act();
      }}>${yes}</button>
    </div>
  </${Dialog}>`;
}
