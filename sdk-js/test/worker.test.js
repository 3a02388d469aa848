import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Browser, GATEWAY, ORIGIN, plain, rest } from "./browser.js";

/** @type {Browser} */
let browser;
beforeEach(() => {
  browser = new Browser();
  browser.permission = "granted";
});

const EVENTS = "POST /v1/public/events";
const payload = (more = {}, notification = {}) =>
  JSON.stringify({ v: 1, m: "msg_1", t: "token", g: GATEWAY, n: { title: "Sale", body: "Ends tonight", ...notification }, ...more });
const sent = () => browser.asked("POST", "/events").flatMap(({ body }) => body);

/** Deliver a push and let its jitter pass. */
async function deliver(worker, data, ms = 10_000) {
  const done = worker.push(data);
  await browser.advance(ms);
  await done;
}

const click = (worker, action = "", notification = browser.notifications[0]) =>
  worker.fire("notificationclick", { action, notification });

test("every listener is there once the script has been evaluated", () => {
  assert.deepEqual(browser.worker().listeners.sort(), [
    "install",
    "notificationclick",
    "notificationclose",
    "push",
    "pushsubscriptionchange",
  ]);
});

test("a push shows its notification, with the message's id as tag", async () => {
  await deliver(browser.worker(), payload({}, { icon: "/i.png", require_interaction: true, actions: [{ action: "buy", title: "Buy" }] }));
  const [{ title, body, tag, icon, requireInteraction, renotify, actions }] = browser.notifications;
  assert.deepEqual([title, body, tag, icon, requireInteraction, renotify], ["Sale", "Ends tonight", "msg_1", "/i.png", true, false]);
  assert.deepEqual(actions, [{ action: "buy", title: "Buy" }]);
});

test("a push is never silent, whatever it holds", async () => {
  for (const data of [undefined, "no json", "null", "3", "{}", '{"v":1}', '{"web_push":8030}']) {
    browser.notifications = [];
    const worker = browser.worker();
    assert.equal(await worker.push(data), 1);
    assert.deepEqual(
      browser.notifications.map(({ title, body }) => [title, body]),
      [["shop.example", "You have a new message"]],
      String(data),
    );
  }
  assert.deepEqual(browser.requests, []);
});

test("unknown fields and a later version are no reason not to show it", async () => {
  await deliver(browser.worker(), payload({ v: 7, future: { a: 1 } }, { future: true }));
  assert.equal(browser.notifications[0].title, "Sale");
  assert.equal(sent().length, 1);
});

test("a field that is null is a field that is not there", async () => {
  await deliver(browser.worker(), payload({}, { icon: null, body: null, tag: null }));
  assert.deepEqual(Object.keys(browser.notifications[0]).sort(), ["close", "data", "renotify", "tag", "title"]);
});

test("an option that the browser refuses costs the option, not the notification", async () => {
  browser.showRefuses = ({ actions }) => actions !== undefined;
  await deliver(browser.worker(), payload({}, { actions: [{ action: "a", title: "A" }] }));
  assert.deepEqual([browser.notifications[0].title, browser.notifications[0].tag], ["Sale", "msg_1"]);
  assert.equal(sent()[0].kind, "displayed");
});

test("a notification that can't be shown is not reported as displayed", async () => {
  browser.showRefuses = () => true;
  await assert.rejects(browser.worker().push(payload()));
  await browser.advance(60_000);
  assert.deepEqual(sent(), []);
});

test("the same message again replaces its notification quietly, another with its tag aloud", async () => {
  const worker = browser.worker();
  const data = payload({}, { tag: "sale" });
  await deliver(worker, data);
  await deliver(worker, data);
  assert.deepEqual([browser.notifications.length, browser.notifications[0].renotify], [1, false]);
  await deliver(worker, payload({ m: "msg_2" }, { tag: "sale" }));
  assert.deepEqual([browser.notifications.length, browser.notifications[0].renotify], [1, true]);
});

test("a push that comes too late shows its fallback, and that is what is clicked", async () => {
  const late = payload({ u: browser.now, f: { title: "More offers", url: ORIGIN + "/offers" } }, { url: ORIGIN + "/sale" });
  const tab = browser.tab(ORIGIN + "/");
  const worker = browser.worker();
  await deliver(worker, late);
  const [{ title, body, tag }] = browser.notifications;
  assert.deepEqual([title, body, tag, browser.notifications.length], ["More offers", undefined, "msg_1", 1]);
  assert.equal(tab.messages[0].notification.title, "More offers");
  assert.deepEqual(sent().map(({ kind }) => kind), ["displayed"]);
  await click(worker);
  assert.deepEqual(browser.opened, [ORIGIN + "/offers"]);
});

