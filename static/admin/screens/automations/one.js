/** One automation: what begins it, its steps on a time line with what became of each, pause and resume. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Badge, Button, Check, Choice, confirm, Failure, Form, Id, Loaded, Notice, number, Page, Section, Stat, Stats, TextField, toast, useAction, useLoad, useSession } from "../../ui/index.js";
import { Steps } from "./steps.js";
import { editable, freshStep, toBody } from "./words.js";

/** @param {{site: any, id: string}} props */
export function One({ site, id }) {
  const path = `/v1/sites/${site.id}/automations/${id}`;
  const fresh = { name: "", trigger: { on: "subscribe" }, cancel_on: [], once_per_visitor: false, state: "active" };
  const load = useLoad(async (signal) => (id == "new" ? fresh : api.get(path, { signal })), [path], { every: id == "new" ? null : 10000, keep: true });
  const { may } = useSession();
  const [saved, setSaved] = useState(0); // what is being written stays while the figures are asked for anew
  const known = load.data?.id ? load.data : null;
  const back = { href: link("/s/:site/automations", { site: site.id }), text: "Automations" };
  const pause = useAction(async () => {
    await api.patch(path, { state: known.state == "paused" ? "active" : "paused" });
    await load.reload();
  });
  const remove = () =>
    confirm({
      title: `Delete “${known.name}”?`,
      body: html`<p>Nobody gets another step${known.waiting ? `: ${number(known.waiting)} who wait for one get none` : ""}. The messages that were sent stay, with their results.</p>`,
      confirm: "Delete the automation",
      danger: true,
      action: async () => {
        await api.del(path);
        go(back.href);
        toast("The automation is deleted.");
      },
    });
  const actions = known && may("send") && html`
    <${Button} icon=${known.state == "paused" ? "play" : "pause"} busy=${pause.busy} onClick=${() => pause.run()}>${known.state == "paused" ? "Resume" : "Pause"}<//>
    <${Button} kind="danger" icon="trash" onClick=${remove}>Delete…<//>`;
  const title = id == "new" ? "New automation" : known?.name || "Automation";
  return html`<${Page} title=${title} back=${back} actions=${actions} lead=${known && html`<${Badge} state=${known.state} /> <${Id} id=${known.id} />`}>
    <${Failure} problem=${pause.problem} compact />
    <${Loaded} load=${load}>${(/** @type {any} */ automation) => html`
      ${automation.state == "paused" && html`<${Notice} tone="warn">It is paused: nobody comes in and nobody is sent anything. Whoever waits gets their step when it is resumed.<//>`}
      ${automation.id && html`<${Figures} automation=${automation} />`}
      <${Edit} key=${automation.id + saved} site=${site} path=${path} automation=${automation} after=${async () => (await load.reload(), setSaved(saved + 1))} />`}<//>
  <//>`;
}

/** @param {{automation: any}} props */
function Figures({ automation }) {
  const sum = (/** @type {(step: any) => number} */ of) => automation.steps.reduce((/** @type {number} */ total, /** @type {any} */ each) => total + of(each), 0);
  const first = automation.steps[0]?.progress;
  return html`<${Stats}>
    <${Stat} label="Waiting for a step" value=${number(automation.waiting)} />
    <${Stat} label="Reached the first step" value=${number(first?.audience ?? 0)} />
    <${Stat} label="Messages accepted" value=${number(sum((each) => each.progress.accepted))} />
    <${Stat} label="Clicks" value=${number(sum((each) => each.results.clicked))} />
  <//>`;
}

/** @param {{site: any, path: string, automation: any, after: () => Promise<unknown>}} props */
function Edit({ site, path, automation, after }) {
  const { may } = useSession();
  const [form, set] = useState({
    name: automation.name,
    trigger: automation.trigger.on,
    event: automation.trigger.event || "",
    cancel_on: automation.cancel_on.join(", "),
    once_per_visitor: automation.once_per_visitor,
  });
  const [steps, setSteps] = useState(() => automation.steps?.map((/** @type {any} */ each) => editable(each, site)) || [freshStep(3600)]);
  const [stepsChanged, touch] = useState(!automation.id);
  const put = (/** @type {string} */ name) => (/** @type {any} */ value) => set((before) => ({ ...before, [name]: value }));
  async function save() {
    const { steps: all, ...rest } = toBody(form, steps);
    const body = stepsChanged ? { ...rest, steps: all } : rest;
    if (automation.id) {
      await api.patch(path, body);
      await after();
    } else {
      const made = await api.post(`/v1/sites/${site.id}/automations`, body);
      go(link("/s/:site/automations/:id", { site: site.id, id: made.id }), true);
    }
    toast(automation.id ? "Saved. It holds everywhere within five seconds." : "It runs: whoever comes in from now on gets its steps.");
  }
  const fresh = Object.fromEntries((automation.steps || []).map((/** @type {any} */ each) => [each.message.id, each]));
  const shownSteps = steps.map((/** @type {any} */ each) => (each.known ? { ...each, known: fresh[each.known.message.id] || each.known } : each));
  const written = steps.every((/** @type {any} */ each) => each.notification.title.trim());
  const shown = ["name", "trigger.event", "cancel_on"];
  return html`<${Form} save=${save} submit=${automation.id ? "Save the changes" : "Start the automation"} disabled=${!may("send") || !written || !form.name.trim()} shown=${[...shown, "steps"]}>${(/** @type {any} */ { problem }) => html`
    <div class="grid2 second-wide">
      <${Section} title="Who comes in">
        <div class="form">
        <${TextField} label="Name" path="name" problem=${problem} value=${form.name} onChange=${put("name")} maxlength="200" placeholder="Welcome" />
        <${Choice} label="It begins" value=${form.trigger} onChange=${put("trigger")} options=${[
          { value: "subscribe", text: "When somebody subscribes", hint: "or comes back; imports do not count" },
          { value: "event", text: "When an event happens", hint: "that your site or back end tells of" },
        ]} />
        ${form.trigger == "event" && html`<${TextField} label="Name of the event" path="trigger.event" problem=${problem} value=${form.event} onChange=${put("event")} maxlength="64" placeholder="cart" spellcheck="false" autocapitalize="off" hint=${html`As in <code>pushGateway.track("${form.event || "cart"}")</code>.`} />`}
        <${TextField} label="It ends early with" optional path="cancel_on" problem=${problem} value=${form.cancel_on} onChange=${put("cancel_on")} placeholder="purchase" spellcheck="false" autocapitalize="off" hint="Names of events, with commas. Whoever has one gets no further step, on any of their browsers." />
        <${Check} label="Only once in a visitor's life" checked=${form.once_per_visitor} onChange=${put("once_per_visitor")} hint="Otherwise they come in again with the next event, once they are through." />
        </div>
      <//>
      <${Steps} site=${site} trigger=${form.trigger == "subscribe" ? "Somebody subscribes" : `${form.event || "The event"} happens`} steps=${shownSteps} problem=${problem} editable=${may("send")}
        onChange=${(/** @type {any[]} */ next) => (setSteps(next), touch(true))} />
    </div>`}
  <//>`;
}
