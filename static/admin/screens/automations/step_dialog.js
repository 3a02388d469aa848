/** One step: how long it waits, and what it says. */
import { html, useState } from "../../vendor/preact-htm.js";
import { Button, Dialog, NumberField, Section, Select } from "../../ui/index.js";
import { Content } from "../compose/content.js";
import { Devices } from "../compose/devices.js";
import { put } from "../compose/form.js";
import { plain } from "../compose/preview.js";
import { UNITS, unitOf } from "./words.js";

/** @param {{site: any, step: any, first: boolean, title: string, problem: any, onKeep: (step: any) => void, onClose: () => void}} props */
export function StepDialog({ site, step, first, title, problem, onKeep, onClose }) {
  const [form, set] = useState(step);
  const [unit, setUnit] = useState(unitOf(step.after));
  const [count, setCount] = useState(/** @type {number | null} */ (step.after / Number(unitOf(step.after))));
  const change = (/** @type {string} */ at, /** @type {any} */ value) => set((/** @type {any} */ before) => put(before, at, value));
  /** @param {Event} event */
  function keep(event) {
    event.preventDefault();
    onKeep({ ...form, after: Math.round((count || 0) * Number(unit)) });
  }
  const shown = { ...form.notification, title: plain(form.notification.title), body: plain(form.notification.body) };
  return html`<${Dialog} title=${title} onClose=${onClose} wide>
    <form class="stack" onSubmit=${keep} novalidate>
      <div class="line wait"><${NumberField} label=${first ? "It comes" : "It waits"} value=${count} min="0" step="any" onChange=${setCount} path="after" problem=${problem} />
        <${Select} label="Unit" hideLabel value=${unit} onChange=${setUnit} options=${UNITS} /><span class="wait-said">${first ? "after the beginning" : "after the step before"}</span></div>
      <${Content} site=${site} form=${form} change=${change} problem=${problem} attributes=${[]} templates=${[]} />
      <${Section} title="What it looks like" class="preview-card"><${Devices} notification=${shown} site=${site} /><//>
      <div class="form-foot"><${Button} type="submit" kind="primary" disabled=${!form.notification.title.trim()}>Keep the step<//><${Button} onClick=${onClose}>Cancel<//>
        <span class="muted">It counts once the automation is saved.</span></div>
    </form><//>`;
}
