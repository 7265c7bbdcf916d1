// The first visit: three steps from nothing to a cited answer.

import { html, useEffect, useState } from "../lib/html.js";
import { call, list, told } from "../lib/api.js";
import { pick, refresh } from "../lib/callable.js";
import { go, address } from "../lib/place.js";
import { t } from "../lib/text.js";
import { Drop } from "../parts/drop.js";
import { Icon } from "../parts/icon.js";
import { complain } from "../parts/notice.js";
import { draft } from "./ask/composer.js";
import { ask, begin } from "./ask/conversation.js";
import { examples } from "../lib/examples.js";
import { CorpusForm } from "./newcorpus.js";

export function Welcome() {
  const [corpora, setCorpora] = useState(/** @type {any[] | null} */ (null));
  const [models, setModels] = useState(/** @type {string[] | null} */ (null));
  const [example, setExample] = useState(false);
  const look = async () => {
    const [found, callable] = await Promise.all([list("/api/v1/corpora"), call("GET", "/v1/models")]);
    setModels(callable.data.filter((/** @type {any} */ model) => model.owned_by !== "route" && model.abilities?.chat !== false).map((/** @type {any} */ model) => model.id));
    setCorpora(found);
  };
  useEffect(() => {
    look().catch(complain);
  }, []);
  if (!corpora || !models) return html`<p class="waiting" role="status">${t("loading")}</p>`;
  const corpus = corpora[0];
  const filled = corpora.find((one) => one.status.documents > 0);
  const step = !corpus ? 1 : !filled ? 2 : 3;
  const state = (/** @type {number} */ number) => (number < step ? "done" : number === step ? "now" : "later");
  const offer = { label: t("welcome.examples"), items: async () => {
    const items = await examples();
    setExample(true);
    return items;
  } };
  return html`<div class="page narrow welcome">
    <h1>${t("welcome.heading")}</h1>
    <p class="lead">${t("welcome.lead")}</p>
    ${models.length === 0 && html`<p class="callout warning">${t("welcome.nomodel")} <a href=${address(["models"])}>${t("nav.models")}</a></p>`}
    <ol class="steps">
      <${Step} state=${state(1)} number=${1} title=${t("welcome.1")} done=${corpus && (corpus.title || corpus.name)}>
        <p>${t("welcome.1.text")}</p><${CorpusForm} suggested="records" made=${() => look().catch(complain)} />
      </${Step}>
      <${Step} state=${state(2)} number=${2} title=${t("welcome.2")} done=${filled && t("corpus.documents", { n: filled.status.documents })}>
        <p>${t("welcome.2.text")}</p>${corpus && html`<${Drop} corpus=${corpus.name} offer=${offer} done=${() => look().catch(complain)} />`}
      </${Step}>
      <${Step} state=${state(3)} number=${3} title=${t("welcome.3")} done="">
        ${filled && html`<${First} corpus=${filled} model=${models[0]} example=${example || filled.name === "records"} />`}
      </${Step}>
    </ol>
    <p class="hint"><a href=${address(["ask"])}>${t("welcome.skip")}</a></p>
  </div>`;
}

/** @param {{ state: string, number: number, title: string, done: string, children?: unknown }} props */
function Step({ state, number, title, done, children }) {
  return html`<li class=${`step ${state}`} aria-current=${state === "now" ? "step" : undefined}>
    <span class="step-mark" aria-hidden="true">${state === "done" ? html`<${Icon} name="check" />` : number}</span>
    <div class="step-body"><h2>${title}${state === "done" && html`<span class="detail">${done}</span>`}</h2>${state === "now" && children}</div>
  </li>`;
}

/** @param {{ corpus: any, model: string | undefined, example: boolean }} props */
function First({ corpus, model, example }) {
  const [question, setQuestion] = useState(example ? t("welcome.question") : "");
  const [mistake, setMistake] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!model) return;
    try {
      const routes = await list("/api/v1/routes");
      let route = routes.find((one) => one.corpora.includes(corpus.name))?.name;
      if (!route) route = (await call("POST", "/api/v1/routes", { name: corpus.name, model, corpora: [corpus.name] })).name;
      await refresh();
      pick(route);
      begin();
      draft.value = "";
      ask(route, question.trim()).catch(complain);
      go(["ask"]);
    } catch (error) {
      const { text, detail } = told(error);
      setMistake([text, detail].filter(Boolean).join(" "));
    }
  };
  return html`<p>${t("welcome.3.text")}</p>
    <form class="form" onSubmit=${submit}>
      <div class="field"><label for="first">${t("ask.question")}</label><textarea id="first" rows="2" value=${question} onInput=${(/** @type {any} */ event) => setQuestion(event.currentTarget.value)}></textarea></div>
      ${mistake && html`<p class="callout bad" role="alert">${mistake}</p>`}
      <div class="actions start"><button type="submit" class="primary" disabled=${!question.trim() || !model}>${t("welcome.ask")}</button></div>
    </form>`;
}
