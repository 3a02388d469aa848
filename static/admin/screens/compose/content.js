/** Title, text, link; folded: pictures, buttons, what else a notification has, and texts for each visitor. */
import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { link } from "../../routes.js";
import { Button, Check, Dialog, Empty, Loading, Section, Select, TextArea, TextField, useLoad } from "../../ui/index.js";
import { Fold } from "./fold.js";
import { plain } from "./preview.js";

/**
 * @param {{site: any, form: any, change: (path: string, value: any) => void, problem: any, attributes: string[], templates: any[]}} props
 *   attributes: names that visitors of the site have
 */
export function Content({ site, form, change, problem, attributes, templates }) {
  const { notification } = form;
  const box = useRef(/** @type {any} */ (null));
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => change(`notification.${name}`, value);
  const field = (/** @type {string} */ name) => ({ path: `notification.${name}`, problem, value: notification[name] ?? "", onChange: set(name), "data-field": name });
  return html`<${Section} title="What it says"><div class="form" ref=${box}>
    <${TextField} label="Title" maxlength="200" required autofocus placeholder="Back in stock" ...${field("title")} hint=${counted(notification.title, 50)} />
    <${TextArea} label="Text" optional rows="3" maxlength="3000" ...${field("body")} hint=${counted(notification.body, 120)} />
    <${TextField} label="Link" optional type="url" inputmode="url" placeholder=${(site.origins[0] || "https://example.com") + "/…"} ...${field("url")} hint="Opened by a click. Without one it is the site's start page." />
    <${Personal} box=${box} attributes=${attributes} notification=${notification} set=${set} />
    <${Fold} title="Pictures and buttons" summary=${picturesSaid(notification)} problem=${problem} paths=${["notification.icon", "notification.image", "notification.badge", "notification.actions"]}>
      <${ImageField} site=${site} purpose="icon" label="Icon" hint="Square, beside the text; 192 pixels or more." ...${field("icon")} />
      <${ImageField} site=${site} purpose="image" label="Large picture" hint="Twice as wide as high. Android and Windows show it." ...${field("image")} />
      <${ImageField} site=${site} purpose="badge" label="Badge" hint="White on nothing, 96 pixels: the small sign in Android's status bar." ...${field("badge")} />
      <${Actions} actions=${notification.actions || []} onChange=${set("actions")} problem=${problem} />
    <//>
    <${Fold} title="How it behaves" summary=${[notification.require_interaction && "stays", notification.silent && "silent", notification.tag && `tag ${notification.tag}`].filter(Boolean).join(", ")}
      problem=${problem} paths=${["notification.tag", "notification.data"]}>
      <${Check} label="Stays on the screen until it is clicked or closed" hint="On computers; on phones all do." checked=${Boolean(notification.require_interaction)} onChange=${set("require_interaction")} />
      <${Check} label="Without sound and vibration" checked=${Boolean(notification.silent)} onChange=${set("silent")} />
      <${TextField} label="Tag" optional maxlength="128" ...${field("tag")} hint="Takes the place of a notification with the same tag on the screen, instead of standing beside it." />
      <${Data} data=${notification.data} onChange=${set("data")} problem=${problem} />
    <//>
    ${templates.length > 0 && html`<${Fold} title="From a template">
      <${Select} label="Template" value="" options=${[{ value: "", text: "Choose …" }, ...templates.map((each) => ({ value: each.id, text: each.name }))]} onChange=${(/** @type {string} */ id) => id && change("template", id)} hint="Its texts take the place of those above." />
    <//>`}
  </div><//>`;
}

/** @param {string | undefined} text @param {number} most */
function counted(text, most) {
  const length = [...plain(text || "")].length;
  return length > most ? `${length} characters: phones cut after about ${most}.` : undefined;
}

/** @param {any} notification */
const picturesSaid = ({ icon, image, badge, actions }) =>
  [icon && "icon", image && "picture", badge && "badge", actions?.length && `${actions.length} ${actions.length > 1 ? "buttons" : "button"}`].filter(Boolean).join(", ");

/** Puts what is known of each visitor into the text. @param {{box: any, attributes: string[], notification: any, set: (name: string) => (value: any) => void}} props */
function Personal({ box, attributes, notification, set }) {
  const [last, remember] = useState({ name: "title", at: 0 });
  const names = attributes.length ? attributes.slice(0, 8) : ["first_name"];
  const hints = [...names.map((each) => [each, `{{ attributes.${each} | default: "there" }}`]), ["language", "{{ language }}"], ["external id", "{{ external_id }}"]];
  const watch = (/** @type {any} */ e) => e.target.dataset?.field && remember({ name: e.target.dataset.field, at: e.target.selectionStart ?? 0 });
  /** @param {string} text */
  function insert(text) {
    const before = notification[last.name] || "";
    const at = Math.min(last.at, before.length);
    set(last.name)(before.slice(0, at) + text + before.slice(at));
    remember({ ...last, at: at + text.length });
    requestAnimationFrame(() => {
      const field = box.current?.querySelector(`[data-field="${last.name}"]`);
      field?.focus();
      field?.setSelectionRange?.(at + text.length, at + text.length);
    });
  }
  if (box.current && !box.current.watched) {
    box.current.watched = true;
    for (const event of ["keyup", "click", "focusin"]) box.current.addEventListener(event, watch);
  }
  return html`<${Fold} title="Texts for each visitor" summary=${/\{[{%]/.test(JSON.stringify(notification)) ? "in use" : ""}>
    <p class="hint">Any text and link may hold what is known of a visitor. Say what stands there for those of whom it is not known, after <code>default:</code>. A click puts it where you typed last.</p>
    <div class="row">${hints.map(([name, text]) => html`<${Button} small onClick=${() => insert(text)}>${name}<//>`)}</div>
    <p class="hint">Also <code>${"{% if attributes.vip %}…{% endif %}"}</code>. Who cannot be given a text gets the fallback, or nothing. <a href="https://shopify.github.io/liquid/" target="_blank" rel="noopener noreferrer">Liquid</a></p>
  <//>`;
}

