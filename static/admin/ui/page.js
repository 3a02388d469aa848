/** What screens are made of. */
import { html, useEffect, useId, useRef, useState } from "../vendor/preact-htm.js";
import { Icon } from "./icons.js";

/**
 * The whole of a screen: its heading gets the focus when one comes from elsewhere, and names the tab.
 * @param {{title: any, name?: string, lead?: any, actions?: any, back?: {href: string, text: string}, children?: any, wide?: boolean}} props
 *   name: the title as a text, where `title` is more than that
 */
export function Page({ title, name, lead, actions, back, children, wide }) {
  const heading = useRef(/** @type {any} */ (null));
  useEffect(() => {
    performance.mark("screen"); // how soon somebody can begin
    if (/** @type {any} */ (window).navigated) heading.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${name || title} · Push gateway`;
  }, [name, title]);
  return html`
    <div class=${"page" + (wide ? " wide" : "")}>
      <header class="page-head">
        ${back && html`<a class="back" href=${back.href}><${Icon} name="back" size="16" />${back.text}</a>`}
        <div class="page-title">
          <h1 tabindex="-1" ref=${heading}>${title}</h1>
          ${actions && html`<div class="actions">${actions}</div>`}
        </div>
        ${lead && html`<p class="lead">${lead}</p>`}
      </header>
      ${children}
    </div>`;
}

/** A card with a heading. @param {{title?: any, lead?: any, actions?: any, children?: any, class?: string, flush?: boolean, id?: string}} props flush: the content reaches the edges, for tables */
export function Section({ title, lead, actions, children, flush, id, ...more }) {
  const own = useId();
  return html`
    <section class=${"card" + (flush ? " flush" : "") + (more.class ? " " + more.class : "")} aria-labelledby=${title ? own : null} id=${id}>
      ${title &&
      html`<header class="card-head">
        <div><h2 id=${own}>${title}</h2>${lead && html`<p class="muted">${lead}</p>`}</div>
        ${actions && html`<div class="actions">${actions}</div>`}
      </header>`}
      <div class="card-body">${children}</div>
    </section>`;
}

/** Links that stand for parts of one screen. @param {{items: {href: string, text: string, on: boolean, count?: number}[], label: string}} props */
export function Tabs({ items, label }) {
  const nav = useRef(/** @type {any} */ (null));
  const current = items.findIndex((each) => each.on);
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [current]);
  return html`<nav class="tabs" aria-label=${label} ref=${nav}>
    ${items.map((each) => html`<a href=${each.href} aria-current=${each.on ? "page" : null}>${each.text}${each.count != null && html`<span class="count">${each.count}</span>`}</a>`)}
  </nav>`;
}

/** @param {{onClick?: () => unknown, href?: string, kind?: "primary" | "plain" | "danger" | "ghost", icon?: string, busy?: boolean, disabled?: boolean, small?: boolean, label?: string, type?: string, children?: any, [more: string]: any}} props label: for buttons with only an icon */
export function Button({ kind = "plain", icon, busy, disabled, small, label, children, href, type = "button", ...more }) {
  const name = `button ${kind}${small ? " small" : ""}${children == null ? " bare" : ""}`;
  const inside = html`${icon && html`<${Icon} name=${icon} size=${small ? 16 : 18} />`}${children != null && html`<span>${children}</span>`}`;
  if (href) return html`<a class=${name} href=${href} aria-label=${label} title=${label} ...${more}>${inside}</a>`;
  return html`<button class=${name} type=${type} disabled=${disabled || busy} aria-busy=${busy ? "true" : null} aria-label=${label} title=${label} ...${more}>${inside}</button>`;
}

/** What states are called, and how they are coloured. @type {Record<string, [string, string]>} */
const STATES = {
  draft: ["Draft", "quiet"],
  scheduled: ["Scheduled", "info"],
  open: ["Open", "info"],
  sending: ["Sending", "live"],
  paused: ["Paused", "warn"],
  sent: ["Sent", "good"],
  cancelled: ["Cancelled", "quiet"],
  expired: ["Expired", "warn"],
  active: ["Active", "good"],
  retired: ["Retired", "quiet"],
  revoked: ["Revoked", "quiet"],
  gone: ["Gone", "quiet"],
  unsubscribed: ["Unsubscribed", "quiet"],
  pending: ["Pending", "info"],
  delivered: ["Delivered", "good"],
  dead: ["Given up", "bad"],
  warning: ["Warning", "warn"],
  critical: ["Critical", "bad"],
  closed: ["Closed", "good"],
  half_open: ["Half open", "warn"],
};

/** @param {{state?: string, tone?: "good" | "warn" | "bad" | "info" | "quiet" | "live", children?: any}} props a known state says its own name */
export function Badge({ state = "", tone, children }) {
  const [text, known] = STATES[state] || [state, "quiet"];
  return html`<span class=${"badge " + (tone || known)}>${children ?? text}</span>`;
}

/** A few figures beside each other. @param {{children?: any}} props */
export const Stats = ({ children }) => html`<dl class="stats">${children}</dl>`;

/** @param {{label: string, value: any, hint?: any, tone?: string, href?: string}} props */
export const Stat = ({ label, value, hint, tone, href }) => html`
  <div class=${"stat" + (tone ? " " + tone : "")}>
    <dt>${label}</dt>
    <dd>${href ? html`<a href=${href}>${value}</a>` : value}${hint != null && html`<small>${hint}</small>`}</dd>
  </div>`;

/** Names and values of one thing. @param {{items: [any, any][]}} props what is null is left out */
export const Facts = ({ items }) => html`
  <dl class="facts">${items.filter((each) => each && each[1] != null).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** There is nothing here yet, and how that changes. @param {{title: string, children?: any, action?: any, icon?: string}} props */
export const Empty = ({ title, children, action, icon = "info" }) => html`
  <div class="empty"><span class="empty-icon"><${Icon} name=${icon} size="24" /></span><p class="empty-title">${title}</p>${children && html`<p class="muted">${children}</p>`}${action}</div>`;

/** What failed, and the way to try again. @param {{problem: import("../api.js").Problem | null, retry?: () => unknown, shown?: string[], compact?: boolean}} props shown: fields that say themselves what is wrong */
export function Failure({ problem, retry, shown = [], compact }) {
  if (!problem) return null;
  if (problem.isMissingRoute) {
    return html`<${Empty} title="This gateway does not have this yet." icon="info">It comes with a later version.<//>`;
  }
  return html`
    <div class=${"notice bad" + (compact ? " compact" : "")} role="alert">
      <${Icon} name="warn" />
      <div>
        <p>${problem.sentence(shown)}</p>
        ${problem.retryAfter ? html`<p class="muted">Try again in ${problem.retryAfter} s.</p>` : null}
        ${problem.status >= 500 && problem.requestId && html`<p class="muted">The log has more under <code>${problem.requestId}</code>.</p>`}
      </div>
      ${retry && html`<${Button} small onClick=${retry} icon="reload">Try again<//>`}
    </div>`;
}

/** @param {{tone?: "info" | "good" | "warn" | "bad", children?: any, action?: any}} props */
export const Notice = ({ tone = "info", children, action }) => html`
  <div class=${"notice " + tone}><${Icon} name=${tone == "good" ? "check" : tone == "info" ? "info" : "warn"} /><div>${children}</div>${action}</div>`;

/** Until something is there; says so only when it takes long. @param {{lines?: number}} props */
export function Loading({ lines = 3 }) {
  const [late, set] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => set(true), 150);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return html`<div class="loading" aria-busy="true"></div>`;
  return html`<div class="loading" role="status"><span class="hidden">Loading…</span>${Array.from({ length: lines }, () => html`<span class="bone"></span>`)}</div>`;
}

/**
 * What `useLoad` brought: its data by `children(data)`, until then the wait or what failed.
 * @param {{load: {data: any, problem: any, loading: boolean, reload: () => unknown}, children: (data: any) => any, lines?: number}} props
 */
export function Loaded({ load, children, lines }) {
  if (load.data == null) return load.problem ? html`<${Failure} problem=${load.problem} retry=${load.reload} />` : html`<${Loading} lines=${lines} />`;
  return html`${load.problem && html`<${Failure} problem=${load.problem} retry=${load.reload} compact />`}${children(load.data)}`;
}

/** @param {{text: string, label?: string, children?: any, small?: boolean}} props */
export function CopyButton({ text, label = "Copy", children = null, small = true }) {
  const [copied, set] = useState(false);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Not over plain http to another host: the old way still works there.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    set(true);
    setTimeout(() => set(false), 2000);
  }
  return html`<${Button} small=${small} icon=${copied ? "check" : "copy"} onClick=${copy} label=${children == null ? label : undefined}>${copied && children != null ? "Copied" : children}<//>
    <span class="hidden" role="status">${copied ? "Copied" : ""}</span>`;
}

/** Code to be copied. @param {{text: string, label?: string, secret?: boolean}} props secret: hidden until it is asked for */
export function Code({ text, label = "Copy", secret }) {
  const [shown, show] = useState(!secret);
  return html`<div class="code"><pre tabindex="0">${shown ? text : "•".repeat(Math.min(32, text.length))}</pre>
    <div class="code-tools">${secret && html`<${Button} small onClick=${() => show(!shown)}>${shown ? "Hide" : "Show"}<//>`}<${CopyButton} text=${text} label=${label} /></div></div>`;
}

/** An id, short enough to read, whole to copy. @param {{id: string}} props */
export const Id = ({ id }) => html`<span class="id"><code>${id}</code><${CopyButton} text=${id} label=${`Copy ${id}`} /></span>`;
