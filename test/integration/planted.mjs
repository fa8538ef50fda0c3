// planted.mjs: a word that a test has planted, looked for in the raw files of the data directory,
// and in the rows of a server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Files below a folder that hold the word, or have it in their name, and what stands there. */
function holding(folder, word) {
  const found = [];
  let entries = [];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) { // It was removed meanwhile.
    assert.equal(error.code, "ENOENT");
  }
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.name.includes(word)) found.push(file);
    if (entry.isDirectory()) {
      found.push(...holding(file, word));
    } else if (entry.isFile()) {
      let bytes = Buffer.alloc(0);
      try {
        bytes = readFileSync(file);
      } catch (error) { // It was removed meanwhile.
        assert.equal(error.code, "ENOENT");
      }
      for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1)) {
        const around = bytes.subarray(Math.max(at - 120, 0), at + 40).toString("latin1");
        found.push(`${file} at ${at}: ${around.replace(/[^ -~]+/g, ".")}`);
      }
    }
  }
  return found;
}

/** Rows of a server's tables that hold it: the server's own files are its own affair. */
function inTables(daemon, word) {
  const url = daemon.env.DROVER_DATABASE;
  if (!url) return [];
  const psql = (text) => execFileSync("psql", ["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", url],
    { input: text, encoding: "utf8" }).split("\n").filter(Boolean);
  const tables = psql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema();");
  return psql(tables.map((table) =>
    `SELECT '${table} ' || left(t::text, 300) FROM ${table} t WHERE t::text LIKE '%${word}%';`)
    .join("\n"));
}

export const leftOf = ({ daemon }, word) =>
  [...holding(daemon.data, word), ...inTables(daemon, word)];
