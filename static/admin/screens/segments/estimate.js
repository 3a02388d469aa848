/** How many an audience would be now, counted while it is typed. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Failure, number, percent, share, useLoad } from "../../ui/index.js";
import { useSettled } from "../compose/preview.js";

/** @type {Record<string, string>} */
export const PROVIDER_NAMES = { fcm: "Google", mozilla: "Mozilla", apple: "Apple", wns: "Microsoft", other: "others" };

/** @param {any} site @param {any} audience @param {boolean} ready */
export function useEstimate(site, audience, ready) {
  const asked = useSettled(audience, 600);
  return useLoad((signal) => api.post(`/v1/sites/${site.id}/audience/estimate`, { audience: asked }, { signal }), [JSON.stringify(asked)], { skip: !ready, keep: true });
}

/** @param {{site: any, audience: any, ready: boolean, estimate?: any}} props */
export function Estimate({ site, audience, ready, estimate }) {
  const own = useEstimate(site, audience, ready && !estimate);
  return html`<${Estimated} estimate=${estimate || own} ready=${ready} />`;
}

/** @param {{estimate: any, ready: boolean}} props */
export function Estimated({ estimate, ready }) {
  const { data, problem, loading } = estimate;
  if (problem && problem.status != 400 && ready) return html`<${Failure} problem=${problem} retry=${estimate.reload} compact />`;
  const known = ready && data && !problem;
  const split = known ? Object.entries(data.by_provider).sort((a, b) => b[1] - a[1]) : [];
  return html`<div class=${"estimate" + (loading ? " waiting" : "")} role="status" aria-live="polite">
    <span><b class="estimate-count">${known ? number(data.count) : "–"}</b> ${known && data.count == 1 ? "subscriber" : "subscribers"} now</span>
    ${split.length > 0 && html`<span class="muted">${split.map(([name, count]) => `${PROVIDER_NAMES[name] || name} ${percent(share(count, data.count), 0)}`).join(" · ")}</span>`}
  </div>`;
}
