/** The foot of the page: send, save, try out. Asks in plain words before anything leaves. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api, Problem } from "../../api.js";
import { go, link } from "../../routes.js";
import { Button, Failure, Icon, confirm, number, time, toast, useAction } from "../../ui/index.js";
import { toBody } from "./form.js";
import { toMoment } from "./clock.js";
import { crons, cronWords } from "./recurring.js";
import { TestSend } from "./test_send.js";

/** Fields as this page calls them. @type {Record<string, string>} */
const LABELS = {
  title: "Title", body: "Text", url: "Link", icon: "Icon", image: "Large picture", badge: "Badge", tag: "Tag", actions: "Button", data: "Data", notification: "Message",
  translations: "Languages", fallback: "Fallback", variants: "A/B test", options: "Variant", winner: "Winner", sample: "Sample", holdout: "Held out", utm: "UTM", template: "Template", variables: "Variable",
  audience: "Who gets it", where: "Conditions", segment: "Segment", external_ids: "External ids", send_at: "Time", local_time: "Visitors' own clock", best_hour: "Best hour", recurrence: "Again and again",
  expires_at: "Sent to nobody after", valid_until: "True until", misfire: "When it starts late", quiet_hours: "Quiet hours", rollout: "A part first", auto_pause: "Pause by itself", rate: "At most",
  category: "Category", priority: "Priority", withdrawable: "Can be withdrawn",
};
/** @param {string} path */
const labelOf = (path) => path.replace(/^notification\./, "").split(".").map((each) => each.replace(/^(\w+)(?:\[(\d+)\])?$/, (_, name, i) => (LABELS[name] || name) + (i === undefined ? "" : ` ${Number(i) + 1}`))).join(", ");

/** @param {Problem} problem */
const sentences = ({ errors }) => errors.map((each) => (each.path ? `${labelOf(each.path)}: ${each.message}` : each.message)).join(" ");

/** All that is wrong, for those whose fields are folded or far away. @param {{problem: Problem}} props */
const Wrong = ({ problem }) => html`<div class="notice bad compact" role="alert"><${Icon} name="warn" /><div class="foot-hint">${sentences(problem)}</div></div>`;

/** @param {any} when @param {string} zone */
function moment(when, zone) {
  switch (when.kind) {
    case "now": return "now";
    case "at": return when.at ? `on ${time(toMoment(when.at, zone), zone, "full")} (${zone})` : "at a time that you have not chosen yet";
    case "local": return `at ${when.at.slice(11, 16)} on ${when.at.slice(0, 10)} by each visitor's own clock`;
    case "best": return `within ${when.within_hours} hours, to each visitor at their best hour`;
    default: return cronWords(crons(when)) || `by the expression ${when.cron}`;
  }
}

/** What is not filled in yet, as the API would say it. @param {any} form */
function missing(form) {
  const errors = [];
  if (!form.template && !form.notification.title.trim()) errors.push({ path: "notification.title", message: "Say what the notification is called." });
  (form.notification.actions || []).forEach((/** @type {any} */ each, /** @type {number} */ i) => each.title.trim() || errors.push({ path: `notification.actions[${i}].title`, message: "Say what stands on the button." }));
  if (form.when.kind == "at" && !form.when.at) errors.push({ path: "send_at", message: "Choose a time." });
  if (form.when.kind == "local" && !form.when.at) errors.push({ path: "local_time.at", message: "Choose a time." });
  if (form.audience.kind == "segment" && !form.audience.segment) errors.push({ path: "audience.segment", message: "Choose a segment." });
  return errors.length ? new Problem(400, { code: "invalid_request", detail: "Something is not filled in yet.", errors }) : null;
}

/**
 * @param {{site: any, zone: string, form: any, message: any, count: number | null, problem: any, previewed: any, setProblem: (problem: any) => void, onDone: () => void, locked: boolean}} props
 *   message: what is edited, or null; previewed: what the preview found wrong
 */
