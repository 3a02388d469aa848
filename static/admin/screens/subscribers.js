import { html, useState } from "../vendor/preact-htm.js";
import { go, link } from "../routes.js";
import { Badge, Button, Empty, Page, Section, Select, Table, TextField, Time, usePages, useSession } from "../ui/index.js";
import { One } from "./subscribers/one.js";
import { deviceOf, nameOf, STATES } from "./subscribers/words.js";

/** The list, and one visitor's page. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  return params.id ? html`<${One} site=${site} id=${params.id} />` : html`<${List} site=${site} params=${params} />`;
}

/** @param {{site: any, params: Record<string, string>}} props */
function List({ site, params }) {
  const { may } = useSession();
  const wanted = { who: params.who || "", tag: params.tag || "", state: params.state ?? "active" };
  const query = { external_id: wanted.who, tag: wanted.tag, state: wanted.state == "all" ? "" : wanted.state };
  const pages = usePages(`/v1/sites/${site.id}/subscriptions`, query, { limit: 50 });
  const here = (/** @type {any} */ change) => link("/s/:site/subscribers", { site: site.id }, { ...wanted, ...change });
  const columns = [
    { head: "Visitor", main: true, cell: (/** @type {any} */ each) => html`<a href=${link("/s/:site/subscribers/:id", { site: site.id, id: each.id })}>${nameOf(each)}</a>${each.external_id && html`<small><code>${each.id}</code></small>`}` },
    { head: "Browser", cell: (/** @type {any} */ each) => html`${deviceOf(each)}<small>${[each.language, each.country].filter(Boolean).join(", ")}</small>` },
    { head: "Tags", cell: (/** @type {any} */ each) => each.tags.length > 0 && html`<span class="actions">${each.tags.slice(0, 4).map((/** @type {string} */ tag) => html`<a class="tag" href=${here({ tag })} title=${`Only those with the tag ${tag}`}>${tag}</a>`)}${each.tags.length > 4 && html`<span class="muted">and ${each.tags.length - 4} more</span>`}</span>` },
    { head: "State", cell: (/** @type {any} */ each) => html`<${Badge} state=${each.state} />` },
    { head: "Subscribed", tight: true, cell: (/** @type {any} */ each) => html`<${Time} at=${each.created_at} style="date" />` },
    { head: "Last click", tight: true, cell: (/** @type {any} */ each) => html`<${Time} at=${each.clicked_at} style="relative" none="never" />` },
  ];
  const filtered = wanted.who || wanted.tag || wanted.state != "active";
  const empty = filtered
    ? html`<${Empty} icon="search" title="Nobody is like this." action=${html`<${Button} href=${link("/s/:site/subscribers", { site: site.id })}>Show everybody who is active<//>`}>${wanted.who ? "An external id has to be typed whole, as your site writes it." : "Try another tag or state."}<//>`
    : html`<${Empty} icon="subscribers" title="Nobody has subscribed yet." action=${html`<${Button} href=${link("/s/:site/settings", { site: site.id })}>Put the snippet on your site<//>`}>They come by themselves once your pages ask them, or all at once with an import.<//>`;
  return html`<${Page} title="Subscribers" lead="A subscriber is a browser: somebody with a phone and a laptop is here twice, under the same external id."
    actions=${may("manage") && html`<${Button} icon="transfer" href=${link("/s/:site/transfer", { site: site.id })}>Import or export<//>`}>
    <${Section} flush>
      <${Filters} key=${JSON.stringify(wanted)} wanted=${wanted} onChange=${(/** @type {any} */ change) => go(here(change), true)} onOpen=${(/** @type {string} */ id) => go(link("/s/:site/subscribers/:id", { site: site.id, id }))} />
      <${Table} label="Subscribers" pages=${pages} columns=${columns} empty=${empty} />
    <//>
  <//>`;
}

/** @param {{wanted: any, onChange: (change: any) => void, onOpen: (id: string) => void}} props */
function Filters({ wanted, onChange, onOpen }) {
  const [who, setWho] = useState(wanted.who);
  const [tag, setTag] = useState(wanted.tag);
  /** @param {Event} event */
  function search(event) {
    event.preventDefault();
    const text = who.trim();
    if (text.startsWith("sub_")) onOpen(text);
    else onChange({ who: text, tag: tag.trim() });
  }
  return html`<form class="filters" role="search" aria-label="Subscribers" onSubmit=${search}>
    <${TextField} label="External id" type="search" value=${who} onChange=${setWho} placeholder="customer-12, or sub_…" spellcheck="false" autocapitalize="off" />
    <${TextField} label="Tag" type="search" value=${tag} onChange=${setTag} placeholder="any" spellcheck="false" autocapitalize="off" />
    <${Select} label="State" value=${wanted.state} onChange=${(/** @type {string} */ state) => onChange({ who: who.trim(), tag: tag.trim(), state })} options=${[...STATES, { value: "all", text: "Any" }]} />
    <${Button} type="submit" icon="search">Search<//>
  </form>`;
}
