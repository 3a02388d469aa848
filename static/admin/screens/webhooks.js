import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { link } from "../routes.js";
import { Badge, Button, duration, Empty, Notice, Page, Section, Table, usePages, useSession } from "../ui/index.js";
import { EditWebhook, Secret } from "./webhooks/edit.js";
import { One } from "./webhooks/one.js";

/** The list, and one with its deliveries. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  return params.id ? html`<${One} site=${site} id=${params.id} params=${params} />` : html`<${List} site=${site} />`;
}

/** @param {{site: any}} props */
function List({ site }) {
  const path = `/v1/sites/${site.id}/webhooks`;
  const pages = usePages(path, {}, { limit: 50, every: 15000 });
  const { may } = useSession();
  const [making, make] = useState(false);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const add = may("manage") && html`<${Button} kind="primary" icon="plus" onClick=${() => make(true)}>New webhook<//>`;
  async function save(/** @type {any} */ body) {
    setMade(await api.post(path, body));
    make(false);
    await pages.reload();
  }
  return html`<${Page} title="Webhooks" lead="Your back end is told what happens here, signed, and again until it has taken it." actions=${!pages.problem?.isMissingRoute && add}>
    <${Section} flush><${Table} label="Webhooks" pages=${pages}
      empty=${html`<${Empty} icon="webhooks" title="Nobody is told yet." action=${add}>A webhook is an address of yours that the gateway calls: when a subscription ends, when a push fails, when an alert is raised.<//>`} columns=${[
        { head: "Address", main: true, cell: (each) => html`<a href=${link("/s/:site/webhooks/:id", { site: site.id, id: each.id })}>${each.description || each.url}</a>${each.description && html`<small>${each.url}</small>`}` },
        { head: "Told of", cell: (each) => html`<span title=${each.events.join("\n")}>${each.events.length == 1 ? each.events[0] : `${each.events.length} kinds of events`}</span>` },
        { head: "State", cell: (each) => html`<${Badge} state=${each.state} />` },
        { head: "Deliveries", cell: Health },
      ]} /><//>
    ${making && html`<${EditWebhook} title="New webhook" webhook=${{ url: "", description: "", events: [] }} submit="Add the webhook" save=${save} onClose=${() => make(false)} />`}
    ${made && html`<${Secret} secret=${made.secret} onClose=${() => setMade(null)}><${Notice}>Send it a test next: open it in the list.<//><//>`}
  <//>`;
}

/** @param {any} webhook */
export function Health(webhook) {
  if (webhook.failing_since) return html`<${Badge} tone="bad">Failing<//>${webhook.last_error && html`<small>${webhook.last_error}</small>`}`;
  if (webhook.lag_seconds >= 60) return html`<${Badge} tone="warn">${duration(webhook.lag_seconds)} behind<//>`;
  return html`<span class="muted">up to date</span>`;
}
