import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { go, link } from "../routes.js";
import { Badge, Button, Check, Code, confirm, Dialog, Empty, Form, Loaded, Notice, Page, Section, Select, Table, Tabs, TextField, Time, toast, useLoad, usePages, useSession } from "../ui/index.js";

const SCOPES = [
  ["read", "Look", "Messages, subscribers, statistics. Needed for signing in here."],
  ["send", "Send", "Make and change messages."],
  ["manage", "Manage", "Everything else: settings, keys, tokens, imports and exports."],
];

/** Who may do what, and who did. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  const tab = params.tab || "tokens";
  return html`<${Page} title="Tokens and audit">
    <${Tabs} label="Tokens and audit" items=${[
      { text: "Tokens", on: tab == "tokens", href: link("/s/:site/tokens", { site: site.id }) },
      { text: "Audit log", on: tab == "audit", href: link("/s/:site/tokens/:tab", { site: site.id, tab: "audit" }) },
    ]} />
    ${tab == "audit" ? html`<${Audit} site=${site} params=${params} />` : html`<${Tokens} site=${site} />`}
  <//>`;
}

/** @param {{site: any}} props */
function Tokens({ site }) {
  const path = `/v1/sites/${site.id}/tokens`;
  const tokens = useLoad((signal) => api.get(path, { signal }), [path]);
  const [making, make] = useState(false);
  const { may } = useSession();
  const revoke = (/** @type {any} */ token) =>
    confirm({
      title: `Revoke “${token.name}”?`,
      body: html`<p>Whatever uses it stops working at once, this dashboard included if you are signed in with it. There is no way back: make another instead.</p>`,
      confirm: "Revoke the token",
      danger: true,
      action: async () => {
        await api.del(`${path}/${token.id}`);
        await tokens.reload();
        toast("The token is revoked.");
      },
    });
  return html`
    <${Section} title=${`Tokens of ${site.name}`} flush lead="For back ends, and for signing in here. A token of one site sees nothing of the others." actions=${may("manage") && html`<${Button} kind="primary" small icon="plus" onClick=${() => make(true)}>New token<//>`}>
      <${Loaded} load=${tokens}>${(/** @type {any} */ data) => html`<${Table} label="API tokens" rows=${data.items}
        empty=${html`<${Empty} title="This site has no tokens of its own." icon="tokens">Give your back end one that can only send.<//>`} columns=${[
          { head: "Name", main: true, cell: (t) => html`<b>${t.name}</b><small><code>${t.id}</code></small>` },
          { head: "May", cell: (t) => html`<span class="actions">${t.scopes.map((/** @type {string} */ each) => html`<${Badge} tone=${each == "manage" ? "warn" : "quiet"}>${each}<//>`)}</span>` },
          { head: "State", cell: (t) => html`<${Badge} state=${stateOf(t)} />` },
          { head: "Made", cell: (t) => html`<${Time} at=${t.created_at} style="date" />` },
          { head: "Expires", cell: (t) => html`<${Time} at=${t.expires_at} style="date" none="never" />` },
          { head: html`<span class="hidden">Actions</span>`, name: "", tight: true, cell: (t) => stateOf(t) == "active" && html`<${Button} small kind="danger" onClick=${() => revoke(t)}>Revoke<//>` },
        ]} />`}<//>
    <//>
    <${Notice}>Tokens for all sites are made on the gateway's machine: <code>python -m gateway token new</code>.<//>
    ${making && html`<${NewToken} path=${path} onClose=${() => (make(false), tokens.reload())} />`}`;
}

