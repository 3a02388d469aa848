/** One condition: what it is about, and what it says of it. */
import { html } from "../../vendor/preact-htm.js";
import { Button, NumberField, Select, TextField, useSite } from "../../ui/index.js";
import { toIso, toWall, zones } from "../compose/clock.js";
import { BROWSERS, KINDS, kindOf, OPS, PLATFORMS, PROVIDERS, unwrap } from "./expression.js";

/** @param {{site: any, known: any, value: any, path: string, problem: any, onChange: (value: any) => void, onRemove?: () => void}} props */
export function Leaf({ known, value, path, problem, onChange, onRemove }) {
  const [inner, not] = unwrap(value);
  const kind = kindOf(inner);
  const place = path + (not ? ".not" : "");
  const set = (/** @type {any} */ next, negated = not) => onChange(negated ? { not: next } : next);
  const wrong = problem?.errors?.find((/** @type {any} */ each) => each.path == place)?.message;
  return html`<div class="leaf">
    <${Select} label="About" hideLabel value=${kind} options=${Object.entries(KINDS).map(([name, { text }]) => ({ value: name, text }))} onChange=${(/** @type {string} */ name) => set(KINDS[name].fresh())} />
    ${kind != "attribute" && html`<${Select} label="Whether it holds" hideLabel value=${not ? "not" : "is"} options=${saysOf(kind)} onChange=${(/** @type {string} */ says) => set(inner, says == "not")} />`}
    <${Value} kind=${kind} value=${inner} set=${set} place=${place} problem=${problem} known=${known} not=${not} />
    ${onRemove && html`<${Button} kind="ghost" icon="trash" label="Remove this condition" onClick=${onRemove} />`}
    ${wrong && html`<p class="error">${wrong}</p>`}
  </div>`;
}

/** @param {string} kind */
function saysOf(kind) {
  const [is, not] = kind == "tag" ? ["has", "has not"] : KINDS[kind].fresh()[kind]?.within ? ["did", "did not"] : ["is", "is not"];
  return [{ value: "is", text: is }, { value: "not", text: not }];
}

/** @param {{kind: string, value: any, set: (next: any, not?: boolean) => void, place: string, problem: any, known: any, not: boolean}} props */
function Value({ kind, value, set, place, problem, known, not }) {
  const field = { hideLabel: true, path: `${place}.${kind}`, problem, value: value[kind], onChange: (/** @type {any} */ next) => set({ [kind]: next }) };
  switch (kind) {
    case "browser": return html`<${Select} label="Browser" options=${BROWSERS} ...${field} />`;
    case "platform": return html`<${Select} label="System" options=${PLATFORMS} ...${field} />`;
    case "provider": return html`<${Select} label="Push service" options=${PROVIDERS} ...${field} />`;
    case "tag": return html`<${TextField} label="Tag" placeholder="vip" ...${field} />`;
    case "language": return html`<${TextField} label="Language" placeholder="de, or de-AT" maxlength="35" ...${field} />`;
    case "country": return html`<${TextField} label="Country" placeholder="DE" maxlength="2" ...${field} onChange=${(/** @type {string} */ text) => set({ country: text.toUpperCase() })} />`;
    case "timezone": return html`<${TextField} label="Time zone" placeholder="Europe/Berlin" list="zones" ...${field} /><datalist id="zones">${zones().map((each) => html`<option value=${each}></option>`)}</datalist>`;
    case "attribute": return html`<${Attribute} value=${value} set=${set} place=${place} problem=${problem} not=${not} />`;
    default: return html`<${When} kind=${kind} value=${value[kind]} set=${(/** @type {any} */ next) => set({ [kind]: next })} place=${`${place}.${kind}`} problem=${problem} known=${known} />`;
  }
}

/** Numbers and true/false are what they look like; quotes make a text of them. @param {string} text */
export function valueOf(text) {
  if (/^".*"$/.test(text)) return text.slice(1, -1);
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
}
/** @param {any} value */
const textOf = (value) => (typeof value == "string" && valueOf(value) !== value ? `"${value}"` : String(value ?? ""));

