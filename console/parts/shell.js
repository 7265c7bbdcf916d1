// The frame of every page: the way around on the left (on a phone behind a button), the page on the right.

import { html, signal, useEffect, useRef, useState } from "../lib/html.js";
import { keep, kept } from "../lib/kept.js";
import { address, go, place } from "../lib/place.js";
import { administers, leave, maySee, me } from "../lib/session.js";
import { choose, language, t } from "../lib/text.js";
import { begin } from "../pages/ask/conversation.js";
import { Conversations } from "../pages/ask/conversations.js";
import { Language, ThemeChoice } from "./choices.js";
import { Dialog } from "./dialog.js";
import { Icon, Sign } from "./icon.js";

const NAVIGATION = /** @type {const} */ ([
  ["ask", "nav.ask"],
  ["records", "nav.records"],
  ["models", "nav.models"],
  ["routes", "nav.routes"],
  ["receipts", "nav.receipts"],
  ["reports", "nav.reports"],
  ["policies", "nav.policies"],
  ["approvals", "nav.approvals"],
  ["masking", "nav.masking"],
  ["access", "nav.access"],
  ["health", "nav.health"],
]);

/** @param {{ title: string, current: string, children?: unknown }} props */
export function Shell({ title, current, children }) {
  const [menu, setMenu] = useState(false);
  const [help, setHelp] = useState(false);
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    document.title = t("page.title", { page: title });
  }, [title, language.value]);
  useEffect(() => {
    setMenu(false);
  }, [place.value]);
  useEffect(() => {
    const pressed = shortcuts(() => setHelp(true));
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  const skip = (/** @type {Event} */ event) => {
    event.preventDefault();
    main.current?.focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <header class="topbar">
      <button type="button" class="quiet icon-only" aria-label=${t("menu")} aria-expanded=${menu} onClick=${() => setMenu(true)}><${Icon} name="menu" /></button>
      <a class="word" href="#/ask"><${Sign} />${t("name")}</a>
      <span class="topbar-title">${title}</span>
    </header>
    <header class="side"><${Side} current=${current} help=${() => setHelp(true)} /></header>
    ${menu && html`<${Drawer} close=${() => setMenu(false)}><${Side} current=${current} help=${() => setHelp(true)} /></${Drawer}>`}
    <main id="main" ref=${main} tabindex="-1">${children}</main>
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
  </div>`;
}

/** @param {{ current: string, help: () => void }} props */
function Side({ current, help }) {
  return html`<a class="word" href="#/ask"><${Sign} />${t("name")}</a>
    <nav aria-label=${t("nav")}>
      <ul>
        ${NAVIGATION.filter(([name]) => maySee(name)).map(
          ([name, text]) => html`<li><a href=${address([name])} aria-current=${current === name ? "page" : undefined} onClick=${name === "ask" ? begin : undefined}><${Icon} name=${name} />${t(text)}</a></li>`,
        )}
      </ul>
    </nav>
    ${current === "ask" ? html`<${Conversations} />` : html`<div class="fill"></div>`}
    <div class="side-foot">
      <div class="who">
        <span><strong>${me.value?.name || t("who.key")}</strong><span class="detail">${[me.value?.tenant, administers.value ? t("who.admin") : ""].filter(Boolean).join(" · ")}</span></span>
        <button type="button" class="quiet icon-only" aria-label=${t("help")} title=${t("help")} onClick=${help}><${Icon} name="question" /></button>
        <button type="button" class="quiet icon-only" aria-label=${t("signout")} title=${t("signout")} onClick=${() => leave()}><${Icon} name="out" /></button>
      </div>
      <div class="row"><${Language} /><${ThemeChoice} /></div>
    </div>`;
}

/** @param {{ close: () => void, children?: unknown }} props */
function Drawer({ close, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return html`<dialog ref=${element} class="drawer" aria-label=${t("menu")} onClose=${close} onClick=${(/** @type {MouseEvent} */ event) => event.target === element.current && close()}>
    <div class="side"><button type="button" class="quiet icon-only drawer-close" aria-label=${t("close")} onClick=${close}><${Icon} name="close" /></button>${children}</div>
  </dialog>`;
}

/** Whether single letters do something; those who speak to their computer may not want it. */
const single = signal(kept("keys") !== "off");

const KEYS = /** @type {const} */ ([
  ["/", "shortcuts.ask"],
  ["n", "shortcuts.new"],
  ["g a", "nav.ask"],
  ["g r", "nav.records"],
  ["g m", "nav.models"],
  ["g o", "nav.routes"],
  ["g e", "nav.receipts"],
  ["g t", "nav.reports"],
  ["g p", "nav.policies"],
  ["g v", "nav.approvals"],
  ["g s", "nav.masking"],
  ["g k", "nav.access"],
  ["g h", "nav.health"],
  ["l", "shortcuts.language"],
  ["Esc", "shortcuts.escape"],
  ["?", "shortcuts.help"],
]);

/** @param {{ close: () => void }} props */
function Help({ close }) {
  return html`<${Dialog} title=${t("shortcuts")} close=${close}>
    <label class="check"><input type="checkbox" checked=${single.value} onChange=${(/** @type {any} */ event) => {
      single.value = event.currentTarget.checked;
      keep("keys", single.value ? null : "off");
    }} /><span>${t("shortcuts.single")}</span></label>
    <dl class="keys">${KEYS.map(([key, text]) => html`<div><dt>${key.split(" ").map((one) => html`<kbd>${one}</kbd>`)}</dt><dd>${t(text)}</dd></div>`)}</dl>
  </${Dialog}>`;
}

/** Keys that work wherever nothing is being written. @param {() => void} help */
function shortcuts(help) {
  let before = "";
  /** @type {Record<string, string>} */
  const pages = { a: "ask", r: "records", m: "models", o: "routes", e: "receipts", t: "reports", p: "policies", v: "approvals", s: "masking", k: "access", h: "health" };
  return (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    if (target.closest("input, textarea, select, [contenteditable]")) return;
    if (!single.value && event.key !== "?") return;
    const then = before;
    before = "";
    if (then === "g" && pages[event.key]) go([pages[event.key]]);
    else if (event.key === "g") before = "g";
    else if (event.key === "/") {
      event.preventDefault();
      const field = /** @type {HTMLElement | null} */ (document.querySelector("#main textarea, #main input[type=search]"));
      if (field) field.focus();
      else go(["ask"]);
    } else if (event.key === "n") {
      begin();
      go(["ask"]);
    } else if (event.key === "l") choose(language.value === "ko" ? "en" : "ko");
    else if (event.key === "?") help();
  };
}
