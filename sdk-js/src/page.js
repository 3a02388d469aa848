/**
 * The script that a site embeds: `window.pushGateway`.
 *
 * What asks nothing of the network happens before the API appears, so that `state()` is never a guess; the public
 * configuration is on its way before the visitor clicks, so that the click's first call is the permission prompt.
 */
import { flush } from "./events.js";
import { tidy } from "./expiry.js";
import { call } from "./gateway.js";
import { change, choose, flushProfile } from "./profile.js";
import { stored, alone } from "./store.js";
import { agree, enrolmentOf, found } from "./subscribing.js";
import { obstacle } from "./support.js";

/** @typedef {import("./gateway.js").Configuration} Configuration */
/** @typedef {import("./gateway.js").Failure} Failure */
/** @typedef {import("./support.js").State} State */
/** @typedef {"ready" | "state" | "subscribed" | "unsubscribed" | "notification" | "error"} EventName */

/** The gateway puts its JSON in the place of this string literal. */
const { site, gateway } = /** @type {{site: string, gateway: string}} */ (
  /** @type {unknown} */ ("__PUSH_GATEWAY_CONFIG__")
);

// A site that imports the worker into its own says so in the script element: data-worker="/sw.js" data-scope="/".
const { currentScript } = document;
const { worker: path, scope } = currentScript instanceof HTMLElement ? currentScript.dataset : /** @type {DOMStringMap} */ ({});

const page = /** @type {Window & {pushGateway?: any}} */ (window);
const blocked = obstacle();

/** @type {Partial<Record<EventName, ((detail: any) => void)[]>>} */
const listeners = {};
/** @type {State} */
let state = blocked || "default";
let ready = false;
/** @type {Promise<Configuration> | undefined} */
let configuration;

/** @param {(detail: any) => void} listener the site's own: its mistakes must not stop ours @param {unknown} detail */
function run(listener, detail) {
  try {
    listener(detail);
  } catch (error) {
    console.error(error);
  }
}

/** @param {EventName} name @param {unknown} [detail] */
const emit = (name, detail) => (listeners[name] || []).forEach((listener) => run(listener, detail));

/** @template T @param {Promise<T>} work @returns {Promise<T>} the same, its failure told to `on("error")` too */
function told(work) {
  work.catch((error) => {
    if (!listeners.error) console.warn(error);
    emit("error", error);
  });
  return work;
}

/** @returns {Promise<Configuration>} fetched once a page view; again when that failed */
const configured = () =>
  (configuration =
    configuration ||
    call(`${gateway}/v1/public/${site}`).then(
      (answer) => ({ ...answer, worker: { path: path || answer.worker.path, scope: scope || answer.worker.scope } }),
      (error) => {
        configuration = undefined;
        throw error;
      },
    ));

/** Read the state anew from the browser and tell who listens. @returns {Promise<State>} */
async function look() {
  if (blocked) return blocked;
  const { id, endpoint } = await enrolmentOf(site);
  const subscribed = id && (await found()).some(({ subscription }) => subscription.endpoint == endpoint);
  const { permission } = Notification;
  const old = state;
  state = permission != "granted" ? permission : subscribed ? "subscribed" : "unsubscribed";
  mark();
  if (ready && state != old) {
    emit("state", state);
    if (state == "subscribed") emit("subscribed", { id });
    if (old == "subscribed") emit("unsubscribed");
  }
  return state;
}

/** For the site's style sheet: `<html data-push-gateway="subscribed">`. */
const mark = () => (document.documentElement.dataset.pushGateway = state);

/** @param {boolean} clicked @returns {Promise<State>} */
async function settle(clicked) {
  try {
    const known = await configured();
    await alone("subscription", () => agree(gateway, site, known, clicked));
    await flushProfile(gateway, site);
  } finally {
    await look();
  }
  return state;
}

/** To be called from a click. @returns {Promise<State>} the visitor's no is an answer, not a failure */
async function subscribe() {
  if (blocked) return blocked;
  const permission = await Notification.requestPermission();
  return permission == "granted" ? settle(true) : look();
}

