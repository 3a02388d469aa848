import { html } from "../vendor/preact-htm.js";
import { compact, duration, number, percent, share } from "./format.js";

/** The seven, in the order in which they are drawn; each counts once, together they are the audience. @type {[string, string, string][]} */
export const OUTCOMES = [
  ["accepted", "Accepted", "The push service took it."],
  ["gone", "Gone", "The push service says that the subscription has ended; it is removed."],
  ["failed", "Failed", "The push service refused it, or it could not be made."],
  ["expired", "Expired", "It was too late before it could be sent."],
  ["skipped", "Skipped", "Left out: unsubscribed meanwhile, held out, a cap, or the message was cancelled."],
  ["retrying", "Retrying", "Refused for now; tried again."],
  ["remaining", "Remaining", "Not tried yet."],
];

/**
 * How far a message is, by outcome. `{audience, accepted, gone, failed, expired, skipped, retrying, remaining, rate, eta_seconds}`.
 * @param {{progress: any, legend?: boolean, state?: string, label?: string}} props legend: the numbers below it
 */
export function Progress({ progress, legend = true, state = "", label = "Progress" }) {
  const audience = progress.audience;
  const done = audience == null ? 0 : audience - progress.retrying - (progress.remaining ?? 0);
  const part = audience == null ? null : audience ? done / audience : 1;
  const said = audience == null ? "The audience is being counted" : `${number(done)} of ${number(audience)} have an outcome (${percent(part, 0)})`;
  return html`
    <div class=${"progress" + (state == "sending" ? " moving" : "")}>
      <div class="bar" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${part == null ? null : Math.floor(part * 100)} aria-valuetext=${said}>
        ${audience ? OUTCOMES.map(([name]) => progress[name] > 0 && html`<span key=${name} class=${"part " + name} style=${{ flexGrow: progress[name] }}></span>`) : null}
      </div>
      ${legend &&
      html`<ul class="legend">${OUTCOMES.map(
        ([name, text, why]) => (progress[name] > 0 || name == "accepted") && html`<li key=${name} title=${why}><i class=${"dot " + name}></i>${text} <b>${number(progress[name])}</b></li>`,
      )}</ul>`}
    </div>`;
}

/** "12,000 of 100,000 · 6,100/s · 15 s left" @param {{progress: any}} props */
export function ProgressLine({ progress }) {
  if (progress.audience == null) return html`<span class="muted">Counting the audience…</span>`;
  const done = progress.audience - progress.retrying - (progress.remaining ?? 0);
  return html`<span class="progress-line"><b>${number(done)}</b> of ${number(progress.audience)}${progress.rate ? html` · <b>${number(progress.rate, progress.rate < 10 ? 1 : 0)}</b>/s` : null}${progress.eta_seconds != null ? html` · ${duration(progress.eta_seconds)} left` : null}</span>`;
}

/**
 * Steps that get fewer: `steps` are `{name, value, hint?}`, the first is the whole.
 * @param {{steps: {name: string, value: number | null, hint?: string}[], label: string}} props
 */
export function Funnel({ steps, label }) {
  const whole = steps[0]?.value || 0;
  return html`<ol class="funnel" aria-label=${label}>${steps.map(
    (each, i) => html`<li key=${each.name}>
      <span class="funnel-name">${each.name}</span>
      <span class="funnel-bar"><span style=${{ width: `${Math.min(100, 100 * (share(each.value, whole) || 0))}%` }}></span></span>
      <span class="funnel-value"><b>${number(each.value)}</b>${i > 0 && html` <small title=${`of ${steps[i - 1].name.toLowerCase()}: ${percent(share(each.value, steps[i - 1].value))}`}>${percent(share(each.value, whole))}</small>`}</span>
    </li>`,
  )}</ol>`;
}

/** A thin bar of what is used of a limit. @param {{used: number, limit: number | null, label: string, text?: any}} props */
export function Meter({ used, limit, label, text }) {
  const part = limit ? Math.min(1, used / limit) : 0;
  const tone = part >= 1 ? "bad" : part >= 0.9 ? "warn" : "";
  return html`<div class=${"meter " + tone}>
    <div class="meter-head"><span>${label}</span><span>${text ?? html`<b>${number(used)}</b>${limit == null ? html` <span class="muted">no limit</span>` : ` of ${limit < 100000 ? number(limit) : compact(limit)}`}`}</span></div>
    ${limit != null && html`<div class="meter-bar" role="img" aria-label=${`${label}: ${percent(part, 0)} used`}><span style=${{ width: `${100 * part}%` }}></span></div>`}
  </div>`;
}
