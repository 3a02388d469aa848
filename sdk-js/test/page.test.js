import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Browser, ORIGIN, plain, rest } from "./browser.js";

/** @type {Browser} */
let browser;
beforeEach(() => {
  browser = new Browser();
});

const DAY = 24 * 3600e3;
const subscribed = async () => {
  const page = await browser.view();
  assert.equal(await page.api.subscribe(), "subscribed");
  browser.requests = [];
  browser.calls = [];
  return page;
};

test("calls made before the script came run once the state is known", async () => {
  const seen = [];
  const page = await browser.view({ stub: [(gateway) => seen.push(gateway.state()), () => seen.push("second")] });
  page.api.push((gateway) => seen.push(gateway.site));
  assert.deepEqual(seen, ["default", "second", "site_1"]);
});

test("a queued call that throws stops neither the others nor the script", async () => {
  const seen = [];
  const fail = () => {
    throw new Error("the site's own mistake");
  };
  const page = await browser.view({ stub: [fail, (gateway) => gateway.on("ready", (state) => seen.push(state))] });
  assert.deepEqual(seen, ["default"]);
  page.api.on("ready", (state) => seen.push("late " + state));
  assert.deepEqual(seen, ["default", "late default"]);
});

test("the public configuration is fetched before the click, and the click's first call is the permission prompt", async () => {
  const page = await browser.view();
  assert.equal(browser.asked("GET").length, 1);
  const done = page.api.subscribe();
  assert.deepEqual(browser.calls, ["requestPermission"]);
  assert.equal(await done, "subscribed");
  assert.deepEqual(browser.calls, ["requestPermission", "register", "subscribe", "update /push-gateway/"]);
  assert.equal(browser.asked("GET").length, 1);
});

test("subscribing posts the subscription with language and time zone and keeps id and token", async () => {
  const page = await browser.view();
  const events = [];
  page.api.on("state", (state) => events.push(state));
  page.api.on("subscribed", ({ id }) => events.push(id));
  await page.api.subscribe();
  const [{ body, path }] = browser.asked("POST");
  assert.equal(path, "/v1/public/site_1/subscriptions");
  assert.equal(body.subscription.endpoint, browser.subscriptions[0].endpoint);
  assert.equal(body.application_server_key, browser.keys[0]);
  assert.equal(body.language, "de-CH");
  assert.equal(typeof body.timezone, "string");
  assert.equal(body.replaces, undefined);
  assert.equal((await page.api.subscription()).id, "sub_1");
  assert.deepEqual(events, ["subscribed", "sub_1"]);
  assert.equal(page.root.dataset.pushGateway, "subscribed");
});

test("a button with the attribute subscribes", async () => {
  const page = await browser.view();
  page.click();
  await rest();
  assert.equal(page.api.state(), "subscribed");
});

test("two clicks, in two tabs even, make one subscription and one record", async () => {
  const [one, other] = [await browser.view(), await browser.view()];
  await Promise.all([one.api.subscribe(), one.api.subscribe(), other.api.subscribe()]);
  assert.equal(browser.subscriptions.length, 1);
  assert.equal(browser.asked("POST").length, 1);
});

test("the script element may name a worker of the site's own", async () => {
  const page = await browser.view({ attributes: { worker: "/sw.js", scope: "/" } });
  await page.api.subscribe();
  assert.deepEqual(
    browser.registrations.map(({ scope, active }) => [scope, active.path]),
    [[ORIGIN + "/", "/sw.js"]],
  );
});

test("a visitor's no is an answer, not a failure", async () => {
  for (const answer of ["denied", "default"]) {
    browser = new Browser();
    browser.answerToPrompt = answer;
    const page = await browser.view();
    assert.equal(await page.api.subscribe(), answer);
    assert.equal(page.api.state(), answer);
    assert.equal(browser.asked("POST").length, 0);
  }
});

