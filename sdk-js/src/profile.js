/**
 * Tags, attributes and identity. They are stored first and sent when there is a subscription, so that a site can call
 * these on every page view, before the visitor subscribed too; what the gateway has confirmed is not sent again.
 */
import { call, passing } from "./gateway.js";
import { alone, stored } from "./store.js";
import { enrolmentOf } from "./subscribing.js";

/** @typedef {import("./store.js").Profile} Profile */
/** @typedef {import("./gateway.js").Failure} Failure */
/** @typedef {import("./store.js").Tags} Tags */
/** @typedef {keyof Profile} Kind */

/**
 * Send what waits. Changes that the gateway refuses are dropped; those it could not take now wait for the next page view.
 *
 * @param {string} gateway
 * @param {string} site
 * @returns {Promise<boolean>} whether the gateway now has everything
 * @throws {Failure} the first refusal
 */
export const flushProfile = (gateway, site) =>
  alone("profile", async () => {
    const { id, token } = await enrolmentOf(site);
    const waiting = (await stored("profile")) || {};
    const kinds = /** @type {Kind[]} */ (Object.keys(waiting));
    if (!id) return !kinds.length;
    const refusals = [];
    let left = 0;
    for (const kind of kinds) {
      try {
        await call(`${gateway}/v1/public/${site}/subscriptions/${id}`, "PATCH", waiting[kind], token);
        await stored("confirmed", (old = {}) => ({ ...old, [kind]: both(kind, old[kind], waiting[kind]) }));
      } catch (/** @type {any} */ error) {
        const forgotten = [401, 403, 404].includes(error.status);
        // A gateway that forgot this browser enrols it again with the next page view.
        if (forgotten) await stored("subscription", (old = {}) => ({ ...old, refreshed_at: 0 }));
        if (forgotten || passing(error)) {
          left++;
          continue;
        }
        refusals.push(error);
      }
      await stored("profile", (now = {}) => {
        if (JSON.stringify(now[kind]) == JSON.stringify(waiting[kind])) delete now[kind]; // else it changed meanwhile
        return now;
      });
    }
    if (refusals.length) throw refusals[0];
    return !left;
  });

/**
 * @param {Kind} kind @param {any} old a PATCH body @param {any} more another
 * @returns {any} the one that says what both say, one after the other
 */
function both(kind, old, more) {
  if (old && kind == "attributes") return { attributes: { ...old.attributes, ...more.attributes } };
  if (!old || kind != "tags") return more;
  const { add_tags, remove_tags } = /** @type {Tags} */ (more);
  /** @param {string[]} names @param {string[]} added @param {string[]} gone */
  const merged = (names, added, gone) => [...new Set([...names.filter((name) => !gone.includes(name)), ...added])];
  return { add_tags: merged(old.add_tags, add_tags, remove_tags), remove_tags: merged(old.remove_tags, remove_tags, add_tags) };
}

/** Keep it for the next flush, unless the gateway has confirmed all of it. @param {Kind} kind @param {Profile[Kind]} more a PATCH body */
export async function change(kind, more) {
  const confirmed = ((await stored("confirmed")) || {})[kind];
  await stored("profile", (waiting = {}) => {
    if (waiting[kind] || JSON.stringify(both(kind, confirmed, more)) != JSON.stringify(confirmed))
      return { ...waiting, [kind]: both(kind, waiting[kind], more) };
    return waiting;
  });
}

/** @param {string} name a category @param {boolean} out whether the visitor wants nothing of it */
export async function choose(name, out) {
  await stored("left", (left = []) => left.filter((other) => other != name).concat(out ? name : []));
  await stored("profile", (waiting = {}) => ({ ...waiting, [`category:${name}`]: out ? { opt_out: [name] } : { opt_in: [name] } }));
}