/** @param {{value: any, set: (next: any, not?: boolean) => void, place: string, problem: any, not: boolean}} props */
function Attribute({ value, set, place, problem, not }) {
  const ops = not ? [{ value: value.op, text: `not: ${OPS.find((each) => each.value == value.op)?.text}` }, ...OPS.filter((each) => each.value != value.op)] : [...OPS, { value: "unknown", text: "is not known" }];
  /** @param {string} op */
  function choose(op) {
    if (op == "unknown") return set({ attribute: value.attribute, op: "exists" }, true);
    const list = Array.isArray(value.value) ? value.value : [value.value ?? ""];
    const { value: _, ...rest } = value;
    set(op == "exists" ? { ...rest, op } : { ...rest, op, value: op == "in" ? list : list[0] }, false);
  }
  const shown = Array.isArray(value.value) ? value.value.map(textOf).join(", ") : textOf(value.value);
  return html`<${TextField} label="Attribute" hideLabel placeholder="orders" path=${`${place}.attribute`} problem=${problem} value=${value.attribute} onChange=${(/** @type {string} */ attribute) => set({ ...value, attribute })} />
    <${Select} label="How it compares" hideLabel path=${`${place}.op`} problem=${problem} value=${not && value.op == "exists" ? "unknown" : value.op} options=${not && value.op == "exists" ? [...OPS, { value: "unknown", text: "is not known" }] : ops} onChange=${choose} />
    ${value.op != "exists" && html`<${TextField} label="Value" hideLabel placeholder=${value.op == "in" ? "gold, silver" : "3"} path=${`${place}.value`} problem=${problem} value=${shown}
      onChange=${(/** @type {string} */ text) => set({ ...value, value: value.op == "in" ? text.split(",").map((each) => valueOf(each.trim())) : valueOf(text) })} title='Numbers, true and false are what they look like; write "3" for the text' />`}`;
}

/** @param {{kind: string, value: any, set: (next: any) => void, place: string, problem: any, known: any}} props */
function When({ kind, value, set, place, problem, known }) {
  const { zone = "UTC" } = useSite();
  const happened = ["received", "displayed", "clicked"].includes(kind);
  const how = value.message != null ? "message" : value.within ? "within" : value.before && value.after ? "between" : value.before ? "before" : "after";
  const now = new Date(Date.now() - 30 * 86400000).toISOString();
  const options = [
    { value: "within", text: happened ? "any message in the last" : "in the last" },
    { value: "after", text: happened ? "any message since" : "since" },
    ...(happened ? [{ value: "message", text: "this message" }] : [{ value: "before", text: "before" }, { value: "between", text: "between" }]),
  ];
  /** @param {string} chosen */
  function choose(chosen) {
    const at = value.after || value.before || now;
    set({ within: { within: "30d" }, after: { after: at }, before: { before: at }, between: { after: at, before: new Date().toISOString() }, message: { message: known.messages[0]?.id || "" } }[chosen]);
  }
  const wrong = problem?.errors?.find((/** @type {any} */ each) => each.path == place)?.message;
  const titles = known.messages.map((/** @type {any} */ each) => ({ value: each.id, text: each.notification.title }));
  const listed = value.message && !titles.some((/** @type {any} */ each) => each.value == value.message) ? [{ value: value.message, text: value.message }, ...titles] : titles;
  const moment = (/** @type {string} */ name) => html`<${TextField} label=${name == "after" ? "Since" : "Before"} hideLabel type="datetime-local" path=${`${place}.${name}`} problem=${problem}
    value=${value[name] ? toWall(value[name], zone) : ""} onChange=${(/** @type {string} */ text) => toIso(text, zone) && set({ ...value, [name]: toIso(text, zone) })} />`;
  return html`<${Select} label="When" hideLabel value=${how} options=${options} onChange=${choose} />
    ${how == "within" && html`<${NumberField} label="How many" hideLabel min="1" max="9999" path=${`${place}.within`} problem=${problem} value=${parseInt(value.within) || null} onChange=${(/** @type {number} */ n) => set({ within: `${n || 1}${value.within.slice(-1)}` })} />
      <${Select} label="Unit" hideLabel value=${value.within.slice(-1)} options=${[{ value: "m", text: "minutes" }, { value: "h", text: "hours" }, { value: "d", text: "days" }]} onChange=${(/** @type {string} */ unit) => set({ within: (parseInt(value.within) || 1) + unit })} />`}
    ${(how == "after" || how == "between") && moment("after")}
    ${(how == "before" || how == "between") && moment("before")}
    ${how == "message" && html`<${Select} label="Message" hideLabel path=${`${place}.message`} problem=${problem} value=${value.message} options=${listed} onChange=${(/** @type {string} */ message) => set({ message })} />`}
    ${wrong && html`<p class="error">${wrong}</p>`}`;
}
