import { html } from "../vendor/preact-htm.js";
import { link } from "../routes.js";
import { Badge, Button, Empty, Page, Section, Table, Time, usePages, useSession } from "../ui/index.js";

/** All sites that the token may see. */
export default function Screen() {
  const sites = usePages("/v1/sites", {}, { limit: 50 });
  const { may, allSites } = useSession();
  const add = may("manage") && allSites && html`<${Button} kind="primary" icon="plus" href="#/sites/new">New site<//>`;
  return html`<${Page} title="Sites" lead="Each has its own subscribers, keys, settings and tokens." actions=${add}>
    <${Section} flush>
      <${Table} label="Sites" pages=${sites} empty=${html`<${Empty} title="There is no site yet." icon="sites" action=${add}>A site is one website whose visitors may subscribe.<//>`} columns=${[
        { head: "Site", main: true, cell: (site) => html`<a href=${link("/s/:site/overview", { site: site.id })}>${site.name}</a>${site.demo && html` <${Badge} tone="info">Demo<//>`}` },
        { head: "Origins", cell: (site) => html`<span>${site.origins[0]}${site.origins.length > 1 && html` <span class="muted" title=${site.origins.slice(1).join("\n")}>and ${site.origins.length - 1} more</span>`}</span>` },
        { head: "Time zone", cell: (site) => site.settings.timezone },
        { head: "Made", cell: (site) => html`<${Time} at=${site.created_at} style="date" />` },
        { head: html`<span class="hidden">Settings</span>`, name: "", tight: true, cell: (site) => html`<${Button} small icon="settings" href=${link("/s/:site/settings", { site: site.id })} label=${`Settings of ${site.name}`} />` },
      ]} />
    <//>
  <//>`;
}
