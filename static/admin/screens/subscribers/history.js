/** What one visitor was sent and did, newest first. */
import { html } from "../../vendor/preact-htm.js";
import { link } from "../../routes.js";
import { Empty, Failure, Icon, Loading, More, Section, Time, time, usePages, useSite } from "../../ui/index.js";
import { DETAILS, HAPPENED } from "./words.js";

/** @param {{site: any, path: string}} props */
export function History({ site, path }) {
  const { zone } = useSite();
  const pages = usePages(`${path}/history`, {}, { limit: 50 });
  return html`<${Section} title="History" lead="Newest first, for as long as single deliveries and events are kept.">
    ${pages.items == null
      ? pages.problem ? html`<${Failure} problem=${pages.problem} retry=${pages.reload} />` : html`<${Loading} lines="5" />`
      : pages.items.length || pages.next
        ? html`<div class="history">${byDay(inTurn(pages.items), zone).map(([day, entries]) => html`<h3 key=${day}>${day}</h3><ol>${entries.map((each, i) => html`<${Entry} key=${each.at + each.kind + i} site=${site} entry=${each} />`)}</ol>`)}</div>
            <${More} pages=${pages} />`
        : html`<${Empty} icon="messages" title="Nothing has happened yet.">Messages, displays and clicks of this browser are listed here.<//>`}
  <//>`;
}

/**
 * A quick browser shows a push before its push service's answer is recorded: the same second or so, and in the order of the clock it reads as
 * shown before it was sent.
 * @param {any[]} entries newest first
 */
function inTurn(entries) {
  const turned = [...entries];
  for (let i = 1; i < turned.length; i++) {
    const [later, earlier] = [turned[i - 1], turned[i]];
    const close = Date.parse(later.at) - Date.parse(earlier.at) < 10_000;
    if (close && later.kind == "accepted" && earlier.kind != "accepted" && earlier.message == later.message) [turned[i - 1], turned[i]] = [earlier, later];
  }
  return turned;
}

/** @param {any[]} entries @param {string | undefined} zone @returns {[string, any[]][]} */
function byDay(entries, zone) {
  /** @type {Map<string, any[]>} */
  const days = new Map();
  for (const each of entries) {
    const day = time(each.at, zone, "date");
    days.set(day, [...(days.get(day) || []), each]);
  }
  return [...days];
}

/** @param {{site: any, entry: any}} props */
function Entry({ site, entry }) {
  const ranOut = entry.kind == "expired" && !entry.message; // the subscription, not a delivery
  const [said, icon, tone] = ranOut ? ["The subscription ran out", "stop", "bad"] : HAPPENED[entry.kind] || [entry.kind, "info", ""];
  const name = entry.kind == "event" ? entry.detail : said;
  const detail = entry.kind == "event" ? "on the site" : entry.kind == "clicked" && entry.detail ? `on the button ${entry.detail}` : DETAILS[entry.detail] || entry.detail;
  return html`<li class=${tone}><span class="history-icon"><${Icon} name=${icon} size="16" /></span>
    <div><b>${name}</b>${entry.message && html` <a href=${link("/s/:site/messages/:id", { site: site.id, id: entry.message })}>${entry.title || "a message"}</a>`}${detail && html`<small>${detail}</small>`}</div>
    <${Time} at=${entry.at} style="time" /></li>`;
}
