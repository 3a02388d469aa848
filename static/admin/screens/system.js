import { html } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import {
  Badge, Button, bytes, confirm, duration, Empty, Failure, Loading, Meter, Notice, number, Page, providerName, Section, Stat, Stats, Table, Time, toast, useLoad, useSession,
} from "../ui/index.js";

const EVERY = 5000;

/** What the gateway itself is doing: for whoever runs it. */
export default function Screen() {
  const system = useLoad((signal) => api.get("/v1/system", { signal }), [], { every: EVERY });
  const throttles = useLoad((signal) => api.get("/v1/throttles", { signal }), [], { every: EVERY });
  const data = system.data;
  return html`<${Page} title="System" lead="What this gateway is doing at the moment. Looked at every five seconds.">
    ${system.problem && html`<${Section}><${Failure} problem=${system.problem} retry=${system.reload} /><//>`}
    ${data ? html`<${Running} data=${data} reload=${throttles.reload} throttles=${throttles.data?.items || []} />` : system.problem ? null : html`<${Section}><${Loading} lines=${6} /><//>`}
    <${Held} throttles=${throttles} />
  <//>`;
}

/** @param {{data: any, throttles: any[], reload: () => unknown}} props */
function Running({ data }) {
  const { database, open_files: files } = data;
  const refused = Object.entries(files.refused || {}).filter(([, n]) => /** @type {number} */ (n) > 0);
  const skew = data.clock_offset_ms;
  const inFlight = data.processes.reduce((/** @type {number} */ n, /** @type {any} */ each) => n + (each.in_flight || 0), 0);
  return html`
    <${Stats}>
      <${Stat} label="Version" value=${data.version} />
      <${Stat} label="Processes" value=${number(data.processes.length)} hint=${`${number(inFlight)} pushes in flight`} />
      <${Stat} label="Database" value=${DIALECTS[database.dialect] || database.dialect} hint=${`${bytes(database.size_bytes)}, answers in ${number(database.latency_ms, 1)} ms`} tone=${database.latency_ms > 100 ? "warn" : ""} />
      <${Stat} label="Events waiting" value=${number(data.events_waiting)} hint="to be written" tone=${data.events_waiting > 10000 ? "warn" : ""} />
      <${Stat} label="Clock" value=${skew == null ? "–" : Math.abs(skew) < 1000 ? "right" : `${skew > 0 ? "+" : "−"}${duration(Math.abs(skew) / 1000)}`} hint=${skew == null ? "not compared yet" : "by the push services' time"} tone=${Math.abs(skew || 0) > 60000 ? "bad" : ""} />
    <//>
    <div class="grid2">
      <${Section} title="Open files" lead="Every connection is one. The gateway divides them itself and refuses before it runs out."><div class="stack">
        <${Meter} label="All" used=${files.used} limit=${files.limit} />
        <${Meter} label="Incoming connections" used=${files.inbound_used} limit=${files.inbound} />
        ${refused.length > 0 ? html`<${Notice} tone="warn">Connections were refused: ${refused.map(([why, n]) => `${number(/** @type {number} */ (n))} ${why.replaceAll("_", " ")}`).join(", ")}. Raise the limit (LimitNOFILE, --ulimit nofile).<//>` : html`<p class="muted">No connection has been refused.</p>`}
      </div><//>
      <${Section} title="Push services" lead="How many pushes each may have in flight, found out by trying." flush>
        <${Table} label="Push services" rows=${data.providers} keyOf=${(/** @type {any} */ row) => row.provider} empty=${html`<${Empty} title="Nothing has been sent lately." />`} columns=${[
          { head: "Push service", main: true, cell: (p) => html`<b>${providerName(p.provider)}</b>${p.reason && html`<small>${p.reason.replaceAll("_", " ")}${p.held_until && html`, until <${Time} at=${p.held_until} style="time" />`}</small>`}` },
          { head: "In flight", num: true, cell: (p) => html`${number(p.in_flight)}${p.window > 0 && html` <span class="muted">of ${number(p.window)}</span>`}` },
          { head: "State", cell: (p) => html`<${Badge} tone=${BREAKERS[p.breaker][0]}><span title=${`Its circuit breaker is ${p.breaker.replace("_", " ")}`}>${BREAKERS[p.breaker][1]}</span><//>` },
        ]} />
      <//>
    </div>
    <${Section} title="Processes" flush>
      <${Table} label="Processes" rows=${data.processes} keyOf=${(/** @type {any} */ row) => row.owner} columns=${[
        { head: "Process", main: true, cell: (p) => html`<b>${p.role}</b> <${Badge} tone=${isLate(p) ? "bad" : "good"}>${isLate(p) ? "silent" : "alive"}<//><small><code>${p.owner}</code></small>` },
        { head: "Machine", cell: (p) => html`${p.host} <span class="muted">${p.pid}</span>` },
        { head: "Since", cell: (p) => html`<${Time} at=${p.started_at} style="relative" />` },
        { head: "CPU time", num: true, cell: (p) => duration(p.cpu_seconds) },
        { head: "Memory", num: true, cell: (p) => bytes(p.memory_bytes) },
        { head: "In flight", num: true, cell: (p) => number(p.in_flight) },
        { head: "Unrecorded", num: true, cell: (p) => html`<span title="Answers that are not in the database yet">${number(p.unrecorded)}</span>` },
      ]} />
    <//>`;
}

