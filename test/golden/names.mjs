// names.mjs: what differs between two runs of a scenario, replaced by names that do not.
//
// As little as possible is replaced, and never the type: a number becomes <n> or <ms> and stays one
// that stands without quotes; null and 0 stay what they are.
import { changed, parse, print } from "./json.mjs";

/** Members whose numbers are measured. */
const MEASURED = new Set(
  `cpu_us memory_kb disk_bytes duration_ms latency_ms wait_ms ms pid`.split(" "),
);
/** Members whose numbers are estimates where a call was stopped: of the bytes that were sent. */
const ESTIMATED = new Set(
  `fresh cache_read cache_write output reasoning context_used tokens cache_hit_rate`.split(" "),
);
const ID = /\b(mail|[a-z]{3})_[0-9a-hjkmnp-tv-z]{26}\b/g;
/** The beginning of an id, as hints have it. */
const SHORT_ID = /\b(mail|[a-z]{3})_[0-9a-hjkmnp-tv-z]{12}\b/g;
/** How far a moment is from now. */
const APART = "(now|\\d+ (s|min|h|days) ago|in \\d+ (s|min|h|days))";
/** A data directory on its machine: where a host is. */
const PLACE = /\b[0-9a-f]{32}\/\d+\/[0-9a-f]{16}\b/g;
const SECRET = /\bdrv_[0-9a-f]{64}\b/g;
const LINK = /(#link=|"link":\s*")[0-9a-f]{64}\b/g;
/** A time in milliseconds, of the years 2020 to 2033. */
const MILLISECONDS = /(?<!\d)1[6-9]\d{11}(?!\d)/g;

/** Texts that only have to be long. */
const shortened = (text) =>
  text
    .replace(/x{60,}/g, (run) => `x…${run.length}`)
    .replace(/"n0",.*"n299"/g, '"n0", …, "n299"');

export class Names {
  /** `version`: of the binary under test. */
  constructor(version) {
    this.version = new RegExp(`(?<![\\d.])${version.replaceAll(".", "\\.")}(?![\\d.])`, "g");
  }

  #ids = new Map();
  #counts = new Map();
  /** A scenario that stops calls of models sets this. */
  estimates = false;
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

  /** The name of the id that begins so, where one was seen. */
  #shortId(short, kind) {
    const whole = [...this.#ids.keys()].find((id) => id.startsWith(short));
    return whole === undefined ? `<${kind}>` : `${this.#ids.get(whole)}`;
  }

  text(text) {
    // Ids come first: one that ends in 0, followed by ".1.0", contains the version "0.1.0", and one
    // may end as the host is called.
    let shown = shortened(text)
      .replace(SECRET, "<secret>")
      .replace(LINK, "$1<secret>")
      .replace(ID, (id, kind) => this.#id(id, kind))
      .replace(SHORT_ID, (short, kind) => this.#shortId(short, kind));
    for (const [word, name] of this.#words) shown = shown.replaceAll(word, name);
    return shown
      .replace(PLACE, "<place>")
      .replace(this.version, "<version>")
      .replace(MILLISECONDS, "<ms>")
      .replace(/(duration_ms\\?":)\d+/g, "$1<n>")
      .replace(/\b20[23]\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?/g, "<time>")
      .replace(/\b20[23]\d-\d\d-\d\d\b/g, "<day>");
  }

  /** What a command prints for people: times that something took stand in columns, or last. */
  output(text) {
    const took = "(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h|d) ?)+";
    return this.text(text)
      .replace(new RegExp(` {2,}${took}(?= |$)`, "gm"), "  <took>")
      .replace(new RegExp(`, ${took}$`, "gm"), ", <took>")
      .replace(/\d+ kB of memory(, \d+ process(es)?)?/g, "<n> kB of memory")
      .replace(/\bby process \d+/g, "by process <pid>")
      .replace(/\b(pid) \d+/g, "$1 <pid>")
      .replace(/\bup [\dhmsd]+/g, "up <took>")
      .replace(new RegExp(`\\b${APART} \\(<time>\\)`, "g"), "<ago> (<time>)")
      .replace(new RegExp(` {2}${APART} *(?= {2}|$)`, "gm"), "  <ago>")
      .replace(/\bresets in \d+ (s|min|h)\b/g, "resets in <time>");
  }

  #scalar(text, key, above) {
    const inside = above.at(-1);
    // The holder looks now and then; a command may have ended before.
    if (key === "processes" && inside === "result") return "<n or null>";
    if (key === "first_ms") return "<n or null>"; // As the answer was read in one piece or in two.
    if (inside === "disk" && key !== undefined) return "<of this disk>";
    if (key === "engine") return text.replace(/[0-9a-f]{64}/, "<engine>"); // By the compiler.
    if (key === "digest") return text.replace(/[0-9a-f]{64}/, "<digest>"); // Of a path, too.
    if (!/^-?\d/.test(text)) return this.text(text);
    if (inside === "progress" && key !== "last_ms") return "<n>"; // As far as its steps have come.
    if (this.estimates && ESTIMATED.has(key) && text !== "0") return "<n>";
    if (MEASURED.has(key) || (key === "used" && inside === "descriptors")) return "<n>";
    if (key === "wall_ms" && /^(spent|reserved)$/.test(inside)) return "<n>";
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
