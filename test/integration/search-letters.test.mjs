// search-letters.test.mjs: a search takes A to Z for a to z and tells all other letters apart, on
// each database, whatever the locale by which PostgreSQL's lower() works.
//
// runs-with: release, postgres, each
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { sql } from "./hosts.mjs";
import { say, Turns } from "./turns.mjs";

/** A database that sorts by bytes and knows letters beyond ASCII; nothing with SQLite. */
function databaseWithLetters() {
  const server = process.env.DROVER_DATABASE;
  if (!server) return {};
  const name = `letters${randomBytes(6).toString("hex")}`;
  const locale = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'";
  sql(server, `CREATE DATABASE ${name} TEMPLATE template0 ${locale}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  assert.equal(sql(url.toString(), "SELECT lower('É')"), "é");
  return { DROVER_DATABASE: url.toString() };
}

test("lists of runs and sessions are searched by the same letters", async (t) => {
  const turns = await Turns.open(t, { env: databaseWithLetters() });
  const job = { argv: ["true"], label: "Großes ÉCLAIR" };
  assert.equal((await turns.ask("POST", "/jobs", job)).status, 201);
  const listener = await turns.listen();
  await turns.turn(listener, say("Großes ÉCLAIR"));
  const found = async (text) => {
    const q = encodeURIComponent(text);
    const { items: jobs } = await turns.get(`/jobs?q=${q}`);
    const { items: sessions } = await turns.get(`/sessions?q=${q}`);
    return [jobs.length, sessions.length];
  };
  for (const text of ["Großes ÉCLAIR", "gROßES ÉclaiR", "É"])
    assert.deepEqual(await found(text), [1, 1], text);
  for (const text of ["é", "éclair", "GROSSES"]) assert.deepEqual(await found(text), [0, 0], text);
});
