import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { go, link } from "../routes.js";
import { Badge, Button, Code, confirm, Facts, Form, Id, Loaded, Meter, Notice, NumberField, Page, Section, Select, Table, Tabs, TextArea, TextField, Time, toast, useLoad, useSession, useSite } from "../ui/index.js";
import { Sending } from "./site_sending.js";
import { Setup, SetupCheck } from "./site_setup.js";
import { address, lines } from "./site_new.js";

const TABS = [
  ["setup", "Set-up"],
  ["general", "General"],
  ["sending", "Sending"],
  ["keys", "Keys"],
  ["limits", "Limits"],
];

/** One site: how it is embedded, what holds for all of its messages. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  const tab = params.tab || "setup";
  const { may } = useSession();
  const Part = { setup: SetupTab, general: General, sending: Sending, keys: Keys, limits: Limits }[tab] || SetupTab;
  return html`<${Page} title="Site settings" lead=${html`${site.name} · <${Id} id=${site.id} />`}>
    <${Tabs} label="Site settings" items=${TABS.map(([name, text]) => ({ text, on: name == tab, href: link("/s/:site/settings/:tab", { site: site.id, tab: name }) }))} />
    ${!may("manage") && tab != "setup" && html`<${Notice}>Your token may look, but not change this: it lacks the scope manage.<//>`}
    <${Part} key=${site.id + tab} site=${site} />
  <//>`;
}

/** @param {{site: any}} props */
const SetupTab = ({ site }) => html`<div class="grid2 first-wide">
  <${Section} title="Put it on your website"><${Setup} site=${site} /><//>
  <${Section} title="Is my site set up right?"><${SetupCheck} site=${site} /><//>
</div>`;