test("without a fallback one that comes too late says so under the site's name", async () => {
  await deliver(browser.worker(), payload({ u: browser.now - 1, f: null }));
  assert.deepEqual(
    browser.notifications.map(({ title, body }) => [title, body]),
    [["shop.example", "This message has expired"]],
  );
});

test("up to the last millisecond a push shows what it says", async () => {
  await deliver(browser.worker(), payload({ j: 0, u: browser.now + 1, f: { title: "More offers" } }), 0);
  await deliver(browser.worker(), payload({ j: 0, m: "msg_2", u: null, f: null }), 0);
  assert.deepEqual(browser.notifications.map(({ title }) => title), ["Sale", "Sale"]);
});

test("what is shown past its time is closed at the next push, the fallback stays", async () => {
  const worker = browser.worker();
  await deliver(worker, payload({ u: browser.now + 60_000 }));
  await deliver(worker, payload({ m: "msg_2", u: browser.now }));
  await deliver(worker, payload({ m: "msg_3" }));
  browser.notifications.push({ title: "foreign", data: null, close: () => assert.fail("not ours") });
  await browser.advance(60_000);
  await deliver(worker, payload({ m: "msg_4" }));
  assert.deepEqual(
    browser.notifications.map(({ title, tag }) => tag || title),
    ["msg_2", "msg_3", "foreign", "msg_4"],
  );
});

test("what is shown past its time is closed at the next click", async () => {
  const worker = browser.worker();
  await deliver(worker, payload({ u: browser.now + 60_000 }));
  await deliver(worker, payload({ m: "msg_2" }));
  await browser.advance(60_000);
  await click(worker, "", browser.notifications[1]);
  assert.deepEqual(browser.notifications, []);
});

test("a browser that can't list its notifications shows pushes all the same", async () => {
  const worker = browser.worker();
  browser.registrations[0].getNotifications = async () => Promise.reject(new Error("not here"));
  await deliver(worker, payload({ u: browser.now + 60_000 }));
  assert.equal(sent().length, 1);
});

test("displayed is reported inside waitUntil, spread over ten seconds, with its age", async () => {
  const worker = browser.worker();
  let ended = false;
  const done = worker.push(payload()).then(() => (ended = true));
  await browser.advance(4_999);
  assert.deepEqual([sent(), ended], [[], false]);
  await browser.advance(1);
  await done;
  assert.deepEqual(sent(), [{ token: "token", kind: "displayed", age: 5 }]);
});

test("the gateway may shorten the spread, and Safari gets a tenth of it", async () => {
  await deliver(browser.worker(), payload({ j: 0 }), 0);
  assert.equal(sent().length, 1);
  const safari = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15";
  await deliver(browser.worker({ userAgent: safari }), payload({ m: "msg_2", t: "token-2" }), 500);
  assert.equal(sent().length, 2);
  await deliver(browser.worker(), payload({ m: "msg_3", t: "token-3", j: 9e9 }), 10_000);
  assert.equal(sent().length, 3);
});

test("open pages hear of it at once, before the report", async () => {
  const tab = browser.tab(ORIGIN + "/");
  const done = browser.worker().push(payload());
  await rest();
  assert.deepEqual([tab.messages[0].type, tab.messages[0].message, tab.messages[0].notification.title], ["push-gateway:displayed", "msg_1", "Sale"]);
  assert.deepEqual(sent(), []);
  await browser.advance(10_000);
  await done;
});

test("a worker that is ended before its report loses nothing: the next event takes it along", async () => {
  browser.worker().push(payload());
  await rest();
  const next = browser.worker(); // started anew for the click, the first one's timer never fired
  browser.now += 60_000;
  await click(next);
  assert.deepEqual(
    sent().map(({ kind, age }) => [kind, age]),
    [
      ["displayed", 60],
      ["clicked", 0],
    ],
  );
});

