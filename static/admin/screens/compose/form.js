/**
 * What is being composed: close to the API's own body, so that `errors` of an answer find their fields. Times are
 * wall clocks of the site's zone, numbers may be null while somebody types. `toBody` makes the request of it.
 */
import { asGroup } from "../segments/expression.js";
import { toIso, toWall } from "./clock.js";

/** @typedef {Record<string, any>} ComposeForm */

const DAY = 86400;
export const TTL = 3 * DAY;

/** @returns {ComposeForm} */
export const emptyForm = () => ({
  notification: { title: "", body: "", url: "" },
  template: null,
  variables: {},
  translations: {},
  fallback: null,
  utm: null,
  audience: { kind: "all", segment: "", where: { all: [{ tag: "" }] }, names: "", given: null },
  when: { kind: "now", at: "", late: "send", within_hours: 24, cron: "0 9 * * 1", timezone: "", until: "" },
  misfire: null,
  quiet_hours: "respect",
  options: { ttl: TTL, urgency: "normal", topic: "" },
  priority: "",
  expires_at: "",
  valid_until: "",
  rate: null,
  variants: null,
  rollout: null,
  auto_pause: null,
  category: "",
  withdrawable: false,
  key: randomKey(),
});

/** For `Idempotency-Key`: a click that is repeated sends one message. */
export const randomKey = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (each) => each.toString(16).padStart(2, "0")).join("");

/** A copy with the value at the path, `notification.actions.0.title` say. @template T @param {T} object @param {string} path @param {any} value @returns {T} */
export function put(object, path, value) {
  const [name, ...rest] = path.split(".");
  const copy = /** @type {any} */ (Array.isArray(object) ? [...object] : { ...object });
  copy[name] = rest.length ? put(copy[name] ?? {}, rest.join("."), value) : value;
  return copy;
}

/** Names of many, one a line or between commas. @param {string} text */
export const namesIn = (text) => [...new Set(text.split(/[\n,;]+/).map((each) => each.trim()).filter(Boolean))];

/** Without what says nothing. @param {Record<string, any>} notification */
export function saidBy(notification) {
  const said = Object.entries(notification).filter(([, value]) => value !== "" && value != null && value !== false && !(Array.isArray(value) && !value.length));
  const result = Object.fromEntries(said);
  if (result.actions) {
    result.actions = result.actions.map((/** @type {any} */ each, /** @type {number} */ i) => ({ ...saidBy(each), action: each.action || `button-${i + 1}`, title: each.title || "" }));
  }
  if (result.data && !Object.keys(result.data).length) delete result.data;
  return result;
}

/** @param {ComposeForm} form @returns {any} */
export function audienceOf({ audience }) {
  switch (audience.kind) {
    case "all": return { all: true };
    case "segment": return { segment: audience.segment };
    case "where": return { where: asGroup(audience.where) };
    case "external_ids": return { external_ids: namesIn(audience.names) };
    case "subscriptions": return { subscriptions: namesIn(audience.names) };
    default: return audience.given; // recipients, or uploaded: kept as they are
  }
}

/**
 * The body of POST and, with `change`, of PATCH: there what is not given is said to be none.
 * @param {ComposeForm} form @param {string} zone the site's @param {{change?: boolean}} options @returns {Record<string, any>}
 */
export function toBody(form, zone, { change = false } = {}) {
  const { when } = form;
  /** @type {Record<string, any>} */
  const body = {
    audience: audienceOf(form),
    translations: Object.fromEntries(Object.entries(form.translations).map(([language, partial]) => [language, saidBy(/** @type {any} */ (partial))])),
    fallback: form.fallback && saidBy(form.fallback),
    utm: form.utm && emptyToNull(saidBy(form.utm)),
    priority: form.priority || null,
    options: { ttl: form.options.ttl ?? TTL, urgency: form.options.urgency, topic: form.options.topic || null },
    send_at: when.kind == "at" ? toIso(when.at, zone) : null,
    local_time: when.kind == "local" ? { at: when.at.slice(0, 16), late: when.late } : null,
    best_hour: when.kind == "best" ? { within_hours: when.within_hours ?? 24 } : null,
    recurrence: when.kind == "recurring" ? { cron: when.cron.trim(), timezone: when.timezone || zone, until: toIso(when.until, zone), ...(when.from && { from: when.from }) } : null,
    misfire: form.misfire,
    quiet_hours: form.quiet_hours == "override" ? "override" : null,
    expires_at: toIso(form.expires_at, zone),
    valid_until: toIso(form.valid_until, zone),
    rate: form.rate,
    variants: form.variants && variantsOf(form.variants),
    rollout: form.rollout && withoutNull(form.rollout),
    auto_pause: form.auto_pause && withoutNull(form.auto_pause),
    category: form.category || null,
    withdrawable: form.withdrawable,
  };
  if (form.template) Object.assign(body, { template: form.template, variables: form.variables });
  else body.notification = saidBy(form.notification);
  if (!form.template && !body.notification.title) body.notification.title = "";
  if (change) {
    if (body.valid_until) delete body.expires_at;
    return body;
  }
  // As short as a program would write it: defaults are left out.
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== false && !(typeof value == "object" && !Object.keys(value).length)));
}

