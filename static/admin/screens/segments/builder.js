/** The builder of expressions: groups within groups, each condition a line that reads as a sentence. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Button, Select, TextArea, useLoad } from "../../ui/index.js";
import { asGroup, GROUPS, KINDS, kindOf, unwrap } from "./expression.js";
import { Leaf } from "./leaf.js";

const DEEPEST = 8;

/**
 * @param {{site: any, value: any, onChange: (value: any) => void, problem?: any, path: string}} props
 *   path: that of the expression in the API, for what is wrong with it
 */
export function Builder({ site, value, onChange, problem, path }) {
  const [asJson, showJson] = useState(false);
  const messages = useLoad((signal) => api.get(`/v1/sites/${site.id}/messages`, { query: { limit: 100 }, signal }), []);
  const known = { messages: messages.data?.items || [] };
  const root = asGroup(value);
  return html`<div class="builder">
    ${asJson ? html`<${Json} value=${value} onChange=${onChange} problem=${problem} path=${path} />`
      : html`<${Group} site=${site} known=${known} value=${root} depth=${1} path=${path} problem=${problem} onChange=${onChange} />`}
    ${problem?.errors?.some((/** @type {any} */ each) => each.path == path) && html`<p class="error">${problem.errors.find((/** @type {any} */ each) => each.path == path).message}</p>`}
    <div><${Button} small kind="ghost" onClick=${() => showJson(!asJson)}>${asJson ? "Back to the builder" : "Edit as JSON"}<//></div>
  </div>`;
}

/** @param {{site: any, known: any, value: any, depth: number, path: string, problem: any, onChange: (value: any) => void, onRemove?: () => void}} props */
function Group({ site, known, value, depth, path, problem, onChange, onRemove }) {
  const [inner, not] = unwrap(value);
  const kind = kindOf(inner);
  const parts = inner[kind];
  const place = `${path}${not ? ".not" : ""}.${kind}`;
  const wrap = (/** @type {any} */ group, negated = not) => (negated ? { not: group } : group);
  const setParts = (/** @type {any[]} */ next) => onChange(wrap({ [kind]: next }));
  const choice = not ? "none" : kind;
  /** @param {string} chosen */
  function choose(chosen) {
    if (chosen == "none") onChange({ not: { any: parts } });
    else onChange({ [chosen]: parts });
  }
  return html`<div class="group" role="group" aria-label=${depth == 1 ? "Conditions" : "Group of conditions"}>
    <div class="group-head">
      <${Select} label="Who" hideLabel value=${choice} onChange=${choose}
        options=${[{ value: "all", text: "All of these hold" }, { value: "any", text: "At least one holds" }, { value: "none", text: kind == "all" && not ? "Not all of these hold" : "None of these holds" }]} />
      ${onRemove && html`<${Button} kind="ghost" small icon="trash" label="Remove this group" onClick=${onRemove} />`}
    </div>
    <ul class="group-parts">${parts.map((/** @type {any} */ each, /** @type {number} */ i) => {
      const props = {
        site, known, problem, path: `${place}[${i}]`, value: each,
        onChange: (/** @type {any} */ next) => setParts(parts.map((/** @type {any} */ old, /** @type {number} */ n) => (n == i ? next : old))),
        onRemove: parts.length > 1 || depth > 1 ? () => setParts(parts.filter((/** @type {any} */ _, /** @type {number} */ n) => n != i)) : undefined,
      };
      return html`<li key=${i}>${GROUPS.includes(kindOf(unwrap(each)[0])) ? html`<${Group} ...${props} depth=${depth + 1} />` : html`<${Leaf} ...${props} />`}</li>`;
    })}</ul>
    <div class="row"><${Button} small icon="plus" onClick=${() => setParts([...parts, KINDS.tag.fresh()])}>Condition<//>
      ${depth < DEEPEST && html`<${Button} small icon="plus" onClick=${() => setParts([...parts, { [kind == "all" ? "any" : "all"]: [KINDS.tag.fresh(), KINDS.tag.fresh()] }])}>Group<//>`}</div>
  </div>`;
}

/** @param {{value: any, onChange: (value: any) => void, problem: any, path: string}} props */
function Json({ value, onChange, problem, path }) {
  const [text, set] = useState(JSON.stringify(value, null, 2));
  const [wrong, setWrong] = useState("");
  /** @param {string} typed */
  function take(typed) {
    set(typed);
    try {
      const parsed = JSON.parse(typed);
      if (!parsed || typeof parsed != "object" || Array.isArray(parsed)) throw new Error("not an object");
      setWrong("");
      onChange(parsed);
    } catch (error) {
      setWrong(`This is not a JSON object yet: ${/** @type {any} */ (error).message}`);
    }
  }
  const said = problem?.errors?.filter((/** @type {any} */ each) => each.path.startsWith(path)).map((/** @type {any} */ each) => `${each.path}: ${each.message}`).join(" ");
  return html`<${TextArea} label="Expression" class="code-text" rows="12" spellcheck="false" value=${text} onChange=${take} error=${wrong || said} hint="As the API takes it: docs/campaigns.md says what there is." />`;
}
