// What can be asked: routes, which answer from records, and models, which answer from what they learned.

import { signal } from "../vendor/signals.js";
import { call } from "./api.js";
import { keep, kept } from "./kept.js";

/** @typedef {{ name: string, route: boolean }} Callable */

/** @type {import("../vendor/signals-core.js").Signal<Callable[] | null>} */
export const callable = signal(null);
/** The one that is asked. */
export const chosen = signal(kept("model") ?? "");

/** Reads them anew, routes first, and keeps the choice if it is still there. */
export async function refresh() {
  const { data } = await call("GET", "/v1/models");
  /** @type {Callable[]} */
  const found = data
    .filter((/** @type {any} */ model) => model.abilities?.chat !== false)
    .map((/** @type {any} */ model) => ({ name: model.id, route: model.owned_by === "route" }));
  found.sort((a, b) => Number(b.route) - Number(a.route));
  callable.value = found;
  if (!found.some((one) => one.name === chosen.value)) chosen.value = found[0]?.name ?? "";
}

/** @param {string} name */
export function pick(name) {
  chosen.value = name;
  keep("model", name);
}

/** Whether this name stands for records. @param {string} name */
export const isRoute = (name) => callable.value?.some((one) => one.name === name && one.route) ?? false;
