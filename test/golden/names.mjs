// names.mjs: what differs between two runs of a scenario, replaced by names that do not.
//
// As little as possible is replaced, and never the type: a number becomes <n> or <ms> and stays one
// that stands without quotes; null and 0 stay what they are.
import { changed, parse, print } from "./json.mjs";

/** Members whose numbers are measured. */
const MEASURED = new Set(
  `cpu_us memory_kb disk_bytes duration_ms latency_ms first_ms ms used spent_ms`.split(" "),
);
const ID = /\b([a-z]{3})_[0-9a-hjkmnp-tv-z]{26}\b/g;
const SECRET = /\bdrv_[0-9a-f]{64}\b/g;
/** A time in milliseconds, of the years 2020 to 2033. */
const MILLISECONDS = /(?<!\d)1[6-9]\d{11}(?!\d)/g;

export class Names {
  #ids = new Map();
  #counts = new Map();
  #words = [];

  /** `text` is shown as `name` from now on. */
  add(text, name) {
    this.#words.push([text, name]);
    this.#words.sort(([a], [b]) => b.length - a.length);
  }

  #id(id, kind) {
    if (!this.#ids.has(id)) {
      const count = (this.#counts.get(kind) ?? 0) + 1;
      this.#counts.set(kind, count);
      this.#ids.set(id, `<${kind}${count}>`);
    }
    return this.#ids.get(id);
  }

  text(text) {
    let shown = text;
    for (const [word, name] of this.#words) shown = shown.replaceAll(word, name);
    return shown
      .replace(SECRET, "<secret>")
      .replace(ID, (id, kind) => this.#id(id, kind))
      .replace(MILLISECONDS, "<ms>")
      .replace(/\b20[23]\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?/g, "<time>")
      .replace(/\b20[23]\d-\d\d-\d\d\b/g, "<day>");
  }

  #scalar(text, key, above) {
    if (!/^-?[1-9]/.test(text)) return this.text(text);
    if (MEASURED.has(key)) return "<n>";
    if (key === "wall_ms" && /^(spent|reserved)$/.test(above.at(-1))) return "<n>";
    // How the bytes of a prompt are shared out depends on the tools that this system permits.
    if (above.includes("prompt")) return "<n>";
    return this.text(text);
  }

  node(node) {
    return changed(node, (text, key, above) => this.#scalar(text, key, above));
  }

  json(text) {
    return print(this.node(parse(text)));
  }

  /** On one line. */
  short(value) {
    return this.text(typeof value === "string" ? value : JSON.stringify(value));
  }
}
