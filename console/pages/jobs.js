// Long work that anybody began, here or at the command line: how far it is, and a way to end it.

import { html, useEffect, useState } from "../lib/html.js";
import { call, page } from "../lib/api.js";
import { moment, number, percent, size, t } from "../lib/text.js";
import { Progress } from "../parts/loaded.js";
import { complain } from "../parts/notice.js";

const EVERY_MS = 2_000;
const SHOWN_MAX = 8;

/** @typedef {{ id: string, kind: "add" | "upload" | "pull" | "import", about: string, state: "running" | "done" | "failed" | "cancelled", started: string, progress: any, error: string | null }} Job */

export function Jobs() {
  const [jobs, setJobs] = useState(/** @type {Job[]} */ ([]));
  const [count, setCount] = useState(0);
  useEffect(() => {
    const own = new AbortController();
    const once = () => document.hidden || page(`/api/v1/jobs?limit=${SHOWN_MAX}`, null, own.signal).then(({ data }) => setJobs(data), () => {});
    once();
    const timer = setInterval(once, EVERY_MS);
    return () => {
      clearInterval(timer);
      own.abort();
    };
  }, [count]);
  const cancel = async (/** @type {Job} */ job) => {
    try {
      await call("DELETE", `/api/v1/jobs/${encodeURIComponent(job.id)}`);
      setCount((before) => before + 1);
    } catch (error) {
      complain(error);
    }
  };
  return html`<section><h2>${t("jobs")}</h2>
    ${jobs.length === 0
      ? html`<p class="hint">${t("jobs.none")}</p>`
      : html`<ul class="rows">${jobs.map(
          (job) => html`<li key=${job.id}>
            <span class="grow"><strong>${t(`jobs.kind.${job.kind}`, { about: job.about })}</strong>
              <span class="detail">${[t(`jobs.state.${job.state}`), job.state === "running" ? told(job.progress) : "", job.error ?? ""].filter(Boolean).join(" · ")}</span>
              ${job.state === "running" && html`<${Progress} part=${partOf(job.progress)} label=${job.about} />`}</span>
            <time>${moment(job.started)}</time>
            ${job.state === "running" && html`<button type="button" class="small" onClick=${() => cancel(job)}>${t("cancel")}<span class="unseen"> ${job.about}</span></button>`}
          </li>`,
        )}</ul>`}
  </section>`;
}

/** How large a part is done; nothing where the end is not known. @param {any} progress @returns {number | null} */
function partOf(progress) {
  if (progress?.bytes_total > 0) return progress.bytes_done / progress.bytes_total;
  if (progress?.files_seen > 0 && !progress.looking) return progress.files_done / progress.files_seen;
  return null;
}

/** @param {any} progress */
function told(progress) {
  if (progress?.bytes_total > 0) return `${size(progress.bytes_done)} / ${size(progress.bytes_total)} · ${percent(progress.bytes_done / progress.bytes_total)}`;
  if (progress?.files_seen > 0) return t("drop.reading", { done: number(progress.files_done), all: number(progress.files_seen) });
  return "";
}