/** @param {{path: string, onClose: () => void}} props */
function NewToken({ path, onClose }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState(/** @type {string[]} */ (["send"]));
  const [days, setDays] = useState("");
  const [made, set] = useState(/** @type {any} */ (null));
  async function save() {
    const expires_at = days ? new Date(Date.now() + Number(days) * 86400000).toISOString() : null;
    set(await api.post(path, { name: name.trim(), scopes, expires_at }));
  }
  if (made) {
    return html`<${Dialog} title="Copy it now" onClose=${onClose}>
      <${Notice} tone="warn">It is shown this once: the gateway keeps only its hash.<//>
      <${Code} text=${made.token} label="Copy the token" />
      <div class="form-foot end"><${Button} kind="primary" onClick=${onClose}>I have it<//></div><//>`;
  }
  return html`<${Dialog} title="New token" onClose=${onClose}>
    <${Form} save=${save} submit="Make the token" disabled=${!scopes.length} onCancel=${onClose} shown=${["name", "scopes", "expires_at"]}>${(/** @type {any} */ { problem }) => html`
      <${TextField} label="Name" path="name" problem=${problem} value=${name} onChange=${setName} placeholder="Shop back end" hint="What uses it, so that you know it again." />
      <fieldset class="stack tight"><legend>It may</legend>${SCOPES.map(([scope, label, hint]) => html`<${Check} label=${label} hint=${hint} checked=${scopes.includes(scope)} onChange=${(/** @type {boolean} */ on) => setScopes(on ? [...scopes, scope] : scopes.filter((each) => each != scope))} />`)}</fieldset>
      <${Select} label="Expires" path="expires_at" problem=${problem} value=${days} onChange=${setDays} options=${[{ value: "", text: "Never" }, { value: "30", text: "In 30 days" }, { value: "90", text: "In 90 days" }, { value: "365", text: "In a year" }]} />`}
    <//><//>`;
}

/** @param {any} token */
const stateOf = (token) => (token.revoked_at ? "revoked" : token.expires_at && new Date(token.expires_at) <= new Date() ? "expired" : "active");

/** @param {{site: any, params: Record<string, string>}} props */
function Audit({ site, params }) {
  const { allSites } = useSession();
  const wanted = { action: params.action || "", actor: params.actor || "", of: params.of || "site" };
  const query = { action: wanted.action, actor: wanted.actor, site: allSites && wanted.of == "site" ? site.id : "" };
  const log = usePages("/v1/audit", query, { limit: 50 });
  const filter = (/** @type {any} */ change) => go(link("/s/:site/tokens/:tab", { site: site.id, tab: "audit" }, { ...wanted, ...change }), true);
  const action = debounced((/** @type {string} */ value) => filter({ action: value.trim() }));
  return html`<${Section} title="Who changed what" lead="Every change by an admin, a token or the command line; never a secret." flush>
    <div class="filters">
      ${allSites && html`<${Select} label="Of" value=${wanted.of} onChange=${(/** @type {string} */ of) => filter({ of })} options=${[{ value: "site", text: site.name }, { value: "all", text: "All sites and the gateway" }]} />`}
      <${TextField} label="Action" value=${wanted.action} onChange=${action} placeholder="site.changed" list="audit-actions" />
      <datalist id="audit-actions">${[...new Set((log.items || []).map((/** @type {any} */ each) => each.action))].map((each) => html`<option value=${each}></option>`)}</datalist>
      ${wanted.actor && html`<${Button} small icon="close" onClick=${() => filter({ actor: "" })}>By ${wanted.actor}<//>`}
    </div>
    <${Table} label="Audit log" pages=${log} keyOf=${(/** @type {any} */ row) => row.at + row.action + row.target} empty=${html`<${Empty} title="Nothing like this was done." icon="search" />`} columns=${[
      { head: "When", tight: true, cell: (e) => html`<${Time} at=${e.at} />` },
      { head: "What", main: true, cell: (e) => html`<b>${e.action}</b>${Object.keys(e.detail).length > 0 && html`<small class="pre">${Object.entries(e.detail).map(([name, value]) => `${name}: ${typeof value == "object" ? JSON.stringify(value) : value}`).join("\n")}</small>`}` },
      { head: "Of", cell: (e) => html`<code>${e.target}</code>` },
      { head: "By", cell: (e) => html`<button class="linklike" type="button" title="Only this one's changes" onClick=${() => filter({ actor: e.actor })}><code>${e.actor}</code></button>` },
    ]} />
  <//>`;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;
/** @param {(value: string) => void} then */
const debounced = (then) => (/** @type {string} */ value) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => then(value), 400);
};
