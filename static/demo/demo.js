/**
 * The demo page: what a site could build on the page script's public API, plus two routes of the demo's own that send
 * a fixed text to the visitor's own subscription and tell how it fared.
 */

const $ = (id) => document.getElementById(id);

/** What each state of the page script says to a person. */
const TEXTS = {
  default: {
    chip: "Off",
    button: "Turn on notifications",
    hint: "Your browser asks you once. You can turn them off again right here.",
  },
  subscribed: {
    chip: "On",
    tone: "on",
    button: "Send one to myself",
    hint: "Nothing on your screen after a few seconds? Look for Do Not Disturb or Focus, and whether your system lets this browser show notifications.",
  },
  unsubscribed: {
    chip: "Off",
    button: "Turn on notifications",
    hint: "You allowed this page before, so your browser won’t ask again.",
  },
  denied: {
    chip: "Blocked",
    tone: "no",
    title: "This page may not notify you",
    steps: [
      "Click the symbol left of the address, or open this page’s settings in your browser’s menu.",
      "Set Notifications to Allow, or reset the permission.",
      "Come back here. The page notices by itself; if not, reload it.",
    ],
    hint: "Your browser remembers a no, and no page can ask again. Only you can change it.",
  },
  unsupported: {
    chip: "Not here",
    tone: "no",
    title: "This browser window can’t receive pushes",
    hint: "Private windows, browsers inside other apps, and pages without HTTPS can’t. Open this page in a normal window of Chrome, Edge, Firefox, Opera, Samsung Internet, or Safari 16.4 and later.",
  },
  "needs-install": {
    chip: "One step first",
    tone: "no",
    title: "On iPhone and iPad, put it on the Home Screen first",
    steps: [
      "Tap the Share button of your browser.",
      "Choose Add to Home Screen.",
      "Open the demo from its new icon, and turn notifications on there.",
    ],
    hint: "Apple lets web pages send notifications only from the Home Screen.",
  },
};

/** What went wrong, by the code of the page script's error. */
const TROUBLES = {
  unreachable: "The gateway can’t be reached. Is it running, and are you online?",
  worker_failed: "The worker file /push-sw.js could not be registered.",
  push_service_timeout: "Your browser’s push service did not answer. Some networks and some Chromium builds can’t reach it.",
  push_service_failed: "Your browser’s push service refused. Try again in a minute, or with another browser.",
};

let gateway; // the page script's API
let message; // the one whose way is shown: {id, at}
let waiting = false; // a click is being worked on
let again = 0; // when the next one may be sent, ms since the epoch
let countdown; // the timer that shows how long that is

function trouble(text) {
  $("trouble").textContent = text || "";
  $("trouble").hidden = !text;
}

/** Show where things stand. */
function render() {
  const { chip, tone = "off", title, button, steps = [], hint } = TEXTS[gateway.state()];
  const pause = Math.ceil((again - Date.now()) / 1000);
  $("chip").textContent = chip;
  $("chip").dataset.tone = tone;
  $("title").textContent = title || "";
  $("title").hidden = !title;
  $("buttons").hidden = !button;
  $("main").textContent = waiting ? "One moment…" : pause > 0 ? `Again in ${pause} s` : button;
  $("main").disabled = waiting || pause > 0;
  $("off").hidden = gateway.state() !== "subscribed";
  $("steps").replaceChildren(...steps.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("steps").hidden = !steps.length;
  $("hint").textContent = hint;
  clearTimeout(countdown);
  if (pause > 0) countdown = setTimeout(render, 250);
}

/** Do what a click asks for, and say so while it takes. */
async function work(task) {
  waiting = true;
  trouble();
  render();
  try {
    await task();
  } catch (error) {
    trouble(TROUBLES[error.code] || error.message);
  } finally {
    waiting = false;
    render();
  }
}

/** A request in the name of this browser's own subscription. */
async function asMyself(path, body) {
  const { id, token } = await gateway.subscription();
  const response = await fetch(path, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify({ subscription: id }),
  }).catch(() => {
    throw Object.assign(new Error(), { code: "unreachable" });
  });
  return { status: response.status, retryAfter: response.headers.get("Retry-After"), ...(await response.json().catch(() => ({}))) };
}

async function send() {
  const at = Date.now();
  const answer = await asMyself("send", true);
  if (answer.status === 429) {
    again = Date.now() + 1000 * (Number(answer.retryAfter) || 10);
    return;
  }
  if (answer.status !== 202) {
    trouble(answer.detail || "The gateway no longer knows this browser. Turn notifications off and on again.");
    return;
  }
  message = { id: answer.message, at };
  for (const step of $("track").children) {
    step.className = "";
    step.querySelector("b").textContent = "0";
    step.querySelector("small").textContent = step.dataset.note;
  }
  count("sent", 1);
  watch(message);
}

