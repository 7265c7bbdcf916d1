// Language and light, as everybody may choose them, signed in or not.

import { html } from "../lib/html.js";
import { choose, language, t } from "../lib/text.js";
import { theme } from "../lib/theme.js";
import { Icon } from "./icon.js";

/** What each language calls itself. */
export const LANGUAGES = /** @type {const} */ ({ ko: "한국어", en: "English" });

export function Language() {
  return html`<div class="segments" role="group" aria-label=${t("language")}>
    ${Object.entries(LANGUAGES).map(
      ([name, own]) => html`<button type="button" lang=${name} aria-pressed=${language.value === name} onClick=${() => choose(/** @type {"ko" | "en"} */ (name))}>${own}</button>`,
    )}
  </div>`;
}

const THEMES = /** @type {const} */ ([
  ["light", "sun", "theme.light"],
  ["auto", "auto", "theme.auto"],
  ["dark", "moon", "theme.dark"],
]);

export function ThemeChoice() {
  return html`<div class="segments" role="group" aria-label=${t("theme")}>
    ${THEMES.map(
      ([name, icon, text]) => html`<button type="button" class="icon-only" aria-label=${t(text)} title=${t(text)} aria-pressed=${theme.value === name} onClick=${() => (theme.value = name)}><${Icon} name=${icon} /></button>`,
    )}
  </div>`;
}
