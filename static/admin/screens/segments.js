import { html, useState } from "../vendor/preact-htm.js";
import { api, Problem } from "../api.js";
import { go, link } from "../routes.js";
import { Button, Empty, Form, Loaded, Page, Section, Table, TextField, Time, confirm, toast, useLoad, usePages, useSession, useSite } from "../ui/index.js";
import { Builder } from "./segments/builder.js";
import { Estimate } from "./segments/estimate.js";
import { asGroup, isComplete, words } from "./segments/expression.js";

/** The list, and one segment in the builder: `#/s/…/segments/new` is a new one. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  return params.id ? html`<${One} site=${site} id=${params.id} />` : html`<${List} site=${site} />`;
}

/** @param {{site: any}} props */
function List({ site }) {
  const { may } = useSession();
  const { zone } = useSite();
  const pages = usePages(`/v1/sites/${site.id}/segments`, {}, { limit: 100 });
  const fresh = may("send") && html`<${Button} kind="primary" icon="plus" href=${link("/s/:site/segments/:id", { site: site.id, id: "new" })}>New segment<//>`;
  const columns = [
    { head: "Name", main: true, cell: (/** @type {any} */ each) => html`<a href=${link("/s/:site/segments/:id", { site: site.id, id: each.id })}>${each.name}</a><small>${words(each.where, { zone })}</small>` },
    { head: "Changed", tight: true, cell: (/** @type {any} */ each) => html`<${Time} at=${each.changed_at} style="date" />` },
    { head: html`<span class="hidden">Use</span>`, name: "", tight: true, cell: (/** @type {any} */ each) => may("send") && html`<${Button} small href=${link("/s/:site/messages/new", { site: site.id }, { segment: each.id })}>Write to them<//>` },
  ];
  return html`<${Page} title="Segments" lead="Parts of your subscribers under a name: who bought twice, who has not clicked for a month. Who is in it is counted anew with every message." actions=${fresh}>
    <${Section} flush><${Table} label="Segments" pages=${pages} columns=${columns}
      empty=${html`<${Empty} icon="segments" title="No segments yet." action=${fresh}>Conditions over tags, attributes, languages and what people clicked, kept under a name.<//>`} /><//>
  <//>`;
}

/** @param {{site: any, id: string}} props */
function One({ site, id }) {
  const path = `/v1/sites/${site.id}/segments/${id}`;
  const fresh = { name: "", where: { all: [{ tag: "" }] } };
  const segment = useLoad(async (signal) => (id == "new" ? fresh : api.get(path, { signal })), [path]);
  const back = { href: link("/s/:site/segments", { site: site.id }), text: "Segments" };
  return html`<${Page} title=${id == "new" ? "New segment" : segment.data?.name || "Segment"} back=${back}>
    <${Loaded} load=${segment}>${(/** @type {any} */ data) => html`<${Edit} key=${data.id} site=${site} path=${path} segment=${data} />`}<//>
  <//>`;
}

/** @param {{site: any, path: string, segment: any}} props */
function Edit({ site, path, segment }) {
  const { may } = useSession();
  const { zone } = useSite();
  const [name, setName] = useState(segment.name);
  const [where, setWhere] = useState(segment.where);
  const list = link("/s/:site/segments", { site: site.id });
  async function save() {
    if (!name.trim()) throw new Problem(400, { detail: "It has no name yet.", errors: [{ path: "name", message: "Give it a name." }] });
    const body = { name: name.trim(), where: asGroup(where) };
    if (segment.id) await api.patch(path, body);
    else await api.post(`/v1/sites/${site.id}/segments`, body);
    toast("The segment is saved.");
    go(list);
  }
  async function remove() {
    const body = html`<p>Messages that have started go on. One that is scheduled for it is cancelled at its time.</p>`;
    if (await confirm({ title: `Delete “${segment.name}”?`, body, confirm: "Delete it", danger: true, action: () => api.del(path) })) go(list);
  }
  const extra = segment.id && may("send") && html`<${Button} kind="danger" icon="trash" onClick=${remove}>Delete<//>`;
  return html`<div class="grid2 first-wide">
    <${Section} title="Who is in it"><${Form} save=${save} shown=${["name"]} submit="Save the segment" disabled=${!may("send")} extra=${extra}>${(/** @type {any} */ { problem }) => html`
      <${TextField} label="Name" path="name" problem=${problem} value=${name} onChange=${setName} maxlength="200" required placeholder="VIPs who went quiet" />
      <${Builder} site=${site} value=${where} onChange=${setWhere} problem=${problem} path="where" />`}<//><//>
    <div class="stack"><${Section} title="How many that is"><${Estimate} site=${site} audience=${{ where: asGroup(where) }} ready=${isComplete(where)} />
      <p class="muted">${isComplete(where) ? `Who ${words(where, { zone })}.` : "Fill in every condition to count."}</p><//></div>
  </div>`;
}
