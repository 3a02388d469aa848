/**
 * The HTTP API as the dashboard calls it: with the session's cookie, its CSRF token, and failures as sentences.
 *
 *   const page = await api.get(`/v1/sites/${site.id}/messages`, { query: { limit: 20 }, signal });
 *   await api.post(path, body);   api.patch(path, body);   api.put(path, body);   api.del(path);
 *   api.upload(path, blob, "image/png")        any body that is no JSON
 *   api.send(path, file, type, { onProgress }) the same, of any size, telling how many bytes are there
 *   api.url(path, query)                       for links that download (`<a href download>`)
 *
 * Whatever fails throws a Problem.
 */

/** What went wrong, ready to be shown. */
export class Problem extends Error {
  /** @param {number} status 0: the gateway was not reached. @param {any} body RFC 9457 @param {string | null} retryAfter */
  constructor(status, body, retryAfter = null) {
    super(body.detail || body.title || "Something went wrong.");
    this.name = "Problem";
    this.status = status;
    /** @type {string} stable; docs/errors.md has them all */
    this.code = body.code || "internal";
    /** @type {string} */
    this.title = body.title || "";
    /** @type {{path: string, message: string}[]} */
    this.errors = body.errors || [];
    /** @type {string} */
    this.requestId = body.request_id || "";
    /** @type {number} of PayloadTooLarge */
    this.bytesOver = body.bytes_over || 0;
    this.retryAfter = retryAfter === null ? null : Number(retryAfter);
  }

  /** The route itself is not there: this gateway is older than the page, or built without it. */
  get isMissingRoute() {
    return this.status == 404 && this.message.startsWith("There is nothing at this path");
  }

  /** What is wrong with the field at `path`, as in `notification.actions[0].url`; "" when nothing is.
   * @param {string} path */
  field(path) {
    const found = this.errors.filter((each) => each.path == path || each.path.startsWith(path + "["));
    return found.map((each) => each.message).join(" ");
  }

  /** One sentence for all of it, with the fields that `shown` does not name: those show their own.
   * @param {string[]} shown */
  sentence(shown = []) {
    const rest = this.errors.filter(({ path }) => !shown.some((each) => path == each || path.startsWith(each + "[")));
    const details = rest.map(({ path, message }) => (path ? `${path}: ${message}` : message));
    return this.errors.length ? [...(rest.length < this.errors.length ? ["Some fields need another look."] : []), ...details].join(" ") : this.message;
  }
}

let csrf = "";
/** @type {(problem: Problem) => void} */
let signedOut = () => {};

/** Once, by the frame: what happens when the session has ended. @param {(problem: Problem) => void} listener */
export function onSignedOut(listener) {
  signedOut = listener;
}

/** The gateway may live below a path of a proxy's: everything is relative to the folder above this one. */
const BASE = new URL("..", new URL(".", import.meta.url));

