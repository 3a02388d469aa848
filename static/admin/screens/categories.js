import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { Button, confirm, Dialog, Empty, Form, Loaded, Page, Section, Table, TextField, Time, toast, useLoad, useSession } from "../ui/index.js";

/** Kinds of messages that visitors may leave. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site }) {
  const path = `/v1/sites/${site.id}/categories`;
  const categories = useLoad((signal) => api.get(path, { signal }), [path]);
  const { may } = useSession();
  const [editing, edit] = useState(/** @type {any} */ (null));
  const add = may("manage") && html`<${Button} kind="primary" icon="plus" onClick=${() => edit({ name: "", title: "" })}>New category<//>`;
  const remove = (/** @type {any} */ category) =>
    confirm({
      title: `Delete “${category.title}”?`,
      body: html`<p>Visitors cannot leave it or come back to it any more. Messages that are of it stay so, and whoever has left it still gets none of them.</p>`,
      confirm: "Delete the category",
      danger: true,
      action: async () => {
        await api.del(`${path}/${category.id}`);
        await categories.reload();
        toast("The category is deleted.");
      },
    });
  return html`<${Page} title="Categories" lead="Kinds of messages that visitors may leave on your site without leaving all: offers, news, back in stock. A message says of which it is." actions=${add}>
    <${Section} flush><${Loaded} load=${categories}>${(/** @type {any} */ data) => html`<${Table} label="Categories" rows=${data.items}
      empty=${html`<${Empty} icon="categories" title="There are no categories yet." action=${add}>Whoever finds one kind of message too much then leaves that kind, not you.<//>`} columns=${[
        { head: "Visitors read", main: true, cell: (each) => html`<b>${each.title}</b>` },
        { head: "Name", cell: (each) => html`<code>${each.name}</code>` },
        { head: "Made", tight: true, cell: (each) => html`<${Time} at=${each.created_at} style="date" />` },
        { head: html`<span class="hidden">Actions</span>`, name: "", tight: true, cell: (each) => may("manage") && html`<span class="actions">
          <${Button} small icon="edit" label=${`Change ${each.title}`} onClick=${() => edit(each)} /><${Button} small kind="danger" icon="trash" label=${`Delete ${each.title}`} onClick=${() => remove(each)} /></span>` },
      ]} />`}<//><//>
    ${editing && html`<${Edit} path=${path} category=${editing} onClose=${() => edit(null)} after=${categories.reload} />`}
  <//>`;
}

/** @param {{path: string, category: any, onClose: () => void, after: () => Promise<unknown>}} props */
function Edit({ path, category, onClose, after }) {
  const [title, setTitle] = useState(category.title);
  const [name, setName] = useState(category.name);
  const [named, setNamed] = useState(Boolean(category.id));
  async function save() {
    if (category.id) await api.patch(`${path}/${category.id}`, { title: title.trim() });
    else await api.post(path, { name: name.trim(), title: title.trim() });
    await after();
    onClose();
    toast("Saved.");
  }
  /** @param {string} text */
  function entitle(text) {
    setTitle(text);
    if (!named) setName(asName(text));
  }
  return html`<${Dialog} title=${category.id ? "Change the category" : "New category"} onClose=${onClose}>
    <${Form} save=${save} onCancel=${onClose} disabled=${!title.trim() || !name.trim()} shown=${["name", "title"]}>${(/** @type {any} */ { problem }) => html`
      <${TextField} label="What visitors read" path="title" problem=${problem} value=${title} onChange=${entitle} maxlength="200" placeholder="Offers of the week" />
      ${category.id ? html`<p class="hint">Its name stays <code>${name}</code>: visitors have left it by that.</p>`
        : html`<${TextField} label="Name" path="name" problem=${problem} value=${name} onChange=${(/** @type {string} */ text) => (setName(text), setNamed(true))} maxlength="64" spellcheck="false" autocapitalize="off" hint="What your site and the API call it. Small letters, digits, - and _; it stays for ever." />`}`}
    <//><//>`;
}

/** @param {string} title */
const asName = (title) => title.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
