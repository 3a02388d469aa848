/**
 * Everything that screens are made of. How one is written:
 *
 *   import { html, useState } from "../vendor/preact-htm.js";
 *   import { api } from "../api.js";
 *   import { link, go } from "../routes.js";
 *   import { Page, Section, Table, usePages, useSession } from "../ui/index.js";
 *   import { Chart } from "../ui/chart.js";                     // only where there is a chart: it brings uPlot
 *
 *   export default function Screen({ site, params }) {           // site: as the API shows it (null on screens of no site)
 *     const messages = usePages(`/v1/sites/${site.id}/messages`, { state: params.state });
 *     const { may } = useSession();                               // may("send"), may("manage")
 *     return html`<${Page} title="Messages" actions=${may("send") && html`<${Button} kind="primary" href=${link("/s/:site/messages/new", { site: site.id })}>New message<//>`}>
 *       <${Section} flush><${Table} label="Messages" pages=${messages} columns=${[…]} /><//>
 *     <//>`;
 *   }
 *
 * - Filters live in the address: `go(link("/s/:site/messages", {site: site.id}, {state}), true)`; they come back in `params`.
 * - Ask with useLoad/usePages, change with useAction or <Form>; both give a Problem, which <Failure> and <Field path problem> show.
 * - After a change of the site itself call `useSite().reload()`. Say what happened with `toast("Saved.")`, ask with `await confirm({…})`.
 * - Times: <Time at=… />, never toLocaleString. Numbers: number, compact, percent, bytes, duration.
 * - Classes of admin.css instead of styles: .row (side by side), .stack, .grid2 / .grid3, .muted, .num, .hidden (read aloud only), .actions.
 *   A style that depends on data: style=${{ width: … }} (an object: the policy forbids style="…" in markup, not this).
 * - No `innerHTML`, no inline handlers in strings, no other host. Text from visitors is rendered as text by htm.
 */
export { SessionContext, SiteContext, useSession, useSite } from "./context.js";
export { DialogHost, Dialog, confirm, toast } from "./dialog.js";
export { Check, Choice, Field, Form, NumberField, Select, TextArea, TextField } from "./form.js";
export { Time, bytes, compact, duration, number, ownZone, percent, providerName, relative, share, time } from "./format.js";
export { Icon } from "./icons.js";
export { useAction, useLive, useLoad, usePages } from "./load.js";
export { Badge, Button, Code, CopyButton, Empty, Facts, Failure, Id, Loaded, Loading, Notice, Page, Section, Stat, Stats, Tabs } from "./page.js";
export { Funnel, Meter, OUTCOMES, Progress, ProgressLine } from "./progress.js";
export { More, Table } from "./table.js";
