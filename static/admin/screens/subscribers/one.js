/** One visitor: what is known, what happened, what can be done. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Badge, Button, confirm, Facts, Id, Loaded, Notice, Page, Section, Time, toast, useLoad, useSession } from "../../ui/index.js";
import { Attributes, OptOuts, Tags } from "./edit.js";
import { History } from "./history.js";
import { TestMessage } from "./test_message.js";
import { deviceOf, MEANING, nameOf, PROVIDERS } from "./words.js";

/** @param {{site: any, id: string}} props */
export function One({ site, id }) {
  const path = `/v1/sites/${site.id}/subscriptions/${id}`;
  const load = useLoad((signal) => api.get(path, { signal }), [path], { keep: true });
  const { may } = useSession();
  const [testing, test] = useState(false);
  const known = load.data;
  const list = { href: link("/s/:site/subscribers", { site: site.id }), text: "Subscribers" };
  const erase = () =>
    confirm({
      title: "Erase this subscriber?",
      body: html`<p>Everything personal is overwritten: external id, tags, attributes, endpoint, keys, and what they did. Counts of messages stay. <b>There is no way back</b>; the same browser may subscribe again.</p>`,
      confirm: "Erase",
      danger: true,
      action: async () => {
        await api.del(path);
        go(list.href);
        toast("The subscriber is erased.");
      },
    });
  if (load.problem?.status == 404 && !known) {
    return html`<${Page} title="There is no such subscriber" back=${list}><p>It may have been erased, or the id is another site's.</p><//>`;
  }
  const lives = known && known.state == "active";
  return html`<${Page} title=${known ? nameOf(known) : "Subscriber"} back=${list} actions=${known && known.state != "erased" && html`
      ${may("send") && lives && html`<${Button} icon="messages" onClick=${() => test(true)}>Send a test<//>`}
      ${may("manage") && html`<${Button} kind="danger" icon="trash" onClick=${erase}>Erase…<//>`}`}>
    <${Loaded} load=${load} lines="6">${(/** @type {any} */ subscription) => html`
      ${!lives && html`<${Notice} tone="warn"><b>${MEANING[subscription.state]}</b>${subscription.ended_at && html` <${Time} at=${subscription.ended_at} />`}<//>`}
      <div class="grid2 second-wide">
        <div class="stack">
          <${Known} site=${site} subscription=${subscription} />
          <${Tags} path=${path} subscription=${subscription} after=${load.reload} />
          <${Attributes} path=${path} subscription=${subscription} after=${load.reload} />
          <${OptOuts} site=${site} path=${path} subscription=${subscription} after=${load.reload} />
        </div>
        <${History} site=${site} path=${path} />
      </div>`}<//>
    ${testing && html`<${TestMessage} site=${site} subscription=${known} onClose=${() => test(false)} />`}
  <//>`;
}

/** @param {{site: any, subscription: any}} props */
function Known({ site, subscription: s }) {
  const others = s.external_id && html`<a href=${link("/s/:site/subscribers", { site: site.id }, { who: s.external_id, state: "all" })}>all browsers of this visitor</a>`;
  return html`<${Section} title="What is known"><${Facts} items=${[
    ["State", html`<${Badge} state=${s.state} />`],
    ["External id", s.external_id ? html`${s.external_id}<br />${others}` : html`<span class="muted">none: your site has not said who this is</span>`],
    ["Browser", deviceOf(s)],
    ["Language", s.language],
    ["Time zone", s.timezone],
    ["Country", s.country],
    ["Push service", PROVIDERS[s.provider] || s.provider],
    ["Subscribed", html`<${Time} at=${s.created_at} />`],
    ["Seen on the site", html`<${Time} at=${s.seen_at} style="relative" />`],
    ["Last accepted", s.accepted_at && html`<${Time} at=${s.accepted_at} style="date" /> <span class="muted">to the week</span>`],
    ["Last displayed", s.displayed_at && html`<${Time} at=${s.displayed_at} />`],
    ["Last clicked", s.clicked_at && html`<${Time} at=${s.clicked_at} />`],
    ["Runs out", s.expires_at && html`<${Time} at=${s.expires_at} />`],
    ["Subscription", html`<${Id} id=${s.id} />`],
  ]} /><//>`;
}
