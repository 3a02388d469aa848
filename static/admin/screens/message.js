/** One message: how far it is, what came of it, and what can still be done about it. */
import { html } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { link } from "../routes.js";
import { Badge, Loaded, Notice, Page, Progress, ProgressLine, Section, Stat, Stats, Time, duration, number, percent, useLive, useLoad } from "../ui/index.js";
import { Actions } from "./message/actions.js";
import { About } from "./message/about.js";
import { Curves } from "./message/curves.js";
import { Failures } from "./message/failures.js";
import { VariantResults } from "./message/variants.js";
import { kinds } from "./messages.js";

const GOING = ["sending", "paused", "scheduled", "open"];
const ENDED = ["cancelled", "expired"];
const AFTERWARDS = 15000; // displays and clicks go on coming when the sending has ended

/** @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  const path = `/v1/sites/${site.id}/messages/${params.id}`;
  const { messages: live } = useLive(site.id);
  const heard = live[params.id];
  // Asked for anew when its state changes; between, what is heard live goes over it.
  const loaded = useLoad(async (signal) => ({ ...(await api.get(path, { signal })), readAt: Date.now() }), [path, heard?.state], { every: AFTERWARDS, keep: true });
  const message = loaded.data && heard && heard.heardAt > loaded.data.readAt ? { ...loaded.data, ...heard } : loaded.data;
  const back = { href: link("/s/:site/messages", { site: site.id }), text: "Messages" };
  if (!message) return html`<${Page} title="Message" back=${back}><${Loaded} load=${loaded}>${() => null}<//><//>`;
  const title = message.withdrawal_of ? "Withdrawal" : message.notification.title;
  return html`<${Page} name=${title} title=${html`${title} <${Badge} state=${message.state} />`} back=${back} lead=${lead(message, site)}
      actions=${html`<${Actions} site=${site} message=${message} reload=${loaded.reload} />`}>
    ${message.state_reason && html`<${Notice} tone=${message.state == "paused" || message.state == "expired" ? "warn" : "info"}>${message.state_reason.charAt(0).toUpperCase() + message.state_reason.slice(1)}${message.waiting_until && html`, until <${Time} at=${message.waiting_until} />`}.<//>`}
    <${Sending} message=${message} />
    ${message.results.variants && html`<${VariantResults} message=${message} site=${site} reload=${loaded.reload} />`}
    ${message.started_at && html`<${Curves} site=${site} message=${message} />`}
    ${(message.progress.failed > 0 || message.progress.gone > 0 || message.progress.expired > 0 || message.progress.skipped > 0) && html`<${Failures} site=${site} message=${message} reload=${loaded.reload} />`}
    <${About} site=${site} message=${message} />
  <//>`;
}

/** @param {any} message @param {any} site */
function lead(message, site) {
  const of = (/** @type {string} */ id, /** @type {string} */ text) => html`<a href=${link("/s/:site/messages/:id", { site: site.id, id })}>${text}</a>`;
  const took = message.ended_at ? (Date.parse(message.ended_at) - Date.parse(message.started_at)) / 1000 : 0;
  const said = kinds(message).filter((each) => !["A/B", "occurrence", "withdrawal", "once more", "test", "step of an automation"].includes(each)).join(", ");
  return html`<span class="lead-parts">
    ${message.state == "draft" ? html`<span>Draft of <${Time} at=${message.created_at} /></span>` : message.started_at ? html`<span>Started <${Time} at=${message.started_at} style="full" />${took >= 1 && html`, took ${duration(took)}`}</span>` : html`<span>${ENDED.includes(message.state) ? "Was to start" : message.recurrence ? "Next on" : "Starts"} <${Time} at=${message.send_at} style="full" /></span>`}
    ${said && html`<span>${said}</span>`}
    ${message.series && html`<span>an occurrence of ${of(message.series, "a series")}</span>`}
    ${message.recurrence && html`<a href=${link("/s/:site/messages", { site: site.id }, { series: message.id })}>its occurrences</a>`}
    ${message.automation && html`<span>a step of <a href=${link("/s/:site/automations/:id", { site: site.id, id: message.automation })}>an automation</a></span>`}
    ${message.replay_of && html`<span>sends ${of(message.replay_of, "a message")} once more</span>`}
    ${message.test_of && html`<span>a test of ${of(message.test_of, "a message")}</span>`}
    ${message.withdrawal_of && html`<span>takes back ${of(message.withdrawal_of, "a message")}</span>`}
    ${message.withdrawal && html`<span>${of(message.withdrawal, "its withdrawal")}</span>`}
  </span>`;
}

/** @param {{message: any}} props */
function Sending({ message }) {
  const { progress, results, state } = message;
  if (!message.started_at && !progress.audience) return null;
  const going = GOING.includes(state);
  return html`<${Section} title="Progress" actions=${going ? html`<${ProgressLine} progress=${progress} />` : null}>
    ${progress.audience == null ? html`<p class="muted">The audience is being judged: everybody in it, by all the rules.</p>` : html`<${Progress} progress=${progress} state=${state} />`}
    <${Stats}>
      <${Stat} label="Audience" value=${number(progress.audience)} hint=${message.unknown ? `${number(message.unknown)} names that nobody has` : ""} />
      <${Stat} label="Accepted" value=${number(progress.accepted)} hint=${progress.audience ? `${percent(progress.accepted / progress.audience)} of the audience` : ""} />
      <${Stat} label="Displayed" value=${number(results.displayed)} hint=${results.display_rate == null ? "" : `${percent(results.display_rate)} of accepted`} />
      <${Stat} label="Clicked" value=${number(results.clicked)} hint=${results.click_rate == null ? "" : `${percent(results.click_rate)} of accepted`} />
      <${Stat} label="Closed" value=${number(results.closed)} hint="without a click" />
    <//>
  <//>`;
}