test("events that could not be delivered are kept for the next page view", async () => {
  for (const refusal of ["offline", [408, {}], [429, {}], [503, {}]]) {
    browser = new Browser();
    browser.answers[EVENTS] = refusal;
    await deliver(browser.worker(), payload());
    browser.requests = [];
    delete browser.answers[EVENTS];
    await browser.view();
    assert.deepEqual(sent().map(({ kind }) => kind), ["displayed"]);
    await browser.view();
    assert.equal(sent().length, 1);
  }
});

test("events that the gateway refuses are dropped", async () => {
  browser.answers[EVENTS] = [400, { code: "invalid" }];
  await deliver(browser.worker(), payload());
  delete browser.answers[EVENTS];
  browser.requests = [];
  await browser.view();
  assert.deepEqual(sent(), []);
});

test("at most fifty events are kept, the newest, for at most forty-eight hours", async () => {
  browser.answers[EVENTS] = "offline";
  const worker = browser.worker();
  for (let count = 0; count < 53; count++) await deliver(worker, payload({ m: "m" + count, t: "t" + count, j: 0 }), 0);
  delete browser.answers[EVENTS];
  browser.requests = [];
  await browser.view();
  assert.deepEqual([sent().length, sent()[0].token], [50, "t3"]);

  browser.answers[EVENTS] = "offline";
  await deliver(worker, payload({ t: "old", j: 0 }), 0);
  delete browser.answers[EVENTS];
  browser.requests = [];
  browser.now += 48 * 3600e3;
  await browser.view();
  assert.deepEqual(sent(), []);
  assert.deepEqual(browser.values.get("events"), []);
});

test("without storage an event still goes out once", async () => {
  const worker = browser.worker();
  browser.storageBroken = true;
  const done = worker.push(payload());
  await browser.advance(10_000);
  await done;
  assert.deepEqual(sent().map(({ kind }) => kind), ["displayed"]);
});

test("a click closes the notification, opens its url and is reported", async () => {
  const worker = browser.worker();
  await deliver(worker, payload({}, { url: ORIGIN + "/sale" }));
  await click(worker);
  assert.deepEqual([browser.calls, browser.opened], [["close"], [ORIGIN + "/sale"]]);
  assert.deepEqual(plain(sent()[1]), { token: "token", kind: "clicked", age: 0 });
});

test("a click focuses the tab that shows the url already", async () => {
  const worker = browser.worker();
  await deliver(worker, payload({}, { url: "/sale" }));
  browser.tab(ORIGIN + "/");
  const tab = browser.tab(ORIGIN + "/sale");
  await click(worker);
  assert.deepEqual([browser.calls, browser.opened], [["close", `focus ${ORIGIN}/sale`], []]);
  assert.equal(tab.messages.at(-1).type, "push-gateway:clicked");
});

test("without a url a click focuses any tab of the site, or opens its start page", async () => {
  const worker = browser.worker();
  await deliver(worker, payload());
  const [shown] = browser.notifications;
  await click(worker, "", shown);
  assert.deepEqual(browser.opened, [ORIGIN + "/"]);
  browser.tab(ORIGIN + "/about");
  await click(worker, "", shown);
  assert.deepEqual(browser.calls, ["close", "close", `focus ${ORIGIN}/about`]);
});

test("a tab that refuses to be focused is not the end of the click", async () => {
  const worker = browser.worker();
  await deliver(worker, payload({}, { url: "/sale" }));
  browser.tab(ORIGIN + "/sale", () => Promise.reject(new Error("no")));
  await click(worker);
  assert.deepEqual(browser.opened, [ORIGIN + "/sale"]);
});

test("an action opens its own url and is named in the report; one without a url opens the notification's", async () => {
  const worker = browser.worker();
  const actions = [
    { action: "buy", title: "Buy", url: "/buy" },
    { action: "more", title: "More" },
  ];
  await deliver(worker, payload({}, { url: "/sale", actions }));
  const [shown] = browser.notifications;
  await click(worker, "buy", shown);
  await click(worker, "more", shown);
  assert.deepEqual(browser.opened, [ORIGIN + "/buy", ORIGIN + "/sale"]);
  assert.deepEqual(
    sent().slice(1).map(({ kind, action }) => [kind, action]),
    [
      ["clicked", "buy"],
      ["clicked", "more"],
    ],
  );
});

test("a click is reported even when no tab can be opened", async () => {
  const worker = browser.worker();
  await deliver(worker, payload({}, { url: "https://[not-a-url" }));
  await click(worker);
  assert.equal(sent()[1].kind, "clicked");
});

