/** One template: its texts, what its gaps hold by default, how push services treat it, and what it looks like. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Button, confirm, Form, Id, Loaded, NumberField, Page, Section, Select, TextField, toast, useLoad, useSession } from "../../ui/index.js";
import { Content } from "../compose/content.js";
import { Devices } from "../compose/devices.js";
import { put, saidBy, TTL } from "../compose/form.js";
import { plain } from "../compose/preview.js";
import { filledIn, variablesOf } from "../compose/template.js";

const FRESH = { name: "", notification: { title: "", body: "", url: "" }, options: { ttl: TTL, urgency: "normal", topic: null }, variables: {} };

/** @param {{site: any, id: string}} props */
export function One({ site, id }) {
  const path = `/v1/sites/${site.id}/templates/${id}`;
  const load = useLoad(async (signal) => (id == "new" ? FRESH : api.get(path, { signal })), [path]);
  const { may } = useSession();
  const back = { href: link("/s/:site/templates", { site: site.id }), text: "Templates" };
  const remove = () =>
    confirm({
      title: `Delete “${load.data?.name}”?`,
      body: html`<p>Messages that were made of it stay as they are. A back end that still names it is answered with an error.</p>`,
      confirm: "Delete the template",
      danger: true,
      action: async () => {
        await api.del(path);
        go(back.href);
        toast("The template is deleted.");
      },
    });
  const actions = load.data?.id && may("send") && html`<${Button} href=${link("/s/:site/messages/new", { site: site.id }, { template: id })} icon="plus">Write with it<//><${Button} kind="danger" icon="trash" onClick=${remove}>Delete…<//>`;
  return html`<${Page} title=${id == "new" ? "New template" : load.data?.name || "Template"} back=${back} actions=${actions} lead=${load.data?.id && html`<${Id} id=${id} />`} wide>
    <${Loaded} load=${load}>${(/** @type {any} */ template) => html`<${Edit} key=${template.id} site=${site} path=${path} template=${template} after=${load.reload} />`}<//>
  <//>`;
}

/** @param {{site: any, path: string, template: any, after: () => Promise<unknown>}} props */
function Edit({ site, path, template, after }) {
  const { may } = useSession();
  const [form, set] = useState({ ...template, notification: { ...FRESH.notification, ...template.notification } });
  const change = (/** @type {string} */ at, /** @type {any} */ value) => set((/** @type {any} */ before) => put(before, at, value));
  const names = variablesOf(form);
  async function save() {
    const variables = Object.fromEntries(Object.entries(form.variables).filter(([name, value]) => value !== "" && names.includes(name)));
    const notification = { title: "", ...saidBy(form.notification) };
    const body = { name: form.name.trim(), notification, options: { ...form.options, topic: form.options.topic || null }, variables };
    if (template.id) {
      await api.patch(path, body);
      await after();
    } else {
      const made = await api.post(`/v1/sites/${site.id}/templates`, body);
      go(link("/s/:site/templates/:id", { site: site.id, id: made.id }), true);
    }
    toast("The template is saved.");
  }
  const shown = filledIn({ ...form, notification: saidBy(form.notification) }, {});
  const looks = { ...shown, title: plain(shown.title), body: plain(shown.body) };
  const paths = ["name", "notification.title", "notification.body", "notification.url", "notification.icon", "notification.image", "notification.badge", "options.ttl", "options.topic"];
  return html`<div class="grid2 first-wide">
    <${Form} save=${save} submit="Save the template" disabled=${!may("send")} shown=${paths}>${(/** @type {any} */ { problem }) => html`
      <${Section} title="Name"><${TextField} label="Name" hideLabel path="name" problem=${problem} value=${form.name} onChange=${(/** @type {string} */ value) => change("name", value)} maxlength="200" placeholder="Back in stock" hint="Your back end names the template by its id; this is for you." /><//>
      <${Content} site=${site} form=${form} change=${change} problem=${problem} attributes=${[]} templates=${[]} />
      <${Section} title="Gaps" lead="Write them into any text as {{ variables.product }}. What stands here is used when a message does not say it.">
        ${names.length ? html`<div class="fields">${names.map((name) => html`<${TextField} key=${name} label=${name} optional value=${form.variables[name] ?? ""} onChange=${(/** @type {string} */ value) => change("variables", { ...form.variables, [name]: value })} placeholder="to be said by each message" />`)}</div>`
          : html`<p class="muted">None yet: each message of it says the same.</p>`}
        ${problem?.field("variables") && html`<p class="error">${problem.field("variables")}</p>`}
      <//>
      <${Section} title="Delivery"><div class="fields">
        <${NumberField} label="Kept for browsers that are off" unit="hours" path="options.ttl" problem=${problem} value=${form.options.ttl / 3600} min="0" onChange=${(/** @type {any} */ hours) => change("options.ttl", hours == null ? TTL : Math.max(1, Math.round(hours * 3600)))} />
        <${Select} label="Urgency" value=${form.options.urgency} onChange=${(/** @type {string} */ value) => change("options.urgency", value)} options=${["very-low", "low", "normal", "high"]} hint="Phones that save power may wait with what is low." />
        <${TextField} label="Topic" optional path="options.topic" problem=${problem} value=${form.options.topic || ""} onChange=${(/** @type {string} */ value) => change("options.topic", value)} hint="Replaces a waiting one of the same topic." maxlength="32" spellcheck="false" />
      </div><//>`}
    <//>
    <div class="beside"><${Section} title="What it looks like" class="preview-card"><${Devices} notification=${looks} site=${site} /><//></div>
  </div>`;
}
