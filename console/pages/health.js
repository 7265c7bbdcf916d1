// How the house is: whether it can work, what it does right now, what went wrong lately. Looked at every two seconds while
// the page is in sight.

import { html, useEffect, useState } from "../lib/html.js";
import { call } from "../lib/api.js";
import { between } from "../lib/sample.js";
import { me } from "../lib/session.js";
import { moment, number, percent, seconds, size, t } from "../lib/text.js";
import { Head } from "../parts/head.js";
import { Icon } from "../parts/icon.js";
import { Failure, Progress } from "../parts/loaded.js";
import { Jobs } from "./jobs.js";
import { Spark } from "../parts/spark.js";

const EVERY_MS = 2_000;
const KEPT = 60;

/** @typedef {import("../lib/sample.js").Look} Look */
/** @typedef {import("../lib/sample.js").Sample} Sample */

export function Health() {
  const [look, setLook] = useState(/** @type {Look | null} */ (null));
  const [samples, setSamples] = useState(/** @type {Sample[]} */ ([]));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  useEffect(() => {
    /** @type {Look | null} */
    let before = null;
    let idle = true;
    const own = new AbortController();
    const once = async () => {
      if (document.hidden) return;
      try {
        /** @type {Look} */
        const now = await call("GET", "/api/v1/metrics", undefined, own.signal);
        if (before && before.since === now.since) {
          const sample = between(before, now);
          // The first look has nothing before it, and gives way to the first that has.
          const fresh = idle;
          idle = false;
          setSamples((all) => (fresh ? [sample] : [...all.slice(1 - KEPT), sample]));
        } else {
          idle = true;
          setSamples([between(now, now)]);
        }
        before = now;
        setLook(now);
        setError(null);
      } catch (problem) {
        if (!own.signal.aborted) setError(problem);
      }
    };
    once();
    const timer = setInterval(once, EVERY_MS);
    return () => {
      clearInterval(timer);
      own.abort();
    };
  }, []);
  const now = samples.at(-1);
  return html`<div class="page">
    <${Head} title=${t("nav.health")} lead=${look ? t("health.since", { when: moment(look.since) }) : t("health.lead")} />
    ${error !== null && html`<${Failure} error=${error} />`}
    ${look && now
      ? html`<${State} look=${look} />
          <${Plots} samples=${samples} now=${now} />
          <div class="health-rest"><${Engines} now=${now} /><${Store} now=${now} /></div>
          <${Jobs} />
          <${Errors} errors=${look.errors} />`
      : error === null && html`<p class="waiting" role="status">${t("loading")}</p>`}
  </div>`;
}

/** @param {{ look: Look }} props */
function State({ look }) {
  return html`<p class=${look.ready ? "state good" : "state bad"} role="status"><${Icon} name=${look.ready ? "check" : "warning"} />
    <span>${look.ready ? t("health.ready") : t("health.unready", { reasons: look.reasons.join(", ") })}</span></p>`;
}

/** @param {{ samples: Sample[], now: Sample }} props */
function Plots({ samples, now }) {
  const of = (/** @type {keyof Sample} */ name) => samples.map((sample) => /** @type {number | null} */ (sample[name]));
  const last = (/** @type {"first" | "search"} */ name) => samples.findLast((sample) => sample[name] !== null)?.[name] ?? null;
  const time = (/** @type {number | null} */ value) => (value === null ? "–" : seconds(value * 1000));
  const plots = [
    { label: t("health.requests"), value: t("health.persecond", { n: number(now.requests, 1) }), points: of("requests"), most: 1 },
    { label: t("health.tokens"), value: t("health.persecond", { n: number(now.tokens, 1) }), points: of("tokens"), most: 10 },
    { label: t("health.first"), value: time(last("first")), points: of("first"), most: 0.1 },
    { label: t("health.search"), value: time(last("search")), points: of("search"), most: 0.02 },
    { label: t("health.open"), value: number(now.open), points: of("open"), most: 4 },
    { label: t("health.errors"), value: t("health.persecond", { n: number(now.errors, 1) }), points: of("errors"), most: 1 },
    { label: t("health.memory"), value: size(now.memory), points: of("memory") },
    { label: t("health.cores"), value: number(now.cores, 2), points: of("cores"), most: 1 },
  ];
  return html`<dl class="sparks">${plots.map((plot) => html`<${Spark} ...${plot} length=${KEPT} />`)}</dl>`;
}

/** @param {{ now: Sample }} props */
function Engines({ now }) {
  return html`<section><h2>${t("health.engines")}</h2>
    ${now.engines.length === 0
      ? html`<p class="hint">${t("health.noengines")}</p>`
      : html`<div class="table-scroll"><table class="list">
          <thead><tr><th scope="col">${t("routes.model")}</th><th scope="col">${t("health.state")}</th><th scope="col" class="right">${t("health.busy")}</th><th scope="col" class="right">${t("health.waiting")}</th><th scope="col" class="right">${t("health.memory")}</th></tr></thead>
          <tbody>${now.engines.map(
            (engine) => html`<tr key=${engine.name}><th scope="row">${engine.name}${engine.restarts > 0 && html`<span class="tag warning">${t("health.restarts", { n: engine.restarts })}</span>`}</th>
              <td class="nowrap">${engine.up ? t("health.up") : t("health.down")}</td><td class="right">${engine.slots === null ? number(engine.busy) : `${number(engine.busy)} / ${number(engine.slots)}`}</td><td class="right">${number(engine.waiting)}</td><td class="right">${engine.memory ? size(engine.memory) : "–"}</td></tr>`,
          )}</tbody></table></div>`}
  </section>`;
}

/** @param {{ now: Sample }} props */
function Store({ now }) {
  const made = now.passages ? Math.max(0, now.passages - now.outstanding) / now.passages : 1;
  const quota = me.value?.quota;
  return html`<section><h2>${t("health.store")}</h2>
    <dl class="about">
      <div><dt>${t("health.vectors")}</dt><dd>${now.outstanding ? html`${t("health.vectors.of", { part: percent(made), n: now.passages })}<${Progress} part=${made} label=${t("health.vectors")} />` : t("health.vectors.all", { n: now.passages })}</dd></div>
      ${now.disk > 0 && html`<div><dt>${t("health.disk")}</dt><dd>${size(now.disk)}</dd></div>`}
      ${quota && html`<div><dt>${t("health.quota")}</dt><dd>${quota.limit_tokens === null ? t("health.quota.none", { n: quota.used_tokens }) : t("health.quota.of", { n: quota.used_tokens, limit: number(quota.limit_tokens) })}</dd></div>`}
    </dl>
  </section>`;
}

/** @param {{ errors: any[] }} props */
function Errors({ errors }) {
  return html`<section><h2>${t("health.lasterrors")}</h2>
    ${errors.length === 0
      ? html`<p class="hint">${t("health.noerrors")}</p>`
      : html`<div class="table-scroll"><table class="list">
          <thead><tr><th scope="col">${t("health.when")}</th><th scope="col">${t("health.request")}</th><th scope="col" class="right">${t("health.status")}</th><th scope="col">${t("health.code")}</th></tr></thead>
          <tbody>${errors.toReversed().slice(0, 20).map((error) => html`<tr><td class="nowrap">${moment(error.at)}</td><td><code>${error.method} ${error.route}</code></td><td class="right">${error.status}</td><td>${error.code}</td></tr>`)}</tbody>
        </table></div>`}
  </section>`;
}
