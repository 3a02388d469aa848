/** What a variant says, shortly. @param {any} rule @param {string} name @param {any} notification */
export function words(rule, name, notification) {
  const own = rule.options.find((/** @type {any} */ each) => each.name == name)?.notification || {};
  const said = Object.entries(own).filter(([, value]) => typeof value == "string").map(([, value]) => value);
  return said.length ? said.join(" · ") : notification.title;
}

/** Reasons to skip, as the API names them. @type {Record<string, string>} */
export const SKIPS = {
  unsubscribed: "unsubscribed",
  gone: "their subscription had ended meanwhile",
  expired: "their subscription had expired",
  erased: "erased",
  deleted: "their subscription is not there any more",
  cancelled: "left over when the message was cancelled",
  holdout: "held out, to compare with",
  frequency_cap: "had enough messages already",
  opted_out: "left this category",
  dry_run: "dry run: everything but the push",
  late: "their time had passed",
  not_waiting: "nothing waited for them any more",
  not_offered: "their push service takes nothing back",
  displayed: "had seen it already",
  key_retired: "subscribed with a key that was retired",
};

/** Outcomes of those who were not reached. @type {Record<string, string>} */
export const OUTCOMES = {
  gone: "Gone: the subscription had ended",
  expired: "Expired: too late",
  rejected: "Rejected by the push service",
  render_failed: "Their text could not be made",
  too_large: "Too large for a push",
  unauthorized: "The push service did not accept the key",
};
