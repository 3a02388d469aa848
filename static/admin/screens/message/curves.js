/** What came of it over time, and where: funnel, curve, push services, browsers, countries. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Empty, Funnel, Loading, Section, Table, number, percent, share, useLoad } from "../../ui/index.js";
import { Chart } from "../../ui/chart.js";
import { PROVIDER_NAMES } from "../segments/estimate.js";

const WHILE_GOING = 5000;
const AFTERWARDS = 30000;

/** @param {{site: any, message: any}} props */
export function Curves({ site, message }) {
  const going = ["sending", "paused", "open"].includes(message.state);
  const { results, progress } = message;
  // What is counted afterwards is drawn when it is counted: a funnel and a curve that differ are a riddle.
  const counted = going ? 0 : results.displayed + results.clicked;
  const stats = useLoad((signal) => api.get(`/v1/sites/${site.id}/messages/${message.id}/stats`, { signal }), [message.id, message.state, counted], { every: going ? WHILE_GOING : AFTERWARDS, keep: true });
  const known = stats.data && !stats.problem;
  return html`
    <div class="grid2">
      <${Section} title="Funnel"><${Funnel} label="From the audience to the click" steps=${[
        { name: "Audience", value: progress.audience }, { name: "Accepted", value: progress.accepted }, { name: "Displayed", value: results.displayed }, { name: "Clicked", value: results.clicked },
      ]} />
        ${known && Object.keys(stats.data.actions || {}).length > 0 && html`<p class="muted">Clicks: ${Object.entries(stats.data.actions).map(([name, clicks]) => `${name || "on the message"} ${number(/** @type {number} */ (clicks))}`).join(", ")}.</p>`}
      <//>
      <${Section} title="Displays and clicks">${known && stats.data.series?.some((/** @type {any} */ each) => each.displayed || each.clicked)
        ? html`<${Chart} label="Displays and clicks over time" stepStyle="short" height=${180} at=${stats.data.series.map((/** @type {any} */ each) => each.at)} series=${[
            { label: "Displayed", values: stats.data.series.map((/** @type {any} */ each) => each.displayed), tone: "chart-2" },
            { label: "Clicked", values: stats.data.series.map((/** @type {any} */ each) => each.clicked), tone: "chart-3" },
          ]} />`
        : stats.problem ? html`<${Empty} title=${stats.problem.isMissingRoute ? "This gateway does not draw this yet." : "The curve cannot be drawn just now."} icon="overview">${stats.problem.isMissingRoute ? "The figures beside are complete." : stats.problem.sentence()}<//>`
        : stats.data ? html`<${Empty} title="Nothing has been displayed yet." icon="overview" />` : html`<${Loading} />`}<//>
    </div>
    ${known && html`<div class="grid3">
      <${Split} title="Push services" data=${stats.data.by_provider} names=${PROVIDER_NAMES} first="accepted" />
      <${Split} title="Browsers" data=${stats.data.by_browser} first="displayed" />
      <${Split} title="Countries" data=${stats.data.by_country} names=${null} first="displayed" country />
    </div>`}`;
}

/** @param {{title: string, data: Record<string, any> | undefined, names?: Record<string, string> | null, first: string, country?: boolean}} props */
function Split({ title, data, names, first, country }) {
  const rows = Object.entries(data || {}).map(([name, counts]) => ({ name, ...counts })).sort((a, b) => (b[first] || 0) - (a[first] || 0)).slice(0, 12);
  if (!rows.length) return null;
  const whole = first == "accepted" ? "accepted" : "displayed";
  return html`<${Section} title=${title} class="split" flush><${Table} label=${title} rows=${rows} keyOf=${(/** @type {any} */ each) => each.name} columns=${[
    { head: first == "accepted" ? "Service" : title.replace(/ies$/, "y").replace(/s$/, ""), main: true, cell: (/** @type {any} */ each) => (country ? countryName(each.name) : names?.[each.name] || each.name || "unknown") },
    { head: first == "accepted" ? "Accepted" : "Displayed", num: true, cell: (/** @type {any} */ each) => number(each[first]) },
    ...(first == "accepted" ? [{ head: "Displayed", num: true, cell: (/** @type {any} */ each) => html`<span title=${number(each.displayed)}>${percent(share(each.displayed, each.accepted))}</span>` }] : []),
    { head: "Clicked", num: true, cell: (/** @type {any} */ each) => html`<span title=${number(each.clicked)}>${percent(share(each.clicked, each[whole]))}</span>` },
  ]} /><//>`;
}

/** @param {string} code */
function countryName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "region" }).of(code) || code;
  } catch {
    return code || "unknown";
  }
}