test("a permission changed in the browser's settings changes the state", async () => {
  const page = await subscribed();
  browser.permission = "denied";
  browser.permissionStatus.onchange();
  await rest();
  assert.equal(page.api.state(), "denied");
});

test("a browser without push is unsupported and nothing is asked of it", async () => {
  for (const missing of ["PushManager", "Notification", "serviceWorker"]) {
    const page = await browser.view({ without: [missing] });
    assert.equal(page.api.state(), "unsupported");
    assert.equal(await page.api.subscribe(), "unsupported");
    assert.equal(page.root.dataset.pushGateway, "unsupported");
  }
  assert.deepEqual([browser.calls, browser.requests], [[], []]);
});

test("iOS outside the home screen needs an install from 16.4 on, and is unsupported before", async () => {
  const iphone = (version) => `Mozilla/5.0 (iPhone; CPU iPhone OS ${version} like Mac OS X) AppleWebKit/605.1.15 Safari/604.1`;
  const ipad = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15";
  const expected = { [iphone("15_8")]: "unsupported", [iphone("16_3_1")]: "unsupported", [iphone("16_4")]: "needs-install" };
  for (const [userAgent, state] of Object.entries({ ...expected, [iphone("18_6")]: "needs-install", [ipad]: "needs-install" })) {
    const page = await browser.view({ userAgent, without: ["PushManager"], navigator: { standalone: false } });
    assert.equal(page.api.state(), state, userAgent);
  }
  const desktop = await browser.view({ userAgent: ipad, without: ["PushManager"] });
  assert.equal(desktop.api.state(), "unsupported");
});

test("a push service that never settles is a failure after 15 s, and the next click works", async () => {
  browser.pushServiceSettles = false;
  const page = await browser.view();
  const errors = [];
  page.api.on("error", (error) => errors.push(error.code));
  const refused = assert.rejects(page.api.subscribe(), { code: "push_service_timeout" });
  await browser.advance(14_000);
  assert.deepEqual(errors, []);
  await browser.advance(2_000);
  await refused;
  assert.deepEqual(errors, ["push_service_timeout"]);
  assert.equal(page.api.state(), "unsubscribed");
  browser.pushServiceSettles = true;
  assert.equal(await page.api.subscribe(), "subscribed");
});

test("a missing worker file is named in the failure", async () => {
  browser.workerMissing = true;
  const page = await browser.view();
  await assert.rejects(page.api.subscribe(), { code: "worker_failed", message: /\/push-sw\.js/ });
});

test("the gateway's own code reaches the site", async () => {
  browser.answers["POST /v1/public/site_1/subscriptions"] = [403, { code: "origin_not_allowed", detail: "shop.example" }];
  const page = await browser.view();
  await assert.rejects(page.api.subscribe(), { code: "origin_not_allowed", status: 403 });
  assert.equal(page.api.state(), "unsubscribed");
});

test("a language or time zone that the gateway refuses costs no subscriber", async () => {
  browser.answers["POST /v1/public/site_1/subscriptions"] = ({ timezone }) =>
    timezone ? [422, { code: "invalid" }] : [201, { id: "sub_1", token: "t" }];
  const page = await browser.view();
  assert.equal(await page.api.subscribe(), "subscribed");
});

test("a configuration that failed to load is fetched again by the click", async () => {
  browser.answers["GET /v1/public/site_1"] = "offline";
  const page = await browser.view();
  delete browser.answers["GET /v1/public/site_1"];
  assert.equal(await page.api.subscribe(), "subscribed");
});

test("a later page view is subscribed at once and refreshes at most once a day", async () => {
  await subscribed();
  const page = await browser.view();
  assert.equal(page.api.state(), "subscribed");
  assert.equal(browser.asked("POST").length, 0);
  browser.now += DAY + 1;
  await browser.view();
  await browser.view();
  assert.equal(browser.asked("POST", "/subscriptions").length, 1);
  assert.equal(browser.asked("POST")[0].body.replaces, undefined);
  assert.deepEqual(browser.calls, ["update /push-gateway/"]);
});

