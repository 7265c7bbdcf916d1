// Asking: the conversation, the field to write in, and beside them the records that an answer stands on.

import { html, useEffect, useRef } from "../../lib/html.js";
import { callable, callableOf, chosen, isRoute, refresh } from "../../lib/callable.js";
import { become, go, place } from "../../lib/place.js";
import { administers } from "../../lib/session.js";
import { t } from "../../lib/text.js";
import { complain } from "../../parts/notice.js";
import { Composer, draft } from "./composer.js";
import { ask, begin, busy, id, open, stop, turns } from "./conversation.js";
import { Sources, close, shown } from "./sources.js";
import { TurnView } from "./turn.js";

export function Ask() {
  const wanted = place.value.parts[1] ?? null;
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  const near = useRef(true);

  useEffect(() => {
    refresh().then(lead, complain);
    const pressed = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      if (busy.value) stop();
      else close();
    };
    const moved = () => {
      near.current = innerHeight + scrollY > document.documentElement.scrollHeight - 120;
    };
    addEventListener("keydown", pressed);
    addEventListener("scroll", moved, { passive: true });
    return () => {
      removeEventListener("keydown", pressed);
      removeEventListener("scroll", moved);
      close();
    };
  }, []);

  useEffect(() => {
    close();
    if (wanted) open(wanted).then((found) => found || (begin(), become(["ask"])), complain);
    else if (id.value && !busy.value && !turns.value.length) begin();
  }, [wanted]);

  useEffect(() => {
    if (id.value && place.value.parts[1] !== id.value) become(["ask", id.value]);
    if (!id.value && place.value.parts[1]) become(["ask"]);
  }, [id.value]);

  // While an answer is written the page follows it, unless somebody scrolled up to read.
  useEffect(() => {
    if (busy.value && near.current) scrollTo({ top: document.documentElement.scrollHeight });
  }, [turns.value]);

  const send = (/** @type {string} */ question) => {
    near.current = true;
    ask(chosen.value, question).catch(complain);
  };
  const last = turns.value.at(-1);
  return html`<div class=${shown.value ? "ask with-sources" : "ask"}>
    <h1 class="unseen">${t("nav.ask")}</h1>
    <div class="thread">
      ${turns.value.length === 0
        ? html`<${Empty} />`
        : html`<ol class="turns">${turns.value.map((turn, index) => html`<${TurnView} key=${turn.id} turn=${turn} again=${() => ask(turn.model, turn.question, index).catch(complain)} edit=${(/** @type {string} */ question) => ask(chosen.value || turn.model, question, index).catch(complain)} />`)}</ol>`}
      <p class="unseen" role="status" aria-live="polite">${last ? t(`turn.${last.state}`) : ""}</p>
      <div ref=${end}></div>
    </div>
    <${Composer} send=${send} />
    ${shown.value && html`<${Sources} turns=${turns.value} />`}
  </div>`;
}

/** An administrator whose house is empty is led by the hand. */
function lead() {
  if (administers.value && callable.value && !callable.value.some((one) => one.route) && place.value.parts.length === 0) go(["welcome"]);
}

function Empty() {
  const route = isRoute(chosen.value);
  const corpora = callableOf(chosen.value)?.corpora ?? [];
  return html`<div class="ask-empty">
    <h2>${t("ask.heading")}</h2>
    <p>${callable.value?.length === 0 ? t("ask.nothing") : route ? t("ask.lead.route") : t("ask.lead.model")}</p>
    ${corpora.length > 0 && html`<p class="hint">${t("ask.from", { corpora: corpora.join(", ") })}</p>`}
    ${route && !draft.value && html`<ul class="legend">
      <li><span class="cite sample" aria-hidden="true">1</span><span>${t("ask.legend.mark")}</span></li>
      <li><span class="unsupported" aria-hidden="true">${t("ask.legend.sample")}</span><span>${t("ask.legend.unsupported")}</span></li>
    </ul>`}
  </div>`;
}
