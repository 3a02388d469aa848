/**
 * Build the page script and the worker into ../static, or with --check prove that what is committed there is what the
 * source gives, byte for byte. Either fails when a file outgrows its budget.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { bundle, PLACEHOLDER } from "./bundle.js";

const TARGETS = [
  { source: "page.js", file: "sdk.js", most: 4096, placeholders: 1 },
  { source: "worker.js", file: "sw.js", most: 3072, placeholders: 0 },
];

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const check = process.argv.includes("--check");
for (const { source, file, most, placeholders } of TARGETS) {
  const text = await bundle(source);
  const size = gzipSync(text, { level: 9 }).length;
  const fits = size <= most;
  console.log(`static/${file}: ${size} of ${most} bytes gzipped${fits ? "" : ": too large"}`);
  if (!fits) process.exitCode = 1;
  if (text.split(PLACEHOLDER).length - 1 != placeholders) {
    console.error(`static/${file}: expected ${PLACEHOLDER} ${placeholders} times`);
    process.exitCode = 1;
  }
  const path = here("../static/" + file);
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") != text) {
    console.error(`static/${file} is not what the source gives: run npm run build and commit it`);
    process.exitCode = 1;
  }
}
