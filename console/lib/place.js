// Where in the console one is: the part of the address behind `#`, so that the server has one page to serve.

import { signal } from "../vendor/signals.js";

/** @typedef {{ parts: string[], query: URLSearchParams }} Place */

/** @type {import("../vendor/signals-core.js").Signal<Place>} */
export const place = signal(read());

addEventListener("hashchange", () => {
  place.value = read();
});

/** @returns {Place} */
function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query ?? "") };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place. @param {string[]} parts @param {Record<string, string>} [query] */
export function address(parts, query) {
  const path = parts.map(encodeURIComponent).join("/");
  const rest = query ? `?${new URLSearchParams(query)}` : "";
  return `#/${path}${rest}`;
}

/** @param {string[]} parts @param {Record<string, string>} [query] */
export function go(parts, query) {
  location.hash = address(parts, query);
}

/** Changes the address and adds no step to the way back. @param {string[]} parts @param {Record<string, string>} [query] */
export function become(parts, query) {
  history.replaceState(null, "", address(parts, query));
  place.value = read();
}
