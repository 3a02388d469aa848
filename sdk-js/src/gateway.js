/** Calls to the gateway, the same from the page and from the worker. */

/** @typedef {Error & {code: string, status?: number}} Failure */

/**
 * @typedef {object} Configuration  `GET /v1/public/{site}`
 * @property {string[]} application_server_keys  active ones, newest first, base64url
 * @property {{path: string, scope: string}} worker
 * @property {{name: string, title: string}[]} categories
 */

/**
 * @param {string} code
 * @param {unknown} [cause]
 * @param {number} [status]
 * @returns {Failure}
 */
export const failure = (code, cause, status) =>
  Object.assign(new Error(`push-gateway: ${code}${cause ? ` (${cause})` : ""}`), { code, status });

/**
 * Settle with `promise`, or fail with `code` after `ms`: some browsers never settle when their push service is away.
 *
 * @template T
 * @param {number} ms
 * @param {string} code
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export function within(ms, code, promise) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  return Promise.race([
    promise.finally(() => clearTimeout(timer)),
    new Promise((_, reject) => {
      timer = setTimeout(() => reject(failure(code)), ms);
    }),
  ]);
}

/**
 * One request, bounded in time. The body goes as text/plain, which needs no CORS preflight, and outlives the page.
 *
 * @param {string} url
 * @param {string} [method]
 * @param {unknown} [body]
 * @param {string} [token]
 * @returns {Promise<any>} the answer's JSON, an empty object where it has none
 * @throws {Failure} `unreachable`, or the gateway's own code with its HTTP status
 */
export function call(url, method, body, token) {
  const exchange = async () => {
    const response = await fetch(url, {
      method,
      body: body ? JSON.stringify(body) : undefined,
      headers: token ? { Authorization: "Bearer " + token } : {},
      keepalive: !!method,
      credentials: "omit",
    }).catch((error) => {
      throw failure("unreachable", error);
    });
    const answer = await response.json().catch(() => ({})); // 204, or a proxy's own error page
    if (response.ok) return answer;
    throw failure(answer.code || "http_" + response.status, answer.detail, response.status);
  };
  return within(1e4, "unreachable", exchange());
}

/** Whether trying again later can help: anything but the gateway's own no. @param {Failure} error */
export const passing = ({ status }) => !status || status > 499 || status == 408 || status == 429;

/** @param {ArrayBuffer | null | undefined} bytes @returns {string} base64url without padding */
export const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes || [])))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=/g, "");
