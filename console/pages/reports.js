// Reports: which there are and what each follows; the days and whom one is about; what was made of it, and its files.
// Making one is recorded in the ledger, so nothing is made before somebody asks for it, not by an address alone either.

import { html, signal, useEffect, useRef, useState } from "../lib/html.js";
import { ApiError, call, file, list } from "../lib/api.js";
import { save } from "../lib/copy.js";
import { address, go, place } from "../lib/place.js";
import { canHash, hash, hex } from "../lib/proof.js";
import { DAYS_MAX, QUICK, drafted, fieldsOf, mistakes, quick, today, wish, zoneOf } from "../lib/report.js";
import { language, t } from "../lib/text.js";
import { LANGUAGES } from "../parts/choices.js";
import { Field } from "../parts/field.js";
import { Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Failure, Progress, Show, useLoaded } from "../parts/loaded.js";
import { Laws, Paper } from "./paper.js";

/** @typedef {import("../lib/report.js").Form} Form */
/** @typedef {import("../lib/report.js").Draft} Draft */
/** @typedef {{ bytes: Uint8Array<ArrayBuffer>, receipt: string, sha256: string, same: boolean | null }} Given A file as it was given out. */
/** @typedef {{ report: any, name: string, wish: Record<string, string>, files: Record<string, Given> }} Made */
/** @typedef {{ keys: string[], people: string[], engines: string[] }} Names */

const FORMATS = /** @type {const} */ (["html", "json", "csv"]);
const TYPES = { html: "text/html", json: "application/json", csv: "text/csv" };
const KEPT_MAX = 3;

/** What was made in this tab last, by its address: the way back leads to it, and it is not made again. @type {import("../vendor/signals-core.js").Signal<Map<string, Made>>} */
const made = signal(new Map());

/** @param {Made} one */
function keep(one) {
  const key = keyOf(one.name, one.wish);
  const others = [...made.value].filter(([other]) => other !== key).slice(1 - KEPT_MAX);
  made.value = new Map([...others, [key, one]]);
}

/** @param {string} name @param {Record<string, string>} wish */
const keyOf = (name, wish) => address(["reports", name], wish);

export function Reports() {
  const name = place.value.parts[1];
  const loaded = useLoaded(async (signal) => /** @type {Form[]} */ ((await call("GET", `/api/v1/reports?language=${language.value}`, undefined, signal)).data), [language.value]);
  return html`<div class="page reports">
    ${!name && html`<${Head} title=${t("nav.reports")} lead=${t("reports.lead")} />`}
    <${Show} loaded=${{ ...loaded, error: better(loaded.error) }}>${(/** @type {Form[]} */ forms) => {
      const form = forms.find((one) => one.name === name);
      if (form) return html`<${Desk} key=${name} form=${form} zone=${zoneOf(forms)} />`;
      if (name) return html`<${Head} title=${t("nav.reports")} back=${{ href: address(["reports"]), label: t("nav.reports") }} /><${Failure} error=${new ApiError(404, "not_found", "")} />`;
      return html`<ul class="forms">${forms.map((one) => html`<li key=${one.name}>
        <h2><a href=${address(["reports", one.name])}>${one.title}</a></h2>
        <p>${one.about}</p>
        ${one.law.length ? html`<${Laws} law=${one.law} tongue=${language.value} />` : html`<p class="detail">${t("reports.law.none")}</p>`}
      </li>`)}</ul>`;
    }}</${Show}>
  </div>`;
}

