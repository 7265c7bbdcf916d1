// What can be asked: routes, which answer from records, and models, which answer from what they learned.

import { signal } from "../vendor/signals.js";
import { call, list } from "./api.js";
import { keep, kept } from "./kept.js";
import { administers } from "./session.js";

/** @typedef {{ name: string, route: boolean, model: string, corpora: string[] }} Callable */

/** @type {import("../vendor/signals-core.js").Signal<Callable[] | null>} */
export const callable = signal(null);
/** The one that is asked. */
export const chosen = signal(kept("model") ?? "");

/** Reads them anew, routes first, and keeps the choice if it is still there. */
export async function refresh() {
  const { data } = await call("GET", "/v1/models");
  // What a route stands for is told to those who administer.
  const routes = administers.value ? await list("/api/v1/routes") : [];
  const behind = new Map(routes.map((route) => [route.name, route]));
  /** @type {Callable[]} */
  const found = data
    .filter((/** @type {any} */ model) => model.abilities?.chat !== false)
    .map((/** @type {any} */ model) => ({
      name: model.id,
      route: model.owned_by === "route",
      // Of several models nobody knows here which one answered; its receipt says so.
      model: behind.get(model.id)?.models.list.length === 1 ? behind.get(model.id).model : "",
      corpora: behind.get(model.id)?.corpora ?? [],
    }));
  found.sort((a, b) => Number(b.route) - Number(a.route));
  callable.value = found;
  if (!found.some((one) => one.name === chosen.value)) chosen.value = found[0]?.name ?? "";
}

/** @param {string} name */
export function pick(name) {
  chosen.value = name;
  keep("model", name);
}

/** @param {string} name */
export const callableOf = (name) => callable.value?.find((one) => one.name === name);

/** Whether this name stands for records. @param {string} name */
export const isRoute = (name) => callableOf(name)?.route ?? false;
