import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { go, link } from "../routes.js";
import { Form, Page, Section, TextArea, TextField, toast, useSite } from "../ui/index.js";

export default function Screen() {
  const [name, setName] = useState("");
  const [origins, setOrigins] = useState("");
  const [contact, setContact] = useState("");
  const { reload } = useSite();
  async function save() {
    const site = await api.post("/v1/sites", { name: name.trim(), origins: lines(origins), contact: address(contact) });
    await reload();
    toast(`${site.name} is there. Now its two lines.`);
    go(link("/s/:site/settings", { site: site.id }));
  }
  return html`<${Page} title="New site" back=${{ href: "#/sites", text: "Sites" }} lead="It gets a key of its own, with which its pushes are signed.">
    <${Section}><${Form} save=${save} submit="Make the site" shown=${["name", "origins", "contact"]}>${(/** @type {any} */ { problem }) => html`
      <${TextField} label="Name" path="name" problem=${problem} value=${name} onChange=${setName} maxlength="100" required hint="For you: visitors do not see it." />
      <${TextArea} label="Origins" path="origins" problem=${problem} value=${origins} onChange=${setOrigins} rows="3" placeholder="https://www.example.com" class="code-text"
        hint="Where its pages live, one a line: scheme and host, no path. With and without www are two." />
      <${TextField} label="Contact" path="contact" problem=${problem} value=${contact} onChange=${setContact} placeholder="ops@example.com" required
        hint="Push services write to it when something is wrong with your pushes, so it has to be real." />`}
    <//><//>
  <//>`;
}

/** @param {string} text */
export const lines = (text) => text.split(/[\s,]+/).filter(Boolean);

/** As push services want it: an e-mail address as a URL. @param {string} text */
export const address = (text) => (/^[^\s:@]+@[^\s@]+$/.test(text.trim()) ? `mailto:${text.trim()}` : text.trim());
