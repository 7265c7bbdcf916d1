// A question to the policies, as its form holds it and as the server takes it.

/**
 * @typedef {object} Draft Texts as they were typed; lists have commas between.
 * @property {string} kind @property {boolean} administrator @property {string[]} groups Ids.
 * @property {string} sends @property {string} reads
 * @property {"search" | "send" | "use_tool" | "export" | "declassify"} act
 * @property {string} corpus Its id; empty for any one. @property {string[]} readers Ids of groups.
 * @property {string} name @property {string} country @property {string} owner @property {string} most
 * @property {string} to @property {string} reason
 * @property {string} level @property {string} residency @property {string} purposes @property {string} licences
 * @property {string} purpose @property {string} route
 */

/** An ordinary question: somebody here sends open text to an engine abroad. @type {Draft} */
export const USUAL = {
  kind: "person", administrator: false, groups: [], sends: "open", reads: "classified",
  act: "send", corpus: "", readers: [], name: "", country: "US", owner: "", most: "classified", to: "open", reason: "",
  level: "open", residency: "", purposes: "answering", licences: "", purpose: "answering", route: "",
};

/** @param {Draft} draft */
export function question(draft) {
  const outlet = { name: draft.name.trim() || "engine", country: draft.country.trim().toUpperCase(), class_max: draft.most, ...(draft.owner.trim() && { owner: draft.owner.trim() }) };
  const act = {
    search: { search: { ...(draft.corpus && { corpus: draft.corpus }), readers: draft.readers } },
    declassify: { declassify: { to: draft.to, reason: draft.reason.trim() } },
  };
  const countries = words(draft.residency).map((one) => one.toUpperCase());
  return {
    who: { kind: draft.kind, administrator: draft.administrator, groups: draft.groups, input_class: draft.sends, read_class_max: draft.reads },
    act: draft.act === "search" || draft.act === "declassify" ? act[draft.act] : { [draft.act]: outlet },
    text: { class: draft.level, residency: countries.length ? { only: countries } : "anywhere", purposes: words(draft.purposes), licences: words(draft.licences) },
    purpose: draft.purpose.trim() || "answering",
    route: draft.route,
  };
}

/** The form of a question that was asked before. @param {any} asked @returns {Draft} */
export function draftOf(asked) {
  const [act, what] = Object.entries(asked.act)[0];
  const outlet = act === "search" || act === "declassify" ? {} : /** @type {any} */ (what);
  const facts = /** @type {any} */ (what);
  return {
    ...USUAL,
    kind: asked.who.kind, administrator: asked.who.administrator, groups: asked.who.groups, sends: asked.who.input_class, reads: asked.who.read_class_max,
    act: /** @type {Draft["act"]} */ (act),
    corpus: (act === "search" && facts.corpus) || "", readers: (act === "search" && facts.readers) || [],
    name: outlet.name ?? "", country: outlet.country ?? USUAL.country, owner: outlet.owner ?? "", most: outlet.class_max ?? USUAL.most,
    to: act === "declassify" ? facts.to : USUAL.to, reason: act === "declassify" ? facts.reason : "",
    ...labelled(asked.text),
    purpose: asked.purpose, route: asked.route,
  };
}

/** The fields of a label. @param {any} label */
export const labelled = (label) => ({
  level: label.class,
  residency: label.residency?.only?.join(", ") ?? "",
  purposes: label.purposes.join(", "),
  licences: label.licences.join(", "),
});

/** @param {string} text */
const words = (text) => text.split(/[\s,]+/).filter(Boolean);
