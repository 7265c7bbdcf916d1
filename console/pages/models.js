// Models: what is here, what can be fetched, on which terms.

import { html, useEffect, useState } from "../lib/html.js";
import { call, list } from "../lib/api.js";
import { arrived, pull, pulls } from "../lib/pulls.js";
import { keepsHouse } from "../lib/session.js";
import { known, languageName, percent, short, size, t } from "../lib/text.js";
import { address } from "../answer/markdown.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Progress, Show, useLoaded } from "../parts/loaded.js";
import { complain, say } from "../parts/notice.js";

export function Models() {
  const loaded = useLoaded(() => list("/api/v1/models"), []);
  // How much memory each takes is told to those who may watch the house.
  const memory = useLoaded((signal) => call("GET", "/api/v1/metrics", undefined, signal).then(memoryOf, () => new Map()), []);
  useEffect(() => {
    if (arrived.value) loaded.again();
  }, [arrived.value]);
  return html`<div class="page">
    <${Head} title=${t("nav.models")} lead=${t("models.lead")} />
    <${Show} loaded=${loaded}>${(/** @type {any[]} */ models) => {
      const here = models.filter((model) => model.installed);
      const rest = models.filter((model) => !model.installed);
      return html`
        <section><h2>${t("models.here")}</h2>${here.length ? html`<${List} models=${here} memory=${memory.value} changed=${loaded.again} />` : html`<p class="hint">${t("models.none")}</p>`}</section>
        ${rest.length > 0 && html`<section><h2>${t("models.catalogue")}</h2><${List} models=${rest} memory=${memory.value} changed=${loaded.again} /></section>`}`;
    }}</${Show}>
  </div>`;
}

/** @param {any} look @returns {Map<string, number>} */
const memoryOf = (look) => new Map((look.metrics["dure_engine_resident_memory_bytes"]?.series ?? []).map((/** @type {any} */ one) => [one.labels.model, one.value]));

/** @param {{ models: any[], memory: Map<string, number> | undefined, changed: () => void }} props */
function List({ models, memory, changed }) {
  return html`<ul class="cards">${models.map((model) => html`<${Model} key=${model.name} model=${model} memory=${memory?.get(model.name) ?? 0} changed=${changed} />`)}</ul>`;
}

/** @param {{ model: any, memory: number, changed: () => void }} props */
function Model({ model, memory, changed }) {
  const [asking, setAsking] = useState(false);
  const [removing, setRemoving] = useState(false);
  const state = pulls.value[model.name];
  const { installed, entry } = model;
  const context = installed?.metadata.context_tokens ?? entry?.context_tokens;
  const languages = entry?.languages ?? [];
  const start = () => (model.licence.accept ? setAsking(true) : pull(model.name, false));
  const remove = async () => {
    try {
      await call("DELETE", `/api/v1/models/${encodeURIComponent(model.name)}`);
      say(t("models.removed", { name: model.name }));
      changed();
    } catch (error) {
      complain(error);
    }
  };
  const facts = [
    t(`models.kind.${/** @type {"chat" | "embedding"} */ (model.kind)}`),
    size(model.size),
    installed ? t("models.parameters", { n: short(installed.metadata.parameters) }) : "",
    installed?.metadata.quantisation ?? "",
    context ? t("models.context", { n: context }) : "",
    memory ? t("models.memory", { size: size(memory) }) : "",
    model.licence.name,
  ].filter(Boolean);
  return html`<li class="card">
    <div class="card-text">
      <h3>${model.title}${model.default && html`<span class="tag">${t("models.default")}</span>`}</h3>
      <p class="detail"><code>${model.name}</code></p>
      <p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}</p>
      ${languages.length > 0 && html`<p class="hint">${t("models.languages", { languages: languages.slice(0, 8).map(languageName).join(", ") })}</p>`}
      ${state && html`<div class="card-progress">
        ${state.error
          ? html`<p class="callout bad" role="alert">${state.error.text} ${state.error.detail}</p>`
          : html`<p role="status" class="detail">${t(known(`models.phase.${state.phase}`) ? /** @type {any} */ (`models.phase.${state.phase}`) : "models.phase.waiting")} ${state.total > 0 && html`<span class="number">${size(state.done)} / ${size(state.total)} · ${percent(state.done / state.total)}</span>`} ${state.source}</p>
              <${Progress} part=${state.total ? state.done / state.total : null} label=${t("models.progress", { name: model.name })} />`}
      </div>`}
    </div>
    ${keepsHouse.value && html`<div class="card-actions">
      ${state && !state.error
        ? html`<button type="button" class="small" onClick=${state.stop}>${t("cancel")}</button>`
        : installed
          ? html`<button type="button" class="quiet icon-only small" aria-label=${t("models.remove", { name: model.name })} title=${t("delete")} onClick=${() => setRemoving(true)}><${Icon} name="trash" /></button>`
          : html`<button type="button" class="small" onClick=${start}><${Icon} name="download" />${t("models.pull")}</button>`}
    </div>`}
    ${asking && html`<${Licence} model=${model} close=${() => setAsking(false)} />`}
    ${removing && html`<${Confirm} title=${t("models.remove.title")} text=${t("models.remove.text", { name: model.title })} yes=${t("delete")} close=${() => setRemoving(false)} act=${remove} />`}
  </li>`;
}

/** @param {{ model: any, close: () => void }} props */
function Licence({ model, close }) {
  const [yes, setYes] = useState(false);
  const terms = address(model.licence.url);
  return html`<${Dialog} title=${t("models.licence")} close=${close}>
    <p>${t("models.licence.text", { name: model.title, licence: model.licence.name })}</p>
    ${terms && html`<p><a href=${terms.href} target="_blank" rel="noopener noreferrer">${model.licence.name}</a><span class="host">${terms.host}</span></p>`}
    <label class="check"><input type="checkbox" checked=${yes} onChange=${(/** @type {any} */ event) => setYes(event.currentTarget.checked)} /><span>${t("models.licence.yes")}</span></label>
    <div class="actions"><button type="button" onClick=${close}>${t("cancel")}</button><button type="button" class="primary" disabled=${!yes} onClick=${() => {
      close();
      pull(model.name, true);
    }}>${t("models.pull")}</button></div>
  </${Dialog}>`;
}