/** @param {{throttles: any}} props */
function Held({ throttles }) {
  const { may } = useSession();
  const resume = (/** @type {any} */ each, /** @type {string} */ gone) =>
    confirm({
      title: `Send to ${providerName(each.provider)} again?`,
      body: html`<p>It was held: ${(each.reason || "").replaceAll("_", " ")}. ${gone == "revert" ? "Whom it called gone since then is active again." : "Whom it called gone stays gone."}</p>`,
      confirm: "Send again",
      action: async () => {
        const { reverted } = await api.post(`/v1/providers/${each.provider}/resume`, { gone });
        await throttles.reload();
        toast(gone == "revert" ? `Going on; ${number(reverted)} subscriptions are active again.` : "Going on.");
      },
    });
  return html`<${Section} title="Held back, and limits of speed" flush>
    <${Table} label="What is held back" rows=${throttles.data?.items} problem=${throttles.problem} keyOf=${(/** @type {any} */ row) => `${row.site}-${row.provider}`}
      empty=${html`<${Empty} icon="check" title="Nothing is held back.">When a push service asks us to wait, or calls too many subscriptions gone at once, it stands here.<//>`} columns=${[
        { head: "What", main: true, cell: (t) => html`<b>${t.provider ? providerName(t.provider) : "Every push service"}</b><small>${t.site ? html`site <code>${t.site}</code>` : "all sites"}</small>` },
        { head: "State", cell: (t) => (t.held ? html`<${Badge} tone="warn">Held<//>` : html`<${Badge}>Going<//>`) },
        { head: "Why", cell: (t) => (t.reason || "").replaceAll("_", " ") },
        { head: "Until", cell: (t) => (t.held ? html`<${Time} at=${t.until} none="somebody says so" />` : null) },
        { head: "At most", num: true, cell: (t) => (t.rate == null ? null : `${number(t.rate)} a second`) },
        { head: html`<span class="hidden">Actions</span>`, name: "", tight: true, cell: (t) => t.held && !t.until && !t.site && t.provider && may("manage") && html`<span class="actions">
            <${Button} small onClick=${() => resume(t, "keep")}>Resume<//><${Button} small onClick=${() => resume(t, "revert")}>Resume, nobody was gone<//></span>` },
      ]} />
  <//>`;
}

/** @param {any} process */
const isLate = (process) => Date.now() - new Date(process.seen_at).getTime() > 60000;
/** @type {Record<string, string[]>} */
const BREAKERS = { closed: ["good", "Sending"], half_open: ["warn", "Trying again"], open: ["bad", "Held"] };
/** @type {Record<string, string>} */
const DIALECTS = { sqlite: "SQLite", postgres: "PostgreSQL", postgresql: "PostgreSQL" };
