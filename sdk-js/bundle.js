import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Stands exactly once in the page script: the gateway puts the site's JSON, `{site, gateway}`, in its place. */
export const PLACEHOLDER = '"__PUSH_GATEWAY_CONFIG__"';

/** @param {string} source file in src/ @returns {Promise<string>} what is served */
export async function bundle(source) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("src/" + source, import.meta.url))],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].text;
}
