// A number and how it went: one line, no axes, the present value in words beside it.

import { html } from "../lib/html.js";

const WIDTH = 240;
const HEIGHT = 44;

/** @param {{ label: string, value: string, points: (number | null)[], most?: number, length: number }} props */
export function Spark({ label, value, points, most = 0, length }) {
  const top = Math.max(most, ...points.map((point) => point ?? 0)) || 1;
  const place = (/** @type {number} */ point, /** @type {number} */ at) => `${round(((length - points.length + at) / (length - 1)) * WIDTH)} ${round(HEIGHT - 2 - (point / top) * (HEIGHT - 6))}`;
  let line = "";
  let pen = "M";
  points.forEach((point, at) => {
    if (point === null) pen = "M";
    else {
      // A point that stands alone is a dot.
      line += pen === "M" ? `M${place(point, at)}l0 0` : `L${place(point, at)}`;
      pen = "L";
    }
  });
  const whole = points.length > 1 && points.every((point) => point !== null);
  const from = round(((length - points.length) / (length - 1)) * WIDTH);
  return html`<div class="spark">
    <dt>${label}</dt><dd>${value}</dd>
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      ${whole && html`<path class="area" d=${`${line}L${WIDTH} ${HEIGHT}L${from} ${HEIGHT}Z`} />`}
      ${line && html`<path class="line" d=${line} />`}
    </svg>
  </div>`;
}

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;
