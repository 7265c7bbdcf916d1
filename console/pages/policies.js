// The policies that count now: which they are, what they would answer, what stands in their files.

import { html, useRef } from "../lib/html.js";
import { call } from "../lib/api.js";
import { address, become, place } from "../lib/place.js";
import { t } from "../lib/text.js";
import { Head } from "../parts/head.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { Tabs } from "../parts/tabs.js";
import { Explain } from "./explain.js";

/** @typedef {{ version: string, starting: boolean, cases: number, failing: string[], problems: string[], files: string[] }} State */

export function Policies() {
  const { query } = place.value;
  const tab = query.get("tab") ?? "explain";
  const loaded = useLoaded((signal) => call("GET", "/api/v1/policies", undefined, signal), []);
  return html`<div class="page">
    <${Head} title=${t("nav.policies")} lead=${t("policies.lead")} />
    <${Show} loaded=${loaded}>${(/** @type {State} */ state) => html`
      <${Now} state=${state} />
      <${Tabs} label=${t("nav.policies")} current=${tab} choose=${(/** @type {string} */ to) => become(["policies"], to === "explain" ? undefined : { tab: to })}
        tabs=${[
          { name: "explain", label: t("explain.title") },
          { name: "files", label: t("policies.files") },
        ]}>
        ${tab === "files" ? html`<${Files} names=${state.files} />` : html`<${Explain} key=${query.get("receipt") ?? ""} receipt=${query.get("receipt")} />`}
      </${Tabs}>`}</${Show}>
  </div>`;
}

/** @param {{ state: State }} props */
function Now({ state }) {
  const held = state.cases - state.failing.length;
  return html`${state.problems.length > 0 && html`<div class="callout bad" role="alert"><p>${t("policies.problems")}</p><ul>${state.problems.map((one) => html`<li><code>${one}</code></li>`)}</ul></div>`}
    <dl class="about policy-now">
      <div><dt>${t("policies.whose")}</dt><dd>${state.starting ? t("policies.starting") : t("policies.own")}</dd></div>
      <div><dt>${t("policies.version")}</dt><dd><code class="hash">${state.version}</code></dd></div>
      <div><dt>${t("policies.cases")}</dt><dd><span class=${state.failing.length ? "mistake" : ""}>${t("policies.cases.hold", { held, n: state.cases })}</span>
        ${state.failing.length > 0 && html`<ul class="failing">${state.failing.map((one) => html`<li><pre>${one}</pre></li>`)}</ul>`}</dd></div>
    </dl>`;
}

/** @param {{ names: string[] }} props */
function Files({ names }) {
  const { query } = place.value;
  const wanted = query.get("file") ?? names[0] ?? "";
  const line = Number(query.get("line")) || 0;
  const loaded = useLoaded((signal) => call("GET", `/api/v1/policies/files/${encodeURIComponent(wanted)}`, undefined, signal), [wanted]);
  const seen = useRef("");
  // Once for each place: afterwards whoever reads moves the text.
  const scroll = (/** @type {HTMLElement | null} */ element) => {
    if (!element || seen.current === `${wanted} ${line}`) return;
    seen.current = `${wanted} ${line}`;
    element.scrollIntoView({ block: "center" });
  };
  return html`<div class="policy-files">
    <nav aria-label=${t("policies.files")}><ul>${names.map((name) => html`<li><a href=${address(["policies"], { tab: "files", file: name })} aria-current=${name === wanted ? "true" : undefined}><code>${name}</code></a></li>`)}</ul></nav>
    <div class="grow"><${Show} loaded=${loaded}>${(/** @type {{ name: string, text: string }} */ file) => html`<pre class="source" tabindex="0" aria-label=${file.name}><code>${file.text.split("\n").map((text, at) => (at + 1 === line ? html`<mark ref=${scroll}>${text || " "}</mark>${"\n"}` : `${text}\n`))}</code></pre>`}</${Show}>
      <p class="hint">${t("policies.files.hint")}</p></div>
  </div>`;
}
