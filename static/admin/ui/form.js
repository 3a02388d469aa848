/** Fields that say what is wrong with them: `path` is the field's path in the API, `problem` what the API answered. */
import { html, useEffect, useId, useRef } from "../vendor/preact-htm.js";
import { useAction } from "./load.js";
import { Button, Failure } from "./page.js";

/**
 * A label, a hint and an error round any control: `children(props)` puts `id` and the `aria-…` on it.
 * @param {{label: any, hint?: any, path?: string, problem?: any, error?: string, optional?: boolean, hideLabel?: boolean, children: (props: any) => any}} props
 */
export function Field({ label, hint, path = "", problem, error, optional, hideLabel, children }) {
  const id = useId();
  const wrong = error || (path && problem?.field ? problem.field(path) : "");
  const described = [hint && `${id}-hint`, wrong && `${id}-error`].filter(Boolean).join(" ");
  return html`
    <div class=${"field" + (wrong ? " wrong" : "")}>
      <label for=${id} class=${hideLabel ? "hidden" : ""}>${label}${optional && html` <span class="muted">optional</span>`}</label>
      ${children({ id, "aria-describedby": described || null, "aria-invalid": wrong ? "true" : null })}
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
      ${wrong && html`<p class="error" id=${`${id}-error`}>${wrong}</p>`}
    </div>`;
}

const FIELD = ["label", "hint", "path", "problem", "error", "optional", "hideLabel"];
/** @param {Record<string, any>} props @returns {[any, any]} those of the field, those of the control */
function split(props) {
  const mine = Object.fromEntries(Object.entries(props).filter(([name]) => FIELD.includes(name)));
  const rest = Object.fromEntries(Object.entries(props).filter(([name]) => !FIELD.includes(name)));
  return [mine, rest];
}

/** `onChange(text)`. Everything else (type, maxlength, placeholder, required, list …) goes to the input. @param {any} props */
export function TextField(props) {
  const [field, { onChange, value, ...rest }] = split(props);
  return html`<${Field} ...${field}>${(/** @type {any} */ own) => html`<input type="text" value=${value ?? ""} onInput=${(/** @type {any} */ e) => onChange?.(e.target.value)} ...${rest} ...${own} />`}<//>`;
}

/** `onChange(text)`. @param {any} props */
export function TextArea(props) {
  const [field, { onChange, value, rows = 4, ...rest }] = split(props);
  return html`<${Field} ...${field}>${(/** @type {any} */ own) => html`<textarea rows=${rows} value=${value ?? ""} onInput=${(/** @type {any} */ e) => onChange?.(e.target.value)} ...${rest} ...${own}></textarea>`}<//>`;
}

/** `onChange(number or null)`; `unit` stands behind it. @param {any} props */
export function NumberField(props) {
  const [field, { onChange, value, unit, ...rest }] = split(props);
  return html`<${Field} ...${field}>${(/** @type {any} */ own) => html`
    <span class="with-unit"><input type="number" inputmode="numeric" value=${value ?? ""} onInput=${(/** @type {any} */ e) => onChange?.(e.target.value === "" ? null : Number(e.target.value))} ...${rest} ...${own} />${unit && html`<span class="unit">${unit}</span>`}</span>`}<//>`;
}

/** `options`: texts, or `{value, text}`; `onChange(value)`. @param {any} props */
export function Select(props) {
  const [field, { onChange, value, options, ...rest }] = split(props);
  return html`<${Field} ...${field}>${(/** @type {any} */ own) => html`
    <select value=${value ?? ""} onChange=${(/** @type {any} */ e) => onChange?.(e.target.value)} ...${rest} ...${own}>
      ${options.map((/** @type {any} */ each) => {
        const { value: v, text } = typeof each == "string" ? { value: each, text: each } : each;
        return html`<option value=${v} selected=${v == value}>${text}</option>`;
      })}
    </select>`}<//>`;
}

/** A box to tick, with its text beside it: `onChange(boolean)`. @param {{label: any, hint?: any, checked: boolean, onChange: (on: boolean) => void, disabled?: boolean}} props */
export function Check({ label, hint, checked, onChange, ...rest }) {
  const id = useId();
  return html`<div class="check"><input type="checkbox" id=${id} checked=${checked} aria-describedby=${hint ? id + "-hint" : null} onChange=${(/** @type {any} */ e) => onChange(e.target.checked)} ...${rest} />
    <div><label for=${id}>${label}</label>${hint && html`<p class="hint" id=${id + "-hint"}>${hint}</p>`}</div></div>`;
}

/** One of a few, all in sight: `options` `{value, text, hint?}`, `onChange(value)`. @param {{label: any, options: {value: any, text: any, hint?: any}[], value: any, onChange: (value: any) => void, hideLabel?: boolean, cards?: boolean}} props */
export function Choice({ label, options, value, onChange, hideLabel, cards }) {
  const name = useId();
  return html`<fieldset class=${cards ? "choice cards" : "choice"}><legend class=${hideLabel ? "hidden" : ""}>${label}</legend><div class="choice-options">
    ${options.map((each) => html`<label class="choice-option"><input type="radio" name=${name} checked=${each.value === value} onChange=${() => onChange(each.value)} /><span>${each.text}${each.hint && html`<small>${each.hint}</small>`}</span></label>`)}
  </div></fieldset>`;
}

/**
 * `<${Form} save=${async () => {…}} submit="Save" done="Saved.">${({ problem, busy }) => fields}<//>`. What `save` throws is shown, at the
 * fields that name their `path` and, for the rest, above the button; then the first wrong field gets the focus.
 * @param {{save: () => Promise<unknown>, submit?: any, kind?: string, children: (state: {problem: any, busy: boolean}) => any, shown?: string[], extra?: any, disabled?: boolean, onCancel?: () => void}} props
 *   shown: the paths of its fields; extra: more buttons
 */
export function Form({ save, submit = "Save", kind = "primary", children, shown = [], extra, disabled, onCancel }) {
  const form = useRef(/** @type {any} */ (null));
  const { busy, problem, run } = useAction(save);
  useEffect(() => {
    if (problem) form.current?.querySelector('[aria-invalid="true"]')?.focus();
  }, [problem]);
  /** @param {Event} event */
  function submitted(event) {
    event.preventDefault();
    if (!busy) run();
  }
  return html`<form ref=${form} onSubmit=${submitted} novalidate class="form">
    ${children({ problem, busy })}
    <${Failure} problem=${problem} shown=${shown} />
    <div class="form-foot"><${Button} type="submit" kind=${kind} busy=${busy} disabled=${disabled}>${submit}<//>${onCancel && html`<${Button} onClick=${onCancel}>Cancel<//>`}${extra}</div>
  </form>`;
}
