/** How a website gets its two lines, and whether they are there. */
import { html } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { Button, Code, Failure, Icon, Notice, useAction, useSession } from "../ui/index.js";
import { useState } from "../vendor/preact-htm.js";

/** @param {{site: any}} props */
export function Setup({ site }) {
  const gateway = new URL(site.snippet.match(/src="([^"]+)"/)[1]).href.replace(/\/sdk\/[^/]*$/, "");
  return html`<ol class="steps">
    <li><h3>Into your pages</h3><p class="muted">Anywhere, best in the head.</p><${Code} text=${site.snippet} label="Copy the snippet" /></li>
    <li><h3>As the file /push-sw.js at the root of your website</h3><p class="muted">Browsers take a service worker only from the site itself. Served as JavaScript.</p>
      <${Code} text=${`importScripts("${gateway}/sdk/sw.js");`} label="Copy the worker's line" /></li>
    <li><h3>Something to click</h3><p class="muted">Ask when it makes sense to the visitor, never on load.</p>
      <${Code} text=${"<button data-push-gateway-subscribe>Tell me when there is news</button>"} label="Copy the button" /></li>
  </ol>`;
}

const CHECKS = /** @type {Record<string, string>} */ ({
  worker_file: "The worker file is there",
  worker_content_type: "It is served as JavaScript",
  worker_code: "It loads the gateway's worker",
  https: "The site speaks HTTPS",
  origin: "The site's origins are right",
  manifest: "A web app manifest, for iPhones and iPads",
  key: "There is an active key",
});

/** Is my site set up right? @param {{site: any}} props */
export function SetupCheck({ site }) {
  const { may } = useSession();
  const [found, set] = useState(/** @type {any} */ (null));
  const check = useAction(async () => {
    set(null);
    set(await api.post(`/v1/sites/${site.id}/check`, {}));
  });
  return html`
    <p class="muted">The gateway fetches your worker file as a browser would, and says what is wrong with it.</p>
    <div class="row"><${Button} kind="primary" icon="search" busy=${check.busy} disabled=${!may("manage")} onClick=${() => check.run()}>${check.busy ? "Looking…" : "Check my site"}<//>
      ${!may("manage") && html`<span class="muted">Your token would need the scope manage.</span>`}</div>
    <${Failure} problem=${check.problem} />
    <div aria-live="polite" class="stack tight">${found && html`
      <${Notice} tone=${found.ok ? "good" : "warn"}>${found.ok ? "All is well: visitors can subscribe." : "Not yet: see what is marked below."}<//>
      <ul class="checks">${found.checks.map((/** @type {any} */ each) => html`<li class=${each.ok ? "ok" : each.needed === false ? "maybe" : "bad"}><${Icon} name=${each.ok ? "check" : each.needed === false ? "warn" : "close"} /><div><b>${CHECKS[each.name] || each.name}</b><span class="hidden">${each.ok ? ": yes" : ": no"}</span>${each.message && html`<p class="muted">${each.message}</p>`}</div></li>`)}</ul>`}
    </div>`;
}
