/** A message: title, text, link, send. Everything else is folded until somebody wants it. */
import { html, useCallback, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { api, Problem } from "../api.js";
import { link } from "../routes.js";
import { Button, Loaded, Notice, Page, Section, relative, useLoad, useSession, useSite } from "../ui/index.js";
import { Audience, isSaid } from "./compose/audience.js";
import { Content } from "./compose/content.js";
import { emptyForm, forget, fromMessage, keep, put, toBody, audienceOf, unsaved } from "./compose/form.js";
import { Languages } from "./compose/languages.js";
import { Preview } from "./compose/preview.js";
import { Belongs, Careful, Expiry } from "./compose/rules.js";
import { Send } from "./compose/send.js";
import { filledIn, FromTemplate } from "./compose/template.js";
import { Variants } from "./compose/variants.js";
import { When } from "./compose/when.js";
import { useEstimate } from "./segments/estimate.js";

/** `…/messages/new?segment=seg_…&template=tpl_…`, or `…/messages/{id}/edit`. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site, params }) {
  const { zone = "UTC" } = useSite();
  const start = useLoad(async (signal) => {
    const message = params.id ? await api.get(`/v1/sites/${site.id}/messages/${params.id}`, { signal }) : null;
    const templates = await api.all(`/v1/sites/${site.id}/templates`, { signal, most: 500 }).catch(() => []);
    const sample = await api.get(`/v1/sites/${site.id}/subscriptions`, { query: { state: "active", limit: 50 }, signal }).then((page) => page.items, () => []);
    const form = message ? fromMessage(message, zone) : emptyForm();
    if (params.segment) Object.assign(form.audience, { kind: "segment", segment: params.segment });
    if (params.template) Object.assign(form, { template: params.template });
    if (params.external_id) Object.assign(form.audience, { kind: "external_ids", names: params.external_id });
    return { message, form, templates, sample };
  }, [site.id, params.id]);
  const back = { href: link("/s/:site/messages", { site: site.id }), text: "Messages" };
  return html`<${Page} title=${params.id ? "Edit message" : "New message"} back=${back} wide>
    <${Loaded} load=${start} lines=${8}>${(/** @type {any} */ data) => html`<${Compose} key=${params.id || "new"} site=${site} zone=${zone} started=${data} />`}<//>
  <//>`;
}

/** @param {{site: any, zone: string, started: any}} props */
function Compose({ site, zone, started }) {
  const { message, templates, sample } = started;
  const { may } = useSession();
  const [earlier, setEarlier] = useState(() => unsaved(site.id, message?.id));
  const [form, setForm] = useState(earlier?.form || started.form);
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const [previewed, setPreviewed] = useState(/** @type {any} */ (null));
  const touched = useRef(Boolean(earlier));
  const box = useRef(/** @type {any} */ (null));

  const change = useCallback((/** @type {string} */ path, /** @type {any} */ value) => {
    touched.current = true;
    setForm((/** @type {any} */ before) => put(before, path, value));
    setProblem((/** @type {any} */ before) => without(before, path));
  }, []);
  useEffect(() => {
    if (!touched.current) return;
    const timer = setTimeout(() => keep(site.id, message?.id, form), 250);
    return () => (clearTimeout(timer), touched.current && keep(site.id, message?.id, form));
  }, [form]);
  useEffect(() => {
    if (problem) requestAnimationFrame(() => box.current?.querySelector('[aria-invalid="true"]')?.focus());
  }, [problem]);

  const template = templates.find((/** @type {any} */ each) => each.id == form.template);
  const shown = useMemo(() => (template ? { ...form, notification: filledIn(template, form.variables) } : form), [form, template]);
  const estimate = useEstimate(site, audienceOf(form), isSaid(form.audience));
  const count = isSaid(form.audience) && !estimate.problem ? estimate.data?.count ?? null : null;
  const languages = useMemo(() => common(sample.map((/** @type {any} */ each) => each.language?.split("-")[0])), [sample]);
  const attributes = useMemo(() => common(sample.flatMap((/** @type {any} */ each) => Object.keys(each.attributes))), [sample]);
  const props = { site, zone, form, change, problem };

  function done() {
    touched.current = false;
    forget(site.id, message?.id);
  }
  function afresh() {
    done();
    setEarlier(null);
    setForm(started.form);
  }
  const started_at = message?.started_at;
  return html`<div class="compose" ref=${box}>
    <div class="compose-what stack">
      ${started_at && html`<${Notice} tone="warn">This message has started: it cannot be changed any more. <a href=${link("/s/:site/messages/:id", { site: site.id, id: message.id })}>See it</a><//>`}
      ${earlier && html`<${Notice} action=${html`<${Button} small onClick=${afresh}>Start afresh<//>`}>What you wrote ${relative(earlier.at)} and did not send is here again.<//>`}
      ${message?.series && html`<${Notice}>This is one occurrence of a recurring message.<//>`}
      ${template
        ? html`<${FromTemplate} template=${template} form=${form} change=${change} problem=${problem} onLeave=${() => setForm({ ...form, template: null, notification: { ...emptyForm().notification, ...filledIn(template, form.variables) }, options: { ...form.options, ...template.options, topic: template.options.topic || "" } })} />`
        : html`<${Content} ...${props} attributes=${attributes} templates=${templates} />`}
    </div>
    <div class="compose-side"><${Preview} site=${site} form=${shown} body=${toBody(form, zone)} sample=${sample[0] || null} onProblem=${setPreviewed} /></div>
    <div class="compose-who stack">
      <${Audience} ...${props} estimate=${estimate} />
      <${When} ...${props} nextTimes=${form.when.cron == started.form.when.cron && form.when.timezone == started.form.when.timezone ? message?.next_occurrences : null} />
      <${Section} title="More" lead="Only if you need it"><div class="folds">
        <${Languages} ...${props} languages=${languages} /><${Variants} ...${props} count=${count} /><${Expiry} ...${props} /><${Careful} ...${props} /><${Belongs} ...${props} />
      </div><//>
    </div>
    ${may("send") && html`<${Send} site=${site} zone=${zone} form=${form} message=${message} count=${count} problem=${problem} previewed=${previewed} setProblem=${setProblem} onDone=${done} locked=${Boolean(started_at)} />`}
  </div>`;
}

const WHEN = ["send_at", "local_time", "best_hour", "recurrence"];

/** What was wrong with a field is not said any more when it has been changed. @param {Problem | null} problem @param {string} path in the form */
function without(problem, path) {
  if (!problem?.errors.length) return problem;
  const mended = path.startsWith("when") ? WHEN : path.startsWith("audience") ? ["audience"] : [path];
  const left = problem.errors.filter((each) => {
    const place = each.path.replace(/\[(\d+)\]/g, ".$1");
    return !mended.some((one) => place == one || place.startsWith(one + ".") || one.startsWith(place + "."));
  });
  if (left.length == problem.errors.length) return problem;
  return left.length ? new Problem(problem.status, { code: problem.code, detail: problem.message, errors: left }) : null;
}

/** The most frequent first. @param {(string | null | undefined)[]} names */
function common(names) {
  const counts = new Map();
  for (const each of names) if (each) counts.set(each, (counts.get(each) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
}
