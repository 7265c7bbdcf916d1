// Earlier conversations: searched, opened, taken along, deleted.

import { html, useEffect, useState } from "../../lib/html.js";
import { save } from "../../lib/copy.js";
import * as history from "../../lib/history.js";
import { address, go } from "../../lib/place.js";
import { t, day } from "../../lib/text.js";
import { Confirm, Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { complain } from "../../parts/notice.js";
import { begin, id } from "./conversation.js";

export function Conversations() {
  const [found, setFound] = useState(/** @type {history.Conversation[]} */ ([]));
  const [words, setWords] = useState("");
  const [managing, setManaging] = useState(false);
  useEffect(() => {
    let gone = false;
    history.list(words).then(({ data }) => gone || setFound(data), complain);
    return () => {
      gone = true;
    };
  }, [words, history.changes.value]);
  const fresh = () => {
    begin();
    go(["ask"]);
  };
  const told = words ? t("history.none") : history.keeps.value ? t("history.empty") : t("history.off");
  return html`<section class="conversations" aria-label=${t("history")}>
    <div class="conversations-head">
      <h2>${t("history")}</h2>
      <button type="button" class="quiet icon-only small" aria-label=${t("history.new")} title=${t("history.new")} onClick=${fresh}><${Icon} name="plus" /></button>
    </div>
    ${(found.length > 6 || words) && html`<label class="search-field small"><span class="unseen">${t("history.search")}</span><${Icon} name="search" /><input type="search" maxlength="200" value=${words} placeholder=${t("history.search")} onInput=${(/** @type {any} */ event) => setWords(event.currentTarget.value)} /></label>`}
    ${found.length === 0
      ? html`<p class="hint">${told}</p>`
      : html`<ul>${found.map((one) => html`<li key=${one.id}><a href=${address(["ask", one.id])} aria-current=${id.value === one.id ? "true" : undefined}>${one.title || t("history.untitled")}</a></li>`)}</ul>
          <button type="button" class="quiet small" onClick=${() => setManaging(true)}>${t("history.manage")}</button>`}
    ${managing && html`<${Manage} close=${() => setManaging(false)} />`}
  </section>`;
}

/** @param {{ close: () => void }} props */
function Manage({ close }) {
  const [all, setAll] = useState(/** @type {history.Conversation[]} */ ([]));
  const [clearing, setClearing] = useState(false);
  useEffect(() => {
    history.all().then(setAll, complain);
  }, [history.changes.value]);
  const name = `dure-${new Date().toISOString().slice(0, 10)}`;
  const takeAll = async (/** @type {"json" | "markdown"} */ format) => {
    try {
      const texts = [];
      for (const one of all) texts.push(await history.exported(one.id, format));
      if (format === "json") save(`${name}.json`, `[${texts.join(",\n")}]\n`, "application/json");
      else save(`${name}.md`, texts.join("\n\n---\n\n"), "text/markdown");
    } catch (error) {
      complain(error);
    }
  };
  const take = async (/** @type {history.Conversation} */ one) => {
    try {
      save(`${one.title.slice(0, 40) || name}.md`, await history.exported(one.id, "markdown"), "text/markdown");
    } catch (error) {
      complain(error);
    }
  };
  const remove = (/** @type {string} */ which) => {
    if (id.value === which) begin();
    history.remove(which).catch(complain);
  };
  return html`<${Dialog} title=${t("history")} close=${close} wide=${true}>
    <p class="hint">${t("history.where")}</p>
    <div class="actions start">
      <button type="button" disabled=${!all.length} onClick=${() => takeAll("json")}><${Icon} name="download" />JSON</button>
      <button type="button" disabled=${!all.length} onClick=${() => takeAll("markdown")}><${Icon} name="download" />Markdown</button>
      <button type="button" class="danger" disabled=${!all.length} onClick=${() => setClearing(true)}>${t("history.clear")}</button>
    </div>
    ${all.length === 0 && html`<p>${t("history.empty")}</p>`}
    <ul class="rows">${all.map(
      (one) => html`<li key=${one.id}><span class="grow ellipsis">${one.title || t("history.untitled")}</span><time>${day(one.updated)}</time>
        <button type="button" class="quiet icon-only small" aria-label=${t("history.export", { title: one.title })} onClick=${() => take(one)}><${Icon} name="download" /></button>
        <button type="button" class="quiet icon-only small" aria-label=${t("history.delete", { title: one.title })} onClick=${() => remove(one.id)}><${Icon} name="trash" /></button></li>`,
    )}</ul>
    ${clearing && html`<${Confirm} title=${t("history.clear")} text=${t("history.clear.text", { n: all.length })} yes=${t("delete")} close=${() => setClearing(false)} act=${() => {
      begin();
      history.clear().catch(complain);
    }} />`}
  </${Dialog}>`;
}
