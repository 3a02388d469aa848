/** What screens know of the gateway: asked for, asked again, watched live. */
import { useCallback, useEffect, useReducer, useRef, useState } from "../vendor/preact-htm.js";
import { api, Problem } from "../api.js";

/** @param {unknown} error @returns {Problem} a fault of our own is shown, too, and told to the console */
function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem(-1, { code: "page", detail: `This page made a mistake: ${/** @type {any} */ (error)?.message || error}` });
}

/**
 * `const { data, problem, loading, reload } = useLoad((signal) => api.get(path, { signal }), [path], { every: 5000 })`
 *
 * Runs when a dependency changes (what was asked for before is dropped and aborted), at `reload()`, and every so many
 * milliseconds while the page is visible. `data` stays while it is asked for anew; a failure then stands beside it.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} ask
 * @param {unknown[]} dependencies
 * @param {{every?: number | null, skip?: boolean, keep?: boolean}} options keep: the old data stays while dependencies change
 */
export function useLoad(ask, dependencies, { every = null, skip = false, keep = false } = {}) {
  const [state, set] = useState(/** @type {{data: T | null, problem: Problem | null, loading: boolean}} */ ({ data: null, problem: null, loading: !skip }));
  const latest = useRef(ask);
  latest.current = ask;
  const running = useRef(/** @type {AbortController | null} */ (null));

  const run = useCallback(async () => {
    running.current?.abort();
    const mine = (running.current = new AbortController());
    set((before) => ({ ...before, loading: true }));
    try {
      const data = await latest.current(mine.signal);
      if (!mine.signal.aborted) set({ data, problem: null, loading: false });
    } catch (error) {
      if (!mine.signal.aborted) set((before) => ({ ...before, problem: asProblem(error), loading: false }));
    }
    if (running.current == mine) running.current = null;
  }, []);

  useEffect(() => {
    if (skip) return;
    if (!keep) set({ data: null, problem: null, loading: true });
    run();
    const timer = every ? setInterval(() => document.hidden || running.current || run(), every) : null;
    return () => {
      if (timer) clearInterval(timer);
      running.current?.abort();
    };
  }, [...dependencies, every, skip]);

  return { ...state, reload: run };
}

/**
 * A list that goes on: `const pages = usePages(path, { state }, { limit: 25 })`, then `<Table pages=${pages} …>`.
 * @param {string} path @param {Record<string, any>} query @param {{limit?: number, skip?: boolean, every?: number | null}} options
 */
export function usePages(path, query = {}, { limit = 25, skip = false, every = null } = {}) {
  const key = JSON.stringify([path, query, limit]);
  const first = useLoad((signal) => api.get(path, { query: { ...query, limit }, signal }), [key], { skip, every });
  const [more, setMore] = useState(/** @type {{key: string, items: any[], next: string | null | undefined, busy: boolean, problem: Problem | null}} */ ({ key, items: [], next: undefined, busy: false, problem: null }));
  const rest = more.key == key ? more : { key, items: [], next: undefined, busy: false, problem: null };
  const next = rest.next === undefined ? first.data?.next : rest.next;

  async function loadMore() {
    setMore({ ...rest, busy: true, problem: null });
    try {
      const page = await api.get(path, { query: { ...query, limit, cursor: next } });
      setMore({ key, items: [...rest.items, ...page.items], next: page.next, busy: false, problem: null });
    } catch (error) {
      setMore({ ...rest, busy: false, problem: asProblem(error) });
    }
  }
  function reload() {
    setMore({ key, items: [], next: undefined, busy: false, problem: null });
    return first.reload();
  }
  return {
    items: first.data ? [...first.data.items, ...rest.items] : null,
    problem: first.problem,
    loading: first.loading,
    next,
    more: loadMore,
    moreBusy: rest.busy,
    moreProblem: rest.problem,
    reload,
  };
}

/**
 * For buttons: `const save = useAction(async () => {…})`, then `save.run()`, `save.busy`, `save.problem`, `save.clear()`.
 * `run` answers whether it went well. @template {any[]} A @param {(...given: A) => Promise<unknown>} action
 */
