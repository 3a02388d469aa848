/** What an admin changes of a visitor. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Button, Check, Dialog, Failure, Form, Section, Select, TextField, toast, useAction, useLoad, useSession } from "../../ui/index.js";
import { valueOf } from "./words.js";

/** @typedef {{path: string, subscription: any, after: () => Promise<unknown>}} Props */

/** @param {Props} props */
export function Tags({ path, subscription, after }) {
  const { may } = useSession();
  const [typed, type] = useState("");
  const change = useAction(async (/** @type {any} */ body) => {
    await api.patch(path, body);
    await after();
  });
  const editable = may("manage") && subscription.state != "erased";
  /** @param {Event} event */
  async function add(event) {
    event.preventDefault();
    const tag = typed.trim();
    if (tag && (await change.run({ add_tags: [tag] }))) type("");
  }
  return html`<${Section} title="Tags">
    ${subscription.tags.length ? html`<ul class="tags">${subscription.tags.map((/** @type {string} */ tag) => html`<li key=${tag} class="tag">${tag}${editable && html`<button type="button" aria-label=${`Remove the tag ${tag}`} title="Remove" disabled=${change.busy} onClick=${() => change.run({ remove_tags: [tag] })}>×</button>`}</li>`)}</ul>` : html`<p class="muted">No tags.</p>`}
    ${editable && html`<form class="line" onSubmit=${add}><${TextField} label="Add a tag" hideLabel placeholder="Add a tag" maxlength="64" value=${typed} onChange=${type} spellcheck="false" autocapitalize="off" /><${Button} type="submit" busy=${change.busy} disabled=${!typed.trim()}>Add<//></form>`}
    <${Failure} problem=${change.problem} compact />
  <//>`;
}

/** @param {Props} props */
export function Attributes({ path, subscription, after }) {
  const { may } = useSession();
  const [editing, edit] = useState(/** @type {{name: string, value: any} | null} */ (null));
  const names = Object.keys(subscription.attributes).sort();
  const editable = may("manage") && subscription.state != "erased";
  const actions = editable && html`<${Button} small icon="plus" onClick=${() => edit({ name: "", value: "" })}>Add<//>`;
  return html`<${Section} title="Attributes" actions=${actions}>
    ${names.length ? html`<dl class="facts">${names.map((name) => html`<div key=${name}><dt>${name}</dt><dd class="row between"><span>${shown(subscription.attributes[name])}</span>
        ${editable && html`<${Button} kind="ghost" small icon="edit" label=${`Change ${name}`} onClick=${() => edit({ name, value: subscription.attributes[name] })} />`}</dd></div>`)}</dl>`
      : html`<p class="muted">None. What your site says of its visitors with <code>pushGateway.update</code> stands here, for texts and segments.</p>`}
    ${editing && html`<${EditAttribute} path=${path} known=${editing} onClose=${() => edit(null)} after=${after} />`}
  <//>`;
}

/** @param {any} value */
const shown = (value) => (typeof value == "boolean" ? (value ? "yes" : "no") : typeof value == "number" ? html`<span class="num">${value}</span>` : value);

/** @param {{path: string, known: {name: string, value: any}, onClose: () => void, after: () => Promise<unknown>}} props */
function EditAttribute({ path, known, onClose, after }) {
  const [name, setName] = useState(known.name);
  const [kind, setKind] = useState(typeof known.value == "string" ? "text" : typeof known.value);
  const [text, setText] = useState(String(known.value));
  const value = valueOf(kind, text);
  async function store(/** @type {any} */ given) {
    await api.patch(path, { attributes: { [name.trim()]: given } });
    await after();
    onClose();
    toast("Saved.");
  }
  const remove = useAction(() => store(null));
  return html`<${Dialog} title=${known.name ? `Change ${known.name}` : "Add an attribute"} onClose=${onClose}>
    <${Form} save=${() => store(value)} disabled=${!name.trim() || value === null} onCancel=${onClose} shown=${[`attributes.${name.trim()}`]}
      extra=${known.name && html`<${Button} kind="danger" icon="trash" busy=${remove.busy} onClick=${() => remove.run()}>Remove<//>`}>${(/** @type {any} */ { problem }) => html`
      ${!known.name && html`<${TextField} label="Name" maxlength="64" value=${name} onChange=${setName} placeholder="first_name" spellcheck="false" autocapitalize="off" />`}
      <${Select} label="Kind" value=${kind} onChange=${(/** @type {string} */ next) => (setKind(next), next == "boolean" && setText("true"))} options=${[{ value: "text", text: "Text" }, { value: "number", text: "Number" }, { value: "boolean", text: "Yes or no" }]} hint="Conditions compare numbers with numbers and texts with texts." />
      ${kind == "boolean"
        ? html`<${Select} label="Value" value=${text} onChange=${setText} options=${[{ value: "true", text: "Yes" }, { value: "false", text: "No" }]} />`
        : html`<${TextField} label="Value" value=${text} onChange=${setText} path=${`attributes.${name.trim()}`} problem=${problem} inputmode=${kind == "number" ? "decimal" : "text"} error=${kind == "number" && text.trim() && value === null ? "This is not a number." : ""} />`}
      <${Failure} problem=${remove.problem} compact />`}
    <//><//>`;
}

/** Categories that the visitor has left. @param {Props & {site: any}} props */
export function OptOuts({ site, path, subscription, after }) {
  const { may } = useSession();
  const load = useLoad((signal) => api.get(`/v1/sites/${site.id}/categories`, { signal }), [site.id]);
  const change = useAction(async (/** @type {any} */ body) => {
    await api.patch(path, body);
    await after();
  });
  const categories = load.data?.items || [];
  if (!categories.length && !subscription.opted_out.length) return null;
  const removed = subscription.opted_out.filter((/** @type {string} */ name) => !categories.some((/** @type {any} */ each) => each.name == name));
  const all = [...categories, ...removed.map((/** @type {string} */ name) => ({ name, title: name }))];
  return html`<${Section} title="Categories" lead="What this visitor gets. They choose that on your site; change it only if they ask you to.">
    <div class="stack tight">${all.map((each) => html`<${Check} key=${each.name} label=${each.title} checked=${!subscription.opted_out.includes(each.name)} disabled=${!may("manage") || change.busy || subscription.state == "erased"}
      onChange=${(/** @type {boolean} */ on) => change.run(on ? { opt_in: [each.name] } : { opt_out: [each.name] })} />`)}</div>
    <${Failure} problem=${change.problem} compact />
  <//>`;
}
