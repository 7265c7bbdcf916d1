// What the console takes from others, written as it is from the packages of the lock file, with two changes that a
// browser without a build step needs: bare imports become files, and temml's script becomes a module.
//
//   node checks/vendor.mjs write        after `npm install`: writes vendor/ and lazy/temml.js
//   node checks/vendor.mjs check        fails if what stands there is not what the packages hold
//   node checks/vendor.mjs fonts DIR    writes fonts/ from an unpacked `npm pack pretendard`

import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const packages = join(root, "node_modules");
const places = {
  '"preact"': '"./preact.js"',
  '"preact/hooks"': '"./hooks.js"',
  '"@preact/signals-core"': '"./signals-core.js"',
};

/** @param {string} text */
const module = (text) =>
  text.replace(/(from\s*)("[^"]+")/g, (all, from, name) => (places[name] ? from + places[name] : all)).replace(/\n?\/\/# sourceMappingURL=.*\n?/, "\n");

const files = {
  "vendor/preact.js": ["preact/dist/preact.mjs", module],
  "vendor/hooks.js": ["preact/hooks/dist/hooks.mjs", module],
  "vendor/signals-core.js": ["@preact/signals-core/dist/signals-core.mjs", module],
  "vendor/signals.js": ["@preact/signals/dist/signals.mjs", module],
  "vendor/htm.js": ["htm/dist/htm.mjs", module],
  "lazy/temml.js": ["temml/dist/temml.min.js", (/** @type {string} */ text) => `${text.trim()}\nexport default temml;\n`],
  "vendor/LICENSES/preact.txt": ["preact/LICENSE"],
  "vendor/LICENSES/signals.txt": ["@preact/signals/LICENSE"],
  "vendor/LICENSES/htm.txt": ["htm/LICENSE"],
  "vendor/LICENSES/temml.txt": ["temml/LICENSE"],
};

/** The stylesheet of the font: its ranges as they are, under our names. @param {string} from */
function fonts(from) {
  const source = join(from, "dist/web/variable");
  for (const name of readdirSync(join(source, "woff2-dynamic-subset"))) {
    const number = name.match(/(\d+)\.woff2$/)?.[1];
    cpSync(join(source, "woff2-dynamic-subset", name), join(root, "fonts", `pretendard-${number}.woff2`));
  }
  const style = readFileSync(join(source, "pretendardvariable-dynamic-subset.css"), "utf8");
  const faces = [...style.matchAll(/subset\.(\d+)\.woff2[^;]*;\s*unicode-range: ([^;]+);/g)].map(
    ([, number, ranges]) =>
      `@font-face{font-family:"Pretendard Variable";font-weight:45 920;font-display:swap;src:url(../fonts/pretendard-${number}.woff2) format("woff2");unicode-range:${ranges.replaceAll(", ", ",")}}`,
  );
  writeFileSync(join(root, "style/fonts.css"), `/* Pretendard, (c) 2021 Kil Hyung-jin, SIL Open Font License 1.1: vendor/LICENSES/pretendard.txt */\n${faces.join("\n")}\n`);
  cpSync(join(from, "dist/LICENSE.txt"), join(root, "vendor/LICENSES/pretendard.txt"));
}

const [what, where] = process.argv.slice(2);
if (what === "fonts") fonts(where);
else {
  let different = 0;
  for (const [to, [from, change]] of Object.entries(files)) {
    const text = readFileSync(join(packages, from), "utf8");
    const wanted = change ? change(text) : text;
    if (what === "write") writeFileSync(join(root, to), wanted);
    else if (readFileSync(join(root, to), "utf8") !== wanted) {
      console.error(`${to} is not what the package holds`);
      different = 1;
    }
  }
  process.exit(different);
}
