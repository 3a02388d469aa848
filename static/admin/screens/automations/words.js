/** Automations in words, and between what is shown and what is sent to the API. */
import { saidBy, TTL } from "../compose/form.js";

export const UNITS = [
  { value: "60", text: "minutes" },
  { value: "3600", text: "hours" },
  { value: "86400", text: "days" },
];

/** @param {any} automation */
export const triggerSaid = ({ trigger }) => (trigger.on == "subscribe" ? "When somebody subscribes" : `When ${trigger.event || "an event"} happens`);

/** "at once", "2 hours", "1 day" @param {number} seconds */
export function waitSaid(seconds) {
  if (!seconds) return "at once";
  const unit = [...UNITS].reverse().find((each) => seconds % Number(each.value) == 0) || { value: "1", text: "seconds" };
  const count = seconds / Number(unit.value);
  return `${count} ${count == 1 ? unit.text.slice(0, -1) : unit.text}`;
}

/** The largest unit that says it whole. @param {number} seconds */
export const unitOf = (seconds) => [...UNITS].reverse().find((each) => seconds && seconds % Number(each.value) == 0)?.value || (seconds ? "60" : "3600");

/** When each step comes, from the trigger on. @param {any[]} steps @returns {number[]} seconds */
export const reached = (steps) => steps.map((_, i) => steps.slice(0, i + 1).reduce((sum, each) => sum + each.after, 0));

export const freshStep = (/** @type {number} */ after) => ({ after, notification: { title: "", body: "", url: "" }, key: Math.random() });

/** Of a message, what a step may say, too. */
const SAID = ["translations", "fallback", "options", "priority", "rate", "variants", "category", "quiet_hours", "best_hour", "dry_run"];

/** A step as it is edited. @param {any} step of the API @param {any} site */
export function editable(step, site) {
  const { message } = step;
  const kept = Object.fromEntries(SAID.filter((name) => message[name] != null && message[name] !== false).map((name) => [name, message[name]]));
  // What the site adds to every link is no word of the step's.
  const own = Object.entries(message.utm || {}).filter(([name, value]) => value != null && value !== site.settings.utm?.[name]);
  return { after: step.after, notification: { body: "", url: "", ...message.notification }, more: { ...kept, ...(own.length && { utm: Object.fromEntries(own) }) }, known: step, key: message.id };
}

/** @param {any} step as it is edited */
export const toStep = ({ after, notification, more = { options: { ttl: TTL, urgency: "normal", topic: null } } }) => ({ ...more, after, notification: { title: "", ...saidBy(notification) } });

/** @param {any} automation @param {any[]} steps */
export const toBody = ({ name, trigger, event, cancel_on, once_per_visitor }, steps) => ({
  name: name.trim(),
  trigger: trigger == "subscribe" ? { on: "subscribe" } : { on: "event", event: event.trim() },
  cancel_on: names(cancel_on),
  once_per_visitor,
  steps: steps.map(toStep),
});

/** @param {string} text */
export const names = (text) => [...new Set(text.split(/[,\n]+/).map((each) => each.trim()).filter(Boolean))];

/** A problem as one of its parts sees it: `steps[0].notification.title` is `notification.title` there. @param {any} problem @param {string} prefix */
export function within(problem, prefix) {
  if (!problem) return null;
  const errors = problem.errors.filter((/** @type {any} */ { path }) => path.startsWith(prefix)).map((/** @type {any} */ each) => ({ ...each, path: each.path.slice(prefix.length) }));
  return { ...problem, errors, field: (/** @type {string} */ path) => errors.filter((/** @type {any} */ each) => each.path == path || each.path.startsWith(path + "[")).map((/** @type {any} */ each) => each.message).join(" ") };
}
