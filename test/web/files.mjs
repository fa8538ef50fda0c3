// files.mjs: the files of the pages, as a browser gets them.
import http from "node:http";
import { gunzipSync } from "node:zlib";

const sizeOf = (url) => new Promise((resolve, reject) => {
  http.get(url, { agent: false }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const isPacked = answer.headers["content-encoding"] === "gzip";
      resolve({ size: bytes.length, text: String(isPacked ? gunzipSync(bytes) : bytes) });
    });
  }).on("error", reject);
});

/** All files of the pages, and those of them that the first view loads. */
export async function filesOf(daemon) {
  const page = await sizeOf(daemon.url);
  const files = new Map([["index.html", page.size]]);
  const first = new Set(["index.html"]);
  const addressed = (pattern, text) => [...text.matchAll(pattern)].map((found) => found[1]);
  async function add(name, isFirst) {
    if (isFirst) first.add(name);
    if (files.has(name)) return;
    files.set(name, 0); // Files may name each other.
    const { size, text } = await sizeOf(`${daemon.url}/assets/${name}`);
    files.set(name, size);
    if (!name.endsWith(".js")) return;
    const loaded = addressed(/(?:from|import)\s*"\.\/([\w-]+\.js)"/g, text);
    for (const one of loaded) await add(one, first.has(name));
    for (const one of addressed(/import\("\.\/([\w-]+\.js)"\)/g, text)) await add(one, false);
  }
  // Files that `content` names are workers: they are loaded later.
  for (const [, how, name] of page.text.matchAll(/(href|src|content)="\/assets\/([^"]+)"/g)) {
    await add(name, how !== "content");
  }
  return { files, first };
}