test("a notification that the visitor closes is reported", async () => {
  const worker = browser.worker();
  await deliver(worker, payload());
  await worker.fire("notificationclose", { notification: browser.notifications[0] });
  assert.equal(sent()[1].kind, "closed");
});

test("a notification left by another vendor's worker still leads to the site when clicked", async () => {
  await click(browser.worker(), "", { data: { theirs: 1 }, close() {} });
  assert.deepEqual([browser.opened, browser.requests], [[ORIGIN + "/"], []]);
});

test("inside a site's own worker it leaves foreign pushes and notifications to that worker", async () => {
  const worker = browser.worker({ shared: true, scope: "/" });
  for (const data of [undefined, "text", '{"theirs":1}']) assert.equal(await worker.push(data), 0);
  await click(worker, "", { data: { theirs: 1 }, close: () => assert.fail("not ours to close") });
  assert.deepEqual([browser.notifications, browser.opened], [[], []]);
  assert.equal(worker.listeners.includes("install"), false);
  await deliver(worker, payload());
  assert.equal(browser.notifications.length, 1);
});

test("a worker file taken over from another vendor becomes active without waiting for the tabs to close", async () => {
  await browser.worker({ scope: "/" }).fire("install");
  assert.deepEqual(browser.calls, ["skipWaiting"]);
});

test("an imported browser shows each push once and reports it, before it ever saw the page again", async () => {
  const vendor = browser.register("/VendorSDKWorker.js", "/");
  browser.subscribe(vendor, browser.keys[0]);
  const worker = browser.worker({ scope: "/" });
  await deliver(worker, payload());
  assert.deepEqual([browser.notifications.length, sent().length], [1, 1]);
  await browser.view();
  assert.deepEqual(
    [browser.subscriptions.length, browser.registrations.length, browser.calls.includes("subscribe")],
    [1, 1, false],
  );
});

async function enrolled() {
  const page = await browser.view();
  await page.api.subscribe();
  browser.requests = [];
  browser.calls = [];
  const [{ subscription }] = browser.registrations;
  return subscription;
}

test("a subscription that the browser drops is made anew with the newest key under the same id", async () => {
  const old = await enrolled();
  browser.registrations[0].subscription = null;
  browser.keys = [Buffer.from("key-2").toString("base64url"), ...browser.keys];
  await browser.worker().fire("pushsubscriptionchange", { oldSubscription: old, newSubscription: null });
  const [{ body }] = browser.asked("POST", "/subscriptions");
  assert.deepEqual(body.replaces, { id: "sub_1", token: "token-2" });
  assert.equal(browser.values.get("subscription").key, browser.keys[0]);
  const page = await browser.view();
  assert.equal(page.api.state(), "subscribed");
  assert.equal(browser.asked("POST").length, 1);
});

test("a subscription that the browser replaced itself is passed on", async () => {
  const old = await enrolled();
  const fresh = browser.subscribe(browser.registrations[0], browser.keys[0]);
  await browser.worker().fire("pushsubscriptionchange", { oldSubscription: old, newSubscription: fresh });
  assert.deepEqual(browser.calls, []);
  assert.equal(browser.asked("POST")[0].body.subscription.endpoint, fresh.endpoint);
});

test("a change that could not be passed on is repaired by the next page view", async () => {
  const old = await enrolled();
  browser.registrations[0].subscription = null;
  browser.answers["POST /v1/public/site_1/subscriptions"] = "offline";
  const change = browser.worker().fire("pushsubscriptionchange", { oldSubscription: old, newSubscription: null });
  await assert.rejects(change, { code: "unreachable" });
  delete browser.answers["POST /v1/public/site_1/subscriptions"];
  const page = await browser.view();
  assert.equal(page.api.state(), "subscribed");
  assert.deepEqual(browser.asked("POST").at(-1).body.replaces, { id: "sub_1", token: "token-2" });
});

test("a change of a subscription that is not the gateway's, or that the visitor ended, makes none", async () => {
  await enrolled();
  await browser.worker().fire("pushsubscriptionchange", { oldSubscription: { endpoint: "https://other" }, newSubscription: null });
  assert.deepEqual(browser.requests, []);
  const page = await browser.view();
  await page.api.unsubscribe();
  browser.requests = [];
  await browser.worker().fire("pushsubscriptionchange", { oldSubscription: null, newSubscription: null });
  assert.deepEqual([browser.requests, browser.subscriptions], [[], []]);
});
