import { html, useEffect, useRef } from "../../vendor/preact-htm.js";

/**
 * A part that most messages do without, folded; `summary` says what is set in it. It opens when something in it is
 * wrong: `paths` are its fields in the API.
 * @param {{title: string, summary?: any, paths?: string[], problem?: any, open?: boolean, children?: any}} props
 */
export function Fold({ title, summary, paths = [], problem, open, children }) {
  const details = useRef(/** @type {any} */ (null));
  const wrong = problem?.errors?.some((/** @type {any} */ { path }) => paths.some((each) => path == each || path.startsWith(each + ".") || path.startsWith(each + "[")));
  useEffect(() => {
    if (wrong) details.current.open = true;
  }, [wrong, problem]);
  return html`<details class="fold" ref=${details} open=${open}>
    <summary><span class="fold-title">${title}</span><span class="fold-said">${summary || ""}</span></summary>
    <div class="fold-body">${children}</div>
  </details>`;
}
