// What ids stand for: people, keys, groups and corpora, as far as one may list them. A name that is not known is no
// error; the id is shown then.

import { list } from "./api.js";
import { administers, me } from "./session.js";
import { t } from "./text.js";

/** @typedef {Map<string, string>} Names */

/** @returns {Promise<Names>} */
export async function names() {
  const own = ["/api/v1/corpora", ...(administers.value ? ["/api/v1/people", "/api/v1/keys", "/api/v1/groups"] : [])];
  const lists = await Promise.all(own.map((path) => list(path).catch(() => [])));
  return new Map(lists.flat().map((one) => [one.id, one.name]));
}

/** Who did something. @param {{ kind: string, id?: string }} who @param {Names} known */
export function whoIs(who, known) {
  if (who.kind === "operator") return t("subject.operator");
  const name = known.get(who.id ?? "");
  if (name) return name;
  // Others see only what is theirs.
  return administers.value ? (who.id ?? "") : me.value?.name || t("subject.you");
}
