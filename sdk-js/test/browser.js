/**
 * A browser as far as the page script and the worker can see it: one origin with its storage, registrations and push
 * subscriptions, a clock that stands still, and a gateway that records what it is asked. What runs in it is the bundle
 * that is served, not the source.
 */
import vm from "node:vm";
import { bundle, PLACEHOLDER } from "../bundle.js";

export const GATEWAY = "https://push.example.com";
export const SITE = "site_1";
export const ORIGIN = "https://shop.example";
const SCRIPTS = { page: await bundle("page.js"), worker: await bundle("worker.js") };

/** Let everything that is under way come to rest. */
export async function rest() {
  for (let turn = 0; turn < 60; turn++) await new Promise((done) => setImmediate(done));
}

export const plain = (value) => JSON.parse(JSON.stringify(value));
const key64 = (name) => Buffer.from(name).toString("base64url");

/** IndexedDB as store.js uses it: each transaction reads and writes in one turn. */
function fakeIndexedDB(values, broken) {
  const database = {
    createObjectStore() {},
    close() {},
    transaction() {
      const transaction = { objectStore: () => store };
      const store = {
        get(name) {
          const request = {};
          queueMicrotask(() => {
            request.result = values.has(name) ? structuredClone(values.get(name)) : undefined;
            request.onsuccess();
            queueMicrotask(() => transaction.oncomplete());
          });
          return request;
        },
        put: (value, name) => values.set(name, plain(value)),
      };
      return transaction;
    },
  };
  return {
    open() {
      const request = { result: database };
      queueMicrotask(() => (broken() ? request.onerror() : request.onsuccess()));
      return request;
    },
  };
}

export class Browser {
  now = 1_800_000_000_000;
  permission = "default";
  answerToPrompt = "granted";
  keys = [key64("key-1")]; // the site's active ones, newest first
  categories = [];
  values = new Map(); // IndexedDB
  storageBroken = false;
  registrations = [];
  requests = []; // what the gateway was asked
  calls = []; // browser functions in the order called
  notifications = [];
  tabs = [];
  opened = [];
  pushServiceSettles = true;
  workerMissing = false;
  showRefuses = () => false;
  answers = {}; // "METHOD path" -> [status, body] or a function of the request's body
  #timers = [];
  #held = new Map(); // Web Locks, by name: the end of the queue
  #serial = 0;

