// build.mjs: bundles web/src, and makes of it what the daemon carries.
//
//   node build.mjs OUT [small | fast]
//
// OUT/dist          the pages as a folder: index.html, assets/NAME-HASH.EXT (serve --web-dir)
// OUT/viewer        the page of an exported run, before and after the document (src/viewer/)
// OUT/web_image.S   the bytes: index.html and the viewer as they are, everything else packed
// OUT/web_files.c   the table of them (src/api/system/web_files.h)
// OUT/web.d         what it was made from, for ninja
//
// Only gzip: over plain http most browsers offer nothing better. `small` packs by zopfli, which
// takes seconds and saves 4 %. The same sources make the same bytes: names are hashes of contents.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, "../build/web"));
const dist = path.join(out, "dist");
const MEDIA = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".html": "text/html; charset=utf-8",
};

const { build } = await import("esbuild").catch(() => {
  console.error("web/build.mjs: esbuild is not there; scripts/setup build puts it into web/");
  process.exit(1);
});

/** Workers: each is one file, named in index.html. As part of the pages they would share chunks
 *  with them, which the first view then loads, too. */
const WORKERS = ["src/markdown/worker.ts"];
const FRAME = "src/shell/shell.tsx";
const PAGES = ["src/main.tsx", "src/look/look.css", "src/look/views.css", "src/look/icon.svg"];

/** A part that is loaded later begins by importing the frame, which is there by then. So whatever
 *  the first view needs is needed by all of them, and esbuild makes one chunk of it; by itself it
 *  makes one for each set of parts that share a module, 15 requests instead of one. */
const oneFirstChunk = {
  name: "one first chunk",
  setup({ onResolve, onLoad, resolve }) {
    const later = new Set();
    onResolve({ filter: /^\./ }, async ({ path: name, kind, pluginData, ...from }) => {
      if (kind !== "dynamic-import" || pluginData === "asked") return undefined;
      const found = await resolve(name, { ...from, kind, pluginData: "asked" });
      later.add(found.path);
      return found;
    });
    onLoad({ filter: /\.tsx?$/ }, ({ path: file }) => (later.has(file) ? {
      contents: `import ${JSON.stringify(path.join(here, FRAME))};\n${readFileSync(file, "utf8")}`,
      loader: file.endsWith("x") ? "tsx" : "ts",
      resolveDir: path.dirname(file),
    } : undefined));
  },
};

async function bundleOf(entryPoints, more) {
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    outdir: path.join(dist, "assets"),
    bundle: true,
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    alias: { react: "preact/compat", "react-dom": "preact/compat" }, // Of the list of the session.
    loader: { ".svg": "copy" },
    minify: true,
    metafile: true,
    logLevel: "warning",
    ...more,
  });
  return metafile;
}

async function bundle() {
  rmSync(dist, { recursive: true, force: true });
  const pages = await bundleOf(PAGES, {
    format: "esm", splitting: true, plugins: [oneFirstChunk],
    mangleProps: /^_[a-z]/i, // Private members of xterm: 5 kB of it.
  });
  const workers = await bundleOf(WORKERS, { format: "iife" });
  return {
    inputs: { ...pages.inputs, ...workers.inputs },
    outputs: { ...pages.outputs, ...workers.outputs },
  };
}

/** In the viewer `src/viewer/NAME` stands for the module that the pages have. */
const REPLACED = ["api/api.ts", "api/key.ts", "changes/link/tab.tsx", "markdown/index.ts",
  "router/address.ts", "shell/places.ts", "state/clock.ts", "stream/index.ts"];
const OTHER_NAMES = { "markdown/index.ts": "markdown.tsx", "stream/index.ts": "stream.ts" };
const replacementOf = (name) =>
  path.join(here, "src/viewer", OTHER_NAMES[name] ?? path.basename(name));

const replaced = {
  name: "modules of the viewer",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^\./ }, async ({ path: name, kind, pluginData, ...from }) => {
      if (pluginData === "asked") return undefined;
      const found = await resolve(name, { ...from, kind, pluginData: "asked" });
      const own = path.relative(path.join(here, "src"), found.path);
      return REPLACED.includes(own) ? { path: replacementOf(own) } : undefined;
    });
  },
};

/** One file that asks nobody anything: its policy names its own script and style, and no more. */
async function viewer() {
  const folder = path.join(out, "viewer");
  const made = await bundleOf(["src/viewer/main.tsx", "src/viewer/viewer.css"],
    { format: "iife", plugins: [replaced], outdir: folder, entryNames: "[name]" });
  const [script, style] = ["main.js", "viewer.css"].map((name) =>
    readFileSync(path.join(folder, name), "utf8").trimEnd());
  const hashOf = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const parts = { script, style,
    policy: `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; ` +
      "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'" };
  const html = readFileSync(path.join(here, "src/viewer/viewer.html"), "utf8")
    .replace(/\{(script|style|policy)\}/g, (_, name) => parts[name]);
  const [head, tail] = html.split("{document}").map((text, at) => {
    const file = path.join(folder, ["head.html", "tail.html"][at]);
    writeFileSync(file, text);
    return { file, size: Buffer.byteLength(text) };
  });
  return { metafile: made, head, tail };
}

