import { createContext, useContext } from "../vendor/preact-htm.js";

/** `{session, may(scope), allSites}`. */
export const SessionContext = createContext(/** @type {any} */ (null));
/** `{site, zone, reload}`; site is null on screens of no site, zone the browser's own then. */
export const SiteContext = createContext(/** @type {any} */ ({ site: null, zone: undefined, reload() {} }));

/** Who is signed in: `may("send")` says whether the token has this scope, `allSites` whether it is bound to none.
 * @returns {{session: {scopes: string[], site: string | null, expires_at: string, version: string}, may: (scope: string) => boolean, allSites: boolean}} */
export const useSession = () => useContext(SessionContext);

/** The site of this screen as the API shows it, its zone, and `reload()` for after it was changed.
 * @returns {{site: any, zone: string | undefined, reload: () => Promise<void>}} */
export const useSite = () => useContext(SiteContext);