test("a page view closes what is shown past its time, and nothing else", async () => {
  browser.permission = "granted";
  const registration = browser.register("/push-sw.js", "/push-gateway/");
  for (const [title, u] of [["over", browser.now], ["valid", browser.now + 1], ["for ever", undefined]])
    await registration.showNotification(title, { data: { pushGateway: { u } } });
  await registration.showNotification("foreign", {});
  await browser.view();
  assert.deepEqual(browser.notifications.map(({ title }) => title), ["valid", "for ever", "foreign"]);
});

test("a refresh that the gateway could not take is tried again after an hour, not with every page view", async () => {
  await subscribed();
  browser.answers["POST /v1/public/site_1/subscriptions"] = [503, {}];
  browser.now += DAY + 1;
  for (let view = 0; view < 3; view++) await browser.view();
  assert.equal(browser.asked("POST").length, 1);
  browser.now += 3600e3;
  delete browser.answers["POST /v1/public/site_1/subscriptions"];
  for (let view = 0; view < 3; view++) await browser.view();
  assert.equal(browser.asked("POST").length, 2);
});

test("a subscription whose key was retired is replaced on the next page view and keeps its id", async () => {
  await subscribed();
  const [{ endpoint: old }] = browser.subscriptions;
  browser.keys = [Buffer.from("key-2").toString("base64url")];
  const page = await browser.view();
  const [{ body }] = browser.asked("POST");
  assert.deepEqual(body.replaces, { id: "sub_1", token: "token-2" });
  assert.equal(browser.subscriptions.length, 1);
  assert.notEqual(browser.subscriptions[0].endpoint, old);
  assert.equal(page.api.state(), "subscribed");
  assert.equal(browser.calls.includes("requestPermission"), false);
});

test("a subscription with a retired key is replaced even when the browser's storage was cleared", async () => {
  await subscribed();
  browser.values.clear();
  browser.keys = [Buffer.from("key-2").toString("base64url")];
  const page = await browser.view();
  assert.equal(page.api.state(), "subscribed");
  assert.equal(browser.subscriptions.length, 1);
});

test("a subscription made with an older key that is still active stays", async () => {
  await subscribed();
  browser.keys = [Buffer.from("key-2").toString("base64url"), ...browser.keys];
  await browser.view();
  assert.deepEqual([browser.calls, browser.asked("POST")], [[], []]);
});

test("a subscription that the browser dropped is made again on the next page view", async () => {
  await subscribed();
  browser.registrations[0].subscription = null;
  const page = await browser.view();
  assert.equal(page.api.state(), "subscribed");
  assert.deepEqual(browser.asked("POST")[0].body.replaces.id, "sub_1");
});

test("a record that the gateway no longer knows is enrolled as a new one", async () => {
  await subscribed();
  browser.registrations[0].subscription = null;
  browser.answers["POST /v1/public/site_1/subscriptions"] = ({ replaces }) =>
    replaces ? [404, { code: "not_found" }] : [201, { id: "sub_9", token: "t" }];
  const page = await browser.view();
  assert.equal((await page.api.subscription()).id, "sub_9");
});

test("an endpoint that the gateway knows with other keys is given up for a new one", async () => {
  let first;
  browser.answers["POST /v1/public/site_1/subscriptions"] = ({ subscription }) => {
    first = first || subscription.endpoint;
    return subscription.endpoint == first ? [409, { code: "known_with_other_keys" }] : [201, { id: "sub_2", token: "t" }];
  };
  const page = await browser.view();
  assert.equal(await page.api.subscribe(), "subscribed");
  assert.notEqual(browser.subscriptions[0].endpoint, first);
  assert.equal(browser.subscriptions.length, 1);
});

