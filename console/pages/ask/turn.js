// One turn: the question as a heading, the answer as a text with its marks, then the records that it stands on, and a
// line that says what answered and how fast.

import { html, useEffect, useMemo, useRef, useState } from "../../lib/html.js";
import { annotated, parse, plain } from "../../answer/markdown.js";
import { Prose } from "../../answer/prose.js";
import { told } from "../../lib/api.js";
import { callableOf, isRoute } from "../../lib/callable.js";
import { copy } from "../../lib/copy.js";
import { address } from "../../lib/place.js";
import { day, seconds, t } from "../../lib/text.js";
import { Icon } from "../../parts/icon.js";
import { sends } from "./composer.js";
import { busy } from "./conversation.js";
import { isShown, show } from "./sources.js";

/** @typedef {import("./conversation.js").Turn} Turn */

/** A question of more characters is a text, not a heading. */
const LONG = 280;

/** @param {{ turn: Turn, again: () => void, edit: (question: string) => void }} props */
export function TurnView({ turn, again, edit }) {
  const [editing, setEditing] = useState(false);
  const running = turn.state === "waiting" || turn.state === "writing";
  if (turn.hidden) return html`<li class="turn"><p class="aside">${t("turn.hidden")}</p></li>`;
  const trouble = turn.error ? told(turn.error) : null;
  return html`<li class="turn">
    ${editing
      ? html`<${Edit} question=${turn.question} cancel=${() => setEditing(false)} done=${(/** @type {string} */ question) => {
          setEditing(false);
          edit(question);
        }} />`
      : html`<div class=${turn.question.length > LONG ? "question long" : "question"}><h2>${plain(turn.question)}</h2>
          ${!running && html`<button type="button" class="quiet icon-only small reveal" aria-label=${t("turn.edit")} title=${t("turn.edit")} disabled=${busy.value} onClick=${() => setEditing(true)}><${Icon} name="edit" /></button>`}</div>`}
    <div class="answer" aria-busy=${running}>
      ${turn.state === "waiting" && html`<${Waiting} turn=${turn} />`}
      ${turn.kind === "abstained" && html`<p class="verdict"><${Icon} name="question" />${t("answer.abstained")}</p>`}
      <${Answer} turn=${turn} running=${running} />
      ${trouble && html`<div class="failure" role="alert"><${Icon} name="warning" /><div><p>${trouble.text}</p>${trouble.detail && html`<p class="detail">${trouble.detail}</p>`}</div></div>`}
      ${turn.state === "stopped" && html`<p class="aside">${t("turn.stopped.note")}</p>`}
      ${turn.finish === "length" && html`<p class="aside">${t("turn.length")}</p>`}
      ${!running && turn.unsupported.length > 0 && html`<p class="aside"><span class="unsupported">${t("ask.legend.sample")}</span>: ${t("answer.unsupported.note", { n: turn.unsupported.length })}</p>`}
      ${!running && turn.withheld > 0 && html`<p class="aside">${t("answer.withheld", { n: turn.withheld })}</p>`}
      ${!running && html`<${Cited} turn=${turn} />`}
      ${!running && turn.kind === "generated" && turn.extract.length > 0 && html`<${Extract} turn=${turn} />`}
    </div>
    ${!running && html`<${Foot} turn=${turn} again=${again} />`}
  </li>`;
}

