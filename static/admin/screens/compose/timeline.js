/** Two days from the start on the site's clock: the quiet hours, and where the message comes. */
import { html } from "../../vendor/preact-htm.js";
import { duration, time } from "../../ui/index.js";
import { minutes, toMoment, toWall } from "./clock.js";
import { cronWords } from "./recurring.js";

const HOUR = 3600000;
const SHOWN = 48 * HOUR;

/** Spans of quiet hours between two moments. @param {{from: string, to: string}} quiet @param {string} zone @param {number} start @param {number} end */
export function quietSpans(quiet, zone, start, end) {
  const spans = [];
  for (let at = start - 24 * HOUR; at < end + 24 * HOUR; at += 24 * HOUR) {
    const day = toWall(at, zone).slice(0, 10);
    const from = toMoment(`${day}T${quiet.from}`, zone).getTime();
    const next = minutes(quiet.to) <= minutes(quiet.from) ? toWall(at + 24 * HOUR, zone).slice(0, 10) : day;
    const to = toMoment(`${next}T${quiet.to}`, zone).getTime();
    if (to > start && from < end) spans.push([Math.max(from, start), Math.min(to, end)]);
  }
  return spans;
}

/** When it goes out, and how long that takes. @param {any} when @param {string} zone @param {any} cron @param {number} now @param {string[] | null | undefined} nextTimes @returns {[number, number] | null} */
function sendSpan(when, zone, cron, now, nextTimes) {
  if (when.kind == "now") return [now, now];
  if (when.kind == "best") return [now, now + (when.within_hours || 24) * HOUR];
  if (when.kind == "recurring") {
    if (nextTimes?.length) return [Date.parse(nextTimes[0]), Date.parse(nextTimes[0])];
    if (!cron) return null;
    for (let day = 0; day < 62; day++) {
      const date = toWall(now + day * 24 * HOUR, when.timezone || zone).slice(0, 10);
      const weekday = new Date(date + "T00:00Z").getUTCDay();
      if (cron.every == "week" && !cron.days.includes(weekday)) continue;
      if (cron.every == "month" && Number(date.slice(8)) != cron.date) continue;
      const at = toMoment(`${date}T${cron.time}`, when.timezone || zone).getTime();
      if (at > now) return [at, at];
    }
    return null;
  }
  if (!/T\d\d:\d\d/.test(when.at || "")) return null;
  if (when.kind == "at") {
    const at = Math.max(now, toMoment(when.at, zone).getTime());
    return [at, at];
  }
  const utc = Date.parse(when.at.slice(0, 16) + ":00Z"); // the first clocks are 14 hours ahead of this, the last 12 behind
  return [Math.max(now, utc - 14 * HOUR), Math.max(now, utc + 12 * HOUR)];
}

/** @param {{when: any, zone: string, quiet: any, overridden: boolean, cron: any, nextTimes?: string[] | null}} props */
export function Timeline({ when, zone, quiet, overridden, cron, nextTimes }) {
  const now = Date.now();
  let span = null;
  try {
    span = sendSpan(when, zone, cron, now, nextTimes);
  } catch {
    // A zone that does not exist (yet): the API says so.
  }
  if (!span) return html`<p class="hint">${when.kind == "recurring" ? "When it next comes shows once it is saved." : "Choose a time to see it drawn against the quiet hours."}</p>`;
  const [from, to] = span;
  const start = (from - now < 20 * HOUR ? Math.floor(now / HOUR) : Math.floor(from / HOUR) - 6) * HOUR;
  const end = start + Math.max(SHOWN, Math.ceil((Math.min(to, from + 168 * HOUR) - start) / (24 * HOUR)) * 24 * HOUR);
  const place = (/** @type {number} */ at) => `${Math.max(0, Math.min(100, (100 * (at - start)) / (end - start)))}%`;
  const nights = quiet ? quietSpans(quiet, zone, start, end) : [];
  const inQuiet = nights.find(([a, b]) => from >= a && from < b);
  const days = [];
  for (let at = start; at < end; at += HOUR) if (toWall(at, zone).endsWith("T00:00")) days.push(at);
  const byVisitor = quiet?.zone == "visitor";
  const whose = byVisitor ? `visitors in ${zone.split("/").pop()?.replace("_", " ")}` : "everybody";
  const says = [
    when.kind == "local" ? `Goes out zone by zone, from ${time(from, zone, "short")} to ${time(to, zone, "short")} (${zone}).`
      : when.kind == "best" ? `Goes out over ${duration((to - from) / 1000)}, from ${time(from, zone, "short")} on.`
      : when.kind == "now" ? "Goes out at once."
      : `${when.kind == "recurring" ? `Comes ${cronWords(cron) || "as the expression says"}; next on` : "Goes out on"} ${time(from, zone, "full")} (${zone}).`,
    !quiet ? "The site has no quiet hours." : overridden ? `Quiet hours (${quiet.from} to ${quiet.to}) are passed over.`
      : inQuiet && when.kind != "best" ? `That is within quiet hours for ${whose}: they get it at ${time(inQuiet[1], zone, "time")}.`
      : `Quiet hours are ${quiet.from} to ${quiet.to}${byVisitor ? " on each visitor's own clock" : ""}: who is in them gets it afterwards.`,
  ];
  return html`<figure class=${"timeline" + (overridden ? " overridden" : "")}>
    <div class="timeline-bar" aria-hidden="true">
      ${nights.map(([a, b]) => html`<span key=${a} class="timeline-quiet" style=${{ left: place(a), width: `calc(${place(b)} - ${place(a)})` }}></span>`)}
      ${days.map((at) => html`<span key=${"d" + at} class="timeline-day" style=${{ left: place(at) }}></span>`)}
      ${to > from && html`<span class="timeline-span" style=${{ left: place(from), width: `calc(${place(to)} - ${place(from)})` }}></span>`}
      <span class="timeline-mark" style=${{ left: place(from) }}></span>
    </div>
    <div class="timeline-days" aria-hidden="true">${days.filter((at) => at - start < 0.88 * (end - start)).map((at) => html`<span key=${at} style=${{ left: place(at) }}>${time(at + HOUR, zone, "date").replace(/,? \d{4}$/, "")}</span>`)}</div>
    <figcaption>${quiet && html`<span class="timeline-key"><i class="timeline-swatch"></i>quiet hours</span>`}${says.join(" ")}</figcaption>
  </figure>`;
}
