/** The steps of an automation on a time line, from the moment when it begins. */
import { html, useState } from "../../vendor/preact-htm.js";
import { link } from "../../routes.js";
import { Button, Icon, number, percent, Progress, Section } from "../../ui/index.js";
import { plain } from "../compose/preview.js";
import { StepDialog } from "./step_dialog.js";
import { freshStep, reached, waitSaid, within } from "./words.js";

const MOST = 20;

/** @param {{site: any, trigger: string, steps: any[], problem: any, editable: boolean, onChange: (steps: any[]) => void}} props */
export function Steps({ site, trigger, steps, problem, editable, onChange }) {
  const [open, setOpen] = useState(/** @type {number | null} */ (null));
  const at = reached(steps);
  /** @param {any} step */
  function keep(step) {
    const place = /** @type {number} */ (open);
    onChange(place < steps.length ? steps.map((each, i) => (i == place ? step : each)) : [...steps, step]);
    setOpen(null);
  }
  const move = (/** @type {number} */ i, /** @type {number} */ by) => {
    const next = [...steps];
    // Only what is said changes places: the waits belong to the places.
    [next[i], next[i + by]] = [{ ...steps[i + by], after: steps[i].after }, { ...steps[i], after: steps[i + by].after }];
    onChange(next);
  };
  const lead = steps.length > 1 ? `${steps.length} steps within ${waitSaid(at[at.length - 1])}.` : "Each step waits from the one before.";
  return html`<${Section} title="Steps" lead=${lead}>
    <ol class="timeline">
      <li class="timeline-begin"><span class="timeline-dot"></span><b>${trigger}</b></li>
      ${steps.map((step, i) => html`<${Step} key=${step.key} site=${site} step=${step} at=${at[i]} place=${i} count=${steps.length} problem=${within(problem, `steps[${i}].`)} editable=${editable}
        onEdit=${() => setOpen(i)} onMove=${(/** @type {number} */ by) => move(i, by)} onRemove=${() => onChange(steps.filter((_, n) => n != i))} />`)}
    </ol>
    ${editable && steps.length < MOST && html`<div><${Button} icon="plus" onClick=${() => setOpen(steps.length)}>Add a step<//></div>`}
    ${open != null && html`<${StepDialog} site=${site} step=${steps[open] || freshStep(86400)} first=${open == 0} title=${open < steps.length ? `Step ${open + 1}` : "New step"} problem=${within(problem, `steps[${open}].`)} onKeep=${keep} onClose=${() => setOpen(null)} />`}
  <//>`;
}

/** @param {{site: any, step: any, at: number, place: number, count: number, problem: any, editable: boolean, onEdit: () => void, onMove: (by: number) => void, onRemove: () => void}} props */
function Step({ site, step, at, place, count, problem, editable, onEdit, onMove, onRemove }) {
  const { notification, known, more } = step;
  const wrong = problem?.errors.map((/** @type {any} */ each) => each.message).join(" ");
  const extras = [more?.variants && `${more.variants.options.length} variants`, more?.category && `category ${more.category}`, Object.keys(more?.translations || {}).length > 0 && `${Object.keys(more.translations).length + 1} languages`, more?.dry_run && "dry run"].filter(Boolean);
  return html`<li>
    <p class="timeline-wait"><${Icon} name="next" size="14" />${step.after ? `${waitSaid(step.after)} later` : "at once"}${place > 0 && html` <span class="muted">· ${waitSaid(at)} after the beginning</span>`}</p>
    <div class=${"timeline-step" + (wrong ? " wrong" : "")}><span class="timeline-dot"></span>
      <div class="timeline-head"><div><b>${plain(notification.title) || html`<span class="muted">Not written yet</span>`}</b>${notification.body && html`<p class="muted clamp2">${plain(notification.body)}</p>`}${extras.length > 0 && html`<p class="hint">${extras.join(" · ")}</p>`}</div>
        ${editable && html`<div class="timeline-tools"><${Button} small icon="edit" onClick=${onEdit}>${notification.title ? "Edit" : "Write it"}<//>
          ${place > 0 && html`<${Button} small kind="ghost" onClick=${() => onMove(-1)} label=${`Move step ${place + 1} up`} icon="up" />`}
          ${place < count - 1 && html`<${Button} small kind="ghost" onClick=${() => onMove(1)} label=${`Move step ${place + 1} down`} icon="down" />`}
          ${count > 1 && html`<${Button} small kind="ghost" icon="trash" label=${`Remove step ${place + 1}`} onClick=${onRemove} />`}</div>`}</div>
      ${wrong && html`<p class="error">${wrong}</p>`}
      ${known && html`<${Outcome} site=${site} known=${known} place=${place} />`}
    </div></li>`;
}

/** What became of a step so far. @param {{site: any, known: any, place: number}} props */
function Outcome({ site, known, place }) {
  const { progress, results, message, rounds } = known;
  if (!progress.audience) return html`<p class="muted">Nobody has reached it yet.</p>`;
  return html`<div class="stack tight">
    <${Progress} progress=${progress} state=${message.state} legend=${false} label=${`Step ${place + 1}`} />
    <p class="timeline-figures"><span><b>${number(progress.audience)}</b> reached it</span><span><b>${number(progress.accepted)}</b> accepted</span><span><b>${number(results.displayed)}</b> displayed ${results.display_rate != null && html`<span class="muted">${percent(results.display_rate, 0)}</span>`}</span><span><b>${number(results.clicked)}</b> clicked ${results.click_rate != null && html`<span class="muted">${percent(results.click_rate)}</span>`}</span>
      <a href=${link("/s/:site/messages/:id", { site: site.id, id: message.id })}>${rounds > 1 ? `${rounds} messages, the first` : "Its message"}</a></p></div>`;
}
