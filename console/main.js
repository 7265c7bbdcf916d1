// The console: signed in or not, and if so, which page.

import { html, render, useEffect } from "./lib/html.js";
import { place } from "./lib/place.js";
import { looking, maySee, me, resume } from "./lib/session.js";
import { language, t } from "./lib/text.js";
import "./lib/theme.js";
import { Shell } from "./parts/shell.js";
import { Notices } from "./parts/notice.js";
import { Access } from "./pages/access.js";
import { Approvals } from "./pages/approvals.js";
import { Ask } from "./pages/ask/ask.js";
import { Corpus } from "./pages/corpus.js";
import { Health } from "./pages/health.js";
import { Masking } from "./pages/masking.js";
import { Models } from "./pages/models.js";
import { Policies } from "./pages/policies.js";
import { Reader } from "./pages/reader.js";
import { Receipts } from "./pages/receipts.js";
import { Records } from "./pages/records.js";
import { Reports } from "./pages/reports.js";
import { Routes } from "./pages/routes.js";
import { SignIn } from "./pages/signin.js";
import { Welcome } from "./pages/welcome.js";

/** Pages by the first part of their place. */
const PAGES = { ask: Ask, records: Records, models: Models, routes: Routes, receipts: Receipts, reports: Reports, policies: Policies, approvals: Approvals, masking: Masking, access: Access, health: Health, welcome: Welcome };

function Console() {
  useEffect(() => {
    document.documentElement.lang = language.value;
  }, [language.value]);
  if (looking.value) return html`<p class="waiting whole" role="status">${t("loading")}</p>`;
  if (!me.value) return html`<${SignIn} /><${Notices} />`;
  const [first = "ask", second, third] = place.value.parts;
  const current = /** @type {keyof typeof PAGES} */ (Object.hasOwn(PAGES, first) && maySee(first) ? first : "ask");
  const page = current === "records" && second ? (third ? Reader : Corpus) : PAGES[current];
  return html`<${Shell} title=${t(`nav.${current}`)} current=${current}><${page} key=${current} /></${Shell}><${Notices} />`;
}

const root = document.getElementById("app");
if (root) render(html`<${Console} />`, root);
resume();
