import { html } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { Button, Code, Failure, Loading, Notice, Page, Section, number, useLoad, useSession } from "../ui/index.js";
import { Import } from "./transfer/import.js";

const LINE = `{"endpoint": "https://fcm.googleapis.com/fcm/send/…", "keys": {"p256dh": "BN…", "auth": "k8…"},
 "external_id": "customer-12", "language": "de", "timezone": "Europe/Berlin", "tags": ["vip"], "attributes": {"first_name": "Anna"}}`;

/** Subscriptions from another vendor, or to one. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site }) {
  const { may } = useSession();
  if (!may("manage")) return html`<${Page} title="Import and export"><${Notice}>Your token may not do this: it lacks the scope manage.<//><//>`;
  return html`<${Page} title="Import and export" lead="A line of JSON for each subscription, the same way in and out.">
    <div class="grid2">
      <${Section} title="Import" lead="From another vendor, or from an export of this page.">
        <${Import} site=${site} />
        <details class="fold"><summary><span class="fold-title">What a line looks like</span></summary><div class="fold-body">
          <${Code} text=${LINE} label="Copy the example" />
          <p class="hint">On one line; <code>endpoint</code> and <code>keys</code> are needed. Bring the other vendor's private key along first (site settings, keys), or their push services will refuse yours.</p></div></details>
      <//>
      <${Section} title="Export" lead="Every active subscription, with endpoint and keys."><${Export} site=${site} /><//>
    </div>
  <//>`;
}

/** @param {{site: any}} props */
function Export({ site }) {
  const count = useLoad((signal) => api.post(`/v1/sites/${site.id}/audience/estimate`, { audience: { all: true } }, { signal }), [site.id]);
  return html`<div class="stack">
    ${count.problem ? html`<${Failure} problem=${count.problem} retry=${count.reload} compact />` : count.data ? html`<p><b class="big">${number(count.data.count)}</b> active ${count.data.count == 1 ? "subscription" : "subscriptions"}</p>` : html`<${Loading} lines="1" />`}
    <${Notice} tone="warn">Whoever has this file can push to your visitors. Keep it as you keep a password.<//>
    <div><${Button} kind="primary" icon="download" href=${api.url(`/v1/sites/${site.id}/subscriptions/export`)} download=${`${site.name} subscriptions.ndjson`}>Download the export<//></div>
    <p class="hint">It is written while it is read, so a million takes no more memory than one; your browser shows how far it is. It is in the audit log.</p>
  </div>`;
}
