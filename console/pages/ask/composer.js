// The field that a question is written in.

import { html, signal, useLayoutEffect, useRef, useEffect } from "../../lib/html.js";
import { callable, chosen, pick } from "../../lib/callable.js";
import { t } from "../../lib/text.js";
import { Icon } from "../../parts/icon.js";
import { busy, id, stop, turns } from "./conversation.js";

/** What is written and not yet sent. */
export const draft = signal("");

/**
 * Whether a key sends what is written. While a syllable is being composed, Enter ends the syllable; Safari says so only by
 * the number 229.
 * @param {KeyboardEvent} event
 */
export const sends = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

/** @param {{ send: (question: string) => void }} props */
export function Composer({ send }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
  }, [draft.value]);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) field.current?.focus({ preventScroll: true });
  }, [id.value === null]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const question = draft.value.trim();
    if (!question || busy.value || !chosen.value) return;
    draft.value = "";
    send(question);
    field.current?.focus({ preventScroll: true });
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (sends(event)) submit(event);
  };
  const routes = callable.value?.filter((one) => one.route) ?? [];
  const models = callable.value?.filter((one) => !one.route) ?? [];
  const option = (/** @type {{ name: string }} */ one) => html`<option value=${one.name} selected=${one.name === chosen.value}>${one.name}</option>`;
  return html`<form class="composer" onSubmit=${submit}>
    <div class="composer-box">
      <label class="unseen" for="question">${t("ask.question")}</label>
      <textarea id="question" ref=${field} rows="1" maxlength="20000" placeholder=${turns.value.length ? t("ask.placeholder.more") : t("ask.placeholder")} value=${draft.value}
        onInput=${(/** @type {any} */ event) => (draft.value = event.currentTarget.value)} onKeyDown=${pressed}></textarea>
      <div class="composer-bar">
        <label class="picker"><span class="unseen">${t("ask.model")}</span>
          <select onChange=${(/** @type {any} */ event) => pick(event.currentTarget.value)} disabled=${!callable.value?.length}>
            ${routes.length > 0 && html`<optgroup label=${t("ask.routes")}>${routes.map(option)}</optgroup>`}
            ${models.length > 0 && html`<optgroup label=${t("ask.models")}>${models.map(option)}</optgroup>`}
          </select><${Icon} name="down" />
        </label>
        <span class="composer-hint">${t("ask.enter")}</span>
        ${busy.value
          ? html`<button type="button" class="send stop" onClick=${stop}><${Icon} name="stop" /><span>${t("ask.stop")}</span></button>`
          : html`<button type="submit" class="send primary" disabled=${!draft.value.trim() || !chosen.value} aria-label=${t("ask.send")}><${Icon} name="send" /></button>`}
      </div>
    </div>
  </form>`;
}
