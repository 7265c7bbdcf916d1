// Labels, hints and mistakes of form fields, tied together for those who do not see them side by side.

import { html, useState } from "../lib/html.js";

let last = 0;

/** @param {{ label: string, hint?: string, error?: string, children: (ids: { id: string, described: string | undefined }) => unknown }} props */
export function Field({ label, hint, error, children }) {
  const [id] = useState(() => `field-${(last += 1)}`);
  const described = hint || error ? `${id}-hint` : undefined;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children({ id, described })}
    ${(hint || error) && html`<p id=${described} class=${error ? "hint mistake" : "hint"}>${error || hint}</p>`}
  </div>`;
}

/**
 * A few choices, each with what it means.
 * @param {{ name: string, label: string, value: string, choose: (value: string) => void, choices: { value: string, label: string, hint?: string }[] }} props
 */
export function Choices({ name, label, value, choose, choices }) {
  return html`<fieldset class="choices">
    <legend>${label}</legend>
    ${choices.map(
      (choice) => html`<label class="choice">
        <input type="radio" name=${name} value=${choice.value} checked=${value === choice.value} onChange=${() => choose(choice.value)} />
        <span><strong>${choice.label}</strong>${choice.hint && html`<span class="hint">${choice.hint}</span>`}</span>
      </label>`,
    )}
  </fieldset>`;
}