  // --- the gateway
  async #answer(url, { method = "GET", body, headers = {} } = {}) {
    const path = url.replace(GATEWAY, "");
    const request = { method, path, body: body && JSON.parse(body), bearer: headers.Authorization };
    this.requests.push(request);
    let answer = this.answers[`${method} ${path}`] ?? this.#usual(request);
    if (typeof answer == "function") answer = answer(request.body);
    if (answer == "offline") throw new TypeError("Failed to fetch");
    const [status, json] = answer;
    return { status, ok: status < 300, json: async () => JSON.parse(JSON.stringify(json)) };
  }

  #usual({ method, path, body }) {
    if (method == "GET")
      return [200, { site: SITE, application_server_keys: this.keys, worker: { path: "/push-sw.js", scope: "/push-gateway/" }, prompt: {}, categories: this.categories }];
    if (path.endsWith("/subscriptions")) return [201, { id: body.replaces?.id ?? "sub_1", token: "token-" + ++this.#serial }];
    return [204];
  }

  asked = (method, end = "") => this.requests.filter((one) => one.method == method && one.path.endsWith(end));

  // --- the clock
  #setTimeout = (run, ms) => this.#timers.push({ run, at: this.now + ms });
  #clearTimeout = (id) => id && (this.#timers[id - 1].run = () => {});

  async advance(ms) {
    await rest();
    this.now += ms;
    for (const timer of this.#timers) if (timer.at <= this.now) timer.run(), (timer.run = () => {});
    await rest();
  }

  // --- locks, shared by pages and workers
  #locks = {
    request: (name, work) => {
      const turn = (this.#held.get(name) ?? Promise.resolve()).then(work);
      this.#held.set(name, turn.catch(() => {}));
      return turn;
    },
  };

  // --- registrations and push
  subscribe(registration, key) {
    const endpoint = `https://push.service/${++this.#serial}`;
    registration.subscription = {
      endpoint,
      options: { applicationServerKey: Uint8Array.from(Buffer.from(key, "base64url")).buffer },
      toJSON: () => ({ endpoint, keys: { p256dh: "p", auth: "a" } }),
      unsubscribe: async () => {
        this.calls.push("unsubscribe " + endpoint);
        registration.subscription = null;
        return true;
      },
    };
    return registration.subscription;
  }

  #close(shown) {
    this.calls.push("close");
    this.notifications = this.notifications.filter((one) => one != shown);
  }

  register(path, scope) {
    const known = this.registrations.find((one) => one.scope == ORIGIN + scope);
    if (known) return known;
    const registration = {
      scope: ORIGIN + scope,
      active: { path },
      subscription: null,
      update: async () => this.calls.push("update " + scope),
      pushManager: {
        getSubscription: async () => registration.subscription,
        subscribe: ({ applicationServerKey }) => {
          this.calls.push("subscribe");
          if (!this.pushServiceSettles) return new Promise(() => {});
          if (registration.subscription) return Promise.reject(new Error("InvalidStateError: another key"));
          return Promise.resolve(this.subscribe(registration, applicationServerKey));
        },
      },
      getNotifications: async ({ tag } = {}) => this.notifications.filter((one) => !tag || one.tag == tag),
      showNotification: async (title, options) => {
        if (this.showRefuses(options)) throw new TypeError("option refused");
        this.notifications = this.notifications.filter((one) => !options.tag || one.tag != options.tag);
        const shown = { title, ...plain(options), close: () => this.#close(shown) };
        this.notifications.push(shown);
      },
    };
    this.registrations.push(registration);
    return registration;
  }

  get subscriptions() {
    return this.registrations.flatMap((one) => one.subscription ?? []);
  }

  // --- contexts
  #globals(more) {
    const context = vm.createContext({
      console: { warn() {}, error() {} },
      URL,
      btoa,
      queueMicrotask,
      setTimeout: this.#setTimeout,
      clearTimeout: this.#clearTimeout,
      indexedDB: fakeIndexedDB(this.values, () => this.storageBroken),
      fetch: (url, init) => this.#answer(url, init),
      location: new URL(ORIGIN + "/page"),
      isSecureContext: true,
      ...more,
    });
    vm.runInContext("Math.random = () => 0.5", context);
    context.__now = () => this.now;
    vm.runInContext("Date.now = __now", context);
    return context;
  }

  /** A page view. `stub` holds calls made before the script came. */
  async view({ stub = [], attributes = {}, userAgent = "Firefox", without = [], navigator = {} } = {}) {
    const listeners = { click: [], message: [] };
    const root = { dataset: {} };
    class Element {
      closest = () => this;
    }
    class HTMLElement extends Element {
      dataset = attributes;
    }
    const globals = {
      Element,
      HTMLElement,
      pushGateway: stub,
      document: { documentElement: root, currentScript: new HTMLElement() },
      addEventListener: (name, listener) => listeners[name].push(listener),
      PushManager: class {},
      Notification: {
        requestPermission: async () => {
          this.calls.push("requestPermission");
          return (this.permission = this.answerToPrompt);
        },
      },
      navigator: {
        userAgent,
        language: "de-CH",
        locks: this.#locks,
        permissions: { query: async () => (this.permissionStatus = {}) },
        serviceWorker: {
          addEventListener: (name, listener) => listeners[name].push(listener),
          getRegistrations: async () => this.registrations,
          register: async (path, { scope }) => {
            this.calls.push("register");
            if (this.workerMissing) throw new TypeError("404");
            return this.register(path, scope);
          },
        },
        ...navigator,
      },
    };
    Object.defineProperty(globals.Notification, "permission", { get: () => this.permission });
    for (const name of without) delete (name in globals ? globals : globals.navigator)[name];
    const context = this.#globals(globals);
    context.window = context;
    vm.runInContext(SCRIPTS.page.replace(PLACEHOLDER, JSON.stringify({ site: SITE, gateway: GATEWAY })), context);
    await rest();
    return {
      root,
      context,
      get api() {
        return context.pushGateway;
      },
      click: () => listeners.click.forEach((listener) => listener({ target: new Element() })),
      message: (data) => listeners.message.forEach((listener) => listener({ data })),
    };
  }

  /** The worker of a registration, started anew. `fire` returns what its waitUntil promises came to. */
  worker({ scope = "/push-gateway/", userAgent = "Firefox", shared = undefined } = {}) {
    const listeners = {};
    const context = this.#globals({
      pushGatewayShared: shared,
      registration: this.register("/push-sw.js", scope),
      navigator: { userAgent, language: "de-CH", locks: this.#locks },
      clients: {
        matchAll: async () => this.tabs,
        openWindow: async (url) => this.opened.push(url),
      },
      skipWaiting: async () => this.calls.push("skipWaiting"),
      addEventListener: (name, listener) => (listeners[name] = listener),
    });
    context.self = context;
    vm.runInContext(SCRIPTS.worker, context);
    const fire = (name, event) => {
      const promises = [];
      listeners[name]?.({ ...event, waitUntil: (promise) => promises.push(promise) });
      return Promise.all(promises).then(() => promises.length);
    };
    return {
      listeners: Object.keys(listeners),
      fire,
      push: (data) => fire("push", { data: data === undefined ? null : { json: () => JSON.parse(data) } }),
    };
  }

  /** An open tab of the site, as the worker sees it. */
  tab(url, focus = async () => this.calls.push("focus " + url)) {
    const tab = { url, messages: [], focus, postMessage: (data) => tab.messages.push(plain(data)) };
    this.tabs.push(tab);
    return tab;
  }
}
