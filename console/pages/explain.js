// What would happen: a question to the policies that count now, and their answer with its reasons. Nothing is permitted by it.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { call, list } from "../lib/api.js";
import { address } from "../lib/place.js";
import { draftOf, labelled, question, USUAL } from "../lib/question.js";
import { obliged } from "../lib/receipt.js";
import { language, t } from "../lib/text.js";
import { Field } from "../parts/field.js";
import { Icon } from "../parts/icon.js";
import { Failure, Show, useLoaded } from "../parts/loaded.js";

/** @typedef {import("../lib/question.js").Draft} Draft */
/** @typedef {{ keys: any[], people: any[], groups: any[], corpora: any[], routes: any[] }} Lists */

const KINDS = /** @type {const} */ (["person", "service", "agent", "operator", "peer"]);
const ACTS = /** @type {const} */ (["search", "send", "use_tool", "export", "declassify"]);
const CLASSES = /** @type {const} */ (["open", "sensitive", "classified"]);

/** @param {{ receipt: string | null }} props */
export function Explain({ receipt }) {
  const loaded = useLoaded(async (signal) => {
    const [keys, people, groups, corpora, routes, entry] = await Promise.all([
      list("/api/v1/keys?revoked=false"), list("/api/v1/people"), list("/api/v1/groups"), list("/api/v1/corpora"), list("/api/v1/routes"),
      receipt ? call("GET", `/api/v1/receipts/${encodeURIComponent(receipt)}`, undefined, signal) : null,
    ]);
    return { lists: { keys, people, groups, corpora, routes }, first: entry?.ask ? draftOf(entry.ask) : USUAL };
  }, [receipt]);
  return html`<p class="hint">${t("explain.lead")}</p>
    <${Show} loaded=${loaded}>${(/** @type {{ lists: Lists, first: Draft }} */ { lists, first }) => html`<${Form} lists=${lists} first=${first} />`}</${Show}>`;
}

/** @param {{ lists: Lists, first: Draft }} props */
function Form({ lists, first }) {
  const [draft, setDraft] = useState(first);
  const [told, setTold] = useState(/** @type {any} */ (null));
  const answer = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (told) answer.current?.scrollIntoView({ block: "nearest" });
  }, [told]);
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const set = (/** @type {Partial<Draft>} */ part) => setDraft((before) => ({ ...before, ...part }));
  const ask = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(null);
    try {
      setTold(await call("POST", "/api/v1/policies/explain", question(draft)));
    } catch (problem) {
      setTold(null);
      setError(problem);
    }
  };
  return html`<form class="form explain" onSubmit=${ask}>
      <fieldset><legend>${t("receipts.who")}</legend><${Asker} draft=${draft} set=${set} lists=${lists} /></fieldset>
      <fieldset><legend>${t("explain.act")}</legend><${Act} draft=${draft} set=${set} lists=${lists} /></fieldset>
      <fieldset><legend>${t("explain.text")}</legend><${Label} draft=${draft} set=${set} lists=${lists} /></fieldset>
      <div class="actions start"><button type="submit" class="primary">${t("explain.ask")}</button></div>
    </form>
    <div role="status" class="explained" ref=${answer}>${error !== null && html`<${Failure} error=${error} />`}${told && html`<${Told} told=${told} />`}</div>`;
}

/** @typedef {{ draft: Draft, set: (part: Partial<Draft>) => void, lists: Lists }} Part */

