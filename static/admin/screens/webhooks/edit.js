/** What a webhook is told of, and the secret that signs it. */
import { html, useState } from "../../vendor/preact-htm.js";
import { Button, Check, Code, Dialog, Form, Notice, TextField } from "../../ui/index.js";

/** @type {[string, [string, string][]][]} */
const EVENTS = [
  ["Messages", [["message.started", "started"], ["message.paused", "paused"], ["message.resumed", "resumed"], ["message.sent", "sent: everybody has an outcome"], ["message.cancelled", "cancelled"], ["message.expired", "expired"]]],
  ["Subscriptions", [["subscription.created", "somebody has subscribed"], ["subscription.ended", "one has ended, and why"]]],
  ["Pushes", [["push.failed", "one was not delivered"], ["push.accepted", "one was accepted: one event for each recipient, so much"]]],
  ["What visitors do", [["event.displayed", "a notification was displayed"], ["event.clicked", "clicked"], ["event.closed", "closed"]]],
  ["The gateway", [["alert.raised", "an alert is raised"], ["alert.ended", "an alert has ended"]]],
];
const USUAL = ["message.sent", "subscription.created", "subscription.ended", "push.failed", "event.clicked", "alert.raised"];

/** @param {{title: string, webhook: any, submit: string, save: (body: any) => Promise<unknown>, onClose: () => void}} props */
export function EditWebhook({ title, webhook, submit, save, onClose }) {
  const [url, setUrl] = useState(webhook.url);
  const [description, setDescription] = useState(webhook.description);
  const [events, setEvents] = useState(/** @type {string[]} */ (webhook.events.length ? webhook.events : USUAL));
  const toggle = (/** @type {string} */ type, /** @type {boolean} */ on) => setEvents(on ? [...events, type] : events.filter((each) => each != type));
  return html`<${Dialog} title=${title} onClose=${onClose} wide>
    <${Form} save=${() => save({ url: url.trim(), description: description.trim(), events })} submit=${submit} onCancel=${onClose} disabled=${!url.trim() || !events.length} shown=${["url", "description", "events"]}>${(/** @type {any} */ { problem }) => html`
      <${TextField} label="Address" type="url" inputmode="url" path="url" problem=${problem} value=${url} onChange=${setUrl} placeholder="https://example.com/hooks/push" hint="https, at an address that the whole internet reaches." spellcheck="false" />
      <${TextField} label="Name" optional path="description" problem=${problem} value=${description} onChange=${setDescription} maxlength="200" placeholder="CRM" />
      <div class="events">${EVENTS.map(([group, types]) => html`<fieldset class="stack tight"><legend>${group}</legend>${types.map(([type, text]) => html`<${Check} key=${type} label=${html`<code>${type}</code>`} hint=${text} checked=${events.includes(type)} onChange=${(/** @type {boolean} */ on) => toggle(type, on)} />`)}</fieldset>`)}</div>
      ${problem?.field("events") && html`<p class="error">${problem.field("events")}</p>`}`}
    <//><//>`;
}

/** @param {{secret: string, onClose: () => void, children?: any}} props */
export const Secret = ({ secret, onClose, children }) => html`<${Dialog} title="Copy the secret now" onClose=${onClose}>
  <${Notice} tone="warn">It is shown this once. With it your back end checks that a request is ours.<//>
  <${Code} text=${secret} label="Copy the secret" />
  <p class="hint">Signed as <a href="https://www.standardwebhooks.com" target="_blank" rel="noopener noreferrer">Standard Webhooks</a> say: libraries of theirs for your language check it in one line.</p>
  ${children}
  <div class="form-foot end"><${Button} kind="primary" onClick=${onClose}>I have it<//></div><//>`;
