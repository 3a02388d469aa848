import { html, useEffect, useId, useReducer, useRef, useState } from "../vendor/preact-htm.js";
import { useAction } from "./load.js";
import { Button, Failure } from "./page.js";
import { Icon } from "./icons.js";

/** A modal dialog; shown for as long as it is rendered. @param {{title: any, onClose: () => void, children?: any, wide?: boolean}} props */
export function Dialog({ title, onClose, children, wide }) {
  const dialog = useRef(/** @type {any} */ (null));
  const id = useId();
  useEffect(() => {
    const before = /** @type {any} */ (document.activeElement);
    dialog.current.showModal();
    // Where one begins: the first field, or the button that does no harm; not the cross that comes first.
    (dialog.current.querySelector(".dialog-box > :not(header) :is(input, select, textarea)") || dialog.current.querySelector(".form-foot button"))?.focus();
    return () => before?.focus?.();
  }, []);
  return html`
    <dialog ref=${dialog} class=${wide ? "wide" : ""} aria-labelledby=${id}
      onCancel=${(/** @type {Event} */ e) => (e.preventDefault(), onClose())}
      onClick=${(/** @type {any} */ e) => e.target == dialog.current && onClose()}>
      <div class="dialog-box">
        <header><h2 id=${id}>${title}</h2><${Button} kind="ghost" small icon="close" label="Close" onClick=${onClose} /></header>
        ${children}
      </div>
    </dialog>`;
}

/** @type {{asked: any, toasts: {id: number, text: any, tone: string}[], changed: () => void}} */
const host = { asked: null, toasts: [], changed: () => {} };
let toastCount = 0;

/**
 * Ask before something that cannot be undone: `await confirm({ title, body, confirm: "Delete", danger: true, type: site.name, action })`.
 * With `type` it has to be typed first. `action` runs before the dialog closes, and what it throws is shown in it.
 * @param {{title: string, body?: any, confirm?: string, danger?: boolean, type?: string, action?: () => Promise<unknown>}} question
 * @returns {Promise<boolean>}
 */
export function confirm(question) {
  return new Promise((resolve) => {
    host.asked = { ...question, resolve };
    host.changed();
  });
}

/** Say shortly that something happened. @param {any} text @param {"good" | "bad" | "info"} tone */
export function toast(text, tone = "good") {
  const id = ++toastCount;
  host.toasts = [...host.toasts.slice(-2), { id, text, tone }];
  host.changed();
  setTimeout(() => {
    host.toasts = host.toasts.filter((each) => each.id != id);
    host.changed();
  }, 6000);
}

/** @param {{question: any, onAnswer: (answer: boolean) => void}} props */
function Question({ question, onAnswer }) {
  const [typed, type] = useState("");
  const act = useAction(async () => {
    await question.action?.();
    onAnswer(true);
  });
  const id = useId();
  return html`<${Dialog} title=${question.title} onClose=${() => act.busy || onAnswer(false)}>
    <form onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), act.run())}>
      ${question.body && html`<div class="dialog-body">${question.body}</div>`}
      ${question.type && html`<div class="field"><label for=${id}>Type <b>${question.type}</b> to go on</label><input id=${id} value=${typed} autocomplete="off" onInput=${(/** @type {any} */ e) => type(e.target.value)} /></div>`}
      <${Failure} problem=${act.problem} />
      <div class="form-foot end"><${Button} onClick=${() => onAnswer(false)}>Cancel<//>
        <${Button} type="submit" kind=${question.danger ? "danger" : "primary"} busy=${act.busy} disabled=${question.type && typed.trim() != question.type}>${question.confirm || "Go on"}<//></div>
    </form>
  <//>`;
}

/** Once, in the shell. */
export function DialogHost() {
  const [, changed] = useReducer((/** @type {number} */ n) => n + 1, 0);
  host.changed = () => changed(undefined);
  /** @param {boolean} yes */
  function answer(yes) {
    const { resolve } = host.asked;
    host.asked = null;
    host.changed();
    resolve(yes);
  }
  return html`
    ${host.asked && html`<${Question} question=${host.asked} onAnswer=${answer} />`}
    <div class="toasts" role="status" aria-live="polite">${host.toasts.map((each) => html`<div key=${each.id} class=${"toast " + each.tone}><${Icon} name=${each.tone == "bad" ? "warn" : "check"} />${each.text}</div>`)}</div>`;
}
