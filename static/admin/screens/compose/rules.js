/** What most messages do without: until when, how fast, in parts, what visitors may leave, links that are counted. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Check, Notice, NumberField, Select, TextArea, TextField, duration, useLoad } from "../../ui/index.js";
import { TTL } from "./form.js";
import { Fold } from "./fold.js";

const HOUR = 3600;
/** @type {[number, string][]} */
const TTLS = [[HOUR, "1 hour"], [6 * HOUR, "6 hours"], [24 * HOUR, "1 day"], [TTL, "3 days"], [7 * 24 * HOUR, "1 week"], [28 * 24 * HOUR, "4 weeks"]];

/** @typedef {{site: any, zone: string, form: any, change: (path: string, value: any) => void, problem: any}} Props */

/** @param {Props} props */
export function Expiry({ zone, form, change, problem }) {
  const set = (/** @type {string} */ path) => (/** @type {any} */ value) => change(path, value);
  const ttl = form.options.ttl ?? TTL;
  const ttls = TTLS.some(([seconds]) => seconds == ttl) ? TTLS : [...TTLS, [ttl, duration(ttl)]];
  const said = [form.expires_at && "an end", form.valid_until && "valid until", ttl != TTL && `kept ${duration(ttl)}`, form.fallback && "fallback"].filter(Boolean).join(", ");
  return html`<${Fold} title="Until when" summary=${said} problem=${problem} paths=${["expires_at", "valid_until", "options", "fallback", "misfire"]}>
    <${Select} label="Who is offline gets it within" path="options.ttl" problem=${problem} value=${String(ttl)} options=${ttls.map(([seconds, text]) => ({ value: String(seconds), text }))} onChange=${(/** @type {string} */ text) => change("options.ttl", Number(text))}
      hint="So long push services keep it for a browser that is away." />
    <${TextField} label="Sent to nobody after" optional type="datetime-local" path="expires_at" problem=${problem} value=${form.expires_at} onChange=${set("expires_at")} hint=${`Who is left over then counts as expired. On the site's clock, ${zone}.`} />
    <${TextField} label="True until" optional type="datetime-local" path="valid_until" problem=${problem} value=${form.valid_until} onChange=${set("valid_until")} hint="“40 % off until midnight”: browsers that get it later show the fallback, and what is on the screen is closed as far as browsers let us." />
    <${Check} label="State a fallback" hint="Shown when the message is no longer true, was withdrawn, or a text cannot be made for somebody." checked=${Boolean(form.fallback)} onChange=${(/** @type {boolean} */ on) => change("fallback", on ? { title: "", body: "", url: form.notification.url || "" } : null)} />
    ${form.fallback && html`<fieldset class="inset"><legend>Fallback</legend>
      <${TextField} label="Title" path="fallback.title" problem=${problem} value=${form.fallback.title} onChange=${set("fallback.title")} maxlength="200" />
      <${TextArea} label="Text" rows="2" path="fallback.body" problem=${problem} value=${form.fallback.body} onChange=${set("fallback.body")} />
      <${TextField} label="Link" type="url" path="fallback.url" problem=${problem} value=${form.fallback.url} onChange=${set("fallback.url")} />
      ${problem?.field("fallback") && html`<p class="error">${problem.field("fallback")}</p>`}</fieldset>`}
    <${Check} label="Do not send it when it starts late" hint="Because the gateway was down, say: it expires instead." checked=${form.misfire?.then == "expire"} onChange=${(/** @type {boolean} */ on) => change("misfire", on ? { then: "expire", after: 300 } : null)} />
    ${form.misfire?.then == "expire" && html`<${NumberField} label="Late is" unit="minutes" min="1" path="misfire.after" problem=${problem} value=${Math.round(form.misfire.after / 60)} onChange=${(/** @type {number} */ n) => change("misfire.after", (n || 1) * 60)} />`}
    ${problem?.field("misfire") && html`<p class="error">${problem.field("misfire")}</p>`}
  <//>`;
}