/** @param {Record<string, any>} object */
const withoutNull = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== ""));
/** @param {Record<string, any>} object */
const emptyToNull = (object) => (Object.keys(object).length ? object : null);

/** @param {any} variants */
function variantsOf(variants) {
  const options = variants.options.map((/** @type {any} */ { name, weight, notification, translations }) => ({
    name, weight: weight ?? 0, ...(notification && emptyToNull(saidBy(notification)) && { notification: saidBy(notification) }), ...(translations && { translations }),
  }));
  return { options, ...(variants.holdout ? { holdout: variants.holdout } : {}), ...(variants.winner ? { winner: withoutNull(variants.winner) } : {}) };
}

/** @param {any} message as the API shows it @param {string} zone the site's @returns {ComposeForm} */
export function fromMessage(message, zone) {
  const empty = emptyForm();
  const { audience = { all: true } } = message;
  const kind = ["all", "segment", "where", "external_ids", "subscriptions", "recipients", "uploaded"].find((each) => each in audience) || "all";
  const { resolved, names, ...given } = audience;
  const wall = (/** @type {string | null} */ at) => (at ? toWall(at, zone) : "");
  return {
    ...empty,
    notification: { ...empty.notification, ...message.notification },
    translations: message.translations,
    fallback: message.fallback,
    utm: message.utm,
    audience: {
      ...empty.audience, kind, given,
      segment: audience.segment || "", where: audience.where ? asGroup(audience.where) : empty.audience.where,
      names: (audience.external_ids || audience.subscriptions || []).join("\n"), uploaded: names,
    },
    when: whenOf(message, empty.when, zone),
    misfire: message.misfire,
    quiet_hours: message.quiet_hours,
    options: { ...message.options, topic: message.options.topic || "" },
    priority: message.priority,
    expires_at: message.valid_until && message.expires_at == message.valid_until ? "" : wall(message.expires_at),
    valid_until: wall(message.valid_until),
    rate: message.rate,
    variants: message.variants,
    rollout: message.rollout,
    auto_pause: message.auto_pause,
    category: message.category || "",
    withdrawable: message.withdrawable,
  };
}

/** @param {any} message @param {any} empty @param {string} zone */
function whenOf(message, empty, zone) {
  const at = toWall(message.send_at, zone);
  if (message.recurrence) {
    const { cron, timezone, until, from } = message.recurrence;
    return { ...empty, kind: "recurring", cron, timezone, from, until: until ? toWall(until, zone) : "" };
  }
  if (message.local_time) return { ...empty, kind: "local", ...message.local_time };
  if (message.best_hour) return { ...empty, kind: "best", ...message.best_hour };
  return Date.parse(message.send_at) > Date.now() ? { ...empty, kind: "at", at } : empty;
}

/* Unsaved work survives a walk to another screen, and the tab. */

/** @param {string} site @param {string | undefined} id */
const place = (site, id) => `push-gateway-compose ${site} ${id || "new"}`;

/** @param {string} site @param {string | undefined} id @returns {{at: number, form: ComposeForm} | null} */
export function unsaved(site, id) {
  try {
    const found = JSON.parse(localStorage.getItem(place(site, id)) || "null");
    return found && found.form?.notification ? { at: found.at, form: { ...emptyForm(), ...found.form } } : null;
  } catch {
    return null;
  }
}

/** @param {string} site @param {string | undefined} id @param {ComposeForm} form */
export function keep(site, id, form) {
  try {
    localStorage.setItem(place(site, id), JSON.stringify({ at: Date.now(), form }));
  } catch {
    // Full, or forbidden: then only this page has it.
  }
}

/** @param {string} site @param {string | undefined} id */
export const forget = (site, id) => localStorage.removeItem(place(site, id));
