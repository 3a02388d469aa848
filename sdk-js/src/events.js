/** What the browser reports back: kept until the gateway has it. */
import { call, passing } from "./gateway.js";
import { alone, stored } from "./store.js";

/** @typedef {import("./store.js").KeptEvent} KeptEvent */

const MOST = 50; // also the most that the gateway takes in one request
const LIFE = 48 * 3600e3;

/** @param {KeptEvent} event */
const key = (event) => event.token + event.kind;

/** @param {KeptEvent} event */
export const keep = (event) =>
  stored("events", (old = []) => [...old.filter((other) => key(other) != key(event)), event].slice(-MOST));

/**
 * @param {KeptEvent[]} events of one gateway
 * @returns {Promise<boolean>} false when they should be tried again with the next event or page view
 */
export const send = (events) =>
  call(
    events[0].gateway + "/v1/public/events",
    "POST",
    events.map(({ token, kind, action, at }) => ({
      token,
      kind,
      action,
      age: Math.max(0, Math.round((Date.now() - at) / 1e3)), // a clock can be set back
    })),
  ).then(
    () => true,
    (error) => !passing(error),
  );

/** Send everything kept. One flush at a time, so that none sends what another is sending. */
export const flush = () =>
  alone("events", async () => {
    const kept = (await stored("events")) || [];
    if (!kept.length) return;
    const fresh = kept.filter((event) => Date.now() - event.at < LIFE);
    const done = kept.filter((event) => !fresh.includes(event)).map(key);
    for (const gateway of new Set(fresh.map((event) => event.gateway))) {
      const events = fresh.filter((event) => event.gateway == gateway);
      if (await send(events)) done.push(...events.map(key));
    }
    await stored("events", (old = []) => old.filter((event) => !done.includes(key(event))));
  });
