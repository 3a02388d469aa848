/** Numbers and times as people read them: in the browser's language, in the site's zone. */
import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { useSite } from "./context.js";

const LANGUAGE = navigator.languages?.[0] || "en";
const NOTHING = "–";

/** @type {Map<string, Intl.NumberFormat | Intl.DateTimeFormat>} making one costs more than using it */
const known = new Map();
/** @param {Intl.NumberFormatOptions} options @returns {Intl.NumberFormat} */
function numberFormat(options) {
  const key = "n" + JSON.stringify(options);
  if (!known.has(key)) known.set(key, new Intl.NumberFormat(LANGUAGE, options));
  return /** @type {Intl.NumberFormat} */ (known.get(key));
}
/** @param {Intl.DateTimeFormatOptions} options @returns {Intl.DateTimeFormat} */
function dateFormat(options) {
  const key = "d" + JSON.stringify(options);
  if (!known.has(key)) known.set(key, new Intl.DateTimeFormat(LANGUAGE, options));
  return /** @type {Intl.DateTimeFormat} */ (known.get(key));
}

/** 1,234,567 @param {number | null | undefined} value */
export const number = (value, digits = 0) => (value == null ? NOTHING : numberFormat({ maximumFractionDigits: digits }).format(value));

/** 1.2M @param {number | null | undefined} value */
export const compact = (value) =>
  value == null ? NOTHING : numberFormat({ notation: "compact", maximumFractionDigits: Math.abs(value) < 1000 ? 0 : 1 }).format(value);

/** 12.3% of a share between 0 and 1 @param {number | null | undefined} share */
export const percent = (share, digits = 1) => (share == null ? NOTHING : numberFormat({ style: "percent", maximumFractionDigits: digits }).format(share));

/** The share of `part` in `whole`, or null where there is no whole. @param {number | null | undefined} part @param {number | null | undefined} whole */
export const share = (part, whole) => (part == null || !whole ? null : part / whole);

/** 1.5 MB @param {number | null | undefined} value */
export function bytes(value) {
  if (value == null) return NOTHING;
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let step = 0;
  while (Math.abs(value) >= 1000 && step < units.length - 1) [value, step] = [value / 1000, step + 1];
  return numberFormat({ style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: value < 10 && step ? 1 : 0 }).format(value);
}

/** "2 h 5 min" @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds == null) return NOTHING;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s % 60 && s < 600 ? ` ${s % 60} s` : ""}`;
  if (s < 86400) return `${Math.floor(s / 3600)} h${s % 3600 >= 60 ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  return `${Math.floor(s / 86400)} d${s % 86400 >= 3600 ? ` ${Math.floor((s % 86400) / 3600)} h` : ""}`;
}

/** "3 minutes ago", "in 2 hours" @param {string | number | Date} at */
export function relative(at, now = Date.now()) {
  const seconds = (new Date(at).getTime() - now) / 1000;
  const size = Math.abs(seconds);
  if (size < 10) return seconds > 0 ? "in a moment" : "just now";
  const [unit, length] = size < 60 ? ["second", 1] : size < 3600 ? ["minute", 60] : size < 86400 ? ["hour", 3600] : ["day", 86400];
  const format = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  return format.format(Math.round(seconds / /** @type {number} */ (length)), /** @type {any} */ (unit));
}

/** @type {Record<string, string>} */
const PROVIDERS = { fcm: "Google (Chrome, Samsung, Opera …)", mozilla: "Mozilla (Firefox)", wns: "Microsoft (Edge)", apple: "Apple (Safari)", other: "Others" };

/** What people call a push service. @param {string} provider */
export const providerName = (provider) => PROVIDERS[provider] || provider;

/** @param {string | number | Date} at @param {string | undefined} zone @param {"full" | "date" | "time" | "short"} style */
export function time(at, zone, style = "full") {
  const date = new Date(at);
  const day = /** @type {const} */ ({ day: "numeric", month: "short" });
  const year = date.getFullYear() == new Date().getFullYear() && style == "short" ? {} : /** @type {const} */ ({ year: "numeric" });
  const clock = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit" });
  const options = { full: { ...day, year: "numeric", ...clock }, short: { ...day, ...year, ...clock }, date: { ...day, year: "numeric" }, time: clock }[style];
  return dateFormat(/** @type {any} */ ({ ...options, timeZone: zone })).format(date);
}

/** The browser's own zone, Europe/Berlin say. */
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** A moment in the site's zone; on hover in the visitor's own, and how long ago.
 * @param {{at: string | number | null | undefined, style?: "full" | "date" | "time" | "short" | "relative", none?: string}} props */
export function Time({ at, style = "short", none = NOTHING }) {
  const { zone } = useSite();
  const [, tick] = useState(0);
  useEffect(() => {
    if (style != "relative") return;
    const timer = setInterval(() => tick((n) => n + 1), 20000);
    return () => clearInterval(timer);
  }, [style]);
  if (at == null) return html`<span class="muted">${none}</span>`;
  const here = time(at, undefined, "full");
  const there = time(at, zone, "full");
  const title = `${there} (${zone || ownZone})${zone && zone != ownZone ? `\n${here} (your time, ${ownZone})` : ""}\n${relative(at)}`;
  return html`<time datetime=${new Date(at).toISOString()} title=${title}>${style == "relative" ? relative(at) : time(at, zone, style)}</time>`;
}