test("another conflict costs the browser nothing", async () => {
  browser.answers["POST /v1/public/site_1/subscriptions"] = [409, { code: "wrong_state" }];
  const page = await browser.view();
  await assert.rejects(page.api.subscribe(), { code: "wrong_state" });
  assert.equal(browser.calls.filter((call) => call.startsWith("unsubscribe")).length, 0);
});

test("unsubscribing ends it in the browser and at the gateway, and only a click brings it back", async () => {
  const page = await subscribed();
  const events = [];
  page.api.on("unsubscribed", () => events.push("unsubscribed"));
  assert.equal(await page.api.unsubscribe(), "unsubscribed");
  assert.deepEqual(browser.subscriptions, []);
  const [request] = browser.asked("DELETE");
  assert.equal(request.path, "/v1/public/site_1/subscriptions/sub_1");
  assert.match(request.bearer, /^Bearer token-/);
  assert.deepEqual(events, ["unsubscribed"]);
  const later = await browser.view();
  assert.equal(later.api.state(), "unsubscribed");
  assert.deepEqual(browser.subscriptions, []);
  assert.equal(await later.api.subscribe(), "subscribed");
});

test("a visitor who unsubscribed is not brought back by a subscription found later", async () => {
  const page = await subscribed();
  await page.api.unsubscribe();
  browser.subscribe(browser.register("/VendorSDKWorker.js", "/"), browser.keys[0]);
  const later = await browser.view();
  assert.equal(later.api.state(), "unsubscribed");
  assert.equal(browser.asked("POST").length, 0);
});

test("unsubscribing holds in the browser even when the gateway is away", async () => {
  const page = await subscribed();
  browser.answers["DELETE /v1/public/site_1/subscriptions/sub_1"] = "offline";
  await assert.rejects(page.api.unsubscribe(), { code: "unreachable" });
  assert.equal(page.api.state(), "unsubscribed");
  assert.deepEqual(browser.subscriptions, []);
});

test("an imported browser is adopted under the other vendor's registration and nobody is subscribed again", async () => {
  browser.permission = "granted";
  const vendor = browser.register("/VendorSDKWorker.js", "/");
  const { endpoint } = browser.subscribe(vendor, browser.keys[0]);
  const states = [];
  const page = await browser.view({ stub: [(gateway) => states.push(gateway.state())] });
  assert.deepEqual(states, ["subscribed"]); // not "unsubscribed" first: the site would prompt
  assert.equal(browser.asked("POST")[0].body.subscription.endpoint, endpoint);
  assert.deepEqual(browser.calls, ["update /"]);
  assert.equal(await page.api.subscribe(), "subscribed");
  assert.equal(browser.subscriptions.length, 1);
});

test("when the imported key is retired the browser moves to our own worker", async () => {
  browser.permission = "granted";
  browser.subscribe(browser.register("/VendorSDKWorker.js", "/"), browser.keys[0]);
  await browser.view();
  browser.keys = [Buffer.from("key-2").toString("base64url")];
  const page = await browser.view();
  assert.equal(page.api.state(), "subscribed");
  assert.deepEqual(
    browser.registrations.map(({ scope, subscription }) => [scope, !!subscription]),
    [
      [ORIGIN + "/", false],
      [ORIGIN + "/push-gateway/", true],
    ],
  );
});

test("a second subscription made with our keys is ended, so that no message shows twice", async () => {
  await subscribed();
  const vendor = browser.register("/VendorSDKWorker.js", "/");
  browser.subscribe(vendor, browser.keys[0]);
  await browser.view();
  assert.equal(vendor.subscription, null);
  assert.equal(browser.subscriptions.length, 1);
});

test("a foreign subscription made with a foreign key is left alone", async () => {
  browser.permission = "granted";
  browser.subscribe(browser.register("/sw.js", "/"), "foreign");
  const page = await browser.view();
  assert.equal(page.api.state(), "unsubscribed");
  await page.api.subscribe();
  await page.api.unsubscribe();
  assert.equal(browser.subscriptions.length, 1);
});