/** @param {{ form: Form, zone: string | undefined }} props */
function Desk({ form, zone }) {
  const { query } = place.value;
  const { name } = form;
  const day = today(zone);
  const [draft, setDraft] = useState(() => drafted(name, query, day));
  const [wrong, setWrong] = useState(/** @type {ReturnType<typeof mistakes>} */ ({}));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const own = useRef(/** @type {AbortController | null} */ (null));
  const [busy, setBusy] = useState(false);
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const [fresh, setFresh] = useState(false);
  useEffect(() => {
    setDraft(drafted(name, query, day));
    setWrong({});
    setError(null);
  }, [String(query)]);
  useEffect(() => () => own.current?.abort(), []);
  const shown = made.value.get(keyOf(name, wish(name, drafted(name, query, day))));
  const there = shown !== undefined && !busy;
  useEffect(() => {
    if (fresh && there) heading.current?.focus();
  }, [fresh, there]);
  const make = async () => {
    const found = mistakes(name, draft);
    setWrong(found);
    setError(null);
    if (Object.keys(found).length) {
      // The first field that is wrong, once it is marked as such.
      requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector("#main [aria-invalid]"))?.focus());
      return;
    }
    const wanted = wish(name, { ...draft, language: draft.language || language.value });
    const controller = new AbortController();
    own.current = controller;
    setFresh(false);
    setBusy(true);
    try {
      const json = await given(name, wanted, "json", controller.signal);
      keep({ report: JSON.parse(new TextDecoder().decode(json.bytes)), name, wish: wanted, files: { json } });
      if (location.hash !== keyOf(name, wanted)) go(["reports", name], wanted);
      setFresh(true);
    } catch (problem) {
      if (!controller.signal.aborted) setError(problem);
    }
    setBusy(false);
  };
  return html`<${Head} title=${form.title} back=${{ href: address(["reports"]), label: t("nav.reports") }} lead=${form.about} />
    ${form.law.length > 0 && html`<details class="raw laws-of"><summary>${t("reports.law")} (${form.law.length})</summary><${Laws} law=${form.law} tongue=${language.value} whole=${true} /><p class="hint">${t("reports.law.hint")}</p></details>`}
    <form class="form explain" novalidate onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      if (!busy) make();
    }}>
      <${Days} draft=${draft} set=${(/** @type {Draft} */ part) => setDraft({ ...draft, ...part })} wrong=${wrong} day=${day} />
      ${fieldsOf(name).length > 0 && html`<${Of} name=${name} draft=${draft} set=${(/** @type {Draft} */ part) => setDraft({ ...draft, ...part })} wrong=${wrong} />`}
      <div class="report-end">
        <${Field} label=${t("reports.language")}>${(/** @type {any} */ { id }) => html`<span class="picker"><select id=${id} onChange=${(/** @type {any} */ event) => setDraft({ ...draft, language: event.currentTarget.value })}>${Object.entries(LANGUAGES).map(([code, called]) => html`<option value=${code} lang=${code} selected=${code === (draft.language || language.value)}>${called}</option>`)}</select><${Icon} name="down" /></span>`}</${Field}>
        <div class="actions start"><button type="submit" class="primary" disabled=${busy}>${t("reports.make")}</button>${busy && html`<button type="button" onClick=${() => own.current?.abort()}><${Icon} name="stop" />${t("reports.stop")}</button>`}<span class="hint">${t("reports.make.hint")}</span></div>
      </div>
    </form>
    <div class="making" role="status">${busy ? html`<p class="detail">${t("reports.making")}</p><${Progress} part=${null} label=${t("reports.making")} />` : fresh && there && html`<span class="unseen">${t("reports.made")}</span>`}</div>
    ${error !== null && html`<${Failure} error=${better(error)} again=${make} />`}
    ${there && html`<${Files} made=${shown} /><${Paper} report=${shown.report} heading=${heading} />`}`;
}

/** @typedef {{ draft: Draft, set: (part: Draft) => void, wrong: ReturnType<typeof mistakes> }} Part */

/** The days. @param {Part & { day: string }} props */
function Days({ draft, set, wrong, day }) {
  const date = (/** @type {"from" | "to"} */ name) => html`<${Field} label=${t(`reports.${name}`)} error=${wrong[name] && t(`reports.wrong.${wrong[name]}`, { n: DAYS_MAX })}>${(/** @type {any} */ { id, described }) => html`<input id=${id} type="date" aria-describedby=${described} aria-invalid=${wrong[name] ? "true" : undefined} value=${draft[name]} onInput=${(/** @type {any} */ event) => set({ [name]: event.currentTarget.value })} />`}</${Field}>`;
  return html`<fieldset><legend>${t("reports.period")}</legend>
    <div class="report-days"><div class="quick" role="group" aria-label=${t("reports.quick")}>${QUICK.map((which) => {
      const period = quick(which, day);
      return html`<button type="button" class="small" aria-pressed=${draft.from === period.from && draft.to === period.to} onClick=${() => set(period)}>${t(`reports.quick.${which}`)}</button>`;
    })}</div>
    <div class="pair">${date("from")}${date("to")}</div></div>
    <p class="hint">${t("reports.period.hint")}</p>
  </fieldset>`;
}

