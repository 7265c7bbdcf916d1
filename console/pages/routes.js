// Routes: the names that people and programs call, and what each stands for.

import { html, useState } from "../lib/html.js";
import { call, list, told } from "../lib/api.js";
import { pick, refresh } from "../lib/callable.js";
import { begin } from "./ask/conversation.js";
import { go } from "../lib/place.js";
import { t } from "../lib/text.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Choices, Field } from "../parts/field.js";
import { Empty, Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { complain } from "../parts/notice.js";

const MODES = /** @type {const} */ (["both", "extractive", "generated"]);

export function Routes() {
  const loaded = useLoaded(() => list("/api/v1/routes"), []);
  const [editing, setEditing] = useState(/** @type {any} */ (null));
  const [removing, setRemoving] = useState(/** @type {any} */ (null));
  const changed = () => {
    loaded.again();
    refresh().catch(complain);
  };
  const remove = async (/** @type {any} */ route) => {
    try {
      await call("DELETE", `/api/v1/routes/${encodeURIComponent(route.name)}`);
      changed();
    } catch (error) {
      complain(error);
    }
  };
  const make = html`<button type="button" class="primary" onClick=${() => setEditing({})}><${Icon} name="plus" />${t("routes.new")}</button>`;
  return html`<div class="page">
    <${Head} title=${t("nav.routes")} lead=${t("routes.lead")}>${make}</${Head}>
    <${Show} loaded=${loaded}>${(/** @type {any[]} */ routes) =>
      routes.length === 0
        ? html`<${Empty} title=${t("routes.empty")} text=${t("routes.empty.text")}>${make}</${Empty}>`
        : html`<div class="table-scroll"><table class="list">
            <thead><tr><th scope="col">${t("routes.name")}</th><th scope="col">${t("nav.records")}</th><th scope="col">${t("routes.model")}</th><th scope="col" class="wide-only">${t("routes.mode")}</th><th scope="col"><span class="unseen">${t("actions")}</span></th></tr></thead>
            <tbody>${routes.map(
              (route) => html`<tr key=${route.name}>
                <th scope="row"><code>${route.name}</code></th>
                <td>${route.corpora.length ? route.corpora.join(", ") : html`<span class="detail">${t("routes.plain")}</span>`}</td>
                <td>${standing(route.models)}</td>
                <td class="wide-only">${route.corpora.length ? t(`mode.${/** @type {"both"} */ (route.mode)}`) : "–"}</td>
                <td class="right nowrap">
                  <button type="button" class="quiet small" onClick=${() => {
                    pick(route.name);
                    begin();
                    go(["ask"]);
                  }}>${t("nav.ask")}</button>
                  <button type="button" class="quiet icon-only small" aria-label=${t("routes.edit", { name: route.name })} onClick=${() => setEditing(route)}><${Icon} name="edit" /></button>
                  <button type="button" class="quiet icon-only small" aria-label=${t("routes.remove", { name: route.name })} onClick=${() => setRemoving(route)}><${Icon} name="trash" /></button>
                </td>
              </tr>`,
            )}</tbody>
          </table></div>`}</${Show}>
    ${editing && html`<${Edit} route=${editing} close=${() => setEditing(null)} done=${() => {
      setEditing(null);
      changed();
    }} />`}
    ${removing && html`<${Confirm} title=${t("routes.remove.title")} text=${t("routes.remove.text", { name: removing.name })} yes=${t("delete")} close=${() => setRemoving(null)} act=${() => remove(removing)} />`}
  </div>`;
}

/** @param {{ order: string, list: { model: string }[] }} models */
function standing({ order, list }) {
  return list.map((one) => one.model).join(order === "weighted" ? " / " : " → ");
}

/** @param {{ route: any, close: () => void, done: () => void }} props */
function Edit({ route, close, done }) {
  const fresh = !route.name;
  const loaded = useLoaded(async () => {
    const [corpora, models] = await Promise.all([list("/api/v1/corpora"), call("GET", "/v1/models")]);
    const chats = models.data.filter((/** @type {any} */ model) => model.owned_by !== "route" && model.abilities?.chat !== false);
    return { corpora, models: chats.map((/** @type {any} */ model) => model.id) };
  }, []);
  return html`<${Dialog} title=${fresh ? t("routes.new") : t("routes.edit", { name: route.name })} close=${close} wide=${true}>
    <${Show} loaded=${loaded}>${(/** @type {any} */ got) => html`<${Form} route=${route} corpora=${got.corpora} models=${got.models} close=${close} done=${done} />`}</${Show}>
  </${Dialog}>`;
}

/** @param {{ route: any, corpora: any[], models: string[], close: () => void, done: () => void }} props */
function Form({ route, corpora, models, close, done }) {
  const fresh = !route.name;
  const [name, setName] = useState(route.name ?? "");
  const [standIns, setStandIns] = useState(route.models ?? { order: "listed", list: models.slice(0, 1).map((model) => ({ model })) });
  const [chosen, setChosen] = useState(/** @type {string[]} */ (route.corpora ?? corpora.slice(0, 1).map((corpus) => corpus.name)));
  const [mode, setMode] = useState(route.mode ?? "both");
  const [instructions, setInstructions] = useState(route.instructions ?? "");
  const [mistake, setMistake] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const body = { name: name.trim(), models: standIns, corpora: chosen, mode, instructions, passages: route.passages ?? null, temperature: route.temperature ?? null };
      if (fresh) await call("POST", "/api/v1/routes", body);
      else await call("PUT", `/api/v1/routes/${encodeURIComponent(route.name)}`, body);
      done();
    } catch (error) {
      const { text, detail } = told(error);
      setMistake([text, detail].filter(Boolean).join(" "));
      setBusy(false);
    }
  };
  return html`<form class="form" onSubmit=${submit}>
    ${fresh && html`<${Field} label=${t("routes.name")} hint=${t("routes.name.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} required autocomplete="off" value=${name} onInput=${(/** @type {any} */ event) => setName(event.currentTarget.value)} />`}</${Field}>`}
    <fieldset class="choices"><legend>${t("routes.corpora")}</legend><p class="hint">${t("routes.corpora.hint")}</p>
      ${corpora.map((corpus) => html`<label class="check"><input type="checkbox" checked=${chosen.includes(corpus.name)} onChange=${(/** @type {any} */ event) => setChosen(event.currentTarget.checked ? [...chosen, corpus.name] : chosen.filter((one) => one !== corpus.name))} /><span>${corpus.title || corpus.name}</span></label>`)}
      ${corpora.length === 0 && html`<p class="hint">${t("records.empty")}</p>`}
    </fieldset>
    <${Models} value=${standIns} models=${models} change=${setStandIns} />
    ${chosen.length > 0 && html`<${Choices} name="mode" label=${t("routes.mode")} value=${mode} choose=${setMode} choices=${MODES.map((one) => ({ value: one, label: t(`mode.${one}`), hint: t(`mode.${one}.hint`) }))} />`}
    <${Field} label=${t("routes.instructions")} hint=${t("routes.instructions.hint")}>${(/** @type {any} */ { id, described }) => html`<textarea id=${id} aria-describedby=${described} rows="3" value=${instructions} onInput=${(/** @type {any} */ event) => setInstructions(event.currentTarget.value)}></textarea>`}</${Field}>
    ${mistake && html`<p class="callout bad" role="alert">${mistake}</p>`}
    <div class="actions"><button type="button" onClick=${close}>${t("cancel")}</button><button type="submit" class="primary" disabled=${busy || !name.trim() || !standIns.list.length}>${fresh ? t("routes.make") : t("save")}</button></div>
  </form>`;
}

/**
 * The models of a route, each a choice of its own, in the order in which they are tried.
 * @param {{ value: { order: string, list: any[] }, models: string[], change: (value: any) => void }} props
 */
function Models({ value, models, change }) {
  const { order, list } = value;
  // One model has nobody to be asked beside it.
  const put = (/** @type {any[]} */ changed) => change({ ...(changed.length > 1 ? value : { order }), list: changed });
  const free = models.filter((one) => !list.some((candidate) => candidate.model === one));
  return html`<fieldset class="choices"><legend>${t("routes.model")}</legend>
    <p class="hint">${models.length ? t(order === "weighted" ? "routes.models.weighted" : "routes.models.hint") : t("models.none")}</p>
    ${list.map(
      (candidate, place) => html`<div key=${candidate.model} class="stand-in">
        <span class="picker"><select aria-label=${t("routes.models.place", { place: place + 1 })} required onChange=${(/** @type {any} */ event) => put(list.map((one) => (one === candidate ? { ...one, model: event.currentTarget.value } : one)))}>
          ${[candidate.model, ...free].map((one) => html`<option value=${one} selected=${one === candidate.model}>${one}</option>`)}
        </select><${Icon} name="down" /></span>
        ${candidate.when && html`<span class="detail">${t("routes.models.when")}</span>`}
        ${list.length > 1 && html`<button type="button" class="quiet icon-only small" aria-label=${t("routes.models.remove", { model: candidate.model })} onClick=${() => put(list.filter((one) => one !== candidate))}><${Icon} name="trash" /></button>`}
      </div>`,
    )}
    ${free.length > 0 && html`<button type="button" class="quiet small" onClick=${() => put([...list, { model: free[0] }])}><${Icon} name="plus" />${t("routes.models.add")}</button>`}
  </fieldset>`;
}
