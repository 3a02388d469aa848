import { html } from "../vendor/preact-htm.js";
import { link } from "../routes.js";
import { Badge, Button, Empty, Page, Section, Table, Time, usePages, useSession } from "../ui/index.js";
import { One } from "./automations/one.js";
import { triggerSaid } from "./automations/words.js";

/** The list, and one automation: `#/s/…/automations/new` is a new one. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  return params.id ? html`<${One} site=${site} id=${params.id} />` : html`<${List} site=${site} />`;
}

/** @param {{site: any}} props */
function List({ site }) {
  const pages = usePages(`/v1/sites/${site.id}/automations`, {}, { limit: 50 });
  const { may } = useSession();
  const add = may("send") && html`<${Button} kind="primary" icon="plus" href=${link("/s/:site/automations/:id", { site: site.id, id: "new" })}>New automation<//>`;
  return html`<${Page} title="Automations" lead="Messages that come by themselves some time after something happened: a welcome, a reminder of a full cart, a course in five parts." actions=${add}>
    <${Section} flush><${Table} label="Automations" pages=${pages}
      empty=${html`<${Empty} icon="automations" title="No automations yet." action=${add}>Start with a welcome an hour after somebody has subscribed.<//>`} columns=${[
        { head: "Name", main: true, cell: (each) => html`<a href=${link("/s/:site/automations/:id", { site: site.id, id: each.id })}>${each.name}</a><small>${triggerSaid(each)}</small>` },
        { head: "State", cell: (each) => html`<${Badge} state=${each.state} />` },
        { head: "Ends with", cell: (each) => (each.cancel_on.length ? each.cancel_on.join(", ") : html`<span class="muted">nothing</span>`) },
        { head: "Changed", tight: true, cell: (each) => html`<${Time} at=${each.changed_at} style="date" />` },
      ]} /><//>
  <//>`;
}
