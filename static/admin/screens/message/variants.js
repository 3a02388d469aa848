/** The variants beside each other, with how sure their rates are. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Badge, Button, Section, Table, confirm, number, percent, useSession } from "../../ui/index.js";
import { words } from "./words.js";

/** @param {{message: any, site: any, reload: () => unknown}} props */
export function VariantResults({ message, site, reload }) {
  const { may } = useSession();
  const { variants, winner, decision } = message.results;
  const rule = message.variants;
  const highest = Math.max(0.01, ...variants.map((/** @type {any} */ each) => each.high || 0));
  const waits = rule.winner && !winner && ["sending", "paused"].includes(message.state);
  const place = (/** @type {number | null} */ value) => `${(100 * (value || 0)) / highest}%`;
  const choose = (/** @type {string} */ name) =>
    confirm({
      title: `Send ${name} to the rest?`, body: html`<p>The rest of the audience gets ${name} at once, without waiting for more clicks.</p>`, confirm: `Send ${name}`,
      action: () => api.post(`/v1/sites/${site.id}/messages/${message.id}/release`, { variant: name }),
    }).then((yes) => yes && reload());
  const columns = [
    { head: "Variant", main: true, cell: (/** @type {any} */ each) => html`<b>${each.name}</b> ${winner == each.name && html`<${Badge} tone="good">Winner<//>`}<small>${words(rule, each.name, message.notification)}</small>` },
    { head: "Accepted", num: true, cell: (/** @type {any} */ each) => number(each.accepted) },
    { head: "Displayed", num: true, cell: (/** @type {any} */ each) => number(each.displayed) },
    { head: "Clicked", num: true, cell: (/** @type {any} */ each) => number(each.clicked) },
    {
      head: "Click rate, 95 % sure", name: "Click rate",
      cell: (/** @type {any} */ each) =>
        each.click_rate == null ? html`<span class="muted">no displays yet</span>`
          : html`<div class="interval"><span><b>${percent(each.click_rate, 2)}</b> <span class="muted">${percent(each.low)} to ${percent(each.high)}</span></span>
            <span class="interval-bar" aria-hidden="true"><span class="interval-range" style=${{ left: place(each.low), width: `calc(${place(each.high)} - ${place(each.low)})` }}></span><span class="interval-mark" style=${{ left: place(each.click_rate) }}></span></span></div>`,
    },
    ...(waits && may("send") ? [{ head: html`<span class="hidden">Choose</span>`, name: "", tight: true, cell: (/** @type {any} */ each) => html`<${Button} small onClick=${() => choose(each.name)}>Send to the rest<//>` }] : []),
  ];
  const lead = decision ? null : waits ? "The rest waits for a winner, or for you." : "Of those who saw it; where the bars overlap, chance may be the difference.";
  return html`<${Section} title="Variants" lead=${lead} flush>
    ${decision && html`<p class="sentence"><${Badge} tone=${winner ? "good" : "info"}>${winner ? `${winner} goes to the rest` : "Decided"}<//> ${decision}</p>`}
    <${Table} label="Variants" rows=${variants} keyOf=${(/** @type {any} */ each) => each.name} columns=${columns} />
    ${rule.holdout ? html`<p class="muted">${rule.holdout} % of the audience are held out: ${number(message.progress.skips.holdout || 0)} got nothing, to compare with.</p>` : null}
  <//>`;
}
