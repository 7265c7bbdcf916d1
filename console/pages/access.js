// Who may ask: keys, people, groups.

import { html, useRef, useState } from "../lib/html.js";
import { call, list, told } from "../lib/api.js";
import { copy } from "../lib/copy.js";
import { become, place } from "../lib/place.js";
import { day, t } from "../lib/text.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Choices, Field } from "../parts/field.js";
import { Empty, Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Class } from "../parts/label.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { complain, say } from "../parts/notice.js";
import { Tabs } from "../parts/tabs.js";

const CLASSES = /** @type {const} */ (["open", "sensitive", "classified"]);

export function Access() {
  const tab = place.value.query.get("tab") ?? "keys";
  return html`<div class="page">
    <${Head} title=${t("nav.access")} lead=${t("access.lead")} />
    <${Tabs} label=${t("nav.access")} current=${tab} choose=${(/** @type {string} */ to) => become(["access"], to === "keys" ? undefined : { tab: to })}
      tabs=${[
        { name: "keys", label: t("keys.title") },
        { name: "people", label: t("people.title") },
        { name: "groups", label: t("groups.title") },
      ]}>
      ${tab === "people" ? html`<${People} />` : tab === "groups" ? html`<${Groups} />` : html`<${Keys} />`}
    </${Tabs}>
  </div>`;
}

