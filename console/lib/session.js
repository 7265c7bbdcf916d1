// Who works here. The key lies in this tab's storage and is gone with the tab, unless somebody asks to stay signed in.

import { batch, computed, effect, signal } from "../vendor/signals.js";
import { call, key, refused } from "./api.js";
import { keep, kept } from "./kept.js";

/**
 * @typedef {object} Me
 * @property {string} name What the key is called.
 * @property {string} tenant
 * @property {"operator" | "person" | "service"} kind
 * @property {boolean} administers Whether it may change what the tenant has.
 * @property {boolean} changesModels
 * @property {string} readClass
 * @property {{ limit_tokens: number | null, used_tokens: number, left_tokens: number | null }} quota
 */

/** @type {import("../vendor/signals-core.js").Signal<Me | null>} */
export const me = signal(null);
/** Why one is signed out: nothing happened yet, on one's own wish, or the key is no longer known. */
export const left = signal(whyLeft());
/** Whether a kept key is being looked at. */
export const looking = signal(true);
export const administers = computed(() => me.value?.administers ?? false);
/** Whether it may change and watch what all institutions here share. */
export const keepsHouse = computed(() => me.value?.changesModels ?? false);
/** Pages on which there is something for everybody. */
const EVERYBODYS = new Set(["ask", "records", "receipts", "approvals", "masking"]);
/** Whether there is something for one to do on a page. @param {string} page */
export function maySee(page) {
  if (EVERYBODYS.has(page)) return true;
  return page === "health" ? keepsHouse.value : administers.value;
}

/** Looks at the key that this tab or this device keeps. */
export async function resume() {
  const found = tabKey() ?? kept("key");
  if (found) await enter(found, kept("key") !== null).catch(() => forget());
  looking.value = false;
}

/**
 * Signs in.
 * @param {string} shown @param {boolean} stay
 * @throws {ApiError} if the key is not known here
 */
export async function enter(shown, stay) {
  key.value = shown;
  try {
    const answer = await whoami();
    batch(() => {
      me.value = answer;
      left.value = "";
    });
  } catch (error) {
    key.value = null;
    throw error;
  }
  try {
    sessionStorage.setItem("dure.key", shown);
  } catch {
    // Then the key holds until the page is closed.
  }
  keep("key", stay ? shown : null);
}

/** Signs out. The page is loaded anew, so that nothing that was on it stays. @param {"out" | "revoked"} [why] */
export function leave(why = "out") {
  forget();
  try {
    sessionStorage.setItem("dure.left", why);
  } catch {
    // Then nobody is told why.
  }
  location.replace("/");
}

/** @returns {"" | "out" | "revoked"} */
function whyLeft() {
  try {
    const why = sessionStorage.getItem("dure.left");
    sessionStorage.removeItem("dure.left");
    return why === "out" || why === "revoked" ? why : "";
  } catch {
    return "";
  }
}

function forget() {
  key.value = null;
  keep("key", null);
  try {
    sessionStorage.clear();
  } catch {
    // Nothing was kept.
  }
}

function tabKey() {
  try {
    return sessionStorage.getItem("dure.key");
  } catch {
    return null;
  }
}

/** @returns {Promise<Me>} */
async function whoami() {
  const got = await call("GET", "/api/v1/me");
  return {
    name: got.name ?? "",
    kind: got.kind,
    tenant: got.tenant.name,
    administers: got.may_administer,
    changesModels: got.may_change_models,
    readClass: got.read_class,
    quota: got.quota,
  };
}

effect(() => {
  if (refused.value > 0 && me.peek()) leave("revoked");
});
