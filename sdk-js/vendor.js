/**
 * Put the libraries of the dashboard into ../static/admin/vendor, each as one ES module that loads nothing else, or with
 * --check prove that what is committed there is what the locked packages give, byte for byte.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** @param {string} path */
const read = (path) => readFileSync(path, "utf8");

const LIBRARIES = ["preact", "htm", "uplot"];
const MODULES = {
  "preact-htm.js": `
    import { h } from "preact";
    import htm from "htm";
    export const html = htm.bind(h);
    export { h, render, Fragment, createContext, createRef } from "preact";
    export {
      useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
    } from "preact/hooks";`,
  "uplot.js": `export { default } from "uplot";`,
};

/** @param {string} contents @returns {Promise<string>} */
async function bundle(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: here("."), loader: "js" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].text;
}

/** What the licences of all three ask for: their texts beside the copies. @returns {string} */
function licences() {
  const texts = LIBRARIES.map((name) => {
    const { version, license } = JSON.parse(read(here(`node_modules/${name}/package.json`)));
    const text = read(here(`node_modules/${name}/LICENSE`)).replaceAll("\r\n", "\n").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

/** @type {Record<string, string>} */
const files = {};
for (const [file, source] of Object.entries(MODULES)) files[file] = await bundle(source);
files["uplot.css"] = read(here("node_modules/uplot/dist/uPlot.min.css"));
files["LICENSES.txt"] = licences();

const check = process.argv.includes("--check");
mkdirSync(here("../static/admin/vendor"), { recursive: true });
for (const [file, text] of Object.entries(files)) {
  const path = here("../static/admin/vendor/" + file);
  console.log(`static/admin/vendor/${file}: ${gzipSync(text, { level: 9 }).length} bytes gzipped`);
  if (!check) writeFileSync(path, text);
  else if (read(path) != text) {
    console.error(`static/admin/vendor/${file} is not what the packages give: run npm run build and commit it`);
    process.exitCode = 1;
  }
}
