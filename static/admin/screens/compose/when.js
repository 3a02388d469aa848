/** When it goes out, drawn against the site's quiet hours. */
import { html } from "../../vendor/preact-htm.js";
import { Check, Choice, NumberField, Section, Select, TextField } from "../../ui/index.js";
import { zones } from "./clock.js";
import { crons, Recurring } from "./recurring.js";
import { Timeline } from "./timeline.js";

const KINDS = [
  { value: "now", text: "Now", hint: "as soon as you send it" },
  { value: "at", text: "At a time", hint: "the same moment for all" },
  { value: "local", text: "Visitors' own clock", hint: "at the same time of their day" },
  { value: "best", text: "Best hour", hint: "when each one looks most" },
  { value: "recurring", text: "Again and again", hint: "every Monday, say" },
];

/** @param {{site: any, zone: string, form: any, change: (path: string, value: any) => void, problem: any, nextTimes?: string[] | null}} props nextTimes: of a stored series */
export function When({ site, zone, form, change, problem, nextTimes }) {
  const { when } = form;
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => change(`when.${name}`, value);
  const quiet = site.settings?.quiet_hours;
  return html`<${Section} title="When" class="when"><div class="form">
    <${Choice} label="When" hideLabel cards value=${when.kind} options=${KINDS} onChange=${set("kind")} />
    ${when.kind == "at" && html`<${TextField} label="Time" type="datetime-local" path="send_at" problem=${problem} value=${when.at} onChange=${set("at")} hint=${`On the site's clock, ${zone}.`} />`}
    ${when.kind == "local" && html`<div class="fields">
      <${TextField} label="Time on their clock" type="datetime-local" path="local_time.at" problem=${problem} value=${when.at} onChange=${set("at")} />
      <${Select} label="For whom it is later already" path="local_time.late" problem=${problem} value=${when.late} onChange=${set("late")}
        options=${[{ value: "send", text: "they get it at once" }, { value: "next_day", text: "they get it the next day, at that time" }, { value: "skip", text: "they do not get it" }]} /></div>
      <p class="hint">It starts when the first clocks of the world show this time, 14 hours before London's. Who has no known zone lives by the site's, ${zone}.</p>`}
    ${when.kind == "best" && html`<${NumberField} label="Within" unit="hours of the start" min="1" max="168" path="best_hour.within_hours" problem=${problem} value=${when.within_hours} onChange=${set("within_hours")}
      hint="Each visitor gets it at the hour of their day at which they have looked and clicked most. 24 holds every hour once." />`}
    ${when.kind == "recurring" && html`<${Recurring} when=${when} set=${set} zone=${zone} problem=${problem} />`}
    <${Timeline} when=${when} zone=${zone} quiet=${quiet} overridden=${form.quiet_hours == "override" || form.priority == "transactional"} cron=${crons(when)} nextTimes=${nextTimes} />
    ${quiet && html`<${Check} label="Send in quiet hours, too" hint=${`Else who is in them gets it when they end, at ${quiet.to}.`} checked=${form.quiet_hours == "override"} onChange=${(/** @type {boolean} */ on) => change("quiet_hours", on ? "override" : "respect")} />`}
    ${problem?.field("quiet_hours") && html`<p class="error">${problem.field("quiet_hours")}</p>`}
    <datalist id="all-zones">${zones().map((each) => html`<option value=${each}></option>`)}</datalist>
  </div><//>`;
}
