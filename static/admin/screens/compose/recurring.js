/** A cron expression for those who never want to see one. */
import { html, useState } from "../../vendor/preact-htm.js";
import { Check, Select, TextField } from "../../ui/index.js";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** What a simple expression says, null for one that only an expert writes. @param {{cron: string}} when */
export function crons({ cron }) {
  const numbered = (cron || "").trim().toUpperCase().replace(/SUN|MON|TUE|WED|THU|FRI|SAT/g, (name) => String(DAYS.findIndex((each) => each.toUpperCase().startsWith(name))));
  const found = /^(\d{1,2}) (\d{1,2}) (\*|\d{1,2}) \* (\*|[0-6](?:,[0-6])*|1-5)$/.exec(numbered);
  if (!found) return null;
  const [, minute, hour, date, days] = found;
  if (date != "*" && days != "*") return null;
  const every = date != "*" ? "month" : days == "*" ? "day" : "week";
  return { time: `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`, every, date: date == "*" ? 1 : Number(date), days: days == "1-5" ? [1, 2, 3, 4, 5] : days == "*" ? [1] : days.split(",").map(Number) };
}

/** @param {{time: string, every: string, date: number, days: number[]}} said */
export function cronOf({ time, every, date, days }) {
  const [hour, minute] = time.split(":").map(Number);
  return `${minute || 0} ${hour || 0} ${every == "month" ? date : "*"} * ${every == "week" ? [...days].sort().join(",") || "1" : "*"}`;
}

/** @param {any} said */
export const cronWords = (said) =>
  said && `${said.every == "day" ? "every day" : said.every == "month" ? `on day ${said.date} of every month` : `every ${said.days.map((/** @type {number} */ each) => DAYS[each]).join(", ")}`} at ${said.time}`;

/** @param {{when: any, set: (name: string) => (value: any) => void, zone: string, problem: any}} props */
export function Recurring({ when, set, zone, problem }) {
  const said = crons(when);
  const [expert, setExpert] = useState(!said);
  const change = (/** @type {any} */ part) => set("cron")(cronOf({ .../** @type {any} */ (said), ...part }));
  return html`
    ${said && !expert
      ? html`<div class="fields">
          <${Select} label="Every" value=${said.every} onChange=${(/** @type {string} */ every) => change({ every })} options=${[{ value: "day", text: "day" }, { value: "week", text: "week" }, { value: "month", text: "month" }]} />
          <${TextField} label="At" type="time" value=${said.time} onChange=${(/** @type {string} */ time) => time && change({ time })} />
          ${said.every == "month" && html`<${Select} label="On day" value=${String(said.date)} options=${Array.from({ length: 28 }, (_, i) => String(i + 1))} onChange=${(/** @type {string} */ date) => change({ date: Number(date) })} />`}</div>
        ${said.every == "week" && html`<fieldset><legend>On</legend><div class="choice-options">${[1, 2, 3, 4, 5, 6, 0].map((day) => html`
          <${Check} key=${day} label=${DAYS[day].slice(0, 3)} checked=${said.days.includes(day)} onChange=${(/** @type {boolean} */ on) => change({ days: on ? [...said.days, day] : said.days.filter((each) => each != day) })} />`)}</div></fieldset>`}`
      : html`<${TextField} label="Cron expression" class="mono" path="recurrence.cron" problem=${problem} value=${when.cron} onChange=${set("cron")} spellcheck="false" hint="Minute, hour, day of the month, month, day of the week. At most once in five minutes." />`}
    ${said && !expert && problem?.field("recurrence.cron") && html`<p class="error">${problem.field("recurrence.cron")}</p>`}
    <div class="fields">
      <${TextField} label="Whose clock" list="all-zones" placeholder=${zone} path="recurrence.timezone" problem=${problem} value=${when.timezone} onChange=${set("timezone")} />
      <${TextField} label="Until" optional type="datetime-local" path="recurrence.until" problem=${problem} value=${when.until} onChange=${set("until")} /></div>
    <${Check} label="Write it as a cron expression" checked=${expert || !said} disabled=${!said} onChange=${setExpert} />
    <p class="hint">Each time it makes a message of its own, with an audience and results of its own.</p>`;
}