/** @param {Part} props */
function Asker({ draft, set, lists }) {
  const ids = (/** @type {string[]} */ names) => lists.groups.filter((group) => names.includes(group.name)).map((group) => group.id);
  const like = (/** @type {string} */ name) => {
    const key = lists.keys.find((one) => one.name === name);
    if (!key) return;
    const groups = key.person ? (lists.people.find((one) => one.name === key.person)?.groups ?? []) : key.groups;
    set({ kind: key.person ? "person" : "service", administrator: key.administrator, groups: ids(groups), sends: key.input_class, reads: key.read_class });
  };
  return html`<div class="pair">
      <${Pick} label=${t("explain.like")} value="" choose=${like} hint=${t("explain.like.hint")} choices=${[["", t("explain.like.none")], ...lists.keys.map((key) => [key.name, key.person ? `${key.name} (${key.person})` : key.name])]} />
      <${Pick} label=${t("explain.kind")} value=${draft.kind} choose=${(/** @type {string} */ kind) => set({ kind })} choices=${KINDS.map((one) => [one, t(`subject.${one}`)])} />
      <${Pick} label=${t("keys.reads")} value=${draft.reads} choose=${(/** @type {string} */ reads) => set({ reads })} choices=${classes()} />
      <${Pick} label=${t("keys.sends")} value=${draft.sends} choose=${(/** @type {string} */ sends) => set({ sends })} choices=${classes()} />
    </div>
    <div class="inline">
      <label class="check"><input type="checkbox" checked=${draft.administrator} onChange=${(/** @type {any} */ event) => set({ administrator: event.currentTarget.checked })} /><span>${t("keys.administrator")}</span></label>
      ${lists.groups.map((group) => html`<label class="check"><input type="checkbox" checked=${draft.groups.includes(group.id)} onChange=${(/** @type {any} */ event) => set({ groups: event.currentTarget.checked ? [...draft.groups, group.id] : draft.groups.filter((one) => one !== group.id) })} /><span>${t("explain.group", { name: group.name })}</span></label>`)}
    </div>`;
}

/** @param {Part} props */
function Act({ draft, set, lists }) {
  const pickCorpus = (/** @type {string} */ id) => {
    const found = lists.corpora.find((one) => one.id === id);
    const readers = lists.groups.filter((group) => found?.readers.includes(group.name)).map((group) => group.id);
    set({ corpus: id, readers, ...(found && labelled(found.label)) });
  };
  const outlet = draft.act === "send" || draft.act === "use_tool" || draft.act === "export";
  return html`<div class="pair">
    <${Pick} label=${t("explain.what")} value=${draft.act} choose=${(/** @type {Draft["act"]} */ act) => set({ act })} choices=${ACTS.map((one) => [one, t(`act.${one}`)])} />
    <${Pick} label=${t("explain.route")} value=${draft.route} choose=${(/** @type {string} */ route) => set({ route })} choices=${[["", t("none")], ...lists.routes.map((one) => [one.name, one.name])]} />
    ${draft.act === "search" && html`<${Pick} label=${t("records.name")} value=${draft.corpus} choose=${pickCorpus} choices=${[["", t("explain.corpus.any")], ...lists.corpora.map((one) => [one.id, one.title || one.name])]} />`}
    ${outlet && html`<${Text} label=${t(`explain.name.${/** @type {"send" | "use_tool" | "export"} */ (draft.act)}`)} value=${draft.name} type=${(/** @type {string} */ name) => set({ name })} max=${64} />
      <${Text} label=${t("receipt.country")} value=${draft.country} type=${(/** @type {string} */ country) => set({ country })} max=${2} hint=${t("explain.country.hint")} needed=${true} />
      <${Text} label=${t("explain.owner")} value=${draft.owner} type=${(/** @type {string} */ owner) => set({ owner })} max=${64} hint=${t("explain.owner.hint")} />
      <${Pick} label=${t("explain.most")} value=${draft.most} choose=${(/** @type {string} */ most) => set({ most })} choices=${classes()} />`}
    ${draft.act === "declassify" && html`<${Pick} label=${t("explain.to")} value=${draft.to} choose=${(/** @type {string} */ to) => set({ to })} choices=${classes()} />
      <${Text} label=${t("explain.reason")} value=${draft.reason} type=${(/** @type {string} */ reason) => set({ reason })} max=${500} />`}
    <${Text} label=${t("explain.purpose")} value=${draft.purpose} type=${(/** @type {string} */ purpose) => set({ purpose })} max=${64} />
  </div>`;
}

