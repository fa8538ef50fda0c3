// parts.mjs: shared parts of the pages in a test: compiled as the build of the pages compiles them,
// and on a page of their own, which a real daemon serves with its policy.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { Daemon, root, scratch } from "../integration/lib.mjs";

const web = path.join(root, "web");
const { build } = createRequire(path.join(web, "package.json"))("esbuild");
const OPTIONS = {
  absWorkingDir: web, bundle: true, target: "es2022", jsx: "automatic", jsxImportSource: "preact",
  logLevel: "warning",
};

/** The module at a path below web/src, as it runs in this process. */
export async function compiled(name) {
  const built = await build({
    ...OPTIONS, entryPoints: [`src/${name}`], write: false, format: "esm",
  });
  return import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents)
    .toString("base64")}`);
}

// show(part, props, …) draws parts, one below the other; window.show() removes them.
const CLIENT = `
import { h, render } from "preact";
import { Diff } from "./diff/index.ts";
import { Image, Images } from "./images/index.ts";
import { Markdown } from "./markdown/index.ts";

const parts = { Diff, Image, Images, Markdown };
const app = document.getElementById("app");
window.show = (...list) => {
  const shown = [];
  for (let at = 0; at < list.length; at += 2) {
    const { key = at, ...props } = list[at + 1];
    shown.push(h("div", { key, id: "part-" + at / 2 }, h(parts[list[at]], props)));
  }
  render(shown.length === 0 ? null : h("main", { class: "page" }, h("h1", null, "Parts"),
    h("h2", null, "All"), shown), app);
};
`;

/** The folder that a daemon serves: index.html as it is, with this client in the place of ours. */
async function pageInto(folder) {
  const outdir = path.join(folder, "assets");
  mkdirSync(outdir);
  await build({
    ...OPTIONS, outdir, format: "esm", splitting: true, minify: true,
    stdin: { contents: CLIENT, resolveDir: path.join(web, "src"), sourcefile: "parts.js" },
  });
  await build({
    ...OPTIONS, outdir, format: "iife", minify: true, loader: { ".svg": "copy" },
    entryPoints: ["src/markdown/worker.ts", "src/look/look.css", "src/look/icon.svg"],
    entryNames: "[name]",
  });
  const names = { main: "stdin.js", worker: "worker.js", look: "look.css", icon: "icon.svg" };
  const html = readFileSync(path.join(web, "src/index.html"), "utf8")
    .replaceAll(/\{src\/[^}]*?(\w+)\.\w+\}/g, (_, name) => `/assets/${names[name]}`);
  writeFileSync(path.join(folder, "index.html"), html);
}

/** A daemon that serves the parts, and a key. */
export async function servingParts(t) {
  const folder = scratch(t);
  await pageInto(folder);
  const daemon = await new Daemon({ data: scratch(t), args: ["--web-dir", folder] }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run"]);
  return { daemon, key: stdout.trim().split("\n")[0] };
}
