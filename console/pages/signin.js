// Signing in with a key.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { ApiError, told } from "../lib/api.js";
import { enter, left } from "../lib/session.js";
import { t } from "../lib/text.js";
import { Sign } from "../parts/icon.js";
import { Language, ThemeChoice } from "../parts/choices.js";

export function SignIn() {
  const [shown, setShown] = useState("");
  const [stay, setStay] = useState(false);
  const [busy, setBusy] = useState(false);
  const [mistake, setMistake] = useState("");
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    document.title = t("signin.title");
    field.current?.focus();
  }, []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = shown.trim();
    if (!key) {
      setMistake(t("signin.empty"));
      field.current?.focus();
      return;
    }
    setBusy(true);
    setMistake("");
    try {
      await enter(key, stay);
    } catch (error) {
      setBusy(false);
      setMistake(error instanceof ApiError && error.status === 401 ? t("signin.unknown") : told(error).text);
      field.current?.select();
    }
  };
  return html`<main class="signin">
    <div class="signin-form">
      <${Sign} />
      <h1>${t("signin.heading")}</h1>
      <p class="lead">${t("signin.lead")}</p>
      ${left.value === "revoked" && html`<p class="callout warning" role="status">${t("signin.revoked")}</p>`}
      ${left.value === "out" && html`<p class="callout" role="status">${t("signin.out")}</p>`}
      <form onSubmit=${submit} novalidate>
        <div class="field">
          <label for="key">${t("signin.key")}</label>
          <input ref=${field} id="key" name="key" type="password" autocomplete="off" spellcheck=${false} autocapitalize="off" required
            aria-invalid=${mistake ? "true" : undefined} aria-describedby="key-hint" value=${shown}
            onInput=${(/** @type {any} */ event) => setShown(event.currentTarget.value)} placeholder="dure_…" />
          <p id="key-hint" class=${mistake ? "hint mistake" : "hint"} role=${mistake ? "alert" : undefined}>${mistake || t("signin.hint")}</p>
        </div>
        <label class="check"><input type="checkbox" checked=${stay} onChange=${(/** @type {any} */ event) => setStay(event.currentTarget.checked)} />
          <span>${t("signin.stay")}<span class="hint">${t("signin.stay.hint")}</span></span></label>
        <button type="submit" class="primary wide" disabled=${busy}>${busy ? t("signin.busy") : t("signin.enter")}</button>
      </form>
      <footer><${Language} /><${ThemeChoice} /></footer>
    </div>
  </main>`;
}
