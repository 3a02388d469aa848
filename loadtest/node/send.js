// Sends what stdin says with web-push, `concurrent` at a time over kept connections, and says what it used.
// Input and output: loadtest/outside.py.
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import webPush from "web-push";

const work = JSON.parse(readFileSync(0, "utf8"));
webPush.setVapidDetails(work.contact, work.public_key, work.private_key);
const agent = new Agent({ keepAlive: true, maxSockets: work.concurrent, ca: readFileSync(work.ca_file) });
const waiting = work.subscriptions.values();

async function sendSome() {
  for (const [endpoint, p256dh, auth] of waiting) {
    await webPush.sendNotification({ endpoint, keys: { p256dh, auth } }, work.text, { TTL: work.ttl, agent });
  }
}

const began = Date.now() / 1000;
const before = process.cpuUsage();
await Promise.all(Array.from({ length: work.concurrent }, sendSome));
const { user, system } = process.cpuUsage(before);
const used = {
  cpu: (user + system) / 1e6,
  began,
  ended: Date.now() / 1000,
  // Not maxRSS: on Linux that begins with the parent's.
  peak_memory: Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024,
};
process.stdout.write(JSON.stringify(used));
agent.destroy();