export function Send({ site, zone, form, message, count, problem, previewed, setProblem, onDone, locked }) {
  const [testing, test] = useState(false);
  const base = `/v1/sites/${site.id}/messages`;
  const isDraft = !message || message.state == "draft";
  const now = form.when.kind == "now";

  /** Store it, and answer it. @param {Record<string, any>} more @returns {Promise<any>} */
  async function store(more) {
    setProblem(null);
    const lacking = missing(form);
    if (lacking) throw (setProblem(lacking), lacking);
    try {
      if (message) return await api.patch(`${base}/${message.id}`, { ...toBody(form, zone, { change: true }), ...more });
      // One key for sending, another for each draft: pressing twice makes one of each.
      const key = more.draft ? form.key + "-draft" : more.dry_run ? `${form.key}-dry` : form.key;
      const body = { ...toBody(form, zone), ...more };
      return await api.post(base, body, { headers: { "Idempotency-Key": key } }).catch((failed) => {
        if (failed.code == "idempotency_key_reused" && (more.draft || more.dry_run)) return api.post(base, body);
        throw failed;
      });
    } catch (failed) {
      setProblem(failed);
      throw failed;
    }
  }
  const show = (/** @type {any} */ made) => go(link("/s/:site/messages/:id", { site: site.id, id: made.id }));
  const edit = (/** @type {any} */ made) => go(link("/s/:site/messages/:id/edit", { site: site.id, id: made.id }), true);

  const send = useAction(async () => {
    setProblem(null);
    const lacking = missing(form);
    if (lacking) throw (setProblem(lacking), lacking);
    let made = /** @type {any} */ (null);
    const whom = count == null ? "its audience" : `${number(count)} ${count == 1 ? "subscriber" : "subscribers"}`;
    const yes = await confirm({
      title: now ? `Send to ${whom} now?` : "Schedule this message?",
      body: html`<p><b>${form.template ? "The template's message" : form.notification.title}</b> goes to ${whom}, ${moment(form.when, zone)}.</p>
        ${form.variants && html`<p>${form.variants.options.length} variants${form.variants.holdout ? `; ${form.variants.holdout} % get none` : ""}${form.variants.winner ? "; the better one goes to the rest" : ""}.</p>`}
        ${form.rollout && html`<p>${form.rollout.first} % get it first.</p>`}
        <p class="muted">${now ? "You can pause it at any time; what has been delivered stays delivered." : "You can change it until it starts."}</p>`,
      confirm: now ? "Send it" : "Schedule it",
      action: async () => {
        try {
          made = await store({ draft: false });
        } catch (failed) {
          made = failed;
        }
      },
    });
    if (!yes || made == null) return;
    if (made instanceof Error) throw made;
    onDone();
    toast(now ? "It is on its way." : "It is scheduled.");
    show(made);
  });
  const save = useAction(async () => {
    const made = await store(isDraft ? { draft: true } : {});
    onDone();
    toast(isDraft ? "The draft is saved." : "The change is saved.");
    if (message) show(made);
    else edit(made);
  });
  const dry = useAction(async () => {
    const { send_at: _, ...content } = toBody(form, zone);
    const body = { ...content, dry_run: true };
    const lacking = missing(form);
    if (lacking) throw (setProblem(lacking), lacking);
    const title = "Dry run?";
    const text = html`<p>It goes all the way but the last step: the audience is judged, each push is made and encrypted, and nobody gets it. Everybody counts as skipped, but for those for whom it could not be made.</p><p class="muted">What you have written stays here.</p>`;
    let made = /** @type {any} */ (null);
    const yes = await confirm({ title, body: text, confirm: "Run it", action: async () => { made = await api.post(base, body).catch((failed) => failed); } });
    if (!yes) return;
    if (made instanceof Error) throw (setProblem(made), made);
    show(made);
  });
  /** For a test the message has to be stored: as a draft, which is then what is edited. */
  async function storeForTest() {
    if (message) return (await store({})).id;
    const made = await store({ draft: true });
    return made.id;
  }
  const [stored, setStored] = useState("");
  const failed = problem;
  const waits = previewed && !problem && !previewed.isMissingRoute ? previewed : null;
  return html`<div class="compose-foot" role="region" aria-label="Send">
    ${failed && (failed.errors.length ? html`<${Wrong} problem=${failed} />` : html`<${Failure} problem=${failed} compact />`)}
    ${!failed && waits && waits.status == 400 && html`<p class="hint foot-hint">Before it can be sent: ${waits.errors.length ? sentences(waits) : waits.message}</p>`}
    <div class="compose-buttons">
      ${isDraft && html`<${Button} kind="primary" busy=${send.busy} disabled=${locked} onClick=${send.run}>${now ? `Send${count == null ? "" : ` to ${number(count)}`}` : form.when.kind == "recurring" ? "Start the series" : "Schedule"}<//>`}
      <${Button} kind=${isDraft ? "plain" : "primary"} busy=${save.busy} disabled=${locked} onClick=${save.run}>${isDraft ? "Save draft" : "Save changes"}<//>
      <${Button} disabled=${locked} onClick=${() => { const lacking = missing(form); setProblem(lacking); if (!lacking) test(true); }}>Test send<//>
      <${Button} kind="ghost" busy=${dry.busy} disabled=${locked} onClick=${dry.run}>Dry run<//>
    </div>
    ${testing && html`<${TestSend} site=${site} store=${async () => { const id = await storeForTest(); setStored(id); return id; }} onClose=${() => { test(false); if (stored && !message) { onDone(); edit({ id: stored }); } }} />`}
  </div>`;
}