/** @param {{actions: any[], onChange: (actions: any[]) => void, problem: any}} props */
function Actions({ actions, onChange, problem }) {
  const set = (/** @type {number} */ i, /** @type {any} */ change) => onChange(actions.map((each, n) => (n == i ? { ...each, ...change } : each)));
  return html`<fieldset class="stack tight"><legend>Buttons</legend>
    ${actions.map((each, i) => html`<div class="line" key=${i}>
      <${TextField} label=${`Button ${i + 1}`} maxlength="100" value=${each.title} path=${`notification.actions[${i}].title`} problem=${problem} onChange=${(/** @type {string} */ title) => set(i, { title })} />
      <${TextField} label="Its link" optional type="url" value=${each.url} path=${`notification.actions[${i}].url`} problem=${problem} placeholder="that of the message" onChange=${(/** @type {string} */ url) => set(i, { url })} />
      <${Button} kind="ghost" icon="trash" label=${`Remove button ${i + 1}`} onClick=${() => onChange(actions.filter((_, n) => n != i))} /></div>`)}
    ${actions.length < 2 && html`<div><${Button} small icon="plus" onClick=${() => onChange([...actions, { title: "", url: "" }])}>Add a button<//></div>`}
    <p class="hint">At most two. iPhones show none.</p></fieldset>`;
}

/** @param {{data: any, onChange: (data: any) => void, problem: any}} props */
function Data({ data, onChange, problem }) {
  const [text, set] = useState(data && Object.keys(data).length ? JSON.stringify(data, null, 2) : "");
  const [wrong, setWrong] = useState("");
  /** @param {string} typed */
  function take(typed) {
    set(typed);
    try {
      const parsed = typed.trim() ? JSON.parse(typed) : {};
      if (typeof parsed != "object" || Array.isArray(parsed)) throw new Error();
      setWrong("");
      onChange(parsed);
    } catch {
      setWrong("This is not a JSON object; the last one that was is used.");
    }
  }
  return html`<${TextArea} label="Data for your own scripts" optional class="code-text" rows="3" value=${text} onChange=${take} error=${wrong} path="notification.data" problem=${problem} spellcheck="false" placeholder='{"sku": "a1"}' />`;
}

/** A picture by its address, or one that was uploaded. @param {any} props */
export function ImageField({ site, purpose, ...props }) {
  const [choosing, choose] = useState(false);
  return html`<div class="line">
    <${TextField} optional type="url" inputmode="url" placeholder="https://" ...${props} />
    <${Button} icon="images" onClick=${() => choose(true)} label=${`Choose an uploaded ${props.label.toLowerCase()}`} />
    ${choosing && html`<${Choose} site=${site} purpose=${purpose} onClose=${() => choose(false)} onChosen=${(/** @type {string} */ url) => (props.onChange(url), choose(false))} />`}
  </div>`;
}

/** @param {{site: any, purpose: string, onClose: () => void, onChosen: (url: string) => void}} props */
function Choose({ site, purpose, onClose, onChosen }) {
  const images = useLoad((signal) => api.get(`/v1/sites/${site.id}/images`, { query: { limit: 100 }, signal }), []);
  const fitting = images.data?.items.filter((/** @type {any} */ each) => each.purpose == purpose);
  return html`<${Dialog} title="Uploaded pictures" onClose=${onClose} wide>
    ${images.problem ? html`<${Empty} title="Pictures cannot be uploaded to this gateway yet." icon="images">Paste the address of one that your site serves.<//>`
      : !fitting ? html`<${Loading} />`
      : fitting.length ? html`<ul class="pictures">${fitting.map((/** @type {any} */ each) => html`<li key=${each.id}><button type="button" onClick=${() => onChosen(each.url)}><img src=${each.url} alt=${`${each.width} by ${each.height} pixels`} loading="lazy" /></button></li>`)}</ul>`
      : html`<${Empty} title="None of this kind yet." icon="images" action=${html`<${Button} href=${link("/s/:site/images", { site: site.id })}>Upload one<//>`} />`}
  <//>`;
}
