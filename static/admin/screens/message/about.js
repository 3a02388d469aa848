/** What it says, to whom, and by which rules. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { link } from "../../routes.js";
import { Facts, Id, Section, Time, duration, number, percent, useLoad, useSite } from "../../ui/index.js";
import { Devices } from "../compose/devices.js";
import { nameOf } from "../compose/languages.js";
import { plain } from "../compose/preview.js";
import { words } from "../segments/expression.js";

/** @param {{site: any, message: any}} props */
export function About({ site, message }) {
  const { notification } = message;
  const languages = Object.keys(message.translations);
  return html`
    <${Section} title="What it says" lead=${languages.length ? `Also in ${languages.map(nameOf).join(", ")}` : null}>
      <${Devices} site=${site} notification=${{ ...notification, title: plain(notification.title), body: plain(notification.body) }} />
      <${Facts} items=${[
        ["Title", notification.title], ["Text", notification.body && html`<span class="pre">${notification.body}</span>`],
        ["Link", notification.url && html`<a href=${/^https?:/.test(notification.url) ? notification.url : null} target="_blank" rel="noopener noreferrer">${notification.url}</a>`],
        ["Buttons", notification.actions?.length ? notification.actions.map((/** @type {any} */ each) => `${each.title}${each.url ? ` → ${each.url}` : ""}`).join(", ") : null],
        ["Tag", notification.tag], ["Fallback", message.fallback && [message.fallback.title, message.fallback.body].filter(Boolean).join(": ")],
        ["UTM", message.utm && Object.entries(message.utm).filter(([, value]) => value).map(([name, value]) => `${name}=${value}`).join(", ")],
        ["Data", notification.data && html`<code>${JSON.stringify(notification.data)}</code>`],
      ]} />
    <//>
    <${Section} title="To whom, and by which rules"><${Facts} items=${[["Audience", html`<${Audience} site=${site} message=${message} />`], ...rules(message), ["Id", html`<${Id} id=${message.id} />`]]} /><//>`;
}

/** @param {{site: any, message: any}} props */
function Audience({ site, message }) {
  const { zone } = useSite();
  const audience = message.audience || {};
  const segment = useLoad((signal) => api.get(`/v1/sites/${site.id}/segments/${audience.segment}`, { signal }), [audience.segment], { skip: !audience.segment });
  const of = (/** @type {string} */ id, /** @type {string} */ text) => html`<a href=${link("/s/:site/messages/:id", { site: site.id, id })}>${text}</a>`;
  if (audience.all) return "Everybody";
  if (audience.segment) return html`<a href=${link("/s/:site/segments/:id", { site: site.id, id: audience.segment })}>${segment.data?.name || "A segment"}</a>${segment.problem?.status == 404 && " (deleted since)"}${audience.resolved && html`<br /><span class="muted">settled at the start: who ${words(audience.resolved, { zone })}</span>`}`;
  if (audience.where) return `Who ${words(audience.resolved || audience.where, { zone })}`;
  if (audience.external_ids) return `${number(audience.external_ids.length)} named visitors`;
  if (audience.subscriptions) return `${number(audience.subscriptions.length)} named browsers`;
  if (audience.recipients) return `${number(audience.recipients.length)} named visitors, with data of their own`;
  if (audience.uploaded) return `${number(audience.names)} uploaded names`;
  if (audience.automation) return "Whoever comes to this step of the automation";
  if (audience.failures_of) return html`Those whom ${of(audience.failures_of, "a message")} did not reach`;
  if (audience.withdrawal_of) return html`Those who had not seen ${of(audience.withdrawal_of, "the message")}`;
  return "–";
}

/** @param {any} message @returns {[any, any][]} */
function rules(message) {
  const { local_time: local, best_hour: best, recurrence, rollout, auto_pause: pause, variants, options } = message;
  return [
    ["When", recurrence ? html`<code>${recurrence.cron}</code> by the clock of ${recurrence.timezone}` : local ? `${local.at.replace("T", " ")} by each visitor's clock` : best ? `each visitor's best hour, within ${best.within_hours} hours` : html`<${Time} at=${message.send_at} style="full" />`],
    ["Next times", message.next_occurrences?.length ? message.next_occurrences.map((/** @type {string} */ at, /** @type {number} */ i) => html`${i > 0 && ", "}<${Time} at=${at} />`) : null],
    ["Ends", message.expires_at && html`<${Time} at=${message.expires_at} style="full" />`],
    ["True until", message.valid_until && html`<${Time} at=${message.valid_until} style="full" />`],
    ["Kept for who is away", duration(options.ttl)],
    ["Priority", `${message.priority}${options.urgency != "normal" ? `, ${options.urgency} urgency` : ""}`],
    ["Topic", options.topic], ["Category", message.category],
    ["Quiet hours", message.quiet_hours == "override" ? "passed over" : null],
    ["Rate", message.rate && `at most ${number(message.rate)} a second`],
    ["Variants", variants && `${variants.options.map((/** @type {any} */ each) => `${each.name} ${each.weight} %`).join(", ")}${variants.holdout ? `; ${variants.holdout} % held out` : ""}${variants.winner ? `; of ${variants.winner.sample} % first, the better one for the rest after ${duration(variants.winner.after)}` : ""}`],
    ["Roll-out", rollout && `${rollout.first} % first, then ${rollout.then == "manual" ? "by hand" : "by itself when that went well"}`],
    ["Pauses itself", pause && `when ${percent(pause.failure_rate)} of ${number(pause.least ?? 200)} answers or more fail`],
    ["When late", message.misfire?.then == "expire" ? `not sent later than ${duration(message.misfire.after)} after its time` : null],
    ["Withdrawable", message.withdrawable ? "yes" : null],
    ["Made", html`<${Time} at=${message.created_at} style="full" />`],
  ];
}
