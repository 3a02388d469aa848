/** The browser's side: registrations, push subscriptions, and which of them is the gateway's. */
import { enrol, keyOf } from "./enrolment.js";
import { failure, within } from "./gateway.js";
import { stored } from "./store.js";

/** @typedef {import("./store.js").Enrolment} Enrolment */
/** @typedef {import("./gateway.js").Configuration} Configuration */
/** @typedef {import("./gateway.js").Failure} Failure */
/** @typedef {{registration: ServiceWorkerRegistration, subscription: PushSubscription, key: string}} Found */

const DAY = 24 * 3600e3;
const PATIENCE = 15e3; // Chromium without its push service never settles

/** @returns {Promise<Found[]>} every push subscription of this origin, whoever made it */
export async function found() {
  const all = [];
  for (const registration of await navigator.serviceWorker.getRegistrations()) {
    const subscription = await registration.pushManager.getSubscription();
    if (subscription) all.push({ registration, subscription, key: keyOf(subscription) });
  }
  return all;
}

/** @param {string} site @returns {Promise<Enrolment>} empty when there is none, or one of another site */
export async function enrolmentOf(site) {
  const enrolment = (await stored("subscription")) || {};
  return enrolment.site == site ? enrolment : {};
}

/**
 * Never `navigator.serviceWorker.ready`: that is the worker of the page's own scope.
 *
 * @param {ServiceWorkerRegistration} registration
 */
function activated({ active, installing, waiting }) {
  const next = installing || waiting;
  if (active || !next) return;
  return /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      next.addEventListener("statechange", () => {
        if (next.state == "activated") resolve();
        if (next.state == "redundant") reject(new Error("did not install"));
      });
    })
  );
}

/**
 * @param {Configuration} configuration
 * @param {Found[]} stale  subscriptions that the new one takes the place of
 * @returns {Promise<Found>}
 */
async function make({ worker: { path, scope }, application_server_keys: [key] }, stale) {
  const starting = async () => {
    const registration = await navigator.serviceWorker.register(path, { scope, updateViaCache: "none" });
    await activated(registration);
    return registration;
  };
  const registration = await within(
    PATIENCE,
    "worker_failed",
    starting().catch((error) => {
      throw failure("worker_failed", `is ${path} there? ${error}`);
    }),
  );
  for (const { subscription } of stale) await subscription.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey: key };
  const subscription = await within(
    PATIENCE,
    "push_service_timeout",
    registration.pushManager.subscribe(options).catch((error) => {
      throw failure("push_service_failed", error);
    }),
  );
  return { registration, subscription, key };
}

/**
 * Make what the browser has and what the gateway knows agree: adopt a subscription made with one of our keys (another
 * vendor's too, imported with its key), replace one whose key was retired, and refresh the gateway's record once a day.
 * One browser has one subscription: any other made with our keys is ended, or each message would show twice.
 *
 * @param {string} gateway
 * @param {string} site
 * @param {Configuration} configuration
 * @param {boolean} clicked  make one where there was none
 * @returns {Promise<void>}
 */
export async function agree(gateway, site, configuration, clicked) {
  const enrolment = await enrolmentOf(site);
  if (Notification.permission != "granted" || (enrolment.out && !clicked)) return;
  const all = await found();
  /** @param {Found} one */
  const known = ({ subscription }) => subscription.endpoint == enrolment.endpoint;
  const active = all.filter(({ key }) => configuration.application_server_keys.includes(key));
  const inScope = new URL(configuration.worker.scope, location.href).href;
  const stale = all.filter((one) => !active.includes(one) && (known(one) || one.registration.scope == inScope));

  let mine = active.find(known) || active[0];
  if (!mine) {
    if (!clicked && !enrolment.id && !stale.length) return;
    mine = await make(configuration, stale);
  }
  for (const one of active) if (one != mine) await one.subscription.unsubscribe();

  const same = known(mine) && enrolment.gateway == gateway;
  if (same && Date.now() - (enrolment.refreshed_at || 0) < DAY) return;
  // Should the gateway be down, ask again in an hour, not with every page view.
  if (same) await stored("subscription", () => ({ ...enrolment, refreshed_at: Date.now() - DAY + 3600e3 }));
  try {
    await enrol(gateway, site, mine.subscription, enrolment);
  } catch (error) {
    if (/** @type {Failure} */ (error).code != "known_with_other_keys") throw error;
    mine = await make(configuration, [mine]);
    await enrol(gateway, site, mine.subscription, enrolment);
  }
  // No page lies in the worker's scope, so the browser looks for a newer worker only when told to.
  mine.registration.update().catch(() => {});
}
