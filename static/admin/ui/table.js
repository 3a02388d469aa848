import { html } from "../vendor/preact-htm.js";
import { Button, Empty, Failure, Loading } from "./page.js";

/**
 * `<${Table} label="Messages" pages=${usePages(…)} columns=${[{ head: "Title", cell: (row) => …, main: true }, { head: "Sent", cell, num: true }]} />`
 * or with `rows` instead of `pages`. On a phone each row becomes a block: `main` is its heading, `phone: false` is left out.
 * @param {{
 *   label: string,
 *   columns: {head: any, cell: (row: any) => any, num?: boolean, main?: boolean, phone?: boolean, name?: string, tight?: boolean}[],
 *   rows?: any[] | null, pages?: any, keyOf?: (row: any) => string, empty?: any, problem?: any,
 *   selected?: (row: any) => boolean,
 * }} props
 */
export function Table({ label, columns, rows, pages, keyOf = (row) => row.id, empty, problem, selected }) {
  const shown = pages ? pages.items : rows;
  const failed = pages ? pages.problem : problem;
  if (shown == null) return failed ? html`<${Failure} problem=${failed} retry=${pages?.reload} />` : html`<${Loading} lines=${4} />`;
  if (!shown.length && !pages?.next) return empty || html`<${Empty} title="Nothing here yet." />`;
  return html`
    ${failed && html`<${Failure} problem=${failed} retry=${pages?.reload} compact />`}
    <div class="table-box">
      <table class="table" role="table">
        <caption class="hidden">${label}</caption>
        <thead role="rowgroup"><tr role="row">${columns.map((each) => html`<th role="columnheader" scope="col" class=${classOf(each)}>${each.head}</th>`)}</tr></thead>
        <tbody role="rowgroup">${shown.map(
          (/** @type {any} */ row) => html`<tr role="row" key=${keyOf(row)} aria-selected=${selected?.(row) ? "true" : null}>
            ${columns.map((each) => html`<td role="cell" class=${classOf(each)} data-label=${each.main ? null : (each.name ?? (typeof each.head == "string" ? each.head : null))}>${each.cell(row)}</td>`)}
          </tr>`,
        )}</tbody>
      </table>
    </div>
    ${pages && html`<${More} pages=${pages} />`}`;
}

/** The button below a list that goes on. @param {{pages: any}} props */
export const More = ({ pages }) => html`
  ${pages.moreProblem && html`<${Failure} problem=${pages.moreProblem} compact />`}
  ${pages.next && html`<div class="more"><${Button} busy=${pages.moreBusy} onClick=${pages.more}>Show more<//></div>`}`;

/** @param {{num?: boolean, main?: boolean, phone?: boolean, tight?: boolean}} column */
const classOf = ({ num, main, phone, tight }) => [num && "num", main && "main", phone === false && "no-phone", tight && "tight"].filter(Boolean).join(" ") || null;
