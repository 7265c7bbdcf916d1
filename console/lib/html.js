// Components are functions; markup is `html` templates; state is signals and hooks. Nothing here turns text into markup.

import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

export const html = htm.bind(h);

export { render } from "../vendor/preact.js";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { batch, computed, effect, signal, useComputed, useSignal } from "../vendor/signals.js";

/** @typedef {import("../vendor/preact.js").ComponentChildren} Children */
