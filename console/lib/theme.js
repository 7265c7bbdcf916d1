// Light, dark, or as the device is.

import { effect, signal } from "../vendor/signals.js";
import { keep, kept } from "./kept.js";

/** @typedef {"auto" | "light" | "dark"} Theme */

const chosen = kept("theme");

/** @type {import("../vendor/signals-core.js").Signal<Theme>} */
export const theme = signal(chosen === "light" || chosen === "dark" ? chosen : "auto");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  keep("theme", theme.value === "auto" ? null : theme.value);
});
