// A dialog of the browser's own kind: it traps the focus, gives it back, and Escape closes it.

import { html, useEffect, useRef } from "../lib/html.js";
import { t } from "../lib/text.js";
import { Icon } from "./icon.js";

/** @param {{ title: string, close: () => void, children?: unknown, wide?: boolean }} props */
export function Dialog({ title, close, children, wide }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = element.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  const outside = (/** @type {MouseEvent} */ event) => {
    if (event.target === element.current) close();
  };
  return html`<dialog ref=${element} class=${wide ? "dialog wide" : "dialog"} aria-labelledby="dialog-title" onCancel=${(/** @type {Event} */ event) => {
    event.preventDefault();
    close();
  }} onMouseDown=${outside}>
    <div class="dialog-body">
      <header><h2 id="dialog-title">${title}</h2><button type="button" class="quiet icon-only" aria-label=${t("close")} onClick=${close}><${Icon} name="close" /></button></header>
      ${children}
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