export function useAction(action) {
  const [state, set] = useState({ busy: false, problem: /** @type {Problem | null} */ (null) });
  const latest = useRef(action);
  latest.current = action;
  const run = useCallback(async (/** @type {A} */ ...given) => {
    set({ busy: true, problem: null });
    try {
      await latest.current(...given);
      set({ busy: false, problem: null });
      return true;
    } catch (error) {
      set({ busy: false, problem: asProblem(error) });
      return false;
    }
  }, []);
  return { ...state, run, clear: () => set({ busy: false, problem: null }) };
}

/** One stream for all that watch a site. @type {Map<string, Stream>} */
const streams = new Map();
const POLLED_EVERY = 5000;
const TRIED_AGAIN_AFTER = 30000;

class Stream {
  /** @param {string} site */
  constructor(site) {
    this.site = site;
    /** @type {Record<string, any>} */
    this.messages = {};
    this.connected = false;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {EventSource | null} */
    this.source = null;
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.timer = null;
    this.triedAt = 0;
    // Browsers open six connections to a host over HTTP/1.1: those of tabs that nobody looks at would be all of them.
    this.seen = () => (document.hidden ? this.rest() : this.source || this.timer || this.connect());
    document.addEventListener("visibilitychange", this.seen);
    if (!document.hidden) this.connect();
  }

  rest() {
    this.source?.close();
    this.source = null;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  connect() {
    this.triedAt = Date.now();
    const source = (this.source = new EventSource(api.url(`/v1/sites/${this.site}/live`)));
    let first = true;
    source.addEventListener("open", () => {
      first = true;
      this.tell(true);
    });
    source.addEventListener("messages", (event) => {
      if (first) this.messages = {}; // the first tells of all: what ended in a break would stay for ever
      first = false;
      this.take(JSON.parse(/** @type {MessageEvent} */ (event).data).messages);
      this.tell(true);
    });
    source.addEventListener("error", () => {
      this.tell(false);
      // It tries again by itself unless it was refused: then there may be too many streams, and asking still works.
      if (source.readyState == EventSource.CLOSED) this.poll();
    });
  }

  poll() {
    if (!this.listeners.size || document.hidden) return;
    this.source = null;
    this.timer = setTimeout(async () => {
      this.timer = null;
      if (Date.now() - this.triedAt > TRIED_AGAIN_AFTER) return this.connect();
      try {
        const lists = await Promise.all(["sending", "paused"].map((state) => api.get(`/v1/sites/${this.site}/messages`, { query: { state, limit: 50 } })));
        const going = lists.flatMap((list) => list.items);
        const over = Object.values(this.messages).filter(({ id, state }) => (state == "sending" || state == "paused") && !going.some((each) => each.id == id));
        const ended = await Promise.all(over.map(({ id }) => api.get(`/v1/sites/${this.site}/messages/${id}`)));
        if (this.source || document.hidden) return;
        this.take([...going, ...ended]);
        this.tell(false);
      } catch (error) {
        if (asProblem(error).status == 401) return;
      }
      this.poll();
    }, POLLED_EVERY);
  }

  /** @param {any[]} messages */
  take(messages) {
    for (const each of messages) this.messages = { ...this.messages, [each.id]: { ...this.messages[each.id], ...each, heardAt: Date.now() } };
  }

  /** @param {boolean} connected */
  tell(connected) {
    this.connected = connected;
    for (const each of this.listeners) each();
  }

  close() {
    this.rest();
    document.removeEventListener("visibilitychange", this.seen);
    streams.delete(this.site);
  }
}

/**
 * What is being sent right now: `const { messages, connected } = useLive(site.id)`. `messages` by id, each
 * `{id, series, state, state_reason, waiting_until, progress, results}` and the time it was heard of; ended ones stay.
 * @param {string | null} site null: nothing is watched
 * @returns {{messages: Record<string, any>, connected: boolean}}
 */
export function useLive(site) {
  const [, again] = useReducer((/** @type {number} */ n) => n + 1, 0);
  useEffect(() => {
    if (!site) return;
    const stream = streams.get(site) || new Stream(site);
    streams.set(site, stream);
    const listener = () => again(undefined);
    stream.listeners.add(listener);
    again(undefined);
    return () => {
      stream.listeners.delete(listener);
      if (!stream.listeners.size) stream.close();
    };
  }, [site]);
  const stream = site ? streams.get(site) : null;
  return { messages: stream?.messages || {}, connected: stream?.connected || false };
}
