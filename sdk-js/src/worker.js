/**
 * The service worker's code. Every listener is registered while the script is first evaluated: a browser that starts
 * the worker for a push calls nothing that is registered later.
 */
import { enrol } from "./enrolment.js";
import { keep, flush, send } from "./events.js";
import { over, tidy } from "./expiry.js";
import { call } from "./gateway.js";
import { alone, stored } from "./store.js";

/**
 * @typedef {object} Payload  Version 1; unknown fields are left alone, because deployed workers outlive releases.
 * @property {number} v
 * @property {string} m        message id
 * @property {string} t        event token
 * @property {string} g        gateway that takes the events
 * @property {number} [j]      spread of the displayed reports, ms
 * @property {{title?: string, body?: string, url?: string, icon?: string, image?: string, badge?: string, tag?: string,
 *   actions?: {action: string, title: string, url?: string}[], require_interaction?: boolean, silent?: boolean,
 *   data?: object}} n
 * @property {number} [u]      from then on `f` is shown instead of `n`, ms since the epoch
 * @property {Payload["n"]} [f]
 *
 * @typedef {"displayed" | "clicked" | "closed"} Kind
 * @typedef {Event & {oldSubscription: PushSubscription | null, newSubscription: PushSubscription | null,
 *   waitUntil(promise: Promise<unknown>): void}} SubscriptionChange
 */

const worker = /** @type {ServiceWorkerGlobalScope & {pushGatewayShared?: boolean}} */ (/** @type {unknown} */ (self));
const { registration, clients, location } = worker;

// Set by a site that imports this into its own worker: foreign pushes, and when to activate, are that worker's business.
const shared = worker.pushGatewayShared;

const JITTER = 1e4;
const MOST_JITTER = 2e4; // with a request of at most 10 s this stays inside the 30 s that browsers grant waitUntil
// Safari ends a worker soon after its notification is shown.
const IMPATIENT = /^((?!Chrom|Firefox).)*Safari/.test(navigator.userAgent);

/** @param {PushEvent} event @returns {Payload | undefined} nothing when the push is not ours or can't be read */
function payloadOf({ data }) {
  try {
    const payload = data && data.json();
    if (payload.v && typeof payload.t == "string" && payload.n) return payload;
  } catch {
    // shown as a notification without content: a silent push costs the site its permission
  }
}

/** @param {Payload} payload @param {Kind} kind @param {string} [action] */
async function tell({ m, n }, kind, action) {
  if (!m) return;
  for (const client of await clients.matchAll({ type: "window", includeUncontrolled: true }))
    client.postMessage({ type: "push-gateway:" + kind, message: m, notification: n, action });
}

/** @param {Payload} payload @param {Kind} kind @param {string} [action] @param {number} [spread] ms */
async function report({ g, t }, kind, action, spread) {
  if (!g || !t) return;
  const event = { gateway: g, token: t, kind, action, at: Date.now() };
  const wait = spread && new Promise((resolve) => setTimeout(resolve, Math.random() * spread));
  try {
    await keep(event); // before the wait: a worker that is ended meanwhile loses nothing
  } catch {
    await wait;
    await send([event]); // no storage here: one try is all there is
    return;
  }
  await wait;
  await flush();
}

/** @param {Payload} payload */
async function show(payload) {
  const { m, n } = payload;
  const tag = n.tag || m;
  // A repeat of the same message replaces it quietly; another message with the same tag is news.
  const open = n.tag ? await registration.getNotifications({ tag }) : [];
  const options = {
    body: n.body,
    icon: n.icon,
    image: n.image,
    badge: n.badge,
    tag,
    renotify: !!n.tag && !open.some(({ data }) => data && data.pushGateway && data.pushGateway.m == m),
    actions: n.actions,
    requireInteraction: n.require_interaction,
    silent: n.silent,
    data: { ...n.data, pushGateway: payload },
  };
  // A browser takes null at its word: an icon at the address "null".
  for (const name of /** @type {(keyof typeof options)[]} */ (Object.keys(options)))
    if (options[name] == null) delete options[name];
  const title = n.title || location.hostname;
  await registration.showNotification(title, options).catch(() =>
    // An option that this browser refuses must not make the push a silent one.
    registration.showNotification(title, { body: n.body, tag, data: options.data }),
  );
}

/** @param {Payload | undefined} payload */
async function receive(payload) {
  if (!payload) {
    await registration.showNotification(location.hostname, { body: "You have a new message", tag: "push-gateway" });
    return;
  }
  // Never silent, however late: and what is shown, clicked and told of is then the fallback.
  if (over(payload)) payload = { ...payload, u: 0, n: payload.f || { body: "This message has expired" } };
  await show(payload);
  const spread = Math.min(payload.j ?? JITTER, MOST_JITTER) / (IMPATIENT ? 10 : 1);
  await Promise.all([tidy(registration), tell(payload, "displayed"), report(payload, "displayed", undefined, spread)]);
}

/**
 * Bring the visitor to `url`: to the tab that shows it (without a url: to any tab of the site), else to a new one.
 *
 * @param {string | undefined} url
 */
async function visit(url) {
  const target = new URL(url || "/", location.origin).href;
  for (const client of await clients.matchAll({ type: "window", includeUncontrolled: true }))
    if (!url || client.url == target)
      try {
        return await client.focus();
      } catch {
        break; // closing, or the browser refuses: a new one then
      }
  return clients.openWindow(target);
}

/** @param {NotificationEvent} event @returns {Payload | undefined} nothing when the notification is not ours to handle */
const origin = ({ notification: { data } }) => (data && data.pushGateway) || (shared ? undefined : { n: {} });

/** The browser dropped or replaced the subscription: make it anew under the same id. @param {SubscriptionChange} event */
async function resubscribe({ oldSubscription, newSubscription }) {
  const enrolment = await stored("subscription");
  if (!enrolment || !enrolment.id) return; // never enrolled here, or ended by the visitor
  if (oldSubscription && oldSubscription.endpoint != enrolment.endpoint) return; // not the one that the gateway knows
  const { gateway = "", site = "", key } = enrolment;
  const subscription =
    newSubscription ||
    (await registration.pushManager.getSubscription()) ||
    (await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: await call(`${gateway}/v1/public/${site}`).then(
        (configuration) => configuration.application_server_keys[0],
        () => key, // still good unless it was retired; the next page view looks again
      ),
    }));
  await enrol(gateway, site, subscription, enrolment);
}

worker.addEventListener("push", (event) => {
  const payload = payloadOf(event);
  if (payload || !shared) event.waitUntil(receive(payload));
});

worker.addEventListener("notificationclick", (event) => {
  const payload = origin(event);
  if (!payload) return;
  const { action, notification } = event;
  const chosen = (payload.n.actions || []).find((other) => other.action == action);
  notification.close();
  event.waitUntil(
    // Settled, not all: a tab that can't be opened must not end the worker before the click is reported.
    Promise.allSettled([
      visit((chosen && chosen.url) || payload.n.url),
      tidy(registration),
      tell(payload, "clicked", action),
      report(payload, "clicked", action || undefined),
    ]),
  );
});

worker.addEventListener("notificationclose", (event) => {
  const payload = origin(event);
  if (payload) event.waitUntil(Promise.all([tell(payload, "closed"), report(payload, "closed")]));
});

worker.addEventListener("pushsubscriptionchange", (event) => {
  const change = /** @type {SubscriptionChange} */ (event);
  change.waitUntil(alone("subscription", () => resubscribe(change)));
});

// Taking over another vendor's worker file must not wait until every tab of the site is closed.
if (!shared) worker.addEventListener("install", () => worker.skipWaiting());
