// build.mjs OUT.js OUT.d: the checker's script and the parser that it needs in one file; and what
// that was made from, for ninja.
import { writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const [out, list] = process.argv.slice(2);
const { build } = await import("../../../web/node_modules/esbuild/lib/main.js").catch(() => {
  console.error("judge/build.mjs: esbuild is not there; scripts/setup build puts it into web/");
  process.exit(1);
});

const { metafile } = await build({
  entryPoints: [path.join(here, "checker.js")],
  nodePaths: [path.join(here, "../engine/node_modules")],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outfile: out,
  metafile: true,
});
const inputs = Object.keys(metafile.inputs).map((input) => path.resolve(input));
writeFileSync(list, `${out}: ${inputs.join(" ")}\n`);
