/** Telling the gateway of a push subscription, the same from the page and from the worker. */
import { base64url, call } from "./gateway.js";
import { stored } from "./store.js";

/** @typedef {import("./store.js").Enrolment} Enrolment */
/** @typedef {import("./gateway.js").Failure} Failure */

/** @param {PushSubscription} subscription */
export const keyOf = (subscription) => base64url(subscription.options.applicationServerKey);

/**
 * Post the subscription and store the id and token that come back. A new endpoint proves with the old id and token
 * whose it is, so that tags and history stay with the visitor.
 *
 * @param {string} gateway
 * @param {string} site
 * @param {PushSubscription} subscription
 * @param {Enrolment} enrolment of the same site, or empty
 * @returns {Promise<Enrolment>}
 */
export async function enrol(gateway, site, subscription, { id, token, endpoint }) {
  /** @param {{id?: string, token?: string}} [replaces] */
  const post = (replaces) =>
    call(`${gateway}/v1/public/${site}/subscriptions`, "POST", {
      subscription,
      language: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      replaces,
    });
  const moved = id && endpoint != subscription.endpoint;
  const answer = await post(moved ? { id, token } : undefined).catch((/** @type {Failure} */ error) => {
    // The old record is gone at the gateway (erased, or its database replaced): enrol as a new one.
    if (moved && [401, 403, 404].includes(error.status || 0)) return post();
    throw error;
  });
  const enrolment = {
    site,
    gateway,
    id: answer.id,
    token: answer.token,
    endpoint: subscription.endpoint,
    key: keyOf(subscription),
    refreshed_at: Date.now(),
  };
  await stored("subscription", () => enrolment);
  await stored("confirmed", () => ({})); // once a day the site's next calls tell the gateway everything again
  return enrolment;
}
