// Something that is fetched when it is first shown: on its way, here, or not to be had.

import { html, useEffect, useState } from "../lib/html.js";
import { told } from "../lib/api.js";
import { t } from "../lib/text.js";
import { Icon } from "./icon.js";

/**
 * @template T
 * @typedef {{ value: T | undefined, error: unknown, again: () => void }} Loaded
 */

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} fetch @param {unknown[]} on
 * @returns {Loaded<T>}
 */
export function useLoaded(fetch, on) {
  const [state, setState] = useState(/** @type {{ value: T | undefined, error: unknown }} */ ({ value: undefined, error: null }));
  const [count, setCount] = useState(0);
  useEffect(() => {
    const own = new AbortController();
    fetch(own.signal).then(
      (value) => own.signal.aborted || setState({ value, error: null }),
      (error) => own.signal.aborted || setState((before) => ({ value: before.value, error })),
    );
    return () => own.abort();
  }, [...on, count]);
  return { ...state, again: () => setCount((before) => before + 1) };
}

/** @param {{ loaded: Loaded<any>, children: (value: any) => unknown }} props */
export function Show({ loaded, children }) {
  if (loaded.value !== undefined) return children(loaded.value);
  if (loaded.error) return html`<${Failure} error=${loaded.error} again=${loaded.again} />`;
  return html`<p class="waiting" role="status">${t("loading")}</p>`;
}

/** @param {{ error: unknown, again?: () => void }} props */
export function Failure({ error, again }) {
  const { text, detail } = told(error);
  return html`<div class="failure" role="alert">
    <${Icon} name="warning" />
    <div><p>${text}</p>${detail && html`<p class="detail">${detail}</p>`}</div>
    ${again && html`<button type="button" class="small" onClick=${again}>${t("again")}</button>`}
  </div>`;
}

/** How far something is: a part of 1, or nothing while that is not known. @param {{ part: number | null, label: string }} props */
export function Progress({ part, label }) {
  const now = part === null ? undefined : Math.round(part * 100);
  return html`<div class=${part === null ? "progress unknown" : "progress"} role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${now}>
    <span style=${{ width: part === null ? "" : `${Math.min(100, part * 100)}%` }}></span>
  </div>`;
}
