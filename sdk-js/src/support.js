/** What this browser can do, before anything is asked of it. */

/** @typedef {"unsupported" | "needs-install" | "default" | "denied" | "subscribed" | "unsubscribed"} State */

/** @returns {"unsupported" | "needs-install" | undefined} nothing where push works */
export function obstacle() {
  if ("serviceWorker" in navigator && "PushManager" in window && "Notification" in window) return;
  const { userAgent, standalone } = /** @type {Navigator & {standalone?: boolean}} */ (navigator);
  // Only WebKit on iOS and iPadOS has `standalone`; push came with 16.4, for pages on the home screen.
  const version = /(?: OS |Version\/)(\d+)[._](\d+)/.exec(userAgent.replace("Mac OS", ""));
  const able = version && +version[1] + +version[2] / 100 >= 16.04;
  return standalone === false && isSecureContext && able ? "needs-install" : "unsupported";
}