test("tags and identity set before subscribing are sent afterwards, once", async () => {
  const page = await browser.view();
  assert.equal(await page.api.addTags("a", "b"), false);
  await page.api.removeTags("b");
  await page.api.identify("user-1", "signature");
  await page.api.setAttributes({ plan: "pro" });
  await page.api.setAttributes({ visits: 3 });
  await page.api.subscribe();
  assert.deepEqual(
    browser.asked("PATCH", "/sub_1").map(({ body }) => body),
    [
      { add_tags: ["a"], remove_tags: ["b"] },
      { external_id: "user-1", external_id_signature: "signature" },
      { attributes: { plan: "pro", visits: 3 } },
    ],
  );
  assert.equal(await page.api.identify("user-1", "signature"), true);
  const later = await browser.view();
  await later.api.identify("user-1", "signature");
  assert.equal(browser.asked("PATCH").length, 3);
  await later.api.identify("user-2", "other");
  assert.equal(browser.asked("PATCH").length, 4);
});

test("what a site says in several calls on every page view is sent once, and only what is new later", async () => {
  const says = async (page, plan) => {
    await page.api.addTags("a");
    await page.api.addTags("b");
    await page.api.removeTags("c");
    await page.api.setAttributes({ plan });
    await page.api.setAttributes({ visits: 3 });
  };
  await says(await subscribed(), "pro");
  browser.requests = [];
  await says(await browser.view(), "pro");
  assert.equal(browser.asked("PATCH").length, 0);
  await says(await browser.view(), "free");
  const later = await browser.view();
  await later.api.addTags("c");
  await later.api.addTags("a");
  assert.deepEqual(
    browser.asked("PATCH").map(({ body }) => body),
    [{ attributes: { plan: "free" } }, { add_tags: ["c"], remove_tags: [] }],
  );
});

test("what was confirmed is told again once the gateway's record was refreshed", async () => {
  const page = await subscribed();
  await page.api.identify("user-1", "signature");
  browser.now += DAY + 1;
  const later = await browser.view();
  await later.api.identify("user-1", "signature");
  assert.equal(browser.asked("PATCH").length, 2);
});

test("a change taken back while the gateway was away is taken back there too", async () => {
  const page = await subscribed();
  await page.api.addTags("a");
  browser.answers["PATCH /v1/public/site_1/subscriptions/sub_1"] = "offline";
  await page.api.removeTags("a");
  delete browser.answers["PATCH /v1/public/site_1/subscriptions/sub_1"];
  await page.api.addTags("a");
  assert.deepEqual(browser.asked("PATCH").at(-1).body, { add_tags: ["a"], remove_tags: [] });
});

test("a change that the gateway could not take goes with the next page view; one that it refuses is dropped", async () => {
  const page = await subscribed();
  const path = "PATCH /v1/public/site_1/subscriptions/sub_1";
  browser.answers[path] = [503, {}];
  assert.equal(await page.api.addTags("a"), false);
  delete browser.answers[path];
  await browser.view();
  assert.deepEqual(browser.asked("PATCH")[1].body, { add_tags: ["a"], remove_tags: [] });
  browser.answers[path] = [422, { code: "invalid" }];
  await assert.rejects(page.api.addTags("x".repeat(999)), { code: "invalid" });
  browser.requests = [];
  await browser.view();
  assert.equal(browser.asked("PATCH").length, 0);
});

test("a browser that the gateway forgot enrols again with the next page view and its changes follow", async () => {
  const page = await subscribed();
  const path = "PATCH /v1/public/site_1/subscriptions/sub_1";
  browser.answers[path] = [404, { code: "not_found" }];
  assert.equal(await page.api.addTags("a"), false);
  delete browser.answers[path];
  await browser.view();
  assert.deepEqual(
    browser.requests.map(({ method }) => method),
    ["PATCH", "GET", "POST", "PATCH"],
  );
});

