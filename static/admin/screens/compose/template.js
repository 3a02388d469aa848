/** A saved notification instead of one by hand: only its variables are to be said. */
import { html } from "../../vendor/preact-htm.js";
import { Button, Section, TextField } from "../../ui/index.js";

/** @param {any} template @returns {string[]} what its texts ask for */
export function variablesOf(template) {
  const asked = [...JSON.stringify(template.notification).matchAll(/variables\.([A-Za-z_][\w-]*)/g)].map((each) => each[1]);
  return [...new Set([...asked, ...Object.keys(template.variables)])];
}

/** The texts as they will be, as far as that is plain. @param {any} template @param {Record<string, any>} variables */
export function filledIn(template, variables) {
  const known = { ...template.variables, ...variables };
  const fill = (/** @type {any} */ value) =>
    typeof value == "string" ? value.replace(/\{\{\s*variables\.([\w-]+)\s*(\|[^}]*)?\}\}/g, (_, name) => String(known[name] ?? `[${name}]`))
      : Array.isArray(value) ? value.map(fill)
      : value && typeof value == "object" ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fill(each)])) : value;
  return fill(template.notification);
}

/** @param {{template: any, form: any, change: (path: string, value: any) => void, problem: any, onLeave: () => void}} props */
export function FromTemplate({ template, form, change, problem, onLeave }) {
  const names = variablesOf(template);
  return html`<${Section} title="What it says" lead=${`From the template “${template.name}”`} actions=${html`<${Button} small onClick=${onLeave}>Write it by hand<//>`}><div class="form">
    ${names.length ? names.map((name) => html`<${TextField} key=${name} label=${name} path=${`variables.${name}`} problem=${problem} value=${form.variables[name] ?? ""} placeholder=${template.variables[name] ?? ""}
        onChange=${(/** @type {string} */ value) => { const { [name]: _, ...rest } = form.variables; change("variables", value ? { ...rest, [name]: value } : rest); }} />`)
      : html`<p class="muted">It has no variables: the message says just what the template says.</p>`}
    ${problem?.field("variables") && html`<p class="error">${problem.field("variables")}</p>`}
    ${problem?.errors.filter((/** @type {any} */ { path }) => path.startsWith("template")).map((/** @type {any} */ each) => html`<p class="error">${each.message}</p>`)}
  </div><//>`;
}
