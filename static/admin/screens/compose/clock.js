/** Wall clocks of places: what `<input type="datetime-local">` shows, and the moments that it means. */

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string} zone */
function formatOf(zone) {
  let known = formats.get(zone);
  if (!known) {
    known = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    });
    formats.set(zone, known);
  }
  return known;
}

/** What the clock of the zone shows: "2026-12-01T09:00". @param {number | string | Date} at @param {string} zone */
export function toWall(at, zone) {
  const parts = Object.fromEntries(formatOf(zone).formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}`;
}

/** The moment at which the clock of the zone shows it (the first one where it does so twice, the first after a gap). @param {string} wall @param {string} zone */
export function toMoment(wall, zone) {
  const asUtc = Date.parse(wall + ":00Z");
  const offset = (/** @type {number} */ at) => Date.parse(toWall(at, zone) + ":00Z") - at;
  const before = asUtc - offset(asUtc - 86400000);
  const after = asUtc - offset(asUtc + 86400000);
  const found = [before, after].filter((each) => toWall(each, zone) == wall.slice(0, 16));
  return new Date(found.length ? Math.min(...found) : Math.max(before, after));
}

/** @param {string} wall @param {string} zone @returns {string | null} RFC 3339, null for nothing or half a time */
export const toIso = (wall, zone) => (/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(wall || "") ? toMoment(wall, zone).toISOString().replace(".000Z", "Z") : null);

/** Minutes from midnight. @param {string} time "21:00" */
export const minutes = (time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));

/** Zones that this browser knows, for lists. @returns {string[]} */
export const zones = () => /** @type {any} */ (Intl).supportedValuesOf?.("timeZone") ?? ["UTC"];
