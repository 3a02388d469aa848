/** One webhook: how it fares, its secret, what it was sent. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Badge, Button, confirm, duration, Failure, Facts, Id, Loaded, Notice, Page, Section, Time, toast, useAction, useLoad, useSession } from "../../ui/index.js";
import { Deliveries } from "./deliveries.js";
import { EditWebhook, Secret } from "./edit.js";

/** @param {{site: any, id: string, params: Record<string, string>}} props */
export function One({ site, id, params }) {
  const path = `/v1/sites/${site.id}/webhooks/${id}`;
  const load = useLoad((signal) => api.get(path, { signal }), [path], { every: 10000, keep: true });
  const { may } = useSession();
  const [editing, edit] = useState(false);
  const [secret, setSecret] = useState("");
  const [changes, setChanges] = useState(0);
  const back = { href: link("/s/:site/webhooks", { site: site.id }), text: "Webhooks" };
  const known = load.data;
  async function changed() {
    setChanges((n) => n + 1);
    await load.reload();
  }
  const pause = useAction(async () => {
    await api.patch(path, { state: known.state == "paused" ? "active" : "paused" });
    await changed();
  });
  const remove = () =>
    confirm({
      title: "Delete this webhook?",
      body: html`<p>What was not delivered yet goes with it.</p>`,
      confirm: "Delete the webhook",
      danger: true,
      action: async () => {
        await api.del(path);
        go(back.href);
        toast("The webhook is deleted.");
      },
    });
  const rotate = () =>
    confirm({
      title: "Make a new secret?",
      body: html`<p>For 24 hours every request is signed with both, so that your back end can change over in peace. Then the old one ends.</p>`,
      confirm: "Make a new secret",
      action: async () => setSecret((await api.post(`${path}/rotate`)).secret),
    });
  const save = async (/** @type {any} */ body) => {
    await api.patch(path, body);
    edit(false);
    await changed();
    toast("Saved.");
  };
  const actions = known && may("manage") && html`
    <${Button} icon=${known.state == "paused" ? "play" : "pause"} busy=${pause.busy} onClick=${() => pause.run()}>${known.state == "paused" ? "Resume" : "Pause"}<//>
    <${Button} icon="edit" onClick=${() => edit(true)}>Change<//>
    <${Button} kind="danger" icon="trash" onClick=${remove}>Delete…<//>`;
  return html`<${Page} title=${known ? known.description || new URL(known.url).host : "Webhook"} back=${back} actions=${actions}>
    <${Failure} problem=${pause.problem} compact />
    <${Loaded} load=${load}>${(/** @type {any} */ webhook) => html`
      ${webhook.failing_since && html`<${Notice} tone="bad"><p>It has not taken anything since <${Time} at=${webhook.failing_since} />: ${webhook.last_error || "no answer"}.</p><p class="muted">Nothing is lost: it is tried again, less and less often. Once it works again a test shows it at once.</p><//>`}
      ${webhook.state == "paused" && html`<${Notice} tone="warn">It is paused: what happens is collected for seven days, and sent when it is resumed.<//>`}
      <div class="grid2 first-wide">
          <${Section} title="About it"><${Facts} items=${[
            ["Address", html`<code>${webhook.url}</code>`],
            ["State", html`<${Badge} state=${webhook.state} />`],
            ["Behind by", webhook.lag_seconds ? duration(webhook.lag_seconds) : "nothing"],
            ["Told of", html`<span class="actions">${webhook.events.map((/** @type {string} */ each) => html`<code>${each}</code>`)}</span>`],
            ["Made", html`<${Time} at=${webhook.created_at} style="date" />`],
            ["Id", html`<${Id} id=${webhook.id} />`],
          ]} /><//>
        ${may("manage") && html`<div class="stack"><${Test} path=${path} after=${changed} />
          <${Section} title="Secret" lead="Signs every request. Change it when somebody who knew it leaves."><div><${Button} icon="reload" onClick=${rotate}>Make a new one…<//></div><//></div>`}
      </div>
      <${Deliveries} site=${site} id=${id} path=${path} state=${params.state || ""} changes=${changes} after=${changed} />`}<//>
    ${editing && html`<${EditWebhook} title="Change the webhook" webhook=${known} submit="Save" save=${save} onClose=${() => edit(false)} />`}
    ${secret && html`<${Secret} secret=${secret} onClose=${() => setSecret("")} />`}
  <//>`;
}

/** @param {{path: string, after: () => Promise<unknown>}} props */
function Test({ path, after }) {
  const [outcome, set] = useState(/** @type {any} */ (null));
  const test = useAction(async () => {
    set(null);
    set(await api.post(`${path}/test`));
    await after();
  });
  return html`<${Section} title="Test" lead="One request with one event, webhook.test; the answer shows here.">
    <div><${Button} kind="primary" busy=${test.busy} onClick=${() => test.run()}>${test.busy ? "Waiting for the answer…" : "Send a test"}<//></div>
    <${Failure} problem=${test.problem} compact />
    <div role="status">${outcome && html`<${Notice} tone=${outcome.state == "delivered" ? "good" : "bad"}>${outcome.state == "delivered" ? `It was taken: ${outcome.status}.` : `It was not taken. ${outcome.error || (outcome.status ? `The answer was ${outcome.status}.` : "There was no answer.")}`}<//>`}</div>
  <//>`;
}
