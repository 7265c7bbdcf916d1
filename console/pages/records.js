// The corpora: what there is, how secret, how large.

import { html, useState } from "../lib/html.js";
import { list } from "../lib/api.js";
import { address, go } from "../lib/place.js";
import { administers } from "../lib/session.js";
import { day, number, size, t } from "../lib/text.js";
import { Empty, Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Class } from "../parts/label.js";
import { Show, useLoaded } from "../parts/loaded.js";
import { NewCorpus } from "./newcorpus.js";

export function Records() {
  const loaded = useLoaded(() => list("/api/v1/corpora"), []);
  const [making, setMaking] = useState(false);
  const make = html`<button type="button" class="primary" onClick=${() => setMaking(true)}><${Icon} name="plus" />${t("records.new")}</button>`;
  return html`<div class="page">
    <${Head} title=${t("nav.records")} lead=${t("records.lead")}>${administers.value && make}</${Head}>
    <${Show} loaded=${loaded}>${(/** @type {any[]} */ corpora) =>
      corpora.length === 0
        ? html`<${Empty} title=${t("records.empty")} text=${administers.value ? t("records.empty.text") : t("records.empty.reader")}>${administers.value && make}</${Empty}>`
        : html`<div class="table-scroll"><table class="list">
            <thead><tr><th scope="col">${t("records.name")}</th><th scope="col">${t("label.class")}</th><th scope="col" class="right">${t("records.documents")}</th><th scope="col" class="right">${t("records.passages")}</th><th scope="col" class="right wide-only">${t("records.size")}</th><th scope="col" class="right wide-only">${t("records.warnings")}</th><th scope="col" class="wide-only">${t("records.changed")}</th></tr></thead>
            <tbody>${corpora.map(
              (corpus) => html`<tr>
                <th scope="row"><a href=${address(["records", corpus.name])}>${corpus.title || corpus.name}</a>${corpus.title && corpus.title !== corpus.name && html`<span class="detail">${corpus.name}</span>`}${corpus.status.adding && html`<span class="tag busy">${t("records.adding")}</span>`}</th>
                <td><${Class} name=${corpus.label.class} /></td>
                <td class="right">${number(corpus.status.documents)}</td>
                <td class="right">${number(corpus.status.passages)}</td>
                <td class="right wide-only">${size(corpus.status.text_bytes)}</td>
                <td class="right wide-only">${corpus.status.warnings ? number(corpus.status.warnings) : "–"}</td>
                <td class="wide-only nowrap">${corpus.status.version ? day(corpus.changed) : "–"}</td>
              </tr>`,
            )}</tbody>
          </table></div>`}</${Show}>
    ${making && html`<${NewCorpus} close=${() => setMaking(false)} made=${(/** @type {string} */ name) => go(["records", name])} />`}
  </div>`;
}
