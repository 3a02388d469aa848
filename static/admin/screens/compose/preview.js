/** What arrives: drawn at once from what is typed, then as the gateway renders it for a real visitor, with its size. */
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Meter, Notice, Section, Select, bytes, number, useLoad } from "../../ui/index.js";
import { Devices } from "./devices.js";
import { saidBy } from "./form.js";

const LIMIT = 3993; // bytes of one push

/** The value, once it has not changed for a while. @template T @param {T} value @returns {T} */
export function useSettled(value, after = 500) {
  const [settled, set] = useState(value);
  const key = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), after);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}

/** What a visitor of this language sees of this variant. @param {any} form @param {string} language @param {string} variant */
export function shownOf(form, language, variant) {
  const option = form.variants?.options.find((/** @type {any} */ each) => each.name == variant);
  const layers = [form.notification, language && form.translations[language], option?.notification, language && option?.translations?.[language]];
  return Object.assign({}, ...layers.filter(Boolean).map(saidBy));
}

/** @param {string} text with Liquid @returns {string} what most will see: defaults in the place of what is known of nobody */
export const plain = (text) =>
  (text || "").replace(/\{\{(.*?)\}\}/gs, (_, inside) => /default:\s*"([^"]*)"/.exec(inside)?.[1] ?? `[${inside.split("|")[0].trim().split(".").pop()}]`).replace(/\{%.*?%\}/gs, "");

/** @param {any} notification */
const plainly = (notification) => ({
  ...notification,
  title: plain(notification.title),
  body: plain(notification.body),
  actions: notification.actions?.map((/** @type {any} */ each) => ({ ...each, title: plain(each.title) })),
});

/**
 * @param {{site: any, form: any, body: any, sample: any, onProblem?: (problem: any) => void}} props
 *   body: the request; sample: a subscription as whom it is rendered, or null
 */
export function Preview({ site, form, body, sample, onProblem }) {
  const [language, setLanguage] = useState("");
  const [variant, setVariant] = useState("");
  const languages = Object.keys(form.translations);
  const options = form.variants?.options.map((/** @type {any} */ each) => each.name) || [];
  const shownVariant = options.includes(variant) ? variant : options[0] || "";
  const shownLanguage = languages.includes(language) ? language : "";
  // Times and audiences do not change what is shown, and would only make it wrong while they are typed.
  const { audience, send_at, expires_at, local_time, best_hour, recurrence, misfire, rollout, auto_pause, rate, ...content } = body;
  const asked = useSettled({ ...content, ...(content.valid_until && { valid_until: content.valid_until }), subscription: sample?.id, ...(shownVariant && { variant: shownVariant }) });
  const ready = Boolean(sample && (asked.template || asked.notification?.title));
  const rendered = useLoad((signal) => api.post(`/v1/sites/${site.id}/messages/preview`, asked, { signal }), [JSON.stringify(asked)], { skip: !ready, keep: true });
  const { data, problem } = rendered;
  useEffect(() => onProblem?.(ready ? problem : null), [problem, ready]);

  const typed = plainly(shownOf(form, shownLanguage, shownVariant));
  const asSample = ready && data?.notification && !problem && !shownLanguage ? { ...typed, ...pick(data.notification) } : typed;
  return html`<${Section} title="Preview" class="preview-card">
    ${(languages.length > 0 || options.length > 0) &&
    html`<div class="row preview-choice">
      ${options.length > 0 && html`<${Select} label="Variant" value=${shownVariant} options=${options} onChange=${setVariant} />`}
      ${languages.length > 0 && html`<${Select} label="Language" value=${shownLanguage} options=${[{ value: "", text: "the message's own" }, ...languages]} onChange=${setLanguage} />`}
    </div>`}
    <${Devices} notification=${asSample} site=${site} hints />
    <${Size} body=${body} ready=${ready} data=${data} problem=${problem} />
    ${ready && data?.failure && !problem && html`<${Notice} tone="warn">This visitor would not get it: ${data.reason || data.failure}. State a fallback for those whose texts cannot be made.<//>`}
  <//>`;
}

/** @param {any} shown the payload's `n` @returns {any} */
const pick = ({ title, body, icon, image, badge, actions }) => Object.fromEntries(Object.entries({ title, body, icon, image, badge, actions }).filter(([, value]) => value !== undefined));

/** @param {{body: any, ready: boolean, data: any, problem: any}} props */
function Size({ body, ready, data, problem }) {
  const over = problem?.bytesOver || 0;
  // Without anybody to render it for: the texts as JSON, and about what the gateway's own fields take.
  const guess = new TextEncoder().encode(JSON.stringify(body.notification || {})).length + 160;
  const used = over ? LIMIT + over : ready && data ? LIMIT - data.bytes_left : guess;
  return html`<div class="size" role="group" aria-label="Size of the push">
    <${Meter} label="Size" used=${used} limit=${LIMIT} text=${html`${ready && data ? "" : "about "}<b>${number(used)}</b> of ${number(LIMIT)} bytes`} />
    ${used > LIMIT && html`<p class="error">Too long by ${bytes(used - LIMIT)}: a push holds no more. Shorten the text, or the links.</p>`}
  </div>`;
}
