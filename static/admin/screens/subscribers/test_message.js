/** A message to one browser, to see whether it arrives. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { link } from "../../routes.js";
import { Dialog, Form, Loaded, Notice, Progress, TextArea, TextField, useLoad } from "../../ui/index.js";

/** @param {{site: any, subscription: any, onClose: () => void}} props */
export function TestMessage({ site, subscription, onClose }) {
  const [title, setTitle] = useState("A test");
  const [body, setBody] = useState(`From ${site.name}: if you read this, it works.`);
  const [sent, setSent] = useState(/** @type {string | null} */ (null));
  const [key] = useState(() => crypto.getRandomValues(new Uint32Array(3)).join("-"));
  async function send() {
    const message = { notification: { title, ...(body && { body }) }, audience: { subscriptions: [subscription.id] }, priority: "transactional", options: { ttl: 600, urgency: "high" } };
    const made = await api.post(`/v1/sites/${site.id}/messages`, message, { headers: { "Idempotency-Key": `test-${key}` } });
    setSent(made.id);
  }
  if (sent) return html`<${Dialog} title="The test is on its way" onClose=${onClose}><${Fate} site=${site} id=${sent} /><//>`;
  return html`<${Dialog} title="Send a test" onClose=${onClose}>
    <${Form} save=${send} submit="Send it now" onCancel=${onClose} shown=${["notification.title", "notification.body"]} disabled=${!title.trim()}>${(/** @type {any} */ { problem }) => html`
      <p class="muted">To this browser only. If it is off, the push service keeps it for ten minutes.</p>
      <${TextField} label="Title" path="notification.title" problem=${problem} value=${title} onChange=${setTitle} maxlength="200" />
      <${TextArea} label="Text" optional rows="2" path="notification.body" problem=${problem} value=${body} onChange=${setBody} maxlength="1000" />`}
    <//><//>`;
}

/** @param {{site: any, id: string}} props */
function Fate({ site, id }) {
  const load = useLoad((signal) => api.get(`/v1/sites/${site.id}/messages/${id}`, { signal }), [id], { every: 1000, keep: true });
  return html`<${Loaded} load=${load}>${(/** @type {any} */ { progress, results, state }) => html`
    ${progress.audience != null && html`<${Progress} progress=${progress} state=${state} />`}
    <div role="status">${results.clicked ? html`<${Notice} tone="good">It was clicked.<//>`
      : results.displayed ? html`<${Notice} tone="good">The browser has displayed it.<//>`
      : progress.accepted ? html`<${Notice}>The push service took it. As soon as the browser displays it, it says so here.<//>`
      : progress.gone ? html`<${Notice} tone="bad">The push service says that this subscription has ended.<//>`
      : progress.failed ? html`<${Notice} tone="bad">It could not be delivered: <a href=${link("/s/:site/messages/:id", { site: site.id, id })}>see why</a>.<//>`
      : html`<p class="muted">Sending…</p>`}</div>`}<//>`;
}
