// What waits for somebody's approval: what one asked for, what is one's own to answer, and, for administrators, all of it.

import { html, useState } from "../lib/html.js";
import { call, list, told } from "../lib/api.js";
import { address, become, place } from "../lib/place.js";
import { worded } from "../lib/receipt.js";
import { exactly, t } from "../lib/text.js";
import { Dialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { Empty, Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Class } from "../parts/label.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { Tabs } from "../parts/tabs.js";

const STATES = /** @type {const} */ (["open", "approved", "declined", "expired"]);

export function Approvals() {
  const state = STATES.find((one) => one === place.value.query.get("state")) ?? "open";
  const loaded = useLoaded(() => list(`/api/v1/approvals?state=${state}`), [state]);
  const [answering, setAnswering] = useState(/** @type {{ request: any, answer: "approve" | "decline" } | null} */ (null));
  return html`<div class="page">
    <${Head} title=${t("nav.approvals")} lead=${t("approvals.lead")} />
    <${Tabs} label=${t("nav.approvals")} current=${state} choose=${(/** @type {string} */ to) => become(["approvals"], to === "open" ? undefined : { state: to })}
      tabs=${STATES.map((name) => ({ name, label: t(`approvals.${name}`) }))}>
      <${Show} loaded=${loaded}>${(/** @type {any[]} */ requests) =>
        requests.length === 0
          ? html`<${Empty} title=${t("approvals.empty")} text=${t("approvals.empty.text")} />`
          : html`<ul class="requests">${requests.map((request) => html`<${Request} key=${request.id} request=${request} answer=${(/** @type {"approve" | "decline"} */ answer) => setAnswering({ request, answer })} />`)}</ul>`}</${Show}>
    </${Tabs}>
    ${answering && html`<${Answer} ...${answering} close=${() => setAnswering(null)} done=${() => {
      setAnswering(null);
      loaded.again();
    }} />`}
  </div>`;
}

/** @param {{ request: any, answer: (answer: "approve" | "decline") => void }} props */
function Request({ request, answer }) {
  const { question, about } = request;
  const name = nameIn(request);
  const reason = question.act.declassify?.reason;
  return html`<li class="request">
    <div class="grow">
      <h2>${what(question.act)}</h2>
      <dl class="about">
        <div><dt>${t("approvals.who")}</dt><dd>${asker(request)}</dd></div>
        ${about && html`<div><dt>${t("approvals.about")}</dt><dd><a href=${address(["records", about.corpus, "document"], { id: question.act.declassify.document })}>${about.corpus} / ${about.path}</a></dd></div>`}
        ${reason && html`<div><dt>${t("approvals.reason")}</dt><dd>${reason}</dd></div>`}
        <div><dt>${t("label.class")}</dt><dd><${Class} name=${question.text.class} /></dd></div>
        ${question.route && html`<div><dt>${t("approvals.route")}</dt><dd><code>${question.route}</code></dd></div>`}
        <div><dt>${t("approvals.by")}</dt><dd>${request.groups.join(", ")}</dd></div>
        <div><dt>${t("approvals.asked")}</dt><dd>${exactly(request.asked)}</dd></div>
        ${request.approvals.map((/** @type {any} */ one) => html`<div><dt>${t("approvals.said.yes")}</dt><dd>${name(one.approver)} (${one.group}), ${t("approvals.until", { when: exactly(one.until) })}<span class="detail"> ${one.reason}</span></dd></div>`)}
        ${request.declined && html`<div><dt>${t("approvals.said.no")}</dt><dd>${name(request.declined.by)}<span class="detail"> ${request.declined.reason}</span></dd></div>`}
      </dl>
      <p class="detail"><code>${request.id}</code></p>
    </div>
    ${request.yours_to_answer && html`<div class="actions">
      <button type="button" onClick=${() => answer("decline")}>${t("approvals.decline")}</button>
      <button type="button" class="primary" onClick=${() => answer("approve")}><${Icon} name="check" />${t("approvals.approve")}</button>
    </div>`}
  </li>`;
}

/** @param {{ request: any, answer: "approve" | "decline", close: () => void, done: () => void }} props */
function Answer({ request, answer, close, done }) {
  const [reason, setReason] = useState("");
  const [days, setDays] = useState(7);
  const [mistake, setMistake] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const body = answer === "approve" ? { answer, reason, days } : { answer, reason };
      await call("POST", `/api/v1/approvals/${encodeURIComponent(request.id)}`, body);
      done();
    } catch (error) {
      const { text, detail } = told(error);
      setMistake([text, detail].filter(Boolean).join(" "));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${t(`approvals.${answer}.title`)} close=${close}>
    <form class="form" onSubmit=${submit}>
      <div><p><strong>${what(request.question.act)}</strong></p>
        <p class="facts"><span>${asker(request)}</span>${request.about && html`<span>${request.about.corpus} / ${request.about.path}</span>`}</p>
        ${request.question.act.declassify?.reason && html`<p class="detail">${request.question.act.declassify.reason}</p>`}</div>
      <${Field} label=${t("approvals.reason")} hint=${t("approvals.reason.hint")}>${(/** @type {any} */ { id, described }) => html`<textarea id=${id} aria-describedby=${described} rows="3" maxlength="500" required value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.currentTarget.value)}></textarea>`}</${Field}>
      ${answer === "approve" && html`<${Field} label=${t("approvals.days")} hint=${t("approvals.days.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} type="number" min="1" max="30" required value=${days} onInput=${(/** @type {any} */ event) => setDays(event.currentTarget.valueAsNumber)} />`}</${Field}>`}
      ${mistake && html`<p class="callout bad" role="alert">${mistake}</p>`}
      <div class="actions"><button type="button" onClick=${close}>${t("cancel")}</button><button type="submit" class=${answer === "approve" ? "primary" : "danger"} disabled=${busy || !reason.trim()}>${t(`approvals.${answer}`)}</button></div>
    </form>
  </${Dialog}>`;
}

/** The names that a request knows. @param {any} request */
const nameIn = (request) => (/** @type {string} */ id) => request.names[id] ?? id;

/** Who asks. @param {any} request */
const asker = (request) => (request.question.who.id ? nameIn(request)(request.question.who.id) : t("subject.operator"));

/** What is to happen, in a few words. @param {Record<string, any>} act */
function what(act) {
  const [[name, to] = ["", {}]] = Object.entries(act);
  const where = to.name ? `${to.name} (${[to.country, to.owner].filter(Boolean).join(", ")})` : "";
  return name === "declassify" ? t("approvals.lower", { class: worded(`class.${to.to}`, to.to) }) : `${worded(`act.${name}`, name)} → ${where}`;
}
