/** A place to drop files on, and a button to choose them: the same for keyboard, mouse and finger. */
import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { Icon } from "../../ui/index.js";

/** @param {{label: string, accept: string, multiple?: boolean, disabled?: boolean, onFiles: (files: File[]) => void, children?: any}} props */
export function Drop({ label, accept, multiple = false, disabled = false, onFiles, children }) {
  const [over, setOver] = useState(false);
  const input = useRef(/** @type {any} */ (null));
  /** @param {FileList} list */
  function take(list) {
    const files = [...list].slice(0, multiple ? undefined : 1);
    if (files.length && !disabled) onFiles(files);
    if (input.current) input.current.value = ""; // the same file may be chosen again
  }
  /** @param {DragEvent} event @param {boolean} on */
  function drag(event, on) {
    event.preventDefault();
    setOver(on);
  }
  return html`<label class=${"drop" + (over ? " over" : "") + (disabled ? " off" : "")}
    onDragOver=${(/** @type {DragEvent} */ e) => drag(e, true)} onDragLeave=${(/** @type {DragEvent} */ e) => drag(e, false)}
    onDrop=${(/** @type {DragEvent} */ e) => (drag(e, false), e.dataTransfer && take(e.dataTransfer.files))}>
    <input ref=${input} class="hidden" type="file" aria-label=${label} accept=${accept} multiple=${multiple} disabled=${disabled} onChange=${(/** @type {any} */ e) => take(e.target.files)} />
    <${Icon} name="upload" size="24" /><span>${children}</span></label>`;
}
