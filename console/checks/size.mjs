// How much a browser fetches of the console: its code, compressed, without the typeface and the formulas.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { gzipSync } from "node:zlib";

const CODE_BYTES_MAX = 200_000;
const root = new URL("..", import.meta.url).pathname;
const LEFT_OUT = new Set(["checks", "node_modules", "fonts"]);

/** @param {string} folder @returns {string[]} */
const filesIn = (folder) =>
  readdirSync(folder).filter((name) => !LEFT_OUT.has(name)).flatMap((name) => (statSync(`${folder}/${name}`).isDirectory() ? filesIn(`${folder}/${name}`) : [`${folder}/${name}`]));

const code = filesIn(root.replace(/\/$/, "")).filter((path) => /\.(js|css|html|svg)$/.test(path) && !path.endsWith("lazy/temml.js"));
const bytes = code.reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0);
console.log(`console: ${code.length} files, ${bytes} bytes compressed, of ${CODE_BYTES_MAX}`);
process.exit(bytes > CODE_BYTES_MAX ? 1 : 0);
