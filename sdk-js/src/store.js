/**
 * What the page and the worker of one origin share: one IndexedDB database with one object store of named values.
 *
 * @typedef {object} Enrolment  What this browser knows of its subscription. Empty before the first one.
 * @property {string} [site]
 * @property {string} [gateway]     base URL, without a slash at the end
 * @property {string} [id]          the gateway's id of the subscription
 * @property {string} [token]       with it this browser, and only it, changes its own record
 * @property {string} [endpoint]    the endpoint that the gateway knows
 * @property {string} [key]         application server key it was made with, base64url
 * @property {number} [refreshed_at]  ms since the epoch
 * @property {boolean} [out]        the visitor unsubscribed here: only a click subscribes again
 *
 * @typedef {object} KeptEvent      An event that the gateway has not confirmed yet
 * @property {string} gateway
 * @property {string} token
 * @property {"displayed" | "clicked" | "closed"} kind
 * @property {string} [action]
 * @property {number} at            ms since the epoch
 *
 * @typedef {{add_tags: string[], remove_tags: string[]}} Tags
 * @typedef {{opt_out?: string[], opt_in?: string[]}} Choice
 * @typedef {{[kind: `category:${string}`]: Choice}} Choices  one for each category: a refusal is of one only
 * @typedef {object} Said
 * @property {Tags} [tags]
 * @property {{attributes: Record<string, unknown>}} [attributes]
 * @property {{external_id: string | null, external_id_signature?: string}} [identity]
 *
 * @typedef {Said & Choices} Profile  What the site says of the visitor, by kind, each as a PATCH body
 *
 * `left` are the categories that the visitor left in this browser: a new subscription hears it again.
 * @typedef {{subscription: Enrolment, events: KeptEvent[], profile: Profile, confirmed: Profile, left: string[]}} Values
 */

/** @returns {Promise<IDBDatabase>} */
const open = () =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open("push-gateway", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("values");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * Read a value and, with `change`, write what it returns, in one transaction: two tabs never undo each other.
 *
 * @template {keyof Values} K
 * @param {K} name
 * @param {(old: Values[K] | undefined) => Values[K]} [change]
 * @returns {Promise<Values[K] | undefined>} the value as it now stands
 */
export async function stored(name, change) {
  const db = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = db.transaction("values", change ? "readwrite" : "readonly");
      const values = transaction.objectStore("values");
      const request = values.get(name);
      /** @type {Values[K] | undefined} */
      let value;
      request.onsuccess = () => {
        value = request.result;
        if (change) values.put((value = change(value)), name);
      };
      transaction.oncomplete = () => resolve(value);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    db.close();
  }
}

/**
 * Run `work` while no other tab and no worker of this origin runs work of the same name.
 *
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const alone = (name, work) =>
  navigator.locks ? /** @type {Promise<T>} */ (navigator.locks.request("push-gateway-" + name, work)) : work();
