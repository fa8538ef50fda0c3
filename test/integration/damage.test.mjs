// damage.test.mjs: rows that were changed behind the daemon's back. What they belong to ends with a
// cause or shows null; everything else works.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { sql } from "./sql.mjs";
import { call, Listener, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const LONG = "All work and no play makes a long line. ".repeat(250); // 10,000 bytes.

/** Down, changed, and up again. */
async function change(turns, ...statements) {
  await turns.daemon.stop();
  sql(turns.daemon, ...statements);
  await turns.daemon.start();
}

test("a turn whose history cannot be read fails, and the next message works", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "script.json");
  const steps = [{ when: '[{"user":', steps: [[say("SUMMARY")]] }];
  writeFileSync(file, JSON.stringify({ models: { demo: { turns: steps } } }));
  const turns = await Turns.open(t, { env: { DROVER_SCRIPT: file } });
  const listener = await turns.listen();
  for (let i = 0; i < 3; i++) await turns.turn(listener, script(LONG, say(`answer ${i}`)));
  const made = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  assert.ok(made.status < 300, made.text);
  await listener.until("turn_finished");
  listener.close();
  // Longer than any summary that drover stores: what reads it refuses it, again and again.
  const long = "x".repeat(300 << 10);
  await change(turns, `UPDATE checkpoints SET summary = '${long}'`);
  const again = await new Listener(turns, listener.session).open();
  const other = await turns.listen();
  const { run } = await turns.send(listener.session, say("never said"));
  assert.equal((await turns.turn(other, say("fine"))).end.state, "succeeded");
  const end = await again.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"]);
  const failed = await turns.answer(listener.session, run);
  assert.deepEqual([failed.status, failed.cause], ["failed", "history_unreadable"]);
  const next = await turns.turn(again, say("works"));
  assert.deepEqual([next.end.state, textOf(next.message)], ["succeeded", "works"]);
  again.close();
  other.close();
});

test("a tool's card that is damaged shows null, and its session goes on", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const { message } = await turns.turn(listener, script(call("list_files", {}), say("listed")));
  assert.equal(toolsOf(message).length, 1);
  listener.close();
  for (const damage of ['{"arguments": {"a": 1', '{"arguments":\n', "", "\u0001"]) {
    await change(turns, `UPDATE parts SET data = '${damage}' WHERE kind = 'tool'`);
    const [, answer] = await turns.messages(listener.session);
    assert.deepEqual(toolsOf(answer).map((part) => part.data), [null]);
    const again = await new Listener(turns, listener.session).open();
    again.heard.after = 0;
    const next = await turns.turn(again, say("goes on"));
    assert.equal(next.end.state, "succeeded", damage);
    again.close();
  }
});
