/**
 * The dashboard: session, address, screen. No build step: what stands here is what runs.
 * How a screen is written: ui/index.js. Where it stands: routes.js. How the API is called: api.js.
 */
import { html, render, useCallback, useEffect, useErrorBoundary, useMemo, useState } from "./vendor/preact-htm.js";
import { api, onSignedOut, openSession } from "./api.js";
import { findRoute, go, link } from "./routes.js";
import { remember, remembered, Shell } from "./shell.js";
import { Button, DialogHost, Failure, Loading, Page, SessionContext, SiteContext, toast, useLoad } from "./ui/index.js";

function App() {
  const [session, setSession] = useState(/** @type {any} */ (undefined));
  const [why, setWhy] = useState("");
  const start = useLoad(async () => setSession(await openSession()), []);
  useEffect(
    () =>
      onSignedOut((problem) => {
        // Without a cookie the gateway speaks as to a program: of headers.
        setWhy(/^(Sign in\.|Send `Authorization)/.test(problem.message) ? "Your session has ended. What you were writing is kept." : problem.message);
        setSession(null);
      }),
    [],
  );
  const known = useMemo(
    () => session && { session, may: (/** @type {string} */ scope) => session.scopes.includes(scope), allSites: session.site == null },
    [session],
  );
  if (session === undefined) return html`<main class="alone">${start.problem ? html`<${Failure} problem=${start.problem} retry=${start.reload} />` : null}</main>`;
  if (session === null) return html`<${Screen} name="login" why=${why} onSignedIn=${setSession} />`;
  return html`<${SessionContext.Provider} value=${known}><${SignedIn} onSignOut=${() => (setWhy(""), setSession(null))} /><${DialogHost} /><//>`;
}

/** @param {{onSignOut: () => void}} props */
function SignedIn({ onSignOut }) {
  const hash = useHash();
  const found = useMemo(() => findRoute(hash), [hash]);
  const sites = useLoad((signal) => api.all("/v1/sites", { signal, most: 500 }), []);
  const [fetched, setFetched] = useState(/** @type {Record<string, any>} */ ({}));
  const id = found?.params.site;
  const listed = id ? fetched[id] || sites.data?.find((each) => each.id == id) || null : null;
  // There may be more sites than the list holds.
  const single = useLoad((signal) => api.get(`/v1/sites/${id}`, { signal }), [id], { skip: !id || !sites.data || Boolean(listed) });
  const site = listed || (single.data?.id == id ? single.data : null);

  useEffect(() => {
    if (findRoute(location.hash) || !sites.data) return;
    const first = remembered(sites.data);
    go(first ? link("/s/:site/overview", { site: first }) : "#/sites", true);
  }, [found, sites.data]);
  useEffect(() => {
    if (site) remember(site.id);
  }, [site?.id]);

  const reload = useCallback(async () => {
    await sites.reload();
    if (!id) return;
    const fresh = await api.get(`/v1/sites/${id}`).catch(() => null);
    setFetched((before) => ({ ...before, [id]: fresh }));
  }, [id]);
  const context = useMemo(() => ({ site, zone: site?.settings.timezone || undefined, reload }), [site, reload]);

  if (!found) return html`<main class="alone">${sites.problem ? html`<${Failure} problem=${sites.problem} retry=${sites.reload} />` : html`<${Loading} />`}</main>`;
  const { route, params } = found;
  const screen = id && !site
    ? sites.data && single.problem?.status == 404
      ? html`<${Page} title="There is no such site"><p>It may have been deleted, or your token may not see it. <a href="#/sites">All sites</a></p><//>`
      : sites.problem || single.problem ? html`<${Failure} problem=${sites.problem || single.problem} retry=${sites.problem ? sites.reload : single.reload} />` : html`<${Loading} />`
    : html`<${Screen} key=${[route.name, id, params.id].join()} name=${route.name} site=${site} params=${params} />`;
  return html`<${SiteContext.Provider} value=${context}><${Shell} route=${route} params=${params} site=${site} sites=${sites} onSignOut=${onSignOut}>${screen}<//><//>`;
}

/** @type {Map<string, any>} screens that are here already */
const loaded = new Map();

/** A reload while the gateway is away would leave the browser's own page of errors here. */
async function reloadWhenThere() {
  try {
    await fetch("session", { cache: "no-store" });
    location.reload();
  } catch {
    toast("The gateway still cannot be reached.", "bad");
  }
}

/** Load a screen's module, then show it. @param {any} props */
function Screen({ name, ...props }) {
  const [, arrived] = useState(0);
  const [failed, setFailed] = useState(/** @type {any} */ (null));
  const [broken, mend] = useErrorBoundary((/** @type {unknown} */ error) => console.error(error));
  const Component = loaded.get(name);
  useEffect(() => {
    if (loaded.has(name)) return void (Component || arrived((n) => n + 1)); // it came for another, after this one was drawn
    import(`./screens/${name}.js`).then(
      (module) => (loaded.set(name, module.default), setFailed(null), arrived((n) => n + 1)),
      (error) => (console.error(error), setFailed(error)),
    );
  }, [name]);
  if (failed) {
    return html`<${Page} title="This page could not be loaded">
      <p>The gateway cannot be reached, or has been updated since you opened this page.</p>
      <div><${Button} onClick=${reloadWhenThere} icon="reload">Try again<//></div><//>`;
  }
  if (broken) {
    return html`<${Page} title="This page stopped working">
      <p>That is a mistake of ours; nothing was changed by it. The browser's console says more.</p>
      <div><${Button} onClick=${mend} icon="reload">Try again<//></div><//>`;
  }
  return Component ? html`<${Component} ...${props} />` : html`<${Loading} />`;
}

function useHash() {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const listener = () => {
      /** @type {any} */ (window).navigated = true; // from now on a new page's heading gets the focus
      set(location.hash);
      scrollTo(0, 0);
    };
    addEventListener("hashchange", listener);
    set(location.hash); // it may have changed since it was read
    return () => removeEventListener("hashchange", listener);
  }, []);
  return hash;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
