// A new corpus, its label in plain words.

import { html, useState } from "../lib/html.js";
import { call, list, told } from "../lib/api.js";
import { me } from "../lib/session.js";
import { t } from "../lib/text.js";
import { Dialog } from "../parts/dialog.js";
import { Choices, Field } from "../parts/field.js";
import { useLoaded } from "../parts/loaded.js";

/** From the most open to the most closed. @type {string[]} */
const CLASSES = ["open", "sensitive", "classified"];

/** @param {{ close: () => void, made: (name: string) => void }} props */
export function NewCorpus({ close, made }) {
  return html`<${Dialog} title=${t("records.new")} close=${close} wide=${true}><${CorpusForm} cancel=${close} made=${made} /></${Dialog}>`;
}

/** @param {{ cancel?: () => void, made: (name: string) => void, suggested?: string }} props */
export function CorpusForm({ cancel, made, suggested = "" }) {
  const [name, setName] = useState(suggested);
  const [title, setTitle] = useState("");
  const [level, setLevel] = useState("open");
  const [border, setBorder] = useState("KR");
  const [licence, setLicence] = useState("kogl-1");
  const [readers, setReaders] = useState(/** @type {string[]} */ ([]));
  const [busy, setBusy] = useState(false);
  const [mistake, setMistake] = useState("");
  const groups = useLoaded(() => list("/api/v1/groups"), []);
  const typed = (/** @type {(text: string) => void} */ set) => (/** @type {any} */ event) => set(event.currentTarget.value);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setMistake("");
    try {
      const body = {
        name: name.trim(),
        title: title.trim(),
        class: level,
        ...(border.trim() ? { residency: border.toUpperCase().split(/[\s,]+/).filter(Boolean) } : {}),
        licences: licence.split(/[\s,]+/).filter(Boolean),
        purposes: ["answering"],
        readers,
      };
      const corpus = await call("POST", "/api/v1/corpora", body);
      made(corpus.name);
    } catch (error) {
      const { text, detail } = told(error);
      setMistake([text, detail].filter(Boolean).join(" "));
      setBusy(false);
    }
  };
  return html`<form class="form" onSubmit=${submit}>
    <${Field} label=${t("corpus.name")} hint=${t("corpus.name.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} required maxlength="64" autocomplete="off" value=${name} onInput=${typed(setName)} />`}</${Field}>
    <${Field} label=${t("corpus.title")} hint=${t("corpus.title.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} maxlength="200" autocomplete="off" value=${title} onInput=${typed(setTitle)} />`}</${Field}>
    <${Choices} name="class" label=${t("label.class.ask")} value=${level} choose=${setLevel} choices=${/** @type {const} */ (["open", "sensitive", "classified"]).map((one) => ({ value: one, label: t(`class.${one}.long`), hint: t(`class.${one}.hint`) }))} />
    ${CLASSES.indexOf(level) > CLASSES.indexOf(me.value?.readClass ?? "") && html`<p class="callout warning" role="status">${t("label.class.beyond", { class: t(`class.${/** @type {"open" | "sensitive" | "classified"} */ (me.value?.readClass)}`) })}</p>`}
    <div class="pair">
      <${Field} label=${t("label.residency")} hint=${t("label.residency.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} autocomplete="off" value=${border} onInput=${typed(setBorder)} placeholder="KR" />`}</${Field}>
      <${Field} label=${t("label.licences")} hint=${t("label.licences.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} autocomplete="off" value=${licence} onInput=${typed(setLicence)} placeholder="kogl-1" />`}</${Field}>
    </div>
    ${(groups.value?.length ?? 0) > 0 && html`<fieldset class="choices inline"><legend>${t("corpus.readers")}</legend>
      <p class="hint">${t("corpus.readers.hint")}</p>
      ${groups.value?.map((group) => html`<label class="check"><input type="checkbox" checked=${readers.includes(group.name)} onChange=${(/** @type {any} */ event) => setReaders(event.currentTarget.checked ? [...readers, group.name] : readers.filter((one) => one !== group.name))} /><span>${group.name}</span></label>`)}
    </fieldset>`}
    ${mistake && html`<p class="callout bad" role="alert">${mistake}</p>`}
    <div class="actions">${cancel && html`<button type="button" onClick=${cancel}>${t("cancel")}</button>`}<button type="submit" class="primary" disabled=${busy || !name.trim()}>${t("corpus.make")}</button></div>
  </form>`;
}
