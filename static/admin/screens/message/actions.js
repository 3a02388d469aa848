/** What can be done with a message, each asked for in plain words. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { go, link } from "../../routes.js";
import { Button, Failure, confirm, number, toast, useAction, useSession } from "../../ui/index.js";
import { randomKey } from "../compose/form.js";

/** @param {{site: any, message: any, reload: () => unknown}} props */
export function Actions({ site, message, reload }) {
  const { may } = useSession();
  const path = `/v1/sites/${site.id}/messages/${message.id}`;
  const { state, progress, started_at: started } = message;
  const open = (/** @type {any} */ made, tab = "") => go(link(`/s/:site/messages/:id${tab}`, { site: site.id, id: made.id }));
  const reached = number(progress.accepted);

  const pause = useAction(async () => {
    await api.post(`${path}/pause`);
    toast("Paused: nothing more of it is sent.");
    await reload();
  });
  const resume = useAction(async () => {
    await api.post(`${path}/resume`);
    toast("It goes on where it stopped.");
    await reload();
  });
  const unpublish = useAction(async () => {
    await api.patch(path, { draft: true });
    await reload();
  });
  const duplicate = useAction(async () => open(await api.post(`${path}/duplicate`, undefined, { headers: { "Idempotency-Key": randomKey() } }), "/edit"));
  const cancel = () =>
    confirm({
      title: "Cancel this message?",
      body: started ? html`<p>Nobody else gets it. ${reached} have been sent it already and keep it; who is left counts as skipped.</p><p class="muted">This cannot be undone. To stop for a while, pause it.</p>` : html`<p>It will not be sent. A duplicate can be made of it at any time.</p>`,
      confirm: "Cancel the message", danger: true,
      action: () => api.post(`${path}/cancel`),
    }).then((yes) => yes && reload());
  const withdraw = () => {
    let made = /** @type {any} */ (null);
    return confirm({
      title: "Withdraw this message?",
      body: html`<p>It is taken back from those whose browsers have not shown it yet: Mozilla deletes it, and at the others ${message.fallback ? html`the fallback “${message.fallback.title}” takes its place` : "a short “This message has been withdrawn” takes its place"}. Apple takes nothing back.</p><p>Whoever has seen it has seen it.</p>${state == "sending" && html`<p>It is still being sent: that ends first.</p>`}`,
      confirm: "Withdraw it", danger: true,
      action: async () => { made = await api.post(`${path}/withdraw`); },
    }).then((yes) => yes && open(made));
  };
  const release = () =>
    confirm({
      title: "Send it to the rest now?",
      body: html`<p>${number(progress.remaining)} of ${number(progress.audience)} still wait; they get it without any further judgement.</p>`,
      confirm: "Send it to the rest",
      action: () => api.post(`${path}/release`),
    }).then((yes) => yes && reload());

  const canPause = ["scheduled", "sending"].includes(state);
  const holds = message.rollout && ["sending", "paused"].includes(state) && progress.remaining > 0;
  const problem = pause.problem || resume.problem || duplicate.problem || unpublish.problem;
  if (!may("send") || message.automation) return null;
  return html`
    ${state == "draft" && html`<${Button} kind="primary" icon="edit" href=${link("/s/:site/messages/:id/edit", { site: site.id, id: message.id })}>Edit and send<//>`}
    ${state == "scheduled" && !message.withdrawal_of && html`<${Button} icon="edit" href=${link("/s/:site/messages/:id/edit", { site: site.id, id: message.id })}>Edit<//>`}
    ${canPause && html`<${Button} kind=${state == "sending" ? "primary" : "plain"} icon="pause" busy=${pause.busy} onClick=${pause.run}>Pause<//>`}
    ${state == "paused" && html`<${Button} kind="primary" icon="play" busy=${resume.busy} onClick=${resume.run}>Resume<//>`}
    ${holds && state == "sending" && html`<${Button} icon="next" onClick=${release}>Release the rest<//>`}
    ${state == "scheduled" && !message.series && !message.withdrawal_of && html`<${Button} busy=${unpublish.busy} onClick=${unpublish.run}>Back to draft<//>`}
    ${!message.withdrawal_of && !message.test_of && html`<${Button} icon="copy" busy=${duplicate.busy} onClick=${duplicate.run}>Duplicate<//>`}
    ${message.withdrawable && !message.withdrawal && started && html`<${Button} kind="danger" onClick=${withdraw}>Withdraw<//>`}
    ${["draft", "scheduled", "sending", "paused"].includes(state) && html`<${Button} kind="danger" icon="stop" onClick=${cancel}>Cancel<//>`}
    <${Failure} problem=${problem} compact />`;
}