/** @param {{site: any}} props */
function General({ site }) {
  const { reload } = useSite();
  const { may } = useSession();
  const [name, setName] = useState(site.name);
  const [origins, setOrigins] = useState(site.origins.join("\n"));
  const [contact, setContact] = useState(site.contact);
  const [identity, setIdentity] = useState(site.identity);
  async function save() {
    await api.patch(`/v1/sites/${site.id}`, { name: name.trim(), origins: lines(origins), contact: address(contact), identity });
    await reload();
    toast("Saved.");
  }
  const erase = () =>
    confirm({
      title: "Delete this site?",
      body: html`<p>With its keys, tokens, subscriptions and messages. <b>There is no way back</b>: its subscribers cannot be reached any more.</p><p>Export the subscriptions first if you may want them.</p>`,
      confirm: "Delete the site",
      danger: true,
      type: site.name,
      action: async () => {
        await api.del(`/v1/sites/${site.id}`);
        go("#/sites");
        await reload();
        toast(`${site.name} is deleted.`);
      },
    });
  return html`
    <${Section} title="General"><${Form} save=${save} disabled=${!may("manage")} shown=${["name", "origins", "contact", "identity"]}>${(/** @type {any} */ { problem }) => html`
      <${TextField} label="Name" path="name" problem=${problem} value=${name} onChange=${setName} />
      <${TextArea} label="Origins" path="origins" problem=${problem} value=${origins} onChange=${setOrigins} rows="3" class="code-text" hint="One a line. Only pages of these may subscribe visitors." />
      <${TextField} label="Contact" path="contact" problem=${problem} value=${contact} onChange=${setContact} hint="Push services write to it: an e-mail address, or the https: address of a page." />
      <${Select} label="External ids" path="identity" problem=${problem} value=${identity} onChange=${setIdentity} options=${[
        { value: "signed", text: "Only with a signature of your back end" },
        { value: "unsigned", text: "Whatever the page says" },
      ]} hint="Who a visitor is. Unsigned, any page script can claim to be anybody." />`}
    <//><//>
    ${site.identity_key && html`<${Section} title="Identity key" lead="Your back end signs external ids with it (HMAC-SHA256). Keep it there."><${Code} text=${site.identity_key} secret label="Copy the identity key" /><//>`}
    ${may("manage") && html`<${Section} title="Delete" lead="With everything that belongs to it."><div><${Button} kind="danger" icon="trash" onClick=${erase}>Delete this site…<//></div><//>`}`;
}

/** @param {{site: any}} props */
function Keys({ site }) {
  const path = `/v1/sites/${site.id}/keys`;
  const keys = useLoad((signal) => api.get(path, { signal }), [path]);
  const { may } = useSession();
  const { reload } = useSite();
  const [text, setText] = useState("");
  const changed = async (/** @type {string} */ said) => {
    await Promise.all([keys.reload(), reload()]);
    toast(said);
  };
  const make = () =>
    confirm({
      title: "Make a new key?",
      body: html`<p>New subscriptions get it at once. Those made with older keys stay valid; their browsers change to it when they next visit.</p>`,
      confirm: "Make the key",
      action: async () => (await api.post(path, {}), await changed("There is a new key.")),
    });
  const retire = (/** @type {any} */ key) =>
    confirm({
      title: "Retire this key?",
      body: html`<p>Whoever subscribed with it <b>is not sent to any more</b>, until they next visit the site and subscribe anew by themselves. There is no way back.</p>`,
      confirm: "Retire the key",
      danger: true,
      action: async () => (await api.del(`${path}/${key.id}`), await changed("The key is retired.")),
    });
  async function resume(/** @type {any} */ key) {
    await confirm({
      title: "Send with this key again?",
      body: html`<p>Push services had refused what it signs: ${key.state_reason}. Make sure that this is put right; what waits is sent within a minute.</p>`,
      confirm: "Send again",
      action: async () => (await api.post(`${path}/${key.id}/resume`), await changed("The key is active again.")),
    });
  }
  async function bring() {
    await api.post(path, { private_key: text.trim() });
    setText("");
    await changed("The key is imported.");
  }
  return html`
    <${Section} title="Application server keys" lead="They sign every push (VAPID). A subscription belongs to the key with which it was made." flush actions=${may("manage") && html`<${Button} small icon="plus" onClick=${make}>New key<//>`}>
      <${Loaded} load=${keys}>${(/** @type {any} */ data) => html`<${Table} label="Application server keys" rows=${data.items} columns=${[
        { head: "Public key", main: true, cell: (key) => html`<code class="key">${key.application_server_key}</code>${key.state_reason && html`<small>${key.state_reason}</small>`}` },
        { head: "State", cell: (key) => html`<${Badge} state=${key.state} />` },
        { head: "Made", cell: (key) => html`<${Time} at=${key.created_at} style="date" />` },
        { head: html`<span class="hidden">Actions</span>`, name: "", tight: true, cell: (key) => may("manage") && html`<span class="actions">
          ${key.state == "paused" && html`<${Button} small icon="play" onClick=${() => resume(key)}>Resume<//>`}
          ${key.state != "retired" && data.items.filter((/** @type {any} */ each) => each.state != "retired").length > 1 && html`<${Button} small kind="danger" onClick=${() => retire(key)}>Retire<//>`}</span>` },
      ]} />`}<//>
    <//>
    ${may("manage") && html`<${Section} title="Bring a key along" lead="From another vendor, so that its subscribers can be imported and stay."><${Form} save=${bring} submit="Import the key" kind="plain" disabled=${!text.trim()} shown=${["private_key"]}>${(/** @type {any} */ { problem }) => html`
      <${TextArea} label="Private key" path="private_key" problem=${problem} value=${text} onChange=${setText} rows="3" class="code-text" autocomplete="off" spellcheck="false" hint="Base64url of its 32 bytes, or PEM. It is encrypted at once and never shown again." />`}<//><//>`}`;
}

/** @param {{site: any}} props */
function Limits({ site }) {
  const { may, allSites } = useSession();
  const { reload } = useSite();
  const usage = useLoad((signal) => api.get(`/v1/sites/${site.id}/usage`, { signal }), [site.id], { every: 30000 });
  const now = site.settings.quotas || {};
  const [quotas, set] = useState({ subscribers: now.subscribers ?? null, messages_per_day: now.messages_per_day ?? null, rate: now.rate ?? null });
  async function save() {
    await api.patch(`/v1/sites/${site.id}`, { settings: { quotas } });
    await Promise.all([reload(), usage.reload()]);
    toast("Saved.");
  }
  const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ unit, /** @type {string} */ hint, /** @type {any} */ problem) =>
    html`<${NumberField} label=${label} unit=${unit} hint=${hint} path=${`settings.quotas.${name}`} problem=${problem} value=${/** @type {any} */ (quotas)[name]} min="1" placeholder="no limit" onChange=${(/** @type {any} */ value) => set({ ...quotas, [name]: value })} />`;
  return html`<div class="grid2">
    <${Section} title="What is used"><${Loaded} load=${usage}>${(/** @type {any} */ data) => html`<div class="stack">
      <${Meter} label="Subscribers" used=${data.subscribers.used} limit=${data.subscribers.limit} />
      <${Meter} label="Messages today" used=${data.messages_today.used} limit=${data.messages_today.limit} />
      <${Facts} items=${[
        ["Counted anew", html`<${Time} at=${data.messages_today.resets_at} style="relative" />`],
        ["Speed", data.rate.limit == null ? "as fast as push services take it" : `at most ${data.rate.limit} a second`],
      ]} /></div>`}<//><//>
    <${Section} title="Limits" lead="For the whole site. Beyond them the API answers quota_exceeded; an alert comes at 90 %.">
      ${!allSites && html`<${Notice}>Only tokens for all sites change these.<//>`}
      <${Form} save=${save} disabled=${!may("manage") || !allSites} shown=${["settings.quotas.subscribers", "settings.quotas.messages_per_day", "settings.quotas.rate"]}>${(/** @type {any} */ { problem }) => html`
        ${field("subscribers", "Subscribers", "at most", "Who would be one more cannot subscribe.", problem)}
        ${field("messages_per_day", "Messages", "a day", "One for each recipient; counted anew at midnight UTC.", problem)}
        ${field("rate", "Speed", "pushes a second", "Over all messages of the site.", problem)}`}
      <//>
    <//>
  </div>`;
}
