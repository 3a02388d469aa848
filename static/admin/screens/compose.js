import { html } from "../vendor/preact-htm.js";
import { Empty, Page, Section } from "../ui/index.js";

/** @param {any} _props */
export default function Screen(_props) {
  return html`<${Page} title="New message"><${Section}><${Empty} title="This screen is being built." /><//><//>`;
}
