import { html } from "../vendor/preact-htm.js";
import { link } from "../routes.js";
import { Button, Empty, Page, Section, Table, Time, usePages, useSession } from "../ui/index.js";
import { plain } from "./compose/preview.js";
import { variablesOf } from "./compose/template.js";
import { One } from "./templates/one.js";

/** The list, and one template: `#/s/…/templates/new` is a new one. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  return params.id ? html`<${One} site=${site} id=${params.id} />` : html`<${List} site=${site} />`;
}

/** @param {{site: any}} props */
function List({ site }) {
  const pages = usePages(`/v1/sites/${site.id}/templates`, {}, { limit: 50 });
  const { may } = useSession();
  const add = may("send") && html`<${Button} kind="primary" icon="plus" href=${link("/s/:site/templates/:id", { site: site.id, id: "new" })}>New template<//>`;
  return html`<${Page} title="Templates" lead="Notifications that are written once and sent many times, with other words in their gaps." actions=${add}>
    <${Section} flush><${Table} label="Templates" pages=${pages}
      empty=${html`<${Empty} icon="templates" title="No templates yet." action=${add}>Your back end then says only what is new: the product, the price, the link.<//>`} columns=${[
        { head: "Name", main: true, cell: (each) => html`<a href=${link("/s/:site/templates/:id", { site: site.id, id: each.id })}>${each.name}</a><small>${plain(each.notification.title)}</small>` },
        { head: "Gaps", cell: (each) => html`<span class="actions">${variablesOf(each).map((name) => html`<code>${name}</code>`)}</span>` },
        { head: "Changed", tight: true, cell: (each) => html`<${Time} at=${each.changed_at} style="date" />` },
        { head: html`<span class="hidden">Use</span>`, name: "", tight: true, cell: (each) => may("send") && html`<${Button} small href=${link("/s/:site/messages/new", { site: site.id }, { template: each.id })}>Write with it<//>` },
      ]} /><//>
  <//>`;
}