/** @returns {Promise<State>} */
async function unsubscribe() {
  if (blocked) return blocked;
  await alone("subscription", async () => {
    const { id, token, endpoint } = await enrolmentOf(site);
    for (const { subscription } of await found()) if (subscription.endpoint == endpoint) await subscription.unsubscribe();
    await stored("subscription", () => ({ site, gateway, out: true }));
    // Should this fail, the push service's 410 tells the gateway with the next message.
    if (id) await call(`${gateway}/v1/public/${site}/subscriptions/${id}`, "DELETE", undefined, token);
  }).finally(look);
  return state;
}

/** @param {Promise<void>} changed @returns {Promise<boolean>} whether the gateway has it; if not, it waits */
const tellGateway = (changed) => told(changed.then(() => flushProfile(gateway, site)));

const api = {
  site,
  subscribe: () => told(subscribe()),
  unsubscribe: () => told(unsubscribe()),
  /** @returns {State} */
  state: () => state,
  /** What the site's back end needs to send to this browser. @returns {Promise<{id: string, token: string} | null>} */
  subscription: async () => {
    const { id, token } = await enrolmentOf(site);
    return id && token ? { id, token } : null;
  },
  /** @param {string[]} names */
  addTags: (...names) => tellGateway(change("tags", { add_tags: names, remove_tags: [] })),
  /** @param {string[]} names */
  removeTags: (...names) => tellGateway(change("tags", { add_tags: [], remove_tags: names })),
  /** @param {Record<string, unknown>} attributes */
  setAttributes: (attributes) => tellGateway(change("attributes", { attributes })),
  /** @param {string | null} external_id null: signed out @param {string} [external_id_signature] */
  identify: (external_id, external_id_signature) =>
    tellGateway(change("identity", { external_id, external_id_signature })),
  /** What visitors may leave, and whether this one did, here. @returns {Promise<{name: string, title: string, opted_out: boolean}[]>} */
  categories: async () => {
    const [{ categories }, left = []] = await Promise.all([told(configured()), stored("left")]);
    return categories.map((category) => ({ ...category, opted_out: left.includes(category.name) }));
  },
  /** @param {string} name */
  optOut: (name) => tellGateway(choose(name, true)),
  /** @param {string} name */
  optIn: (name) => tellGateway(choose(name, false)),
  /** False when there is no subscription to hold it. @param {string} name @param {object} [data] */
  track: async (name, data) => {
    const { token } = await enrolmentOf(site);
    if (!token) return false;
    await told(call(`${gateway}/v1/public/${site}/track`, "POST", { name, data }, token));
    return true;
  },
  /** @param {EventName} name @param {(detail: any) => void} listener */
  on: (name, listener) => {
    (listeners[name] = listeners[name] || []).push(listener);
    if (name == "ready" && ready) run(listener, state);
  },
  /** @param {((gateway: any) => void)[]} calls */
  push: (...calls) => calls.forEach((each) => run(each, api)),
};

async function start() {
  if (!blocked) {
    navigator.serviceWorker.addEventListener("message", ({ data }) => {
      const [ours, type] = String(data && data.type).split(":");
      if (ours == "push-gateway") emit("notification", { ...data, type });
    });
    navigator.permissions
      .query({ name: "notifications" })
      .then((permission) => (permission.onchange = () => told(look())))
      .catch(() => {}); // a browser that can't tell of changes
    await told(look()).catch(() => {});
    if (state != "denied") {
      const settled = told(settle(false)).catch(() => {});
      // Someone may be about to turn out subscribed (an imported browser's first view): don't say otherwise before.
      if (state == "unsubscribed" && (await found()).length) await settled;
    }
    flush().catch(() => {}); // tried again with the next page view
    navigator.serviceWorker.getRegistrations().then((all) => all.forEach(tidy));
  }
  mark();
  const queue = page.pushGateway;
  page.pushGateway = api;
  api.push(...queue);
  ready = true;
  emit("ready", state);
}

addEventListener("click", ({ target }) => {
  if (target instanceof Element && target.closest("[data-push-gateway-subscribe]")) api.subscribe().catch(() => {});
});

page.pushGateway = page.pushGateway || [];
if (!page.pushGateway.site) {
  page.pushGateway.site = site; // embedded twice: once is enough
  start();
}
