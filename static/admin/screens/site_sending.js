import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { Check, Choice, Form, NumberField, ownZone, Section, Select, TextField, time, toast, useSession, useSite } from "../ui/index.js";

const UTM = [
  ["source", "Source", "newsletter"],
  ["medium", "Medium", "web-push"],
  ["campaign", "Campaign", "autumn"],
  ["term", "Term", ""],
  ["content", "Content", ""],
];

/** What holds for all messages of a site. @param {{site: any}} props */
export function Sending({ site }) {
  const { may } = useSession();
  const { reload } = useSite();
  const now = site.settings;
  const [timezone, setTimezone] = useState(now.timezone);
  const [quiet, setQuiet] = useState(now.quiet_hours);
  const [cap, setCap] = useState(now.frequency_cap);
  const [utm, setUtm] = useState(now.utm || {});
  const [channel, setChannel] = useState(now.sdk_channel);
  async function save() {
    const given = Object.fromEntries(Object.entries(utm).filter(([, value]) => value));
    const settings = { timezone: timezone.trim() || null, quiet_hours: quiet, frequency_cap: cap, utm: Object.keys(given).length ? given : null };
    await api.patch(`/v1/sites/${site.id}`, { settings: channel === undefined ? settings : { ...settings, sdk_channel: channel } });
    await reload();
    toast("Saved.");
  }
  const zones = /** @type {any} */ (Intl).supportedValuesOf?.("timeZone") || [];
  return html`<${Form} save=${save} disabled=${!may("manage")} shown=${["settings.timezone", "settings.quiet_hours", "settings.frequency_cap", "settings.utm", "settings.sdk_channel"]}>${(/** @type {any} */ { problem }) => html`
    <${Section} title="Clock">
      <${TextField} label="Time zone" path="settings.timezone" problem=${problem} value=${timezone} onChange=${setTimezone} list="zones" autocomplete="off"
        hint=${html`For visitors whose own is not known, and for all times on these pages. It is ${clock(timezone)} there now.${timezone != ownZone && html` <button type="button" class="linklike" onClick=${() => setTimezone(ownZone)}>Take mine, ${ownZone}</button>`}`} />
      <datalist id="zones">${zones.map((/** @type {string} */ each) => html`<option value=${each}></option>`)}</datalist>
    <//>
    <${Section} title="Quiet hours" lead="Nobody is disturbed in these; what is due then waits until they end.">
      <${Check} label="Keep quiet hours" checked=${Boolean(quiet)} onChange=${(/** @type {boolean} */ on) => setQuiet(on ? { from: "22:00", to: "08:00", zone: "visitor" } : null)} />
      ${quiet && html`<div class="fields">
        <${TextField} type="time" label="From" path="settings.quiet_hours.from" problem=${problem} error=${problem?.field("settings.quiet_hours")} value=${quiet.from} onChange=${(/** @type {string} */ from) => setQuiet({ ...quiet, from })} />
        <${TextField} type="time" label="To" path="settings.quiet_hours.to" problem=${problem} value=${quiet.to} onChange=${(/** @type {string} */ to) => setQuiet({ ...quiet, to })} />
        <${Choice} label="By whose clock" value=${quiet.zone} onChange=${(/** @type {string} */ zone) => setQuiet({ ...quiet, zone })} options=${[{ value: "visitor", text: "Each visitor's" }, { value: "site", text: "The site's" }]} />
      </div>`}
    <//>
    <${Section} title="Frequency cap" lead="Nobody gets more than this. Transactional messages do not count.">
      <${Check} label="Limit how many one visitor gets" checked=${Boolean(cap)} onChange=${(/** @type {boolean} */ on) => setCap(on ? { messages: 3, hours: 24 } : null)} />
      ${cap && html`<div class="fields">
        <${NumberField} label="At most" unit="messages" path="settings.frequency_cap.messages" problem=${problem} value=${cap.messages} min="1" onChange=${(/** @type {any} */ messages) => setCap({ ...cap, messages })} />
        <${NumberField} label="Within" unit="hours" path="settings.frequency_cap.hours" problem=${problem} value=${cap.hours} min="1" max="720" onChange=${(/** @type {any} */ hours) => setCap({ ...cap, hours })} />
        <${NumberField} label="Pause after each" unit="minutes" optional path="settings.frequency_cap.minutes_between" problem=${problem} value=${cap.minutes_between} min="1" onChange=${(/** @type {any} */ value) => setCap({ messages: cap.messages, hours: cap.hours, ...(value == null ? {} : { minutes_between: value }) })} />
      </div>`}
    <//>
    <${Section} title="Campaign parameters" lead="Added to every link, so that your analytics tell clicks on notifications apart.">
      <div class="fields">${UTM.map(([name, label, example]) => html`<${TextField} label=${label} optional path=${`settings.utm.${name}`} problem=${problem} value=${/** @type {any} */ (utm)[name]} placeholder=${example} onChange=${(/** @type {string} */ value) => setUtm({ ...utm, [name]: value })} hint=${`utm_${name}`} />`)}</div>
    <//>
    ${channel !== undefined && html`<${Section} title="Scripts" lead="A new release of the scripts can reach some sites before the others.">
      <${Select} label="Release" path="settings.sdk_channel" problem=${problem} value=${channel} onChange=${setChannel} options=${[{ value: "stable", text: "Stable" }, { value: "next", text: "Next, before everybody else" }]} />
    <//>`}`}
  <//>`;
}

/** @param {string} zone */
function clock(zone) {
  try {
    return time(Date.now(), zone, "time");
  } catch {
    return "an unknown time";
  }
}