/** @param {Part} props */
function Label({ draft, set, lists }) {
  const like = (/** @type {string} */ id) => {
    const found = lists.corpora.find((one) => one.id === id);
    if (found) set(labelled(found.label));
  };
  return html`<div class="pair">
    ${lists.corpora.length > 0 && html`<${Pick} label=${t("explain.label.like")} value="" choose=${like} choices=${[["", t("explain.like.none")], ...lists.corpora.map((one) => [one.id, one.title || one.name])]} />`}
    <${Pick} label=${t("label.class")} value=${draft.level} choose=${(/** @type {string} */ level) => set({ level })} choices=${classes()} />
    <${Text} label=${t("label.residency")} value=${draft.residency} type=${(/** @type {string} */ residency) => set({ residency })} max=${200} hint=${t("explain.residency.hint")} />
    <${Text} label=${t("label.purposes")} value=${draft.purposes} type=${(/** @type {string} */ purposes) => set({ purposes })} max=${200} />
    <${Text} label=${t("label.licences")} value=${draft.licences} type=${(/** @type {string} */ licences) => set({ licences })} max=${200} />
  </div>`;
}

/** The answer. @param {{ told: any }} props */
function Told({ told }) {
  const asked = obliged(told.obligations);
  const notices = told.obligations.notices ?? [];
  const reasons = [["ko", told.reason_ko], ["en", told.reason_en]].sort(([one]) => (one === language.value ? -1 : 1));
  return html`<p class=${told.permitted ? "state good" : "state bad"}><${Icon} name=${told.permitted ? "check" : "close"} /><span>${told.permitted ? t("explain.permitted") : t("explain.refused")}</span></p>
    <dl class="about">
      ${!told.permitted && html`<div><dt>${t("explain.why")}</dt><dd>${reasons.map(([lang, text]) => html`<p lang=${lang}>${text}</p>`)}</dd></div>`}
      ${told.permitted && html`<div><dt>${t("policies.obligations")}</dt><dd>${asked.length || notices.length ? html`<ul>${asked.map((one) => html`<li>${one}</li>`)}${notices.map((/** @type {any} */ one) => html`<li>${t("obligation.notice")} <q lang="ko">${one.ko}</q> <q lang="en">${one.en}</q></li>`)}</ul>` : t("policies.obligations.none")}</dd></div>`}
      <div><dt>${t("receipt.decided")}</dt><dd>${told.by_built_in_rule ? t("policies.builtin") : told.decided.length ? html`<ul>${told.decided.map((/** @type {any} */ one) => html`<li><${Voice} voice=${one} /></li>`)}</ul>` : t("explain.nopolicy")}</dd></div>
      ${told.near.length > 0 && html`<div><dt>${t("explain.near")}</dt><dd><ul>${told.near.map((/** @type {any} */ one) => html`<li><${Voice} voice=${one.policy} /><p class="detail">${one.untrue.length ? html`${t("explain.untrue")} ${one.untrue.map((/** @type {string} */ part) => html`<code>${part}</code> `)}` : t("explain.overruled")}</p></li>`)}</ul></dd></div>`}
      <div><dt>${t("policies.version")}</dt><dd><code class="hash">${told.version}</code></dd></div>
    </dl>`;
}

/** @param {{ voice: any }} props */
function Voice({ voice }) {
  return html`<span class=${voice.effect === "permit" ? "effect good" : "effect bad"}>${t(voice.effect === "permit" ? "effect.permit" : "effect.forbid")}</span> <code>${voice.id}</code> <a class="detail" href=${address(["policies"], { tab: "files", file: voice.file, line: String(voice.line) })}>${voice.file}:${voice.line}</a>`;
}

const classes = () => CLASSES.map((one) => [one, t(`class.${one}`)]);

/** @param {{ label: string, value: string, choose: (value: any) => void, choices: string[][], hint?: string }} props */
function Pick({ label, value, choose, choices, hint }) {
  return html`<${Field} label=${label} hint=${hint}>${(/** @type {any} */ { id, described }) => html`<span class="picker"><select id=${id} aria-describedby=${described} onChange=${(/** @type {any} */ event) => choose(event.currentTarget.value)}>${choices.map(([one, text]) => html`<option value=${one} selected=${one === value}>${text}</option>`)}</select><${Icon} name="down" /></span>`}</${Field}>`;
}

/** @param {{ label: string, value: string, type: (value: string) => void, max: number, hint?: string, needed?: boolean }} props */
function Text({ label, value, type, max, hint, needed }) {
  return html`<${Field} label=${label} hint=${hint}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} autocomplete="off" maxlength=${max} required=${needed} value=${value} onInput=${(/** @type {any} */ event) => type(event.currentTarget.value)} />`}</${Field}>`;
}
