/** Several notifications against each other, a group that gets none, a winner for the rest. */
import { html } from "../../vendor/preact-htm.js";
import { Button, Check, NumberField, Select, TextField, number } from "../../ui/index.js";
import { Fold } from "./fold.js";
import { Partial } from "./languages.js";

const LETTERS = "ABCDEFGHIJ";
const LEAST = 100; // displays of each, or nobody wins

/** Even shares that make 100. @param {any[]} options */
function evened(options) {
  const share = Math.floor(100 / options.length);
  return options.map((each, i) => ({ ...each, weight: i < 100 - share * options.length ? share + 1 : share }));
}

/** @param {{form: any, change: (path: string, value: any) => void, problem: any, count: number | null}} props count: of the audience */
export function Variants({ form, change, problem, count }) {
  const { variants } = form;
  const start = () => change("variants", { options: evened([{ name: "A", notification: {} }, { name: "B", notification: {} }]), holdout: null, winner: null });
  if (!variants) {
    return html`<${Fold} title="A/B test" problem=${problem} paths=${["variants"]}>
      <p class="hint">Two or more titles against each other: the gateway draws who gets which, counts the clicks, and can send the better one to the rest by itself.</p>
      <div><${Button} icon="plus" onClick=${start}>Start an A/B test<//></div><//>`;
  }
  const set = (/** @type {string} */ path) => (/** @type {any} */ value) => change(`variants.${path}`, value);
  const { options, winner } = variants;
  const total = options.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + (each.weight || 0), 0);
  const names = options.map((/** @type {any} */ each) => each.name);
  const add = () => set("options")(evened([...options, { name: [...LETTERS].find((each) => !names.includes(each)) || `V${options.length}`, notification: {} }]));
  const drop = (/** @type {number} */ i) => set("options")(evened(options.filter((/** @type {any} */ _, /** @type {number} */ n) => n != i)));
  return html`<${Fold} open title="A/B test" summary=${`${names.join(" / ")}${variants.holdout ? `, ${variants.holdout} % held out` : ""}${winner ? ", winner for the rest" : ""}`} problem=${problem} paths=${["variants"]}>
    ${options.map((/** @type {any} */ each, /** @type {number} */ i) => html`<fieldset class="inset" key=${i}><legend>Variant ${each.name}</legend>
      <div class="fields"><${TextField} label="Name" maxlength="64" value=${each.name} path=${`variants.options[${i}].name`} problem=${problem} onChange=${set(`options.${i}.name`)} />
        <${NumberField} label="Share" unit="%" min="1" max="99" value=${each.weight} path=${`variants.options[${i}].weight`} problem=${problem} onChange=${set(`options.${i}.weight`)} /></div>
      <${Partial} value=${each.notification || {}} base=${form.notification} path=${`variants.options[${i}].notification`} problem=${problem} onChange=${set(`options.${i}.notification`)} />
      ${i == 0 && !Object.keys(each.notification || {}).length && html`<p class="hint">Left empty it is the message as it stands above.</p>`}
      ${options.length > 2 && html`<div><${Button} small kind="ghost" icon="trash" onClick=${() => drop(i)}>Remove variant ${each.name}<//></div>`}</fieldset>`)}
    <div class="row">${options.length < 10 && html`<${Button} small icon="plus" onClick=${add}>Another variant<//>`}<${Button} small onClick=${() => set("options")(evened(options))}>Even shares<//></div>
    ${total != 100 && html`<p class="error">The shares make ${total} %; together they have to make 100.</p>`}
    ${problem?.errors?.some((/** @type {any} */ { path }) => path == "variants" || path == "variants.options") && html`<p class="error">${problem.errors.filter((/** @type {any} */ { path }) => path.startsWith("variants")).map((/** @type {any} */ each) => each.message).join(" ")}</p>`}
    <${NumberField} label="Held out" unit="% get nothing" min="0" max="99" value=${variants.holdout} path="variants.holdout" problem=${problem} onChange=${set("holdout")} hint="To see what the message changes at all. None, when it is empty." />
    <${Check} label="Send the better one to the rest" hint="First a sample gets the variants; the rest waits for the winner." checked=${Boolean(winner)} onChange=${(/** @type {boolean} */ on) => set("winner")(on ? { sample: 20, after: 3600, displays: null, default: names[0] } : null)} />
    ${winner && html`<${Winner} winner=${winner} set=${set} names=${names} count=${count} problem=${problem} />`}
    <div><${Button} small kind="ghost" icon="trash" onClick=${() => change("variants", null)}>No A/B test<//></div>
  <//>`;
}

/** @param {{winner: any, set: (path: string) => (value: any) => void, names: string[], count: number | null, problem: any}} props */
function Winner({ winner, set, names, count, problem }) {
  const sample = count == null ? null : Math.round((count * (winner.sample || 0)) / 100);
  const each = sample == null ? null : sample / names.length;
  return html`<div class="inset"><div class="fields">
      <${NumberField} label="Sample" unit="%" min="0.01" max="99" step="any" value=${winner.sample} path="variants.winner.sample" problem=${problem} onChange=${set("winner.sample")} />
      <${NumberField} label="Decide after" unit="minutes" min="1" value=${winner.after == null ? null : Math.round(winner.after / 60)} path="variants.winner.after" problem=${problem} onChange=${(/** @type {number | null} */ n) => set("winner.after")(n == null ? null : n * 60)} />
      <${NumberField} label="Or at so many displays" unit="in all" optional min="1" value=${winner.displays} path="variants.winner.displays" problem=${problem} onChange=${set("winner.displays")} />
      <${Select} label="When none is clearly better" value=${winner.default} options=${names.map((name) => ({ value: name, text: `${name} for the rest` }))} path="variants.winner.default" problem=${problem} onChange=${set("winner.default")} /></div>
    <p class="hint">${sample == null ? "" : `About ${number(sample)} get the variants at once, ${number(Math.max(0, (count || 0) - sample))} wait. `}A variant wins when each was shown at least ${LEAST} times and the difference is hardly chance (p below 0.05).
      ${each != null && each < 2 * LEAST ? html` <b>That is few: with about ${number(each)} for each it is likely that none wins. Take a larger sample.</b>` : ""}</p></div>`;
}
