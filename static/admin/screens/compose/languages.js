/** What visitors of a language see instead. */
import { html, useState } from "../../vendor/preact-htm.js";
import { Button, TextArea, TextField } from "../../ui/index.js";
import { Fold } from "./fold.js";

/** A part of a notification: what is left empty is that of the message. @param {{value: any, onChange: (value: any) => void, path: string, problem: any, base: any, link?: boolean}} props */
export function Partial({ value, onChange, path, problem, base, link = true }) {
  const set = (/** @type {string} */ name) => (/** @type {string} */ text) => {
    const { [name]: _, ...rest } = value;
    onChange(text ? { ...rest, [name]: text } : rest);
  };
  const field = (/** @type {string} */ name) => ({ path: `${path}.${name}`, problem, value: value[name], onChange: set(name), placeholder: base[name] || "" });
  return html`<${TextField} label="Title" maxlength="200" ...${field("title")} /><${TextArea} label="Text" rows="2" maxlength="3000" ...${field("body")} />
    ${link && html`<${TextField} label="Link" type="url" ...${field("url")} />`}`;
}

/** @param {{form: any, change: (path: string, value: any) => void, problem: any, languages: string[]}} props languages: that visitors have */
export function Languages({ form, change, problem, languages }) {
  const [typed, type] = useState("");
  const said = Object.keys(form.translations);
  const offered = languages.filter((each) => !said.includes(each)).slice(0, 6);
  const set = (/** @type {string} */ language, /** @type {any} */ partial) => change("translations", { ...form.translations, [language]: partial });
  const add = (/** @type {string} */ language) => language.trim() && (set(language.trim(), {}), type(""));
  const drop = (/** @type {string} */ language) => change("translations", Object.fromEntries(Object.entries(form.translations).filter(([name]) => name != language)));
  return html`<${Fold} title="Languages" summary=${said.join(", ")} problem=${problem} paths=${["translations"]}>
    <p class="hint">Whoever's browser speaks one of these sees its texts; what you leave empty is as in the message. <code>pt-BR</code> goes before <code>pt</code>.</p>
    ${said.map((language) => html`<fieldset class="inset" key=${language}><legend>${nameOf(language)}</legend>
      <${Partial} value=${form.translations[language]} base=${form.notification} path=${`translations.${language}`} problem=${problem} onChange=${(/** @type {any} */ partial) => set(language, partial)} />
      <div><${Button} small kind="ghost" icon="trash" onClick=${() => drop(language)}>Remove ${nameOf(language)}<//></div></fieldset>`)}
    <div class="row">${offered.map((each) => html`<${Button} key=${each} small icon="plus" onClick=${() => add(each)}>${nameOf(each)}<//>`)}</div>
    <form class="line" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), add(typed))}><${TextField} label="Another language" placeholder="de, or pt-BR" maxlength="35" value=${typed} onChange=${type} /><${Button} type="submit" disabled=${!typed.trim()}>Add<//></form>
    ${problem?.field("translations") && html`<p class="error">${problem.field("translations")}</p>`}
  <//>`;
}

/** @param {string} language */
export function nameOf(language) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(language) || language;
  } catch {
    return language;
  }
}