function Keys() {
  const [gone, setGone] = useState(false);
  const loaded = useLoaded(() => list(`/api/v1/keys${gone ? "" : "?revoked=false"}`), [gone]);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState(/** @type {any} */ (null));
  const revoke = async (/** @type {any} */ key) => {
    try {
      await call("DELETE", `/api/v1/keys/${encodeURIComponent(key.name)}`);
      say(t("keys.revoked", { name: key.name }));
      loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="bar"><label class="check"><input type="checkbox" checked=${gone} onChange=${(/** @type {any} */ event) => setGone(event.currentTarget.checked)} /><span>${t("keys.showrevoked")}</span></label>
      <button type="button" class="primary" onClick=${() => setMaking(true)}><${Icon} name="plus" />${t("keys.new")}</button></div>
    <${Show} loaded=${loaded}>${(/** @type {any[]} */ keys) => html`<div class="table-scroll"><table class="list">
      <thead><tr><th scope="col">${t("name.column")}</th><th scope="col">${t("keys.for")}</th><th scope="col">${t("keys.reads")}</th><th scope="col" class="wide-only">${t("keys.sends")}</th><th scope="col" class="wide-only">${t("created")}</th><th scope="col"><span class="unseen">${t("actions")}</span></th></tr></thead>
      <tbody>${keys.map(
        (key) => html`<tr key=${key.id} class=${key.revoked ? "gone" : ""}>
          <th scope="row">${key.name}${key.administrator && html`<span class="tag">${t("who.admin")}</span>`}</th>
          <td>${key.person ? t("keys.person", { name: key.person }) : key.groups.length ? t("keys.service.groups", { groups: key.groups.join(", ") }) : t("keys.service")}</td>
          <td><${Class} name=${key.read_class} /></td>
          <td class="wide-only"><${Class} name=${key.input_class} /></td>
          <td class="wide-only">${day(key.created)}</td>
          <td class="right nowrap">${key.revoked ? html`<span class="detail">${t("keys.since", { day: day(key.revoked) })}</span>` : html`<button type="button" class="quiet small" onClick=${() => setRevoking(key)}>${t("keys.revoke")}<span class="unseen"> ${key.name}</span></button>`}</td>
        </tr>`,
      )}</tbody>
    </table></div>`}</${Show}>
    ${making && html`<${NewKey} close=${() => setMaking(false)} made=${loaded.again} />`}
    ${revoking && html`<${Confirm} title=${t("keys.revoke.title")} text=${t("keys.revoke.text", { name: revoking.name })} yes=${t("keys.revoke")} close=${() => setRevoking(null)} act=${() => revoke(revoking)} />`}`;
}

/** @param {{ close: () => void, made: () => void }} props */
function NewKey({ close, made }) {
  const [secret, setSecret] = useState("");
  return html`<${Dialog} title=${secret ? t("keys.made") : t("keys.new")} close=${close} wide=${true}>
    ${secret ? html`<${Secret} secret=${secret} close=${close} />` : html`<${KeyForm} close=${close} made=${(/** @type {string} */ key) => {
      setSecret(key);
      made();
    }} />`}
  </${Dialog}>`;
}

/** @param {{ secret: string, close: () => void }} props */
function Secret({ secret, close }) {
  const [copied, setCopied] = useState(false);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  return html`<p>${t("keys.once")}</p>
    <div class="secret"><label class="unseen" for="secret">${t("signin.key")}</label><input id="secret" ref=${field} readonly value=${secret} onFocus=${() => field.current?.select()} />
      <button type="button" class="primary" onClick=${async () => setCopied(await copy(secret))}><${Icon} name=${copied ? "check" : "copy"} />${copied ? t("copied") : t("copy")}</button></div>
    <p class="hint">${t("keys.use")}</p>
    <pre class="sample"><code>${`curl ${location.origin}/v1/models -H "Authorization: Bearer ${secret.slice(0, 9)}…"`}</code></pre>
    <div class="actions"><button type="button" onClick=${close}>${t("keys.kept")}</button></div>`;
}

/** @param {{ close: () => void, made: (key: string) => void }} props */
function KeyForm({ close, made }) {
  const [name, setName] = useState("");
  const [person, setPerson] = useState("");
  const [groups, setGroups] = useState(/** @type {string[]} */ ([]));
  const [reads, setReads] = useState("open");
  const [sends, setSends] = useState("open");
  const [administrator, setAdministrator] = useState(false);
  const [mistake, setMistake] = useState("");
  const loaded = useLoaded(async () => {
    const [people, all] = await Promise.all([list("/api/v1/people"), list("/api/v1/groups")]);
    return { people, groups: all };
  }, []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const got = await call("POST", "/api/v1/keys", { name: name.trim(), ...(person ? { person } : { groups }), read_class: reads, input_class: sends, administrator });
      made(got.key);
    } catch (error) {
      const { text, detail } = told(error);
      setMistake([text, detail].filter(Boolean).join(" "));
    }
  };
  const classes = (/** @type {"read" | "send"} */ what) => CLASSES.map((one) => ({ value: one, label: t(`class.${one}`), hint: t(`keys.${what}.${one}`) }));
  return html`<form class="form" onSubmit=${submit}>
    <${Field} label=${t("name.column")} hint=${t("keys.name.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} required autocomplete="off" value=${name} onInput=${(/** @type {any} */ event) => setName(event.currentTarget.value)} />`}</${Field}>
    <${Field} label=${t("keys.for")} hint=${t("keys.for.hint")}>${(/** @type {any} */ { id, described }) => html`<span class="picker"><select id=${id} aria-describedby=${described} onChange=${(/** @type {any} */ event) => setPerson(event.currentTarget.value)}>
      <option value="">${t("keys.service")}</option>${(loaded.value?.people ?? []).map((/** @type {any} */ one) => html`<option value=${one.name} selected=${one.name === person}>${one.name}</option>`)}</select><${Icon} name="down" /></span>`}</${Field}>
    ${!person && (loaded.value?.groups.length ?? 0) > 0 && html`<fieldset class="choices inline"><legend>${t("groups.title")}</legend>${loaded.value?.groups.map((/** @type {any} */ group) => html`<label class="check"><input type="checkbox" checked=${groups.includes(group.name)} onChange=${(/** @type {any} */ event) => setGroups(event.currentTarget.checked ? [...groups, group.name] : groups.filter((one) => one !== group.name))} /><span>${group.name}</span></label>`)}</fieldset>`}
    <div class="pair">
      <${Choices} name="reads" label=${t("keys.reads")} value=${reads} choose=${setReads} choices=${classes("read")} />
      <${Choices} name="sends" label=${t("keys.sends")} value=${sends} choose=${setSends} choices=${classes("send")} />
    </div>
    <label class="check"><input type="checkbox" checked=${administrator} onChange=${(/** @type {any} */ event) => setAdministrator(event.currentTarget.checked)} /><span>${t("keys.administrator")}<span class="hint">${t("keys.administrator.hint")}</span></span></label>
    ${mistake && html`<p class="callout bad" role="alert">${mistake}</p>`}
    <div class="actions"><button type="button" onClick=${close}>${t("cancel")}</button><button type="submit" class="primary" disabled=${!name.trim()}>${t("keys.make")}</button></div>
  </form>`;
}

function People() {
  const loaded = useLoaded(async () => {
    const [people, groups] = await Promise.all([list("/api/v1/people"), list("/api/v1/groups")]);
    return { people, groups };
  }, []);
  const [editing, setEditing] = useState(/** @type {any} */ (null));
  const suspend = async (/** @type {any} */ person) => {
    try {
      await call("PATCH", `/api/v1/people/${encodeURIComponent(person.name)}`, { suspended: !person.suspended });
      loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  const make = html`<button type="button" class="primary" onClick=${() => setEditing({ name: "", groups: [] })}><${Icon} name="plus" />${t("people.new")}</button>`;
  return html`<${Show} loaded=${loaded}>${(/** @type {any} */ { people, groups }) => html`
      ${people.length === 0
        ? html`<${Empty} title=${t("people.empty")} text=${t("people.empty.text")}>${make}</${Empty}>`
        : html`<div class="bar"><span></span>${make}</div><div class="table-scroll"><table class="list">
            <thead><tr><th scope="col">${t("name.column")}</th><th scope="col">${t("groups.title")}</th><th scope="col" class="wide-only">${t("created")}</th><th scope="col"><span class="unseen">${t("actions")}</span></th></tr></thead>
            <tbody>${people.map(
              (/** @type {any} */ person) => html`<tr key=${person.id} class=${person.suspended ? "gone" : ""}>
                <th scope="row">${person.name}${person.suspended && html`<span class="tag warning">${t("people.suspended")}</span>`}</th>
                <td>${person.groups.join(", ") || "–"}</td><td class="wide-only">${day(person.created)}</td>
                <td class="right nowrap"><button type="button" class="quiet small" onClick=${() => suspend(person)}>${person.suspended ? t("people.resume") : t("people.suspend")}<span class="unseen"> ${person.name}</span></button>
                  <button type="button" class="quiet icon-only small" aria-label=${t("people.edit", { name: person.name })} onClick=${() => setEditing(person)}><${Icon} name="edit" /></button></td>
              </tr>`,
            )}</tbody></table></div>`}
      ${editing && html`<${PersonForm} person=${editing} groups=${groups} close=${() => setEditing(null)} done=${() => {
        setEditing(null);
        loaded.again();
      }} />`}`}</${Show}>`;
}

/** @param {{ person: any, groups: any[], close: () => void, done: () => void }} props */
function PersonForm({ person, groups, close, done }) {
  const fresh = !person.id;
  const [name, setName] = useState(person.name);
  const [chosen, setChosen] = useState(/** @type {string[]} */ (person.groups));
  const [mistake, setMistake] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      if (fresh) await call("POST", "/api/v1/people", { name: name.trim(), groups: chosen });
      else await call("PATCH", `/api/v1/people/${encodeURIComponent(person.name)}`, { groups: chosen });
      done();
    } catch (error) {
      const { text, detail } = told(error);
      setMistake([text, detail].filter(Boolean).join(" "));
    }
  };
  return html`<${Dialog} title=${fresh ? t("people.new") : t("people.edit", { name: person.name })} close=${close}><form class="form" onSubmit=${submit}>
    ${fresh && html`<${Field} label=${t("name.column")} hint=${t("people.name.hint")}>${(/** @type {any} */ { id, described }) => html`<input id=${id} aria-describedby=${described} required autocomplete="off" value=${name} onInput=${(/** @type {any} */ event) => setName(event.currentTarget.value)} />`}</${Field}>`}
    <fieldset class="choices"><legend>${t("groups.title")}</legend>${groups.length === 0 && html`<p class="hint">${t("groups.empty")}</p>`}
      ${groups.map((group) => html`<label class="check"><input type="checkbox" checked=${chosen.includes(group.name)} onChange=${(/** @type {any} */ event) => setChosen(event.currentTarget.checked ? [...chosen, group.name] : chosen.filter((one) => one !== group.name))} /><span>${group.name}</span></label>`)}</fieldset>
    ${mistake && html`<p class="callout bad" role="alert">${mistake}</p>`}
    <div class="actions"><button type="button" onClick=${close}>${t("cancel")}</button><button type="submit" class="primary" disabled=${!name.trim()}>${t("save")}</button></div>
  </form></${Dialog}>`;
}

function Groups() {
  const loaded = useLoaded(() => list("/api/v1/groups"), []);
  const [name, setName] = useState("");
  const [removing, setRemoving] = useState(/** @type {any} */ (null));
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await call("POST", "/api/v1/groups", { name: name.trim() });
      setName("");
      loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  const remove = async (/** @type {any} */ group) => {
    try {
      await call("DELETE", `/api/v1/groups/${encodeURIComponent(group.name)}`);
      loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<form class="bar" onSubmit=${add}><label class="grow"><span class="unseen">${t("groups.name")}</span><input value=${name} maxlength="64" autocomplete="off" placeholder=${t("groups.name")} onInput=${(/** @type {any} */ event) => setName(event.currentTarget.value)} /></label>
      <button type="submit" class="primary" disabled=${!name.trim()}><${Icon} name="plus" />${t("groups.new")}</button></form>
    <${Show} loaded=${loaded}>${(/** @type {any[]} */ groups) =>
      groups.length === 0
        ? html`<${Empty} title=${t("groups.empty")} text=${t("groups.empty.text")} />`
        : html`<ul class="rows">${groups.map((group) => html`<li key=${group.id}><span class="grow">${group.name}</span><time>${day(group.created)}</time><button type="button" class="quiet icon-only small" aria-label=${t("groups.remove", { name: group.name })} onClick=${() => setRemoving(group)}><${Icon} name="trash" /></button></li>`)}</ul>`}</${Show}>
    ${removing && html`<${Confirm} title=${t("groups.remove.title")} text=${t("groups.remove.text", { name: removing.name })} yes=${t("delete")} close=${() => setRemoving(null)} act=${() => remove(removing)} />`}`;
}
