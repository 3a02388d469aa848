/**
 * Which screen stands at which address: `#/s/{site}/messages/{message}?state=paused`.
 * A screen is `screens/<name>.js`, loaded when it is first needed.
 */

/**
 * @typedef {object} Route
 * @property {string} name of the file in screens/
 * @property {string} path `:site`, `:id`, `:tab` are parameters
 * @property {string} title
 * @property {string} [icon] in ui/icons.js; with it the screen stands in the menu
 * @property {"site" | "gateway"} [group] of the menu
 * @property {"read" | "send" | "manage"} [scope] without which it is left out of the menu
 * @property {boolean} [allSites] only for tokens that cover all sites
 * @property {string} [menu] whose item in the menu is lit, when it has none itself
 */

/** @type {Route[]} the first that fits counts */
export const ROUTES = [
  { name: "overview", path: "/s/:site/overview", title: "Overview", icon: "overview", group: "site" },
  { name: "compose", path: "/s/:site/messages/new", title: "New message", menu: "messages", scope: "send" },
  { name: "compose", path: "/s/:site/messages/:id/edit", title: "Edit message", menu: "messages", scope: "send" },
  { name: "messages", path: "/s/:site/messages", title: "Messages", icon: "messages", group: "site" },
  { name: "message", path: "/s/:site/messages/:id", title: "Message", menu: "messages" },
  { name: "automations", path: "/s/:site/automations", title: "Automations", icon: "automations", group: "site" },
  { name: "automations", path: "/s/:site/automations/:id", title: "Automation", menu: "automations" },
  { name: "subscribers", path: "/s/:site/subscribers", title: "Subscribers", icon: "subscribers", group: "site" },
  { name: "subscribers", path: "/s/:site/subscribers/:id", title: "Subscriber", menu: "subscribers" },
  { name: "segments", path: "/s/:site/segments", title: "Segments", icon: "segments", group: "site" },
  { name: "segments", path: "/s/:site/segments/:id", title: "Segment", menu: "segments" },
  { name: "templates", path: "/s/:site/templates", title: "Templates", icon: "templates", group: "site" },
  { name: "templates", path: "/s/:site/templates/:id", title: "Template", menu: "templates" },
  { name: "categories", path: "/s/:site/categories", title: "Categories", icon: "categories", group: "site" },
  { name: "images", path: "/s/:site/images", title: "Images", icon: "images", group: "site" },
  { name: "webhooks", path: "/s/:site/webhooks", title: "Webhooks", icon: "webhooks", group: "site", scope: "manage" },
  { name: "webhooks", path: "/s/:site/webhooks/:id", title: "Webhook", menu: "webhooks" },
  { name: "transfer", path: "/s/:site/transfer", title: "Import and export", icon: "transfer", group: "site", scope: "manage" },
  { name: "site", path: "/s/:site/settings", title: "Site settings", icon: "settings", group: "site" },
  { name: "site", path: "/s/:site/settings/:tab", title: "Site settings", menu: "site" },
  { name: "sites", path: "/sites", title: "Sites", icon: "sites", group: "gateway" },
  { name: "site_new", path: "/sites/new", title: "New site", menu: "sites", scope: "manage" },
  { name: "alerts", path: "/alerts", title: "Alerts", icon: "alerts", group: "gateway" },
  { name: "tokens", path: "/s/:site/tokens", title: "Tokens and audit", icon: "tokens", group: "gateway", scope: "manage" },
  { name: "tokens", path: "/s/:site/tokens/:tab", title: "Tokens and audit", menu: "tokens" },
  { name: "system", path: "/system", title: "System", icon: "system", group: "gateway", allSites: true },
];

/** @param {string} hash @returns {{route: Route, params: Record<string, string>} | null} */
export function findRoute(hash) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const parts = path.split("/").filter(Boolean);
  for (const route of ROUTES) {
    const pattern = route.path.split("/").filter(Boolean);
    if (pattern.length != parts.length) continue;
    if (!pattern.every((each, i) => each.startsWith(":") || each == parts[i])) continue;
    const params = Object.fromEntries(new URLSearchParams(search));
    pattern.forEach((each, i) => each.startsWith(":") && (params[each.slice(1)] = decodeURIComponent(parts[i])));
    return { route, params };
  }
  return null;
}

/** `link("/s/:site/messages/:id", {site, id}, {state: "sent"})` for `href`. @param {string} path @param {Record<string, any>} params @param {Record<string, any>} query */
export function link(path, params = {}, query = {}) {
  const filled = path.replace(/:(\w+)/g, (_, name) => encodeURIComponent(params[name]));
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#${filled}${search ? "?" + search : ""}`;
}

/** @param {string} href @param {boolean} replace leave no entry in the history, for filters say */
export function go(href, replace = false) {
  if (replace) location.replace(href);
  else location.hash = href;
}
