import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { go, link } from "../routes.js";
import { Badge, Button, Empty, Page, Progress, ProgressLine, Section, Table, Tabs, TextField, Time, number, percent, share, useLive, usePages, useSession } from "../ui/index.js";

const STATES = [
  ["", "All"], ["draft", "Drafts"], ["scheduled", "Scheduled"], ["sending", "Sending"], ["paused", "Paused"], ["sent", "Sent"], ["cancelled", "Cancelled"], ["expired", "Expired"],
];

const ENDED = ["sent", "cancelled", "expired"];

/** @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  const { may } = useSession();
  const { state = "", title = "", series = "" } = params;
  const pages = usePages(`/v1/sites/${site.id}/messages`, { state, title, series });
  const { messages: live } = useLive(site.id);
  const at = (/** @type {Record<string, any>} */ query) => link("/s/:site/messages", { site: site.id }, { state, title, series, ...query });
  // What is heard of one that has ended is as old as its end; the list may have been read later.
  const shown = pages.items?.map((each) => (live[each.id] && !(ENDED.includes(each.state) && ENDED.includes(live[each.id].state)) ? { ...each, ...live[each.id] } : each)) || null;
  const strangers = Object.values(live).filter((each) => each.state == "sending" && !shown?.some(({ id }) => id == each.id)).length;
  useEffect(() => {
    // One that has begun since the list was read: all of it is asked for anew, once.
    if (strangers && (!state || state == "sending") && !title && !series) pages.reload();
  }, [strangers]);
  const fresh = may("send") && html`<${Button} kind="primary" icon="plus" href=${link("/s/:site/messages/new", { site: site.id })}>New message<//>`;
  return html`<${Page} title="Messages" actions=${fresh}>
    <${Tabs} label="States" items=${STATES.map(([name, text]) => ({ href: at({ state: name, series: "" }), text, on: name == state && !series }))} />
    <${Search} title=${title} onSearch=${(/** @type {string} */ text) => go(at({ title: text, series: "" }), true)} />
    ${series && html`<p>Occurrences of one recurring message. <a href=${at({ series: "" })}>All messages</a></p>`}
    <${Section} flush><${Table} label="Messages" pages=${{ ...pages, items: shown }} columns=${columns(site)} empty=${html`<${Nothing} pages=${pages} state=${state} title=${title} action=${fresh} />`} /><//>
  <//>`;
}

/** @param {{title: string, onSearch: (text: string) => void}} props */
function Search({ title, onSearch }) {
  const [typed, type] = useState(title);
  useEffect(() => {
    if (typed.trim() == title) return;
    const timer = setTimeout(() => onSearch(typed.trim()), 400);
    return () => clearTimeout(timer);
  }, [typed]);
  return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), onSearch(typed.trim()))}>
    <${TextField} label="Search by title" hideLabel type="search" placeholder="Search by title" value=${typed} onChange=${type} maxlength="200" /></form>`;
}

/** @param {{pages: any, state: string, title: string, action: any}} props */
function Nothing({ pages, state, title, action }) {
  if (pages.next) return html`<${Empty} icon="search" title="None among the newest." action=${html`<${Button} busy=${pages.moreBusy} onClick=${pages.more}>Look further back<//>`} />`;
  if (title) return html`<${Empty} icon="search" title="No message has this in its title.">${state ? "There may be one in another state." : ""}<//>`;
  if (state) return html`<${Empty} icon="messages" title="None just now." />`;
  return html`<${Empty} icon="messages" title="No messages yet." action=${action}>A title, a text and a link are all that it takes.<//>`;
}

/** What kind of message it is, where that is not plain. @param {any} message */
export const kinds = (message) =>
  [message.recurrence && !message.series && "recurring", message.series && "occurrence", message.automation && "step of an automation", message.withdrawal_of && "withdrawal", message.replay_of && "once more", message.test_of && "test", message.dry_run && "dry run", message.variants && "A/B", message.category].filter(Boolean);

/** @param {any} site */
const columns = (site) => [
  {
    head: "Title", main: true,
    cell: (/** @type {any} */ each) => html`<a href=${link("/s/:site/messages/:id", { site: site.id, id: each.id })}>${each.withdrawal_of ? "Withdrawal" : each.notification.title}</a>
      <small>${[...kinds(each), each.notification.body].filter(Boolean).join(" · ").slice(0, 120)}</small>`,
  },
  { head: "State", tight: true, cell: (/** @type {any} */ each) => html`<span title=${each.state_reason || ""}><${Badge} state=${each.state} /></span>` },
  { head: "When", tight: true, cell: (/** @type {any} */ each) => (each.state == "draft" ? html`<span class="muted">not yet</span>` : html`<${Time} at=${each.started_at || each.send_at} />`) },
  { head: "Progress", cell: (/** @type {any} */ each) => html`<${Cell} message=${each} />` },
  { head: "Displayed", num: true, cell: (/** @type {any} */ each) => rate(each, "displayed") },
  { head: "Clicked", num: true, cell: (/** @type {any} */ each) => rate(each, "clicked") },
];

/** @param {any} message @param {string} name */
function rate({ results, progress }, name) {
  if (!progress.accepted) return null;
  return html`<span title=${`${number(results[name])} of ${number(progress.accepted)}`}>${percent(share(results[name], progress.accepted))}</span>`;
}

/** @param {{message: any}} props */
function Cell({ message }) {
  const { progress, state, state_reason: reason } = message;
  if (["draft", "scheduled"].includes(state)) return reason ? html`<span class="muted">${reason}</span>` : null;
  if (!message.started_at && !message.automation) return html`<span class="muted">${reason || "never started"}</span>`;
  if (progress.audience == null) return html`<${ProgressLine} progress=${progress} />`;
  const going = state == "sending" || state == "paused";
  return html`<div class="mini"><${Progress} progress=${progress} legend=${false} state=${state} label=${`Progress of ${message.notification.title}`} />
    <small>${going ? html`<${ProgressLine} progress=${progress} />` : `${number(progress.accepted)} of ${number(progress.audience)} accepted`}</small></div>`;
}