const stepOf = (name) => $("track").querySelector(`[data-step="${name}"]`);

function note(name, text) {
  stepOf(name).querySelector("small").textContent = text;
}

/** Light a step of the way up, with the time it took. */
function count(name, number) {
  const step = stepOf(name);
  step.querySelector("b").textContent = number;
  if (!number || step.className) return;
  step.className = "done";
  if (name !== "sent") note(name, `after ${((Date.now() - message.at) / 1000).toFixed(1)} s`);
}

/** Ask how the message fares: often at first, then less, for at most five minutes. */
async function watch(mine) {
  const age = Date.now() - mine.at;
  if (mine !== message || age > 300_000 || gateway.state() !== "subscribed") return;
  const { status, progress, results } = await asMyself(`progress/${mine.id}`).catch(() => ({}));
  if (mine !== message) return;
  if (status === 200) {
    const { accepted, gone, failed, expired, skipped } = progress;
    count("accepted", accepted);
    count("displayed", results.displayed);
    count("clicked", results.clicked);
    if (results.closed && !results.clicked) note("clicked", "closed instead");
    if (gone + failed + expired + skipped) {
      trouble("The push service did not take it. Turn notifications off and on again, then send another one.");
      return;
    }
    if (results.clicked || results.closed) return;
  }
  setTimeout(watch, age < 4_000 ? 400 : age < 60_000 ? 2_000 : 5_000, mine);
}

const cards = new Map(); // what arrived, by message

/** The worker tells of a notification: shown, clicked or closed. */
function arrived({ type, message: id, notification }) {
  if (type === "displayed") {
    const card = document.createElement("li");
    card.append(
      Object.assign(document.createElement("img"), { src: notification.icon || "icon.svg", alt: "" }),
      Object.assign(document.createElement("b"), { textContent: notification.title }),
      Object.assign(document.createElement("p"), { textContent: notification.body || "" }),
      Object.assign(document.createElement("small"), {
        textContent: new Date().toLocaleTimeString([], { timeStyle: "medium" }),
      }),
    );
    cards.get(id)?.remove(); // the same message again takes the place of the first
    cards.set(id, card);
    $("arrived").prepend(card);
    while ($("arrived").children.length > 3) $("arrived").lastChild.remove();
    $("empty").hidden = true;
    if (message?.id === id && !stepOf("displayed").className) note("displayed", "on screen, report follows");
  } else if (cards.has(id)) {
    const card = cards.get(id);
    if (card.dataset.end) return;
    card.dataset.end = type;
    card.querySelector("small").textContent += ` · ${type}`;
  }
}

function tick() {
  const now = new Date();
  $("clock").textContent = now.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" }).replace(/\s?[AP]M$/i, "");
  $("date").textContent = now.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
  setTimeout(tick, 60_000 - (Date.now() % 60_000));
}

/** "Copied", or the text selected for the visitor's own Ctrl+C where the clipboard is out of reach. */
async function copy(button) {
  const code = $(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2_000);
}

async function start() {
  tick();
  for (const step of $("track").children) step.dataset.note = step.querySelector("small").textContent;
  for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));

  const response = await fetch("config.json");
  const config = await response.json();
  const home = new URL(config.gateway);
  if (home.origin !== location.origin) return location.replace(`${config.gateway}/demo/`); // 127.0.0.1 and localhost, say
  $("snippet").textContent = config.snippet;
  $("worker").textContent = `importScripts("${config.gateway}/sdk/sw.js")`;
  $("host").textContent = home.host;

  (window.pushGateway = window.pushGateway || []).push((api) => {
    gateway = api;
    $("main").addEventListener("click", () => work(gateway.state() === "subscribed" ? send : gateway.subscribe));
    $("off").addEventListener("click", () => work(gateway.unsubscribe));
    gateway.on("state", render);
    gateway.on("notification", arrived);
    gateway.on("error", (error) => trouble(TROUBLES[error.code] || error.message));
    render();
  });
  const script = Object.assign(document.createElement("script"), { src: `${config.gateway}/sdk/${config.site}.js`, async: true });
  script.addEventListener("error", lost);
  document.head.append(script);
}

function lost() {
  $("chip").textContent = "No answer";
  $("chip").dataset.tone = "no";
  $("buttons").hidden = true;
  $("hint").hidden = true;
  trouble(TROUBLES.unreachable + " Then reload this page.");
}

start().catch(lost);