/** Whom and what it is about. Names are offered; what is gone from the house can be named all the same. @param {Part & { name: string }} props */
function Of({ name, draft, set, wrong }) {
  const loaded = useLoaded(names, []);
  const { keys = [], people = [], engines = [] } = loaded.value ?? {};
  const text = (/** @type {"key" | "person" | "document" | "upstream"} */ field, /** @type {string[]} */ offered, hint = "") => html`<${Field} label=${t(`reports.${field}`)} hint=${hint} error=${wrong[field] && t(`reports.wrong.${wrong[field]}`)}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} aria-invalid=${wrong[field] ? "true" : undefined} autocomplete="off" spellcheck=${false} maxlength=${field === "document" ? 1024 : 256} list=${offered.length ? `${id}-names` : undefined} value=${draft[field]} onInput=${(/** @type {any} */ event) => set({ [field]: event.currentTarget.value })} />${offered.length > 0 && html`<datalist id=${`${id}-names`}>${offered.map((one) => html`<option value=${one}></option>`)}</datalist>`}`}</${Field}>`;
  const from = name === "breach" ? "known_at" : "requested_at";
  return html`<fieldset><legend>${t("reports.of")}</legend>
    <p class="hint">${t(name === "breach" ? "reports.of.breach" : "reports.of.any")}</p>
    <div class="pair named">${text("key", keys)}${text("person", people)}${text("upstream", engines)}${text("document", [], t("reports.document.hint"))}</div>
    <div class="since"><${Field} label=${t(`reports.${from}`)} hint=${t("reports.clock.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} type="datetime-local" aria-describedby=${described} value=${draft[from]} onInput=${(/** @type {any} */ event) => set({ [from]: event.currentTarget.value })} />`}</${Field}>
    </div>
  </fieldset>`;
}

/** What can be named. @returns {Promise<Names>} */
async function names() {
  const [keys, people, engines] = await Promise.all(["/api/v1/keys", "/api/v1/people", "/v1/models"].map((path) => list(path).catch(() => [])));
  return { keys: keys.map((one) => one.name), people: people.map((one) => one.name), engines: engines.filter((one) => one.owned_by !== "route").map((one) => one.id) };
}

/** The files of what was made. @param {{ made: Made }} props */
function Files({ made: one }) {
  const [busy, setBusy] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const take = async (/** @type {typeof FORMATS[number]} */ format) => {
    setBusy(format);
    setError(null);
    try {
      // What is on the page is what is saved; the other formats are made when they are asked for.
      const got = format === "json" ? one.files.json : await given(one.name, one.wish, format);
      keep({ ...one, files: { ...one.files, [format]: got } });
      save(`${one.name}_${one.report.from}_${one.report.to}.${format}`, got.bytes, TYPES[format]);
    } catch (problem) {
      setError(problem);
    }
    setBusy("");
  };
  return html`<section class="files"><h2>${t("reports.given")}</h2><p class="hint">${t("reports.given.hint")}</p>
    <ul class="rows">${FORMATS.map((format) => html`<li key=${format}>
      <div class="grow"><strong>${format.toUpperCase()}</strong> <span class="hint">${t(`reports.format.${format}`)}</span>${one.files[format] && html`<${Hash} given=${one.files[format]} />`}</div>
      <button type="button" class="small" disabled=${busy !== ""} onClick=${() => take(format)}><${Icon} name="download" />${busy === format ? t("reports.saving") : t("reports.save", { format: format.toUpperCase() })}</button>
    </li>`)}</ul>
    ${error !== null && html`<${Failure} error=${better(error)} />`}
  </section>`;
}

/** @param {{ given: Given }} props */
function Hash({ given: one }) {
  const told = one.same === null ? "unknown" : one.same ? "same" : "other";
  return html`<p class="detail">SHA-256 <code class="hash">${one.sha256}</code></p>
    <p class=${`detail hash-${told}`}>${one.same !== null && html`<${Icon} name=${one.same ? "check" : "warning"} />`}${t(`reports.hash.${told}`)}</p>
    <p class="detail"><a href=${address(["receipts", one.receipt])}>${t("reports.receipt")}</a> <code class="hash">${one.receipt}</code></p>`;
}

/**
 * A report as the server gives it out, and whether its bytes are those that the ledger names.
 * @param {string} name @param {Record<string, string>} wanted @param {string} format @param {AbortSignal} [signal]
 * @returns {Promise<Given>}
 */
async function given(name, wanted, format, signal) {
  const { bytes, headers } = await file(`/api/v1/reports/${encodeURIComponent(name)}?${new URLSearchParams({ ...wanted, format })}`, signal);
  const sha256 = headers.get("x-dure-report-sha256") ?? "";
  return { bytes, receipt: headers.get("x-dure-receipt") ?? "", sha256, same: canHash() ? hex(await hash(bytes)) === sha256 : null };
}

/** An error in the words of this page. @param {unknown} error */
function better(error) {
  if (!(error instanceof ApiError)) return error;
  if (error.status === 429) return new ApiError(429, "reports_busy", "", error.wait);
  return error.status === 403 ? new ApiError(403, "reports_forbidden", "") : error;
}
