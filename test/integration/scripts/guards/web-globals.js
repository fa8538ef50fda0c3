export const meta = {
  name: "web-globals",
  description: "Uses what browsers and Node have, if it is there.",
};

const controller = typeof AbortController !== "undefined" ? new AbortController() : null;
const bytes = typeof TextEncoder === "function" ? (t) => new TextEncoder().encode(t).length
  : (t) => unescape(encodeURIComponent(t)).length;
const clone = globalThis.structuredClone ?? ((value) => JSON.parse(JSON.stringify(value)));
let host = "example.org";
try {
  host = new URL(args?.url ?? "https://example.com/a").host;
} catch (error) {
  log(`no URL: ${error.name}`);
}
const base = { tags: ["a"] };
const copy = clone(base);
copy.tags.push("b");
const cache = typeof WeakRef === "function" ? new WeakRef(copy) : { deref: () => copy };
const id = typeof crypto !== "undefined" ? crypto.randomUUID() : `id-${cache.deref().tags.length}`;
const text = await agent(`Check ${host} as ${id}.`, { label: id, signal: controller?.signal });
return {
  aborts: controller !== null, bytes: bytes("ä€"), tags: base.tags.length, text: typeof text,
};
