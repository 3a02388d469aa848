import { html } from "../vendor/preact-htm.js";

/** Drawn for a 20 px grid with a stroke of 1.6. @type {Record<string, string>} */
const PATHS = {
  overview: "M3 11.5h4l2.2-6 3 10 2.1-5.5H17",
  messages: "M4 4.5h12a1.5 1.5 0 0 1 1.5 1.5v7a1.5 1.5 0 0 1-1.5 1.5H9L5 17.5v-3H4A1.5 1.5 0 0 1 2.5 13V6A1.5 1.5 0 0 1 4 4.5Z",
  automations: "M11 2.5 4.5 11H10l-1 6.5L15.5 9H10l1-6.5Z",
  subscribers: "M7.5 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 16.5c.4-3 2.6-4.5 5.5-4.5s5.1 1.5 5.5 4.5M13 4.3a3 3 0 0 1 0 5.4M15 12.3c1.7.7 2.7 2.1 3 4.2",
  segments: "M10 2.5v7.5h7.5A7.5 7.5 0 1 1 10 2.5ZM13 2.9A7.5 7.5 0 0 1 17.1 7H13Z",
  templates: "M4 3h12v14H4ZM7 7h6M7 10h6M7 13h3",
  categories: "M3 3.5h6.5l7.5 7.5-6 6L3.5 9.5ZM6.5 6.5v.01",
  images: "M3 4h14v12H3ZM3 13l4-4 3.5 3.5 2.5-2.5 4 4M12.5 7.5v.01",
  webhooks: "M8 12 5.5 16M10 5a2.5 2.5 0 1 0-2.2 3.7L5.5 13M9 12h7M7.5 14.5a2.5 2.5 0 1 1-3-3M12 6.5l2.2 4.2a2.5 2.5 0 1 1-.7 4",
  transfer: "M6 16V4M6 4 3 7M6 4l3 3M14 4v12M14 16l-3-3M14 16l3-3",
  settings: "M3 6h7M14 6h3M12 4v4M3 14h3M10 14h7M8 12v4",
  sites: "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM2.5 10h15M10 2.5c2 2 3 4.5 3 7.5s-1 5.5-3 7.5c-2-2-3-4.5-3-7.5s1-5.5 3-7.5Z",
  alerts: "M10 3a4.5 4.5 0 0 0-4.5 4.5v3L3.5 14h13l-2-3.5v-3A4.5 4.5 0 0 0 10 3ZM8.5 16.5h3",
  tokens: "M7 13a4 4 0 1 1 3.5-6H17v3h-2v2.5h-2.5V10h-2A4 4 0 0 1 7 13ZM6.5 9v.01",
  system: "M3 4h14v5H3ZM3 11h14v5H3ZM6 6.5v.01M6 13.5v.01M9 6.5h5M9 13.5h5",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  close: "M5 5l10 10M15 5 5 15",
  plus: "M10 4v12M4 10h12",
  copy: "M7 7h9v9H7ZM13 7V4H4v9h3",
  check: "M4 10.5 8 14.5 16 6",
  warn: "M10 3.5 17.5 16.5H2.5ZM10 8.5v3.5M10 14.2v.01",
  info: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM10 9.5v4M10 6.5v.01",
  leave: "M8 3H4v14h4M12 6.5 15.5 10 12 13.5M15.5 10H8",
  up: "M5 12l5-5 5 5",
  down: "M5 8l5 5 5-5",
  next: "M8 5l5 5-5 5",
  back: "M12 5l-5 5 5 5",
  reload: "M16 10a6 6 0 1 1-1.8-4.3M16 3v3.5h-3.5",
  pause: "M7 5v10M13 5v10",
  play: "M6.5 4.5 15 10l-8.5 5.5Z",
  stop: "M5.5 5.5h9v9h-9Z",
  search: "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM13 13l4 4",
  download: "M10 3v9.5M6 9l4 4 4-4M4 16.5h12",
  upload: "M10 13V3.5M6 7l4-4 4 4M4 16.5h12",
  trash: "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.7 11h7.6l.7-11M8.5 8.5v5M11.5 8.5v5",
  external: "M8 4H4v12h12v-4M11 4h5v5M16 4l-7 7",
  more: "M5 10v.01M10 10v.01M15 10v.01",
  edit: "M4 16l1-4 8-8 3 3-8 8ZM11.5 5.5l3 3",
};

/** Beside a text, which says the same: hidden from screen readers. @param {{name: string, size?: number}} props */
export const Icon = ({ name, size = 20 }) => html`
  <svg class="icon" viewBox="0 0 20 20" width=${size} height=${size} aria-hidden="true" fill="none"
    stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"><path d=${PATHS[name] || ""} /></svg>`;
