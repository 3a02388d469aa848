import { html, useMemo, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { link } from "../routes.js";
import {
  Badge, Button, compact, confirm, Empty, Facts, Failure, Funnel, Loading, number, Page, percent, Progress, ProgressLine, providerName, Section, share, Stat, Stats,
  Table, Time, toast, useAction, useLive, useLoad, useSession,
} from "../ui/index.js";
import { Chart } from "../ui/chart.js";
import { Setup } from "./site_setup.js";

const RANGES = [7, 30, 90];
const DAY = 86400000;
const LATEST = 8;

/** What is going on at a site. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  const days = RANGES.find((each) => String(each) == params.days) || 30;
  const path = `/v1/sites/${site.id}`;
  const from = useMemo(() => new Date(Date.now() - days * DAY).toISOString(), [days, site.id]);
  const stats = useLoad((signal) => api.get(`${path}/stats`, { query: { from, step: "day" }, signal }), [path, from], { every: 60000, keep: true });
  const messages = useLoad((signal) => api.get(`${path}/messages`, { query: { limit: 30 }, signal }), [path], { every: 15000 });
  const isNew = stats.data && !stats.data.subscribers.active && messages.data && !messages.data.items.length;

  return html`<${Page} title=${site.name} name="Overview" actions=${html`
      <div class="segmented" role="group" aria-label="Period">${RANGES.map((each) => html`<a href=${link("/s/:site/overview", { site: site.id }, { days: each })} aria-current=${each == days ? "true" : null}>${each} days</a>`)}</div>`}>
    <${SendingNow} site=${site} messages=${messages} />
    ${isNew && html`<${Section} title="Two lines, and visitors can subscribe"><${Setup} site=${site} /><//>`}
    ${stats.problem && !stats.data ? html`<${Section}><${Failure} problem=${stats.problem} retry=${stats.reload} /><//>` : null}
    ${stats.data ? !isNew && html`<${Figures} stats=${stats.data} days=${days} />` : stats.problem ? null : html`<${Section}><${Loading} lines=${6} /><//>`}
    <${Latest} site=${site} messages=${messages} />
  <//>`;
}

/** Messages that send or are paused, live. @param {{site: any, messages: any}} props */
function SendingNow({ site, messages }) {
  const live = useLive(site.id);
  const listed = Object.fromEntries((messages.data?.items || []).map((/** @type {any} */ each) => [each.id, each]));
  const known = { ...listed };
  for (const [id, each] of Object.entries(live.messages)) known[id] = { ...listed[id], ...each };
  const going = Object.values(known).filter((each) => each.state == "sending" || each.state == "paused").sort((a, b) => (a.id < b.id ? 1 : -1));
  if (!going.length) return null;
  return html`<${Section} title="Being sent now" actions=${html`<span class="muted live-note">${live.connected ? html`<i class="live-dot"></i>live` : "looked at every few seconds"}</span>`}>
    <ul class="going">${going.map((each) => html`<${Going} key=${each.id} site=${site} message=${each} after=${messages.reload} />`)}</ul>
  <//>`;
}

/** @param {{site: any, message: any, after: () => unknown}} props */
function Going({ site, message, after }) {
  const { may } = useSession();
  const path = `/v1/sites/${site.id}/messages/${message.id}`;
  // The stream tells numbers only; a message that began long ago is not in the list.
  const named = useLoad((signal) => api.get(path, { signal }), [path], { skip: Boolean(message.notification) });
  const [wanted, want] = useState(/** @type {string | null} */ (null));
  const title = (message.notification || named.data?.notification)?.title || "…";
  const act = useAction(async (/** @type {string} */ verb) => {
    want(verb);
    await api.post(`${path}/${verb}`);
    await after();
    want(null);
  });
  const cancel = () =>
    confirm({
      title: "Cancel this message?",
      body: html`<p>Nobody else gets <b>${title}</b>. Whoever has it keeps it. There is no way back: a paused message can go on, a cancelled one cannot.</p>`,
      confirm: "Cancel the message",
      danger: true,
      action: async () => {
        await api.post(`${path}/cancel`);
        await after();
        toast("The message is cancelled.");
      },
    });
  const paused = message.state == "paused";
  return html`<li>
    <div class="row between">
      <div class="row"><a class="strong" href=${link("/s/:site/messages/:id", { site: site.id, id: message.id })}>${title}</a><${Badge} state=${message.state} /></div>
      ${may("send") && html`<div class="actions">
        ${paused
          ? html`<${Button} small icon="play" busy=${act.busy && wanted == "resume"} onClick=${() => act.run("resume")}>Resume<//>`
          : html`<${Button} small icon="pause" busy=${act.busy && wanted == "pause"} onClick=${() => act.run("pause")}>Pause<//>`}
        <${Button} small kind="danger" icon="stop" onClick=${cancel}>Cancel<//>
      </div>`}
    </div>
    <${Progress} progress=${message.progress} state=${message.state} label=${`Progress of ${title}`} />
    <p class="row between"><${ProgressLine} progress=${paused ? { ...message.progress, rate: null } : message.progress} />
      ${message.state_reason && html`<span class="muted">${message.state_reason}${message.waiting_until && html` · goes on <${Time} at=${message.waiting_until} style="relative" />`}</span>`}</p>
    <${Failure} problem=${act.problem} compact />
  </li>`;
}

/** @param {{stats: any, days: number}} props */
function Figures({ stats, days }) {
  const { totals, series, subscribers } = stats;
  const lost = sum(subscribers.lost);
  const came = subscribers.subscribed + (subscribers.resubscribed || 0);
  const net = came - lost;
  const at = series.map((/** @type {any} */ each) => each.at);
  const providers = Object.entries(stats.by_provider).sort(([, a], [, b]) => b.accepted - a.accepted);
  return html`
    <${Stats}>
      <${Stat} label="Subscribers" value=${number(subscribers.active)} hint=${`${net >= 0 ? "+" : "−"}${number(Math.abs(net))} in ${days} days`} tone=${net >= 0 ? "good" : ""} />
      <${Stat} label="Messages started" value=${number(totals.messages)} hint=${`to ${compact(totals.audience)} recipients`} />
      <${Stat} label="Accepted" value=${number(totals.accepted)} hint=${`${percent(share(totals.accepted, totals.audience))} of all`} />
      <${Stat} label="Displayed" value=${percent(share(totals.displayed, totals.accepted))} hint=${`${number(totals.displayed)} of accepted`} />
      <${Stat} label="Clicked" value=${percent(share(totals.clicked, totals.displayed))} hint=${`${number(totals.clicked)} of displayed`} />
    <//>
    <div class="grid2">
      <${Section} title="Subscribers over time">
        <${Chart} label="Active subscribers by day" at=${at} series=${[{ label: "Active", values: active(series, subscribers.active), tone: "chart-1" }]} from0=${false} />
        <${Facts} items=${[
          ["Came", number(came)],
          ["Lost", lost ? html`${number(lost)} <span class="muted">(${reasons(subscribers.lost)})</span>` : "0"],
        ]} />
      <//>
      <${Section} title="Displayed and clicked">
        <${Chart} label="Notifications displayed and clicked by day" at=${at} series=${[
          { label: "Displayed", values: series.map((/** @type {any} */ each) => each.displayed), tone: "chart-2" },
          { label: "Clicked", values: series.map((/** @type {any} */ each) => each.clicked), tone: "chart-3" },
        ]} />
        <${Funnel} label=${`From the audience to the click, ${days} days`} steps=${[
          { name: "Audience", value: totals.audience },
          { name: "Accepted", value: totals.accepted },
          { name: "Displayed", value: totals.displayed },
          { name: "Clicked", value: totals.clicked },
        ]} />
      <//>
    </div>
    ${providers.length > 0 &&
    html`<${Section} title="By push service" lead="When one of them shows far less than before, look there first." flush>
      <${Table} label="What became of pushes, by push service" keyOf=${(/** @type {any} */ row) => row[0]} rows=${providers} columns=${[
        { head: "Push service", cell: ([name]) => providerName(name), main: true },
        { head: "Accepted", cell: ([, c]) => number(c.accepted), num: true },
        { head: "Gone", cell: ([, c]) => number(c.gone), num: true },
        { head: "Failed", cell: ([, c]) => number(c.failed + c.expired), num: true },
        { head: "Displayed", cell: ([, c]) => percent(share(c.displayed, c.accepted)), num: true },
        { head: "Clicked", cell: ([, c]) => percent(share(c.clicked, c.displayed)), num: true },
      ]} />
    <//>`}`;
}

/** The funnel of each of the last messages. @param {{site: any, messages: any}} props */
function Latest({ site, messages }) {
  const started = messages.data && messages.data.items.filter((/** @type {any} */ each) => each.started_at).slice(0, LATEST);
  return html`<${Section} title="Last messages" actions=${html`<a href=${link("/s/:site/messages", { site: site.id })}>All messages</a>`} flush>
    <${Table} label="The last messages and what came of them" rows=${started} problem=${messages.problem}
      empty=${html`<${Empty} title="Nothing has been sent yet." icon="messages">A message to a few subscribers is a good first one.<//>`}
      columns=${[
        { head: "Message", main: true, cell: (m) => html`<a href=${link("/s/:site/messages/:id", { site: site.id, id: m.id })}>${m.withdrawal_of ? "Withdrawal" : m.notification.title}</a>` },
        { head: "State", cell: (m) => html`<${Badge} state=${m.state} />` },
        { head: "Started", cell: (m) => html`<${Time} at=${m.started_at} />` },
        { head: "Audience", num: true, cell: (m) => number(m.progress.audience) },
        { head: "Accepted", num: true, cell: (m) => percent(share(m.progress.accepted, m.progress.audience), 0) },
        { head: "Displayed", num: true, cell: (m) => percent(m.results.display_rate, 0) },
        { head: "Clicked", num: true, cell: (m) => percent(share(m.results.clicked, m.results.displayed)) },
      ]} />
  <//>`;
}

/** @type {Record<string, string>} */
const LOSSES = { gone: "gone", never_worked: "never worked", unsubscribed: "unsubscribed", expired: "expired", erased: "erased" };

/** @param {Record<string, number>} counts */
const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

/** @param {Record<string, number>} lost */
const reasons = (lost) => Object.entries(lost).filter(([, n]) => n).map(([name, n]) => `${number(n)} ${LOSSES[name] || name}`).join(", ");

/** How many there were at the end of each step, from those there are now. @param {any[]} series @param {number} now */
function active(series, now) {
  const values = Array(series.length).fill(now);
  for (let i = series.length - 2; i >= 0; i--) values[i] = values[i + 1] - series[i + 1].subscribed - (series[i + 1].resubscribed || 0) + lostIn(series[i + 1]);
  return values;
}

/** @param {any} step */
const lostIn = (step) => (typeof step.lost == "number" ? step.lost : sum(step.lost || {}));
