/** To a few browsers first, the admin's own say: remembered here, for each site. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api, Problem } from "../../api.js";
import { Button, Check, Dialog, Failure, Notice, Progress, TextField, useAction, useLoad } from "../../ui/index.js";
import { randomKey } from "./form.js";

const place = (/** @type {string} */ site) => `push-gateway-test-browsers ${site}`;
/** @param {string} site @returns {{id: string, name: string}[]} */
export function testBrowsers(site) {
  try {
    return JSON.parse(localStorage.getItem(place(site)) || "[]");
  } catch {
    return [];
  }
}

/** @param {any} subscription */
const nameOf = ({ external_id, browser, platform, id }) => [external_id, [browser, platform].filter(Boolean).join(" on ")].filter(Boolean).join(", ") || id;

/**
 * @param {{site: any, store: () => Promise<string>, onClose: () => void}} props store: saves the message, answers its id
 */
export function TestSend({ site, store, onClose }) {
  const [known, setKnown] = useState(testBrowsers(site.id));
  const [chosen, choose] = useState(known.map((each) => each.id));
  const [typed, type] = useState("");
  const [sent, setSent] = useState(/** @type {string[] | null} */ (null));
  const [key] = useState(randomKey);
  /** @param {{id: string, name: string}[]} next */
  function remember(next) {
    setKnown(next);
    localStorage.setItem(place(site.id), JSON.stringify(next));
  }
  const add = useAction(async () => {
    const text = typed.trim();
    const found = text.startsWith("sub_") ? [await api.get(`/v1/sites/${site.id}/subscriptions/${text}`)] : (await api.get(`/v1/sites/${site.id}/subscriptions`, { query: { external_id: text, state: "active", limit: 10 } })).items;
    const fresh = found.filter((/** @type {any} */ each) => !known.some(({ id }) => id == each.id)).map((/** @type {any} */ each) => ({ id: each.id, name: nameOf(each) }));
    if (!found.length) throw new Problem(404, { detail: "No active subscriber has this id." });
    remember([...known, ...fresh].slice(-20));
    choose([...chosen, ...found.map((/** @type {any} */ each) => each.id)]);
    type("");
  });
  const send = useAction(async () => {
    const id = await store();
    const made = await api.post(`/v1/sites/${site.id}/messages/${id}/test`, { subscriptions: chosen }, { headers: { "Idempotency-Key": key + chosen.join("").slice(0, 100) } });
    setSent(made.tests);
  });
  return html`<${Dialog} title="Test send" onClose=${onClose}>
    ${sent ? html`<${Sent} site=${site} ids=${sent} /><div class="form-foot end"><${Button} kind="primary" onClick=${onClose}>Done<//></div>`
      : html`
      <p>Sends it to these browsers now, whatever its audience and time are. Of an A/B test each gets every variant. Nothing of it shows in the message's figures.</p>
      ${known.length ? html`<div class="stack tight">${known.map((each) => html`<div class="row between" key=${each.id}>
          <${Check} label=${each.name} hint=${each.name == each.id ? undefined : html`<code>${each.id}</code>`} checked=${chosen.includes(each.id)} onChange=${(/** @type {boolean} */ on) => choose(on ? [...chosen, each.id] : chosen.filter((id) => id != each.id))} />
          <${Button} kind="ghost" small icon="close" label=${`Forget ${each.name}`} onClick=${() => (remember(known.filter(({ id }) => id != each.id)), choose(chosen.filter((id) => id != each.id)))} /></div>`)}</div>`
        : html`<${Notice}>Subscribe on your site with this browser, then add it here: in the browser's console <code>pushGateway.subscription()</code> shows its id.<//>`}
      <form class="line" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), add.run())}><${TextField} label="Add a browser" placeholder="sub_…, or one of your visitors' ids" value=${typed} onChange=${type} spellcheck="false" /><${Button} type="submit" busy=${add.busy} disabled=${!typed.trim()}>Add<//></form>
      <${Failure} problem=${add.problem} compact /><${Failure} problem=${send.problem} />
      <div class="form-foot end"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="primary" busy=${send.busy} disabled=${!chosen.length} onClick=${send.run}>Send the test<//></div>`}
  <//>`;
}

/** @param {{site: any, ids: string[]}} props */
function Sent({ site, ids }) {
  const tests = useLoad((signal) => Promise.all(ids.map((id) => api.get(`/v1/sites/${site.id}/messages/${id}`, { signal }))), [ids.join()], { every: 1000, keep: true });
  return html`<${Notice} tone="good">The test is on its way.<//><${Failure} problem=${tests.problem} compact />
    <div class="stack" role="status">${tests.data?.map((each) => html`<div key=${each.id}><p>${each.notification.title}: ${each.state == "sent" ? `${each.progress.accepted} of ${each.progress.audience} taken by push services, ${each.results.displayed} displayed` : "sending …"}</p>${each.progress.audience != null && html`<${Progress} progress=${each.progress} legend=${false} />`}</div>`)}</div>`;
}
