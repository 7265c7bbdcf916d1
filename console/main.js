// The console: signed in or not, and if so, which page.

import { html, render, useEffect } from "./lib/html.js";
import { place } from "./lib/place.js";
import { administers, looking, me, resume } from "./lib/session.js";
import { language, t } from "./lib/text.js";
import "./lib/theme.js";
import { Shell } from "./parts/shell.js";
import { Notices } from "./parts/notice.js";
import { Access } from "./pages/access.js";
import { Ask } from "./pages/ask/ask.js";
import { Corpus } from "./pages/corpus.js";
import { Health } from "./pages/health.js";
import { Models } from "./pages/models.js";
import { Reader } from "./pages/reader.js";
import { Records } from "./pages/records.js";
import { Routes } from "./pages/routes.js";
import { SignIn } from "./pages/signin.js";
import { Welcome } from "./pages/welcome.js";

/** Pages by the first part of their place; those marked are for administrators. */
const PAGES = {
  ask: { page: Ask, title: "nav.ask", admin: false },
  records: { page: Records, title: "nav.records", admin: false },
  models: { page: Models, title: "nav.models", admin: true },
  routes: { page: Routes, title: "nav.routes", admin: true },
  access: { page: Access, title: "nav.access", admin: true },
  health: { page: Health, title: "nav.health", admin: true },
  welcome: { page: Welcome, title: "nav.welcome", admin: true },
};

function Console() {
  useEffect(() => {
    document.documentElement.lang = language.value;
  }, [language.value]);
  if (looking.value) return html`<p class="waiting whole" role="status">${t("loading")}</p>`;
  if (!me.value) return html`<${SignIn} /><${Notices} />`;
  const [first = "ask", second, third] = place.value.parts;
  const found = Object.hasOwn(PAGES, first) ? PAGES[/** @type {keyof typeof PAGES} */ (first)] : null;
  const allowed = found && (!found.admin || administers.value) ? found : PAGES.ask;
  const name = /** @type {import("./lib/text.js").Key} */ (allowed.title);
  const page = allowed.page === Records && second ? (third ? Reader : Corpus) : allowed.page;
  return html`<${Shell} title=${t(name)} current=${found === allowed ? first : "ask"}><${page} key=${first} /></${Shell}><${Notices} />`;
}

const root = document.getElementById("app");
if (root) render(html`<${Console} />`, root);
resume();
