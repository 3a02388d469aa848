/** A file that is streamed to the gateway, and what became of its lines. */
import { html, useState } from "../../vendor/preact-htm.js";
import { api } from "../../api.js";
import { Button, bytes, duration, Failure, Meter, Notice, number, Stat, Stats, Table, useAction } from "../../ui/index.js";
import { Drop } from "../images/drop.js";

/** @param {{site: any}} props */
export function Import({ site }) {
  const [going, setGoing] = useState(/** @type {{file: File, sent: number, since: number, stop: AbortController} | null} */ (null));
  const [result, setResult] = useState(/** @type {any} */ (null));
  const [stopped, setStopped] = useState(false);
  const run = useAction(async (/** @type {File} */ file) => {
    const stop = new AbortController();
    const since = Date.now();
    setResult(null);
    setStopped(false);
    setGoing({ file, sent: 0, since, stop });
    try {
      const onProgress = (/** @type {number} */ sent) => setGoing({ file, sent, since, stop });
      setResult(await api.send(`/v1/sites/${site.id}/subscriptions/import`, file, "application/x-ndjson", { signal: stop.signal, onProgress }));
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      setStopped(true);
    } finally {
      setGoing(null);
    }
  });
  if (going) {
    const { file, sent, since, stop } = going;
    const left = sent && sent < file.size ? (((Date.now() - since) / sent) * (file.size - sent)) / 1000 : null;
    return html`<div class="stack" role="group" aria-label="Import">
      <${Meter} label=${file.name} used=${sent} limit=${file.size} text=${html`<b>${bytes(sent)}</b> of ${bytes(file.size)}${left != null && html` · ${duration(left)} left`}`} />
      <p class="muted" role="status">${sent >= file.size ? "All of it is there; the last lines are being stored." : "Leave this page open until it is done."}</p>
      <div><${Button} icon="stop" onClick=${() => stop.abort()}>Stop<//></div>
    </div>`;
  }
  return html`<div class="stack">
    <${Drop} accept=".ndjson,.jsonl,.json,application/x-ndjson,application/jsonl" label="Choose the file to import" onFiles=${(/** @type {File[]} */ files) => run.run(files[0])}>
      <b>Drop the file here</b>, or choose it. Of any size: it is streamed.<//>
    <${Failure} problem=${run.problem} />
    ${stopped && html`<${Notice}>Stopped. What was stored by then stays; importing the file again is harmless.<//>`}
    ${result && html`<${Result} result=${result} />`}
  </div>`;
}

/** @param {{result: any}} props */
function Result({ result }) {
  return html`<div class="stack" role="status">
    <${Notice} tone=${result.refused ? "warn" : "good"}>${result.refused ? "Imported, but for some lines." : "All lines are imported."}<//>
    <${Stats}><${Stat} label="New" value=${number(result.added)} /><${Stat} label="Known before" value=${number(result.known)} hint="refreshed" /><${Stat} label="Refused" value=${number(result.refused)} tone=${result.refused ? "warn" : ""} /><//>
    ${result.errors.length > 0 && html`<div class="table-box scroll"><${Table} label="Refused lines" rows=${result.errors} keyOf=${(/** @type {any} */ each) => String(each.line)} columns=${[
      { head: "Line", num: true, tight: true, cell: (/** @type {any} */ each) => number(each.line) },
      { head: "What is wrong", main: true, cell: (/** @type {any} */ each) => each.message ?? each.error ?? JSON.stringify(each) },
    ]} /></div>`}
  </div>`;
}
