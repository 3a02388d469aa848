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
        await stored("confirmed", (old = {}) => ({ ...old, [kind]: waiting[kind] }));
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
 * @param {Kind} kind
 * @param {(waiting: any) => Profile[Kind]} merge  the new change into what of its kind still waits
 */
export async function change(kind, merge) {
  const confirmed = (await stored("confirmed")) || {};
  await stored("profile", (waiting = {}) => {
    const merged = merge(waiting[kind]);
    if (waiting[kind] || JSON.stringify(merged) != JSON.stringify(confirmed[kind])) return { ...waiting, [kind]: merged };
    return waiting;
  });
}

/** @param {string[]} add @param {string[]} remove */
export const changeTags = (add, remove) =>
  change("tags", (/** @type {Tags} */ { add_tags, remove_tags } = { add_tags: [], remove_tags: [] }) => ({
    add_tags: [...new Set([...add_tags.filter((tag) => !remove.includes(tag)), ...add])],
    remove_tags: [...new Set([...remove_tags.filter((tag) => !add.includes(tag)), ...remove])],
  }));

/** @param {string} name a category @param {boolean} out whether the visitor wants nothing of it */
export async function choose(name, out) {
  await stored("left", (left = []) => left.filter((other) => other != name).concat(out ? name : []));
  await stored("profile", (waiting = {}) => ({ ...waiting, [`category:${name}`]: out ? { opt_out: [name] } : { opt_in: [name] } }));
}