/** @param {{ turn: Turn }} props */
function Waiting({ turn }) {
  const [passed, setPassed] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setPassed((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<p class="thinking"><span></span>${isRoute(turn.model) ? t("turn.searching") : t("turn.thinking")}${passed > 2 && html`<time>${t("time.seconds", { s: passed })}</time>`}</p>`;
}

/** @param {{ turn: Turn, running: boolean }} props */
function Answer({ turn, running }) {
  const route = turn.sources.length > 0 || (running && isRoute(turn.model));
  const blocks = useMemo(() => {
    const marks = turn.citations.map((citation) => citation.mark);
    const flags = turn.unsupported.map((flag) => flag.span);
    return parse(annotated(turn.text, marks, flags), route);
  }, [turn.text, turn.citations, turn.unsupported, route]);
  if (!turn.text) return null;
  /** @type {import("../../answer/prose.js").Notes} */
  const notes = {
    cite: (index) => {
      const citation = turn.citations[index];
      return html`<button type="button" class="cite" aria-label=${t("answer.cite", { number: citation.number, title: plain(citation.title) })}
        aria-pressed=${isShown(turn.id, citation)} onClick=${() => show(turn.id, citation)}>${citation.number}</button>`;
    },
    mark: (number) => html`<span class="cite pending">${number}</span>`,
    flag: (index, text) => html`<span class="unsupported" title=${t("answer.unsupported")}>${text}</span>`,
  };
  return html`<${Prose} blocks=${blocks} notes=${notes} />`;
}

/** The records that the answer cites; where it cites none, the nearest ones. @param {{ turn: Turn }} props */
function Cited({ turn }) {
  // Each source once, with the first of its quotes; the panel steps through them all.
  const cited = [...new Map(turn.citations.toReversed().map((citation) => [citation.number, citation])).values()].sort((a, b) => a.number - b.number);
  const nearest = turn.kind === "abstained" && !cited.length ? turn.sources.slice(0, 5) : [];
  if (!cited.length && !nearest.length) return null;
  return html`<section class="cited">
    <h3>${cited.length ? t("answer.cited") : t("answer.nearest")}</h3>
    <ol>
      ${[...cited, ...nearest].map(
        (one) => html`<li><button type="button" onClick=${() => show(turn.id, one)}>
          <span class="cite" aria-hidden="true">${one.number}</span>
          <span class="cited-text"><span class="cited-title">${plain(one.title || one.path)}</span><span class="cited-path">${one.headings.filter((heading) => heading !== one.title).map(plain).join(" › ")}</span></span>
          ${"dated" in one && one.dated && html`<time datetime=${one.dated}>${day(one.dated)}</time>`}
        </button></li>`,
      )}
    </ol>
  </section>`;
}

/** The best sentences of the records themselves, beside what the model made of them. @param {{ turn: Turn }} props */
function Extract({ turn }) {
  return html`<details class="extract"><summary>${t("answer.extract", { n: turn.extract.length })}</summary>
    <ul>${turn.extract.map((one) => html`<li><q>${plain(one.quote)}</q><button type="button" class="cite" aria-label=${t("answer.cite", { number: one.number, title: plain(one.title) })} onClick=${() => show(turn.id, one)}>${one.number}</button></li>`)}</ul>
  </details>`;
}

/** @param {{ turn: Turn, again: () => void }} props */
function Foot({ turn, again }) {
  const [copied, setCopied] = useState(false);
  const behind = turn.kind === "generated" ? callableOf(turn.model)?.model : "";
  const take = async () => {
    setCopied(await copy(turn.text));
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<footer class="foot">
    <p>
      ${turn.text && html`<span class=${`whose ${turn.kind}`}>${t(`whose.${turn.kind}`)}</span>`}
      <span>${isRoute(turn.model) ? t("foot.route", { name: turn.model }) : t("foot.model", { name: turn.model })}</span>
      ${behind && html`<span>${t("foot.model", { name: behind })}</span>`}
      ${turn.first !== null && html`<span title=${t("foot.first.hint")}>${t("foot.first", { time: seconds(turn.first) })}</span>`}
      <span>${t("foot.all", { time: seconds(turn.took) })}</span>
      ${turn.usage && html`<span title=${t("foot.tokens.hint", { prompt: turn.usage.prompt_tokens, completion: turn.usage.completion_tokens })}>${t("foot.tokens", { n: turn.usage.prompt_tokens + turn.usage.completion_tokens })}</span>`}
      ${turn.receipt && html`<a href=${address(["receipts", turn.receipt])}>${t("foot.receipt")}</a>`}
    </p>
    <div class="foot-actions">
      ${turn.text && html`<button type="button" class="quiet small" onClick=${take}><${Icon} name=${copied ? "check" : "copy"} />${copied ? t("copied") : t("copy")}</button>`}
      <button type="button" class="quiet small" disabled=${busy.value} onClick=${again}><${Icon} name="retry" />${t("turn.again")}</button>
    </div>
  </footer>`;
}

/** @param {{ question: string, cancel: () => void, done: (question: string) => void }} props */
function Edit({ question, cancel, done }) {
  const [text, setText] = useState(question);
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(question.length, question.length);
  }, []);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (text.trim()) done(text.trim());
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (sends(event)) submit(event);
    if (event.key === "Escape") {
      event.stopPropagation();
      cancel();
    }
  };
  return html`<form class="edit" onSubmit=${submit}>
    <label class="unseen" for="edit">${t("turn.edit")}</label>
    <textarea id="edit" ref=${field} rows="3" value=${text} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} onKeyDown=${pressed}></textarea>
    <div class="actions"><span class="hint">${t("turn.edit.hint")}</span><button type="button" onClick=${cancel}>${t("cancel")}</button><button type="submit" class="primary" disabled=${!text.trim()}>${t("turn.edit.send")}</button></div>
  </form>`;
}
