import { html } from "../vendor/preact-htm.js";
import { Empty, Page, Section } from "../ui/index.js";

/** @param {{site: any, params: Record<string, string>}} props */
export default function Screen() {
  return html`<${Page} title="Subscribers"><${Section}><${Empty} title="This screen is being built." /><//><//>`;
}
