import { html } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { link } from "../routes.js";
import { Badge, Button, Empty, Failure, Loading, More, number, Page, providerName, Section, Tabs, Time, toast, useAction, usePages, useSession } from "../ui/index.js";

/** What the gateway noticed by itself. @param {{params: Record<string, string>}} props */
export default function Screen({ params }) {
  const state = params.state == "ended" ? "ended" : "raised";
  const alerts = usePages("/v1/alerts", { state }, { limit: 20, every: state == "raised" ? 15000 : null });
  return html`<${Page} title="Alerts" lead="The gateway compares its figures with their own recent past, for each site and push service, and says when one leaves its band.">
    <${Tabs} label="Alerts" items=${[
      { text: "Raised now", on: state == "raised", href: link("/alerts") },
      { text: "Ended", on: state == "ended", href: link("/alerts", {}, { state: "ended" }) },
    ]} />
    ${alerts.items == null
      ? alerts.problem ? html`<${Section}><${Failure} problem=${alerts.problem} retry=${alerts.reload} /><//>` : html`<${Section}><${Loading} /><//>`
      : alerts.items.length
        ? html`${alerts.items.map((each) => html`<${Alert} key=${each.id} alert=${each} after=${alerts.reload} />`)}<${More} pages=${alerts} />`
        : html`<${Section}><${Empty} icon="check" title=${state == "raised" ? "All is well." : "Nothing was ever raised."}>${state == "raised" && "Nothing is out of its band right now."}<//><//>`}
  <//>`;
}

/** @param {{alert: any, after: () => unknown}} props */
function Alert({ alert, after }) {
  const { may } = useSession();
  const acknowledge = useAction(async () => {
    await api.post(`/v1/alerts/${alert.id}/acknowledge`);
    await after();
    toast("Noted: it no longer stands above every page.");
  });
  return html`<${Section} class=${"alert-card " + (alert.ended_at ? "" : alert.severity)} title=${alert.summary} actions=${html`<${Badge} state=${alert.severity} />${alert.ended_at && html`<${Badge} tone="good">Ended<//>`}`}>
    <p class="muted">Raised <${Time} at=${alert.raised_at} style="relative" />${alert.ended_at && html`, ended <${Time} at=${alert.ended_at} style="relative" />`}${alert.provider && html` · push service <b>${providerName(alert.provider)}</b>`}${alert.site && html` · <a href=${link("/s/:site/overview", { site: alert.site })}>the site's overview</a>`}${band(alert)}</p>
    ${alert.look_at.length > 0 && html`<div><h3>What to look at first</h3><ol class="look-at">${alert.look_at.map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ol></div>`}
    <div class="row">
      ${!alert.ended_at && (alert.acknowledged_at
        ? html`<span class="muted">Acknowledged <${Time} at=${alert.acknowledged_at} style="relative" /></span>`
        : may("manage") && html`<${Button} small icon="check" busy=${acknowledge.busy} onClick=${() => acknowledge.run()}>I know<//>`)}
      <span class="muted">More in the runbook: <code>docs/runbook.md#${alert.runbook}</code></span>
    </div>
    <${Failure} problem=${acknowledge.problem} compact />
  <//>`;
}

/** @param {any} alert */
function band({ value, low, high }) {
  if (value == null) return null;
  const shown = (/** @type {number} */ each) => number(each, Math.abs(each) < 10 ? 3 : 0);
  const usual = low != null && high != null ? `between ${shown(low)} and ${shown(high)}` : low != null ? `at least ${shown(low)}` : high != null ? `at most ${shown(high)}` : null;
  return html` · it is <b>${shown(value)}</b>${usual && `, usually ${usual}`}`;
}
