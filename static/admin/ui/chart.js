/** Curves and bars by uPlot, which is loaded with the first chart; the same numbers as a table for everybody. */
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { useSite } from "./context.js";
import { compact, number, time } from "./format.js";

/** @param {string} name a custom property of admin.css */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * `series`: `{label, values, tone}`; tone is one of `chart-1` … `chart-5` or an outcome. `at`: moments (milliseconds or RFC 3339).
 * @param {{
 *   label: string, at: (number | string)[], series: {label: string, values: (number | null)[], tone?: string, fill?: boolean}[],
 *   height?: number, bars?: boolean, format?: (value: number | null) => string, stepStyle?: "date" | "short" | "time", from0?: boolean,
 * }} props
 */
export function Chart({ label, at, series, height = 220, bars = false, format = number, stepStyle = "date", from0 = true }) {
  const box = useRef(/** @type {any} */ (null));
  const { zone } = useSite();
  const [dark, setDark] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  const [hover, setHover] = useState(/** @type {number | null} */ (null));
  const moments = at.map((each) => new Date(each).getTime());
  const key = JSON.stringify([moments, series, dark, zone, bars, height]);

  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const listener = () => setDark(media.matches);
    media.addEventListener("change", listener);
    return () => media.removeEventListener("change", listener);
  }, []);

  useEffect(() => {
    let plot = /** @type {any} */ (null);
    let over = false;
    const watcher = new ResizeObserver(() => plot && box.current && plot.setSize({ width: box.current.clientWidth, height }));
    import("../vendor/uplot.js").then(({ default: UPlot }) => {
      if (over || !box.current) return;
      const font = `12px ${getComputedStyle(document.body).fontFamily}`;
      const areCounts = series.every(({ values }) => values.every((each) => each == null || Number.isInteger(each)));
      const axis = { stroke: colour("muted"), font, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
      const around = stepStyle == "date" ? 3 * 86_400_000 : 3 * 3_600_000; // of a single point: a scale of its own would be one of seconds
      plot = new UPlot(
        {
          width: box.current.clientWidth,
          height,
          ms: 1,
          padding: [8, 20, 0, 0],
          legend: { show: false },
          tzDate: zone ? (/** @type {number} */ ts) => UPlot.tzDate(new Date(ts), zone) : undefined,
          cursor: { points: { size: 7 }, drag: { x: false, y: false }, y: false },
          scales: { x: { time: true, ...(moments.length == 1 && { range: () => [moments[0] - around, moments[0] + around] }) }, y: from0 ? { range: (/** @type {any} */ _, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(1, high * 1.08)] } : {} },
          axes: [
            { ...axis, grid: { show: false }, space: 72 },
            { ...axis, size: 52, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((each) => (Number.isInteger(each) ? compact(each) : areCounts ? "" : number(each, 2))) },
          ],
          series: [
            {},
            ...series.map((each, i) => {
              const stroke = colour(each.tone || `chart-${i + 1}`);
              return {
                label: each.label,
                stroke,
                width: bars ? 0 : 2,
                fill: bars ? stroke : each.fill === false ? undefined : stroke + "1f",
                paths: bars ? UPlot.paths.bars({ size: [0.7, 48], radius: 0.15 }) : UPlot.paths.linear(),
                points: { show: moments.length < 2 },
              };
            }),
          ],
          hooks: { setCursor: [(/** @type {any} */ u) => setHover(u.cursor.idx ?? null)] },
        },
        [moments, ...series.map((each) => each.values)],
        box.current,
      );
      watcher.observe(box.current);
    });
    return () => {
      over = true;
      watcher.disconnect();
      plot?.destroy();
    };
  }, [key]);

  const shown = hover != null && hover < moments.length ? hover : moments.length - 1;
  return html`
    <figure class="chart">
      <figcaption class="chart-head" aria-hidden="true">
        <span class="chart-keys">${series.map((each, i) => html`<span><i class=${"dot " + (each.tone || `chart-${i + 1}`)}></i>${each.label} <b>${shown >= 0 ? format(each.values[shown]) : ""}</b></span>`)}</span>
        <span class="muted">${shown >= 0 ? time(moments[shown], zone, stepStyle) : ""}</span>
      </figcaption>
      <div class="plot" ref=${box} role="img" aria-label=${`${label}; the numbers are in the table below`} style=${{ height: `${height}px` }}></div>
      <details class="chart-table"><summary>Show as a table</summary>
        <div class="table-box scroll" tabindex="0"><table class="table plain"><caption class="hidden">${label}</caption>
          <thead><tr><th scope="col">Time</th>${series.map((each) => html`<th scope="col" class="num">${each.label}</th>`)}</tr></thead>
          <tbody>${moments.map((each, i) => html`<tr><th scope="row">${time(each, zone, stepStyle)}</th>${series.map(({ values }) => html`<td class="num">${format(values[i])}</td>`)}</tr>`)}</tbody>
        </table></div>
      </details>
    </figure>`;
}
