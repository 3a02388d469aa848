/** The frame round every screen: menu, site switcher, alerts. */
import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { api, signOut } from "./api.js";
import { go, link, ROUTES } from "./routes.js";
import { Badge, Button, Icon, useLoad, useSession } from "./ui/index.js";

const ALERTS_EVERY = 30000;

/** @param {{route: any, params: Record<string, string>, site: any, sites: any, children?: any, onSignOut: () => void}} props */
export function Shell({ route, params, site, sites, children, onSignOut }) {
  const [open, setOpen] = useState(false);
  const { may, allSites, session } = useSession();
  const alerts = useLoad((signal) => api.get("/v1/alerts", { query: { state: "raised" }, signal }), [], { every: ALERTS_EVERY });
  const raised = alerts.data?.items || [];
  const current = site?.id || (sites.data ? remembered(sites.data) : params.site);

  useEffect(() => setOpen(false), [route, params]);
  useEffect(() => {
    if (!open) return;
    const escape = (/** @type {KeyboardEvent} */ event) => event.key == "Escape" && setOpen(false);
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, [open]);

  const items = (/** @type {string} */ group) =>
    ROUTES.filter((each) => each.group == group && (!each.scope || may(each.scope)) && (!each.allSites || allSites) && (current || !each.path.includes(":site")));
  const lit = route.icon ? route.name : route.menu;
  const leave = async () => {
    await signOut().catch(() => {});
    onSignOut();
  };

  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => (e.preventDefault(), /** @type {HTMLElement} */ (document.querySelector("main h1"))?.focus())}>Skip to the content</a>
    <div class=${"shell" + (open ? " menu-open" : "")}>
      <header class="topbar">
        <${Button} kind="ghost" icon=${open ? "close" : "menu"} label=${open ? "Close the menu" : "Open the menu"} aria-expanded=${open} aria-controls="menu" onClick=${() => setOpen(!open)} />
        <span class="topbar-title">${site?.name || "Push gateway"}</span>
        ${raised.length > 0 && html`<a class="topbar-alerts" href="#/alerts"><${Badge} tone=${worst(raised)}>${raised.length}<span class="hidden"> alerts</span><//></a>`}
        ${current && may("send") && html`<${Button} kind="primary" small icon="plus" label="New message" href=${link("/s/:site/messages/new", { site: current })} />`}
      </header>
      <div class="scrim" onClick=${() => setOpen(false)}></div>
      <div class="side" id="menu">
        <div class="brand"><img src="icon.svg" alt="" width="28" height="28" /><span>Push gateway</span></div>
        <${SiteSwitcher} sites=${sites} current=${current} route=${route} />
        ${current && may("send") && html`<${Button} kind="primary" icon="plus" href=${link("/s/:site/messages/new", { site: current })}>New message<//>`}
        <nav aria-label="Main">
          ${current && html`<ul>${items("site").map((each) => html`<${Item} route=${each} site=${current} on=${each.name == lit} />`)}</ul><hr />`}
          <ul>${items("gateway").map((each) => html`<${Item} route=${each} site=${current} on=${each.name == lit} count=${each.name == "alerts" ? raised.length : 0} />`)}</ul>
        </nav>
        <div class="side-foot">
          <a href="../docs" target="_blank" rel="noopener"><${Icon} name="external" size="16" />API reference</a>
          <button class="linklike" type="button" onClick=${leave}><${Icon} name="leave" size="16" />Sign out</button>
          <small class="muted">Version ${session.version}</small>
        </div>
      </div>
      <main id="main" aria-busy=${alerts.data || alerts.problem ? null : "true"}>
        ${route.name != "alerts" && html`<${AlertBanner} raised=${raised} />`}
        ${children}
      </main>
    </div>`;
}

/** @param {{route: any, site: string | null, on: boolean, count?: number}} props */
const Item = ({ route, site, on, count = 0 }) => html`
  <li><a href=${link(route.path, { site })} aria-current=${on ? "page" : null}><${Icon} name=${route.icon} /><span>${route.title}</span>${count > 0 && html`<span class="count">${count}<span class="hidden"> raised</span></span>`}</a></li>`;

/** @param {{sites: any, current: string | null, route: any}} props */
function SiteSwitcher({ sites, current, route }) {
  const known = sites.data || [];
  if (!known.length) return html`<a class="switcher-empty" href="#/sites/new">Add your first site</a>`;
  // The same screen of the other site, where there is one; what has an id belongs to this site alone.
  const path = route.path.startsWith("/s/:site/") && !route.path.includes(":id") ? route.path.replace("/:tab", "") : "/s/:site/overview";
  const choose = (/** @type {any} */ e) => go(link(path, { site: e.target.value }));
  return html`<div class="switcher"><label class="hidden" for="switcher">Site</label>
    <select id="switcher" value=${current} onChange=${choose}>${known.map((/** @type {any} */ each) => html`<option value=${each.id} selected=${each.id == current}>${each.name}</option>`)}</select></div>`;
}

/** @param {{raised: any[]}} props */
function AlertBanner({ raised }) {
  const fresh = raised.filter((each) => !each.acknowledged_at);
  if (!fresh.length) return null;
  const tone = worst(fresh);
  const first = fresh.find((each) => each.severity == "critical") || fresh[0];
  return html`<div class=${"alert-banner " + tone} role="status"><${Icon} name="warn" /><span>${first.summary}</span>
    <a href="#/alerts">${fresh.length > 1 ? `See all ${fresh.length} alerts` : "See what to look at"}</a></div>`;
}

/** @param {any[]} raised */
const worst = (raised) => (raised.some((each) => each.severity == "critical") ? "bad" : "warn");

const REMEMBERED = "push-gateway-site";
/** @param {any[] | null} sites @returns {string | null} the site looked at last, else the first */
export function remembered(sites) {
  if (!sites?.length) return null;
  const last = localStorage.getItem(REMEMBERED);
  return (sites.find((each) => each.id == last) || sites[0]).id;
}

/** @param {string} site */
export const remember = (site) => localStorage.setItem(REMEMBERED, site);