test("the site's own events carry the subscription's token, and there is none without a subscription", async () => {
  const page = await browser.view();
  assert.equal(await page.api.track("bought"), false);
  await page.api.subscribe();
  assert.equal(await page.api.track("bought", { value: 3 }), true);
  const [request] = browser.asked("POST", "/track");
  assert.deepEqual([request.body, request.bearer], [{ name: "bought", data: { value: 3 } }, "Bearer token-2"]);
});

test("what the worker tells of a notification reaches the page's listeners, and nobody else's messages do", async () => {
  const page = await browser.view();
  const seen = [];
  page.api.on("notification", (detail) => seen.push(plain(detail)));
  page.message({ type: "push-gateway:displayed", message: "msg_1", notification: { title: "Hi" } });
  page.message({ type: "something-else" });
  page.message("text");
  assert.deepEqual(seen, [{ type: "displayed", message: "msg_1", notification: { title: "Hi" } }]);
});

const OFFERS = { name: "offers", title: "Offers" };
const NEWS = { name: "news", title: "News" };

test("a visitor leaves a category and comes back, and the page can show it", async () => {
  browser.categories = [OFFERS, NEWS];
  const page = await subscribed();
  assert.equal(await page.api.optOut("offers"), true);
  assert.deepEqual(plain(await page.api.categories()), [
    { ...OFFERS, opted_out: true },
    { ...NEWS, opted_out: false },
  ]);
  assert.equal(await page.api.optIn("offers"), true);
  assert.deepEqual(plain(await page.api.categories())[0], { ...OFFERS, opted_out: false });
  const asked = browser.asked("PATCH");
  assert.deepEqual(asked.map(({ body }) => body), [{ opt_out: ["offers"] }, { opt_in: ["offers"] }]);
  assert.equal(asked[0].path, "/v1/public/site_1/subscriptions/sub_1");
  assert.match(asked[0].bearer, /^Bearer token-/);
});

test("what a visitor left before subscribing is told once there is a subscription", async () => {
  browser.categories = [OFFERS];
  const page = await browser.view();
  assert.equal(await page.api.optOut("offers"), false);
  assert.equal(plain(await page.api.categories())[0].opted_out, true);
  await page.api.subscribe();
  assert.deepEqual(browser.asked("PATCH").map(({ body }) => body), [{ opt_out: ["offers"] }]);
});

test("whoever unsubscribes and subscribes again has still left what they left", async () => {
  browser.categories = [OFFERS, NEWS];
  const page = await subscribed();
  await page.api.optOut("offers");
  await page.api.optOut("news");
  await page.api.optIn("news");
  await page.api.unsubscribe();
  browser.requests = [];
  browser.answers["POST /v1/public/site_1/subscriptions"] = [201, { id: "sub_2", token: "another" }];
  await page.api.subscribe();
  assert.deepEqual(browser.asked("PATCH", "sub_2").map(({ body }) => body), [{ opt_out: ["offers"] }]);
});

test("a category that the site does not have is refused alone", async () => {
  const page = await browser.view();
  await page.api.optOut("typo");
  await page.api.optOut("offers");
  browser.answers["PATCH /v1/public/site_1/subscriptions/sub_1"] = ({ opt_out: [name] }) =>
    name == "typo" ? [400, { code: "invalid_request", detail: "no such category" }] : [204];
  await page.api.subscribe().catch(() => {});
  assert.deepEqual(browser.asked("PATCH").map(({ body }) => body.opt_out), [["typo"], ["offers"]]);
  browser.requests = [];
  await browser.view();
  assert.deepEqual(browser.asked("PATCH"), []);
});

test("a daily refresh does not repeat what was left: an admin may have changed it since", async () => {
  const page = await subscribed();
  await page.api.optOut("offers");
  browser.requests = [];
  await browser.advance(DAY + 1);
  await browser.view();
  assert.equal(browser.asked("POST").length, 1);
  assert.deepEqual(browser.asked("PATCH"), []);
});
