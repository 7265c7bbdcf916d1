// Line drawings of one weight, on a grid of 16.

import { html } from "../lib/html.js";

const PATHS = {
  ask: "M2.5 3.5h11v7.5h-6l-3 2.5v-2.5h-2z",
  records: "M3.5 2.5h6l3 3v8h-9zM9.5 2.5v3h3M5.5 8.5h5M5.5 11h5",
  models: "M8 2l5.5 3v6L8 14l-5.5-3V5zM2.5 5L8 8l5.5-3M8 8v6",
  routes: "M3 4h4.5c3 0 1.5 8 4.5 8h1M3 12h2.5M11 2.5L13 4l-2 1.5M9 4h4M11.5 10.5L13 12l-1.5 1.5",
  receipts: "M4 2.5h8v11l-2-1.3-2 1.3-2-1.3-2 1.3zM6.2 5.5h3.6M6.2 8h3.6",
  reports: "M3.5 2.5h9v11h-9zM6 11V9M8 11V6M10 11V7.5",
  policies: "M8 2v11.5M5.5 13.5h5M3 4.5h10M3 4.5L1.5 9a1.9 1.9 0 0 0 3 0zM13 4.5L11.5 9a1.9 1.9 0 0 0 3 0z",
  approvals: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM5.5 8.2l1.8 1.8 3.3-3.7",
  masking: "M2.5 4h11M2.5 7.2h2.2M6.7 6h6.8v2.6H6.7zM2.5 11.8h6.8",
  access: "M10.5 9.5a3.75 3.75 0 1 0-3.6-2.7L2.5 11.2v2.3h2.3v-1.6h1.6v-1.6l1.1-1.1M10.9 5.1v.01",
  health: "M1.5 8.5h3l2-5 3 9 2-4h3",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  close: "M4 4l8 8M12 4l-8 8",
  search: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM10.7 10.7l3.3 3.3",
  plus: "M8 3v10M3 8h10",
  check: "M3 8.5l3.2 3L13 4.5",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  retry: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v2.7h-2.7",
  edit: "M3 13l.6-3L10.8 2.8l2.4 2.4L6 12.4zM9.3 4.3l2.4 2.4",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.7 7v4M9.3 7v4",
  send: "M8 13V3M3.5 7.5L8 3l4.5 4.5",
  stop: "M4.5 4.5h7v7h-7z",
  download: "M8 2.5v7.5M4.5 6.8L8 10l3.5-3.2M3 13h10",
  upload: "M8 10.5V3M4.5 6.2L8 3l3.5 3.2M3 13h10",
  back: "M10 3L5 8l5 5",
  next: "M6 3l5 5-5 5",
  down: "M3.5 6L8 10.5 12.5 6",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3a5.6 5.6 0 1 0 6.6 6.6z",
  auto: "M8 2.2a5.8 5.8 0 1 0 0 11.6zM8 2.2a5.8 5.8 0 0 1 0 11.6",
  out: "M6.5 2.5h-4v11h4M9.5 4.8L12.8 8l-3.3 3.2M12.5 8H6",
  warning: "M8 2.5l6 11H2zM8 6.5v3.2M8 11.6v.01",
  question: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.2 6.4a1.8 1.8 0 1 1 2.6 1.7c-.6.3-.8.6-.8 1.2M8 11.3v.01",
  quote: "M3 11V7.5C3 5.8 4 4.6 5.8 4.3M3 8h3v3H3zM9.5 11V7.5c0-1.7 1-2.9 2.8-3.2M9.5 8h3v3h-3z",
  folder: "M2 4h4.2l1.3 1.5H14v7.5H2z",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {{ name: IconName }} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

/** The sign of the house: the letter with which its name begins. */
export function Sign() {
  return html`<svg class="sign" viewBox="0 0 32 32" aria-hidden="true" focusable="false"><rect width="32" height="32" rx="7" /><path d="M9.5 9.75h13M9.5 9.75v12.5h13" /></svg>`;
}
