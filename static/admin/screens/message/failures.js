/** Whom it did not reach, and why; to export, and to send to once more. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Button, Empty, Section, Select, Table, Time, confirm, number, toast, usePages, useSession } from "../../ui/index.js";
import { randomKey } from "../compose/form.js";
import { OUTCOMES, SKIPS } from "./words.js";

/** @param {{site: any, message: any, reload: () => unknown}} props */
export function Failures({ site, message }) {
  const { may } = useSession();
  const [outcome, choose] = useState("");
  const base = `/v1/sites/${site.id}/messages/${message.id}`;
  const { progress } = message;
  const listed = progress.failed + progress.gone + progress.expired;
  const pages = usePages(`${base}/failures`, { outcome }, { limit: 10, skip: !listed });
  const counts = { ...progress.failures, gone: progress.gone, expired: progress.expired };
  const there = Object.entries(OUTCOMES).filter(([name]) => counts[name]);
  const skips = Object.entries(progress.skips || {}).filter(([, count]) => count);
  const ended = ["sent", "cancelled", "expired"].includes(message.state);
  function replay() {
    let made = /** @type {any} */ (null);
    const key = randomKey();
    const late = message.expires_at && Date.parse(message.expires_at) < Date.now();
    return confirm({
      title: "Send it to them once more?",
      body: html`<p>A new message with the same content, now, to those ${outcome ? `who ended as “${OUTCOMES[outcome].toLowerCase()}”` : "in this list"} and are active subscribers. Whose subscription is gone is not among them.</p>${late && html`<p>The message's end has passed: the new one has none.</p>`}`,
      confirm: "Send it once more",
      action: async () => { made = await api.post(`${base}/replay`, { ...(outcome && { outcomes: [outcome] }), ...(late && { expires_at: null }) }, { headers: { "Idempotency-Key": key } }); },
    }).then((yes) => yes && (toast("It is on its way to them."), go(link("/s/:site/messages/:id", { site: site.id, id: made.id }))));
  }
  const columns = [
    { head: "Subscriber", main: true, cell: (/** @type {any} */ each) => html`<a href=${link("/s/:site/subscribers/:id", { site: site.id, id: each.subscription })}>${each.external_id || each.subscription}</a>` },
    { head: "Outcome", cell: (/** @type {any} */ each) => OUTCOMES[each.outcome] || each.outcome },
    { head: "Reason", cell: (/** @type {any} */ each) => html`<span class="muted">${[each.code, each.reason].filter(Boolean).join(" ")}</span>` },
    { head: "Tries", num: true, cell: (/** @type {any} */ each) => number(each.attempt) },
    { head: "When", tight: true, cell: (/** @type {any} */ each) => html`<${Time} at=${each.at} />` },
  ];
  return html`<${Section} title="Whom it did not reach" flush
      actions=${listed ? html`${["csv", "ndjson"].map((format) => html`<${Button} key=${format} small icon="download" href=${api.url(`${base}/failures/export`, { outcome, format })} download>${format.toUpperCase()}<//>`)}${ended && may("send") && !message.withdrawal_of && html`<${Button} small onClick=${replay}>Send once more<//>`}` : null}>
    ${skips.length > 0 && html`<ul class="reasons">${skips.map(([name, count]) => html`<li key=${name}><b>${number(count)}</b> skipped: ${SKIPS[name] || name.replaceAll("_", " ")}</li>`)}</ul>`}
    ${listed > 0 && html`<div class="filters"><${Select} label="Outcome" value=${outcome} onChange=${choose} options=${[{ value: "", text: `All ${number(listed)}` }, ...there.map(([value, text]) => ({ value, text: `${text} (${number(counts[value])})` }))]} /></div>
      <${Table} label="Whom it did not reach" pages=${pages} keyOf=${(/** @type {any} */ each) => each.subscription} columns=${columns} empty=${html`<${Empty} title="Nobody is listed." >Who was left over at the end without any attempt is counted, not listed.<//>`} />`}
  <//>`;
}
