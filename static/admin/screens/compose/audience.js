/** Whom it is for, with a live count. */
import { html } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { link } from "../../routes.js";
import { Choice, Notice, Section, Select, TextArea, number, useLoad } from "../../ui/index.js";
import { Builder } from "../segments/builder.js";
import { Estimated } from "../segments/estimate.js";
import { isComplete, words } from "../segments/expression.js";
import { namesIn } from "./form.js";

/** Whether it says somebody: only then is it worth counting. @param {any} audience */
export function isSaid(audience) {
  if (audience.kind == "segment") return Boolean(audience.segment);
  if (audience.kind == "where") return isComplete(audience.where);
  if (["external_ids", "subscriptions"].includes(audience.kind)) return namesIn(audience.names).length > 0;
  return audience.kind != "uploaded";
}

/** @param {{site: any, form: any, change: (path: string, value: any) => void, problem: any, estimate: any}} props */
export function Audience({ site, form, change, problem, estimate }) {
  const { audience } = form;
  const segments = useLoad((signal) => api.all(`/v1/sites/${site.id}/segments`, { signal, most: 1000 }), []);
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => change(`audience.${name}`, value);
  const kinds = [
    { value: "all", text: "Everybody", hint: "all active subscribers" },
    { value: "segment", text: "A segment", hint: "saved under a name" },
    { value: "where", text: "Conditions", hint: "for this message only" },
    { value: "external_ids", text: "Named visitors", hint: "by your own ids" },
    ...(audience.kind == "subscriptions" ? [{ value: "subscriptions", text: "Named browsers", hint: "by subscription" }] : []),
    ...(["recipients", "uploaded"].includes(audience.kind) ? [{ value: audience.kind, text: "Uploaded list", hint: "with data for each" }] : []),
  ];
  const chosen = segments.data?.find((each) => each.id == audience.segment);
  return html`<${Section} title="Who gets it"><div class="form">
    <${Choice} label="Audience" hideLabel cards value=${audience.kind} options=${kinds} onChange=${set("kind")} />
    ${audience.kind == "segment" && html`
      <${Select} label="Segment" path="audience.segment" problem=${problem} value=${audience.segment} onChange=${set("segment")}
        options=${[{ value: "", text: segments.data && !segments.data.length ? "No segments yet" : "Choose …" }, ...(segments.data || []).map((each) => ({ value: each.id, text: each.name }))]}
        hint=${chosen ? `Who ${words(chosen.where)}.` : html`<a href=${link("/s/:site/segments/:id", { site: site.id, id: "new" })}>Make a segment</a>: what you have written here stays.`} />`}
    ${audience.kind == "where" && html`<${Builder} site=${site} value=${audience.where} onChange=${set("where")} problem=${problem} path="audience.where" />`}
    ${audience.kind == "external_ids" && html`<${TextArea} label="External ids" rows="4" path="audience.external_ids" problem=${problem} value=${audience.names} onChange=${set("names")} hint="One a line, or with commas; at most 10,000. All browsers of these visitors get it." placeholder="customer-12" spellcheck="false" />`}
    ${audience.kind == "subscriptions" && html`<${TextArea} label="Subscriptions" rows="4" path="audience.subscriptions" problem=${problem} value=${audience.names} onChange=${set("names")} placeholder="sub_…" spellcheck="false" />`}
    ${audience.kind == "recipients" && html`<${Notice}>${number(audience.given.recipients.length)} recipients with data of their own, as the API was given them.<//>`}
    ${audience.kind == "uploaded" && html`<${Notice}>${audience.uploaded ? `${number(audience.uploaded)} names are uploaded.` : "The recipients are uploaded through the API to the draft."}<//>`}
    ${problem?.field("audience") && !problem.errors.some((/** @type {any} */ each) => each.path.startsWith("audience.")) && html`<p class="error">${problem.field("audience")}</p>`}
    <${Estimated} estimate=${estimate} ready=${isSaid(audience)} />
  </div><//>`;
}
