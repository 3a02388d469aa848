/** Visitors and what happened to them, in words. */

export const STATES = [
  { value: "active", text: "Active" },
  { value: "unsubscribed", text: "Unsubscribed" },
  { value: "gone", text: "Gone" },
  { value: "expired", text: "Expired" },
  { value: "erased", text: "Erased" },
];

/** @type {Record<string, string>} what a state means for whoever looks at it */
export const MEANING = {
  active: "Gets what is sent to it.",
  gone: "Its push service says that the subscription has ended: the visitor took the permission back, or left that browser. It becomes active again by itself if they come back.",
  unsubscribed: "The visitor has unsubscribed on the site.",
  expired: "The subscription ran out, or the browser has not been seen for a year.",
  erased: "Everything personal was erased; only counts are left.",
};

/** @type {Record<string, string>} as their makers call them */
const NAMES = {
  chrome: "Chrome", edge: "Edge", firefox: "Firefox", safari: "Safari", opera: "Opera", samsung: "Samsung Internet", other: "another browser",
  windows: "Windows", macos: "macOS", android: "Android", ios: "iOS", linux: "Linux", chromeos: "ChromeOS",
};

/** @type {Record<string, string>} */
export const PROVIDERS = { fcm: "Google (FCM)", mozilla: "Mozilla (autopush)", apple: "Apple (APNs)", wns: "Microsoft (WNS)", other: "another" };

/** @param {any} subscription */
export const nameOf = ({ external_id, id }) => external_id || id;

/** @param {any} subscription */
export function deviceOf({ browser, platform }) {
  const on = platform == "other" ? "another system" : NAMES[platform] || platform;
  if (!browser) return on || "not known";
  return platform ? `${NAMES[browser] || browser} on ${on}` : NAMES[browser] || browser;
}

/** Kind of an entry of a history: what is said of it, the icon, the tone. @type {Record<string, [string, string, string]>} */
export const HAPPENED = {
  subscribed: ["Subscribed", "plus", "good"],
  accepted: ["Sent", "messages", ""],
  displayed: ["Displayed", "check", "good"],
  clicked: ["Clicked", "external", "good"],
  closed: ["Closed", "close", ""],
  failed: ["Not delivered", "warn", "bad"],
  expired: ["Too late", "warn", "warn"],
  skipped: ["Left out", "next", ""],
  gone: ["The subscription has ended", "stop", "bad"],
  unsubscribed: ["Unsubscribed", "leave", "warn"],
  event: ["Event", "automations", ""],
};

/** @type {Record<string, string>} */
export const DETAILS = {
  unsubscribed: "was unsubscribed by then",
  cancelled: "the message was cancelled",
  holdout: "held out for comparison",
  frequency_cap: "had as many as the frequency cap allows",
  opted_out: "has left the category",
  quiet_hours: "quiet hours",
  valid_until: "it was not true any more",
  unauthorized: "the push service refused the key",
  too_large: "it was too large",
  rejected: "the push service refused it",
  render_failed: "its texts could not be made for this visitor",
};

/** The value as its own kind. @param {string} kind @param {string} text @returns {any} null: it is none */
export function valueOf(kind, text) {
  if (kind == "number") return text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text);
  if (kind == "boolean") return text == "true";
  return text;
}
