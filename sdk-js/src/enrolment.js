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
  const key = keyOf(subscription);
  const claims = { language: navigator.language, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone };
  const replaces = id && endpoint != subscription.endpoint ? { id, token } : undefined;
  /** @param {object} more */
  const post = (more) =>
    call(`${gateway}/v1/public/${site}/subscriptions`, "POST", {
      subscription,
      application_server_key: key || undefined,
      ...more,
    });
  const answer = await post({ ...claims, replaces }).catch((/** @type {Failure} */ error) => {
    const { status = 0 } = error;
    // The old record is gone at the gateway (erased, or its database replaced): enrol as a new one.
    if (replaces && [401, 403, 404].includes(status)) return post(claims);
    // A language or zone that the gateway doesn't know must not cost it the subscriber.
    if (status == 400 || status == 422) return post({ replaces });
    throw error;
  });
  const enrolment = {
    site,
    gateway,
    id: answer.id,
    token: answer.token,
    endpoint: subscription.endpoint,
    key,
    refreshed_at: Date.now(),
  };
  await stored("subscription", () => enrolment);
  if (answer.id != id) {
    // A new record: it says nothing yet of what the visitor left.
    const left = (await stored("left")) || [];
    await stored("profile", (waiting = {}) =>
      left.reduce((all, name) => ({ ...all, [`category:${name}`]: { opt_out: [name] } }), waiting),
    );
  }
  await stored("confirmed", () => ({})); // once a day the site's next calls tell the gateway everything again
  return enrolment;
}
