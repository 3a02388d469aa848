/** Expressions over subscriptions, as the API takes them: what there is, in which words, and what a fresh one says. */
import { time } from "../../ui/index.js";

export const BROWSERS = ["chrome", "edge", "firefox", "safari", "opera", "samsung", "other"];
export const PLATFORMS = ["windows", "macos", "android", "ios", "linux", "chromeos", "other"];
export const PROVIDERS = [
  { value: "fcm", text: "Google (Chrome, Opera, Samsung …)" },
  { value: "mozilla", text: "Mozilla (Firefox)" },
  { value: "apple", text: "Apple (Safari)" },
  { value: "wns", text: "Microsoft (Edge)" },
  { value: "other", text: "another" },
];
export const OPS = [
  { value: "eq", text: "is" },
  { value: "ne", text: "is not, or unknown" },
  { value: "in", text: "is one of" },
  { value: "gt", text: "is more than" },
  { value: "lt", text: "is less than" },
  { value: "contains", text: "contains" },
  { value: "exists", text: "is known" },
];

/** @type {Record<string, {text: string, fresh: () => any}>} in the order of the list */
export const KINDS = {
  tag: { text: "Tag", fresh: () => ({ tag: "" }) },
  attribute: { text: "Attribute", fresh: () => ({ attribute: "", op: "eq", value: "" }) },
  language: { text: "Language", fresh: () => ({ language: "" }) },
  country: { text: "Country", fresh: () => ({ country: "" }) },
  timezone: { text: "Time zone", fresh: () => ({ timezone: "" }) },
  browser: { text: "Browser", fresh: () => ({ browser: "chrome" }) },
  platform: { text: "System", fresh: () => ({ platform: "android" }) },
  provider: { text: "Push service", fresh: () => ({ provider: "fcm" }) },
  subscribed: { text: "Subscribed", fresh: () => ({ subscribed: { within: "30d" } }) },
  seen: { text: "Visited the site", fresh: () => ({ seen: { within: "30d" } }) },
  received: { text: "Was sent", fresh: () => ({ received: { within: "30d" } }) },
  displayed: { text: "Was shown", fresh: () => ({ displayed: { within: "30d" } }) },
  clicked: { text: "Clicked", fresh: () => ({ clicked: { within: "30d" } }) },
};
export const GROUPS = ["all", "any"];

/** @param {any} expression @returns {string} */
export const kindOf = (expression) => [...GROUPS, ...Object.keys(KINDS)].find((name) => name in expression) || "tag";

/** Without the `not` around it, and whether there was an odd number of them. @param {any} expression @returns {[any, boolean]} */
export function unwrap(expression) {
  let not = false;
  while (expression && "not" in expression) [expression, not] = [expression.not, !not];
  return [expression || { all: [] }, not];
}

/** @param {any} expression @returns {any} with a group outside, as the builder draws it */
export function asGroup(expression) {
  const [inner, not] = unwrap(expression);
  return GROUPS.includes(kindOf(inner)) && !not ? inner : { all: [expression] };
}

/** Whether nothing in it still waits to be filled in. @param {any} expression @returns {boolean} */
export function isComplete(expression) {
  const [inner] = unwrap(expression);
  const kind = kindOf(inner);
  if (GROUPS.includes(kind)) return inner[kind].length > 0 && inner[kind].every(isComplete);
  const said = inner[kind];
  if (said === "" || said == null) return false;
  if (kind == "attribute") return inner.op == "exists" || (Array.isArray(inner.value) ? inner.value.length > 0 : inner.value !== "");
  return typeof said != "object" || Object.values(said).some(Boolean);
}

/** @type {Record<string, string>} */
const UNITS = { m: "minutes", h: "hours", d: "days" };
/** @param {any} said @param {string | undefined} zone @param {Record<string, string>} titles of messages */
function whenSaid(said, zone, titles) {
  if (said.message) return `“${titles[said.message] || said.message}”`;
  if (said.within) return `in the last ${said.within.slice(0, -1)} ${UNITS[said.within.slice(-1)]}`;
  return [said.after && `since ${time(said.after, zone, "short")}`, said.before && `before ${time(said.before, zone, "short")}`].filter(Boolean).join(" and ");
}

/** In plain words. @param {any} expression @param {{zone?: string, titles?: Record<string, string>, inner?: boolean}} options @returns {string} */
export function words(expression, { zone, titles = {}, inner = false } = {}) {
  const [said, not] = unwrap(expression);
  const kind = kindOf(said);
  const value = said[kind];
  if (GROUPS.includes(kind)) {
    const parts = value.map((/** @type {any} */ each) => words(each, { zone, titles, inner: true }));
    const text = parts.join(kind == "all" ? " and " : " or ");
    return not ? `not (${text})` : inner && parts.length > 1 ? `(${text})` : text;
  }
  const is = not ? "is not" : "is";
  switch (kind) {
    case "tag": return `${not ? "does not have" : "has"} the tag “${value}”`;
    case "attribute": {
      const op = OPS.find((each) => each.value == said.op)?.text || said.op;
      return `${not ? "not: " : ""}${value} ${op}${said.op == "exists" ? "" : ` ${[said.value].flat().map((/** @type {any} */ each) => JSON.stringify(each)).join(", ")}`}`;
    }
    case "subscribed": case "seen": case "received": case "displayed": case "clicked": {
      const verb = { subscribed: ["subscribed", "did not subscribe"], seen: ["visited", "did not visit"], received: ["was sent", "was not sent"], displayed: ["was shown", "was not shown"], clicked: ["clicked", "did not click"] }[kind][not ? 1 : 0];
      const thing = ["received", "displayed", "clicked"].includes(kind) && !value.message ? " a message" : "";
      return `${verb}${thing} ${whenSaid(value, zone, titles)}`;
    }
    default: return `${KINDS[kind].text.toLowerCase()} ${is} ${value}`;
  }
}