/** @param {Props} props */
export function Careful({ form, change, problem }) {
  const set = (/** @type {string} */ path) => (/** @type {any} */ value) => change(path, value);
  const { rollout, auto_pause: pause } = form;
  const said = [form.rate && `${form.rate}/s`, rollout && `${rollout.first} % first`, pause && "pauses itself", form.withdrawable && "withdrawable"].filter(Boolean).join(", ");
  const share = (/** @type {string} */ path, /** @type {any} */ value) => ({ path, problem, unit: "%", min: "0", max: "100", step: "any", value: value == null ? null : Math.round(value * 10000) / 100, onChange: (/** @type {number | null} */ n) => change(path, n == null ? null : n / 100) });
  return html`<${Fold} title="Careful sending" summary=${said} problem=${problem} paths=${["rate", "rollout", "auto_pause", "withdrawable"]}>
    <${NumberField} label="At most" optional unit="pushes a second" min="1" path="rate" problem=${problem} value=${form.rate} onChange=${set("rate")} hint="So that your own servers keep up with the clicks." />
    <${Check} label="A part first" hint="The rest follows when that has gone well." checked=${Boolean(rollout)} onChange=${(/** @type {boolean} */ on) => change("rollout", on ? { first: 10, then: "auto", after: 1800, max_failure_rate: 0.05, max_close_rate: null } : null)} />
    ${rollout && html`<fieldset class="inset"><legend>Roll-out</legend><div class="fields">
      <${NumberField} label="First" unit="%" min="0.01" max="99" step="any" path="rollout.first" problem=${problem} value=${rollout.first} onChange=${set("rollout.first")} />
      <${Select} label="Then" path="rollout.then" problem=${problem} value=${rollout.then} options=${[{ value: "auto", text: "judge it by the figures" }, { value: "manual", text: "wait until I release the rest" }]}
        onChange=${(/** @type {string} */ then) => change("rollout", then == "auto" ? { first: rollout.first, then, after: 1800, max_failure_rate: 0.05 } : { first: rollout.first, then })} />
      ${rollout.then == "auto" && html`
        <${NumberField} label="After" unit="minutes" min="1" path="rollout.after" problem=${problem} value=${rollout.after == null ? null : Math.round(rollout.after / 60)} onChange=${(/** @type {number | null} */ n) => change("rollout.after", n == null ? null : n * 60)} />
        <${NumberField} label="Stop when more than this fail" ...${share("rollout.max_failure_rate", rollout.max_failure_rate)} />
        <${NumberField} label="Stop when more than this close it unread" optional ...${share("rollout.max_close_rate", rollout.max_close_rate)} />`}</div></fieldset>`}
    ${problem?.field("rollout") && html`<p class="error">${problem.field("rollout")}</p>`}
    <${Check} label="Pause by itself when too much fails" checked=${Boolean(pause)} onChange=${(/** @type {boolean} */ on) => change("auto_pause", on ? { failure_rate: 0.2, least: 200 } : null)} />
    ${pause && html`<div class="fields inset"><${NumberField} label="From this share of failures" ...${share("auto_pause.failure_rate", pause.failure_rate)} />
      <${NumberField} label="Judged from so many answers on" min="1" path="auto_pause.least" problem=${problem} value=${pause.least} onChange=${set("auto_pause.least")} /></div>`}
    <${Check} label="Can be withdrawn" hint="Taken back from those for whom push services still keep it. State a fallback, too." checked=${form.withdrawable} onChange=${set("withdrawable")} />
    ${problem?.field("withdrawable") && html`<p class="error">${problem.field("withdrawable")}</p>`}
  <//>`;
}

/** @param {Props} props */
export function Belongs({ site, form, change, problem }) {
  const categories = useLoad((signal) => api.all(`/v1/sites/${site.id}/categories`, { signal }), []);
  const set = (/** @type {string} */ path) => (/** @type {any} */ value) => change(path, value);
  const utm = form.utm || {};
  const own = site.settings?.utm || {};
  const cap = site.settings?.frequency_cap;
  const setUtm = (/** @type {string} */ name) => (/** @type {string} */ value) => change("utm", { ...utm, [name]: value });
  const said = [form.category, form.priority == "transactional" && "transactional", form.options.urgency != "normal" && `${form.options.urgency} urgency`, form.options.topic && "topic", Object.values(utm).some(Boolean) && "UTM"].filter(Boolean).join(", ");
  return html`<${Fold} title="Category, priority, links" summary=${said} problem=${problem} paths=${["category", "priority", "utm", "options.urgency", "options.topic"]}>
    <${Select} label="Category" path="category" problem=${problem} value=${form.category} onChange=${set("category")}
      options=${[{ value: "", text: "none" }, ...(categories.data || []).map((each) => ({ value: each.name, text: each.title }))]} hint="Visitors may leave a category without leaving the site; who has gets nothing of it." />
    <${Select} label="Priority" path="priority" problem=${problem} value=${form.priority} onChange=${set("priority")} options=${[{ value: "", text: "by itself: up to 1,000 named visitors are transactional" }, { value: "bulk", text: "bulk" }, { value: "transactional", text: "transactional: goes first, at any hour" }]} />
    ${cap ? html`<${Notice}>This site sends nobody more than ${cap.messages} ${cap.messages == 1 ? "message" : "messages"} within ${cap.hours} hours${cap.minutes_between ? `, and none within ${cap.minutes_between} minutes of another` : ""}. Who has had enough is left out; transactional messages pass.<//>` : null}
    <div class="fields">
      <${Select} label="Urgency" path="options.urgency" problem=${problem} value=${form.options.urgency} onChange=${set("options.urgency")} options=${[{ value: "very-low", text: "very low: when on power and Wi-Fi" }, { value: "low", text: "low: on either" }, { value: "normal", text: "normal" }, { value: "high", text: "high: also with a low battery" }]} />
      <${TextField} label="Topic" optional maxlength="32" path="options.topic" problem=${problem} value=${form.options.topic} onChange=${set("options.topic")} hint="Takes the place of a message with the same topic that still waits." /></div>
    <fieldset><legend>UTM parameters</legend><p class="hint">Added to links for your analytics; a parameter that a link has itself stays.</p><div class="fields">
      ${["source", "medium", "campaign", "term", "content"].map((name) => html`<${TextField} key=${name} label=${`utm_${name}`} maxlength="200" path=${`utm.${name}`} problem=${problem} value=${utm[name]} placeholder=${own[name] || ""} onChange=${setUtm(name)} />`)}</div></fieldset>
  <//>`;
}