/** @param {string} path from the gateway's root, with a leading slash @param {Record<string, any>} query what is null or "" is left out */
function url(path, query = {}) {
  const full = new URL(path.replace(/^\//, ""), BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") full.searchParams.set(name, String(value));
  }
  return full.href;
}

/**
 * @param {string} method @param {string} path
 * @param {{query?: Record<string, any>, body?: BodyInit | null, headers?: Record<string, string>, signal?: AbortSignal, quiet?: boolean, again?: boolean}} options
 */
async function call(method, path, options = {}) {
  const { query, body = null, headers = {}, signal, quiet = false, again = false } = options;
  const changes = method != "GET";
  let response;
  try {
    response = await fetch(url(path, query), {
      method,
      body,
      signal,
      credentials: "same-origin",
      headers: { Accept: "application/json", ...(changes ? { "X-CSRF-Token": csrf } : {}), ...headers },
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, { code: "unreachable", detail: "The gateway cannot be reached. Check your connection; this page tries again when you ask it to." });
  }
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("Content-Type") || "");
  if (!response.ok) {
    const problem = asProblem(response.status, text, response.headers.get("Retry-After"));
    // Somebody signed in anew in another tab: the cookie is that session's, and so has to be the token.
    if (problem.code == "csrf" && changes && !again && (await openSession())) return call(method, path, { ...options, again: true });
    if (response.status == 401 && !quiet) signedOut(problem);
    throw problem;
  }
  return text && isJson ? JSON.parse(text) : text || null;
}

/**
 * A file of any size; `fetch` does not say how far it is.
 * @param {string} path @param {Blob} body @param {string} type
 * @param {{query?: Record<string, any>, signal?: AbortSignal, onProgress?: (sent: number) => void}} options
 * @returns {Promise<any>}
 */
function send(path, body, type, { query, signal, onProgress } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url(path, query));
    for (const [name, value] of Object.entries({ Accept: "application/json", "X-CSRF-Token": csrf, "Content-Type": type })) request.setRequestHeader(name, value);
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
    signal?.addEventListener("abort", () => request.abort());
    request.onabort = () => reject(new DOMException("Stopped.", "AbortError"));
    request.onerror = () => reject(new Problem(0, { code: "unreachable", detail: "The connection ended before all of it was there." }));
    request.onload = () => {
      const { status, responseText } = request;
      if (status < 300) return resolve(responseText ? JSON.parse(responseText) : null);
      const problem = asProblem(status, responseText, request.getResponseHeader("Retry-After"));
      if (status == 401) signedOut(problem);
      reject(problem);
    };
    request.send(body);
  });
}

/** @param {number} status @param {string} text @param {string | null} retryAfter */
function asProblem(status, text, retryAfter) {
  let known = {};
  try {
    known = JSON.parse(text);
  } catch {
    known = { detail: `The gateway, or a proxy before it, answered ${status}.` };
  }
  return new Problem(status, known, retryAfter);
}

/** @param {string} method */
const withBody = (method) => (/** @type {string} */ path, /** @type {unknown} */ body = undefined, options = {}) =>
  call(method, path, {
    ...options,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...(/** @type {any} */ (options).headers) } }),
  });

export const api = {
  url,
  /** @param {string} path @param {{query?: Record<string, any>, signal?: AbortSignal}} options @returns {Promise<any>} */
  get: (path, options = {}) => call("GET", path, options),
  post: withBody("POST"),
  put: withBody("PUT"),
  patch: withBody("PATCH"),
  /** @param {string} path @param {object} options @returns {Promise<any>} */
  del: (path, options = {}) => call("DELETE", path, options),
  /** @param {string} path @param {BodyInit} body @param {string} type @param {object} options @returns {Promise<any>} */
  upload: (path, body, type, options = {}) => call("POST", path, { ...options, body, headers: { "Content-Type": type } }),

  send,

  /** All items of a list, page by page, at most `most`. @param {string} path @param {{query?: object, signal?: AbortSignal, most?: number}} options */
  async all(path, { query = {}, signal, most = 5000 } = {}) {
    const items = [];
    let cursor = null;
    do {
      const page = await call("GET", path, { query: { ...query, limit: 500, cursor }, signal });
      items.push(...page.items);
      cursor = page.next;
    } while (cursor && items.length < most);
    return items;
  },
};

/** The session: `{scopes, site, csrf, expires_at, version}`, or null when nobody is signed in. */
export async function openSession() {
  try {
    const session = await call("GET", "/admin/session", { quiet: true });
    csrf = session.csrf;
    return session;
  } catch (problem) {
    if (problem instanceof Problem && problem.status == 401) return null;
    throw problem;
  }
}

/** @param {string} token */
export async function signIn(token) {
  const body = JSON.stringify({ token });
  await call("POST", "/admin/session", { body, headers: { "Content-Type": "application/json" }, quiet: true });
  const session = await openSession();
  if (session) return session;
  const detail = location.protocol == "https:"
    ? "The token is right, but your browser did not keep the session's cookie: allow cookies for this site."
    : "The token is right, but your browser keeps the session's cookie over https only: open the dashboard at the gateway's public address.";
  throw new Problem(-1, { code: "cookie", detail });
}

export async function signOut() {
  await call("DELETE", "/admin/session", { quiet: true });
  csrf = "";
}