/** The name of what an entry point became. */
function nameOf(metafile, entry) {
  const found = Object.entries(metafile.outputs).find(([name, about]) =>
    about.entryPoint === entry || (entry.endsWith(".svg") && name.endsWith(".svg")));
  return path.basename(found[0]);
}

/** The chunk of an entry point, and all that it imports. */
function chunksOf(metafile, entry) {
  const outputs = Object.entries(metafile.outputs);
  const begin = outputs.find(([, about]) => about.entryPoint === entry);
  if (begin === undefined) console.error(`web/build.mjs: ${entry} has no chunk`);
  const found = new Set(begin?.slice(0, 1));
  for (const name of found) {
    const statements = metafile.outputs[name].imports.filter((one) =>
      one.kind === "import-statement");
    for (const one of statements) found.add(one.path);
  }
  return [...found].map((name) => path.basename(name));
}

/** Chunks that the first script needs in any case: else a browser would find them one by one. */
const preloads = (metafile) => chunksOf(metafile, "src/main.tsx").slice(1).map((name) =>
  `<link rel="modulepreload" href="/assets/${name}">\n`).join("");

const VIEW = /path: "([^"]+)",\s*load: \(\) => import\("\.\.\/([^"]+)"\)/g;

/** The same of each view, for the page to load with it: names, then the numbers of those that a
 *  place needs, `a.js b.js;/r/:id 0 1;/usage 1`. */
function viewChunks(metafile) {
  const places = readFileSync(path.join(here, "src/shell/places.ts"), "utf8");
  const first = chunksOf(metafile, "src/main.tsx"), names = [], rows = [];
  for (const [, place, entry] of places.matchAll(VIEW)) {
    const [, ...needed] = chunksOf(metafile, `src/${entry}`);
    const later = needed.filter((name) => !first.includes(name));
    for (const name of later) if (!names.includes(name)) names.push(name);
    if (later.length > 0) rows.push([place, ...later.map((name) => names.indexOf(name))].join(" "));
  }
  return `<meta name="chunks" content="${[names.join(" "), ...rows].join(";")}">\n`;
}

function page(metafile) {
  const html = readFileSync(path.join(here, "src/index.html"), "utf8")
    .replace("<script", () => `${viewChunks(metafile)}${preloads(metafile)}<script`);
  return html.replaceAll(/\{(src\/[^}]+)\}/g, (_, entry) => `/assets/${nameOf(metafile, entry)}`);
}

function image(files, { head, tail }) {
  const rows = [...files.map(({ file }, at) => [`web_${at}`, file]),
    ["viewer_head", head.file], ["viewer_tail", tail.file]];
  const data = rows.map(([name, file]) =>
    `    .global ${name}\n${name}:\n    .incbin "${file}"\n`);
  return "/* Made by web/build.mjs. */\n    .section .rodata.web, \"a\"\n" +
    `${data.join("")}    .section .note.GNU-stack, "", %progbits\n`;
}

function table(files, { head, tail }) {
  const parts = [...files.map((_, at) => `web_${at}`), "viewer_head", "viewer_tail"]
    .map((name) => `extern const char ${name}[];\n`);
  const rows = files.map(({ name, media, size, gzip }, at) =>
    `    {"${name}", "${media}", web_${at}, ${size}, ${gzip}},\n`);
  return `/* Made by web/build.mjs. */\n#include "api/system/web_files.h"\n\n${parts.join("")}\n` +
    `const struct web_file web_files[] = {\n${rows.join("")}};\n` +
    `const size_t web_file_count = ${files.length};\n\n` +
    `const struct bytes web_viewer_head = {viewer_head, ${head.size}};\n` +
    `const struct bytes web_viewer_tail = {viewer_tail, ${tail.size}};\n`;
}

const metafile = await bundle(), exported = await viewer();
writeFileSync(path.join(dist, "index.html"), page(metafile));
const packed = path.join(out, "packed");
rmSync(packed, { recursive: true, force: true });
mkdirSync(packed, { recursive: true });

/** The path of NAME, packed. */
async function pack(name) {
  const plain = path.join(dist, "assets", name), made = path.join(packed, name);
  const bytes = process.argv[3] !== "small" ? gzipSync(readFileSync(plain), { level: 9 })
    : (await promisify(execFile)("zopfli", ["-c", plain],
      { encoding: "buffer", maxBuffer: 64 << 20 })).stdout;
  writeFileSync(made, bytes);
  return made;
}

const assets = readdirSync(path.join(dist, "assets")).sort();
const files = [{ name: "index.html", file: path.join(dist, "index.html"), gzip: false }];
files.push(...await Promise.all(
  assets.map(async (name) => ({ name, file: await pack(name), gzip: true }))));
for (const one of files) {
  one.media = MEDIA[path.extname(one.name)];
  one.size = statSync(one.file).size;
}
writeFileSync(path.join(out, "web_image.S"), image(files, exported));
writeFileSync(path.join(out, "web_files.c"), table(files, exported));
const inputs = [...new Set([metafile, exported.metafile].flatMap(({ inputs: all }) =>
  Object.keys(all))), "src/index.html", "src/viewer/viewer.html"].map((name) =>
  path.join(here, name));
inputs.push(fileURLToPath(import.meta.url));
// As ninja names the first output, relative to its own folder.
const made = path.relative(process.cwd(), path.join(out, "web_image.S"));
writeFileSync(path.join(out, "web.d"), `${made}: ${inputs.join(" ")}\n`);
