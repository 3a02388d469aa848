/** What a webhook was sent, and once more what it did not take. */
import { html, useEffect, useRef } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Badge, Button, confirm, Empty, Failure, number, Section, Select, Table, Time, toast, useAction, usePages, useSession } from "../../ui/index.js";

/** @param {{site: any, id: string, path: string, state: string, changes: number, after: () => Promise<unknown>}} props */
export function Deliveries({ site, id, path, state, changes, after }) {
  const pages = usePages(`${path}/deliveries`, { state }, { limit: 25, every: 10000 });
  const { may } = useSession();
  const seen = useRef(changes);
  useEffect(() => {
    if (seen.current != changes) pages.reload();
    seen.current = changes;
  }, [changes]);
  const again = useAction(async (/** @type {any} */ delivery) => {
    await api.post(`${path}/deliveries/${delivery.id}/replay`);
    await after();
    toast("It is sent again.");
  });
  const all = () =>
    confirm({
      title: "Send again all that was given up?",
      body: html`<p>With the ids that they had, so that a back end that has seen one can tell.</p>`,
      confirm: "Send them again",
      action: async () => {
        const { replayed } = await api.post(`${path}/replay`, { state: "dead" });
        await after();
        toast(`${number(replayed)} are sent again.`);
      },
    });
  const filter = html`<${Select} label="State" hideLabel value=${state} onChange=${(/** @type {string} */ next) => go(link("/s/:site/webhooks/:id", { site: site.id, id }, { state: next }), true)}
    options=${[{ value: "", text: "All deliveries" }, { value: "pending", text: "Pending" }, { value: "delivered", text: "Delivered" }, { value: "dead", text: "Given up" }]} />`;
  const actions = html`${filter}${may("manage") && html`<${Button} small icon="reload" onClick=${all}>Replay what was given up<//>`}`;
  return html`<${Section} title="Deliveries" flush actions=${actions}>
    <${Failure} problem=${again.problem} compact />
    <${Table} label="Deliveries" pages=${pages} empty=${html`<${Empty} icon="webhooks" title=${state ? "None is like this." : "Nothing was sent yet."}>${!state && "As soon as something happens that it is told of, it is listed here."}<//>`} columns=${[
      { head: "When", tight: true, cell: (each) => html`<${Time} at=${each.created_at} />` },
      { head: "What", main: true, cell: (each) => html`${each.types.map((/** @type {string} */ type) => html`<code>${type}</code> `)}<small>${each.events == 1 ? "one event" : `${number(each.events)} events`}</small>` },
      { head: "State", cell: (each) => html`<${Badge} state=${each.state} />${each.state != "delivered" && (each.error || each.status) && html`<small>${each.error || `answered ${each.status}`}</small>`}` },
      { head: "Attempts", num: true, cell: (each) => html`${number(each.attempts)}${each.next_attempt_at && html`<small>next <${Time} at=${each.next_attempt_at} style="relative" /></small>`}` },
      { head: html`<span class="hidden">Replay</span>`, name: "", tight: true, cell: (each) => may("manage") && each.state != "pending" && html`<${Button} small icon="reload" busy=${again.busy} label=${`Send ${each.id} again`} onClick=${() => again.run(each)} />` },
    ]} />
  <//>`;
}
