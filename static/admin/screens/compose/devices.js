/** A notification as the four systems show it: what they leave out, and where they cut, is part of the picture. */
import { html } from "../../vendor/preact-htm.js";
import { Icon } from "../../ui/index.js";

export const DEVICES = [
  { name: "android", title: "Android", says: "Chrome. The picture shows when it is pulled open; the badge stands in the status bar." },
  { name: "windows", title: "Windows", says: "Chrome and Edge. Firefox shows no large picture." },
  { name: "macos", title: "macOS", says: "Chrome. No large picture; buttons are under “Options”. Safari shows text alone." },
  { name: "ios", title: "iPhone", says: "Only for sites on the home screen. Text alone: no pictures, no buttons." },
];

/** @param {{src: string | undefined, class: string}} props a picture that cannot be loaded leaves no hole */
const Picture = ({ src, ...more }) =>
  src && /^https?:/.test(src) ? html`<img class=${more.class} src=${src} alt="" loading="lazy" referrerpolicy="no-referrer" key=${src} onError=${(/** @type {any} */ e) => (e.target.hidden = true)} />` : null;

const Letter = (/** @type {{name: string}} */ { name }) => html`<span class="device-letter" aria-hidden="true">${([...name][0] || "?").toUpperCase()}</span>`;
/** @param {{actions: any[] | undefined}} props */
const Buttons = ({ actions }) => (actions?.length ? html`<div class="device-buttons">${actions.map((each) => html`<span>${each.title || "…"}</span>`)}</div>` : null);

/**
 * @param {{device: string, notification: any, host: string, siteName: string}} props notification: as the API takes it
 */
export function Device({ device, notification, host, siteName }) {
  const { title = "", body, icon, image, badge, actions } = notification;
  const shownTitle = title || "Title";
  if (device == "android") {
    return html`<div class="device android">
      <div class="device-head">${badge ? html`<${Picture} class="device-badge" src=${badge} />` : html`<${Icon} name="sites" size="14" />`}<span class="truncate">Chrome · ${host}</span><span>now</span></div>
      <div class="device-main"><div><b class="device-title clamp2">${shownTitle}</b>${body && html`<p class="device-text clamp5">${body}</p>`}</div><${Picture} class="device-icon" src=${icon} /></div>
      <${Picture} class="device-image" src=${image} /><${Buttons} actions=${actions} /></div>`;
  }
  if (device == "windows") {
    return html`<div class="device windows">
      <${Picture} class="device-image" src=${image} />
      <div class="device-main"><${Picture} class="device-icon" src=${icon} /><div><b class="device-title clamp2">${shownTitle}</b>${body && html`<p class="device-text clamp4">${body}</p>`}<p class="device-from truncate">Google Chrome · ${host}</p></div></div>
      <${Buttons} actions=${actions} /></div>`;
  }
  if (device == "macos") {
    return html`<div class="device macos">
      <div class="device-main"><span class="device-app"><${Icon} name="sites" size="18" /></span>
        <div><b class="device-title clamp1">${shownTitle}</b><p class="device-from truncate">${host}</p>${body && html`<p class="device-text clamp2">${body}</p>`}</div><${Picture} class="device-icon" src=${icon} /></div></div>`;
  }
  return html`<div class="device ios">
    <div class="device-main"><${Letter} name=${siteName} />
      <div><div class="device-row"><b class="device-title clamp1">${shownTitle}</b><span class="device-from">now</span></div><p class="device-from truncate">from ${siteName}</p>${body && html`<p class="device-text clamp4">${body}</p>`}</div></div></div>`;
}

/** What a notification says, in one picture of each system. @param {{notification: any, site: any, hints?: boolean}} props */
export function Devices({ notification, site, hints }) {
  const host = hostOf(site);
  return html`<ul class="devices" tabindex="0" aria-label="As systems show it">${DEVICES.map(
    (each) => html`<li key=${each.name}><h3>${each.title}</h3><${Device} device=${each.name} notification=${notification} host=${host} siteName=${site.name} />${hints && html`<p class="hint">${each.says}</p>`}</li>`,
  )}</ul>`;
}

/** @param {any} site */
export function hostOf(site) {
  try {
    return new URL(site.origins[0]).host;
  } catch {
    return site.name;
  }
}
