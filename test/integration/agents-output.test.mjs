// agents-output.test.mjs: what programs print, however much it is: long answers, long lines, lines
// that cannot be read.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { STANDIN, define, open, script, session } from "./agents.mjs";
import { textOf, toolsOf } from "./turns.mjs";

const LINES = { text: "say", tool: "tool", tool_id: "id", arguments: "in", tool_result: "out",
  result: "done", input_tokens: "usage.in", output_tokens: "usage.out" };

/** The stand-in as an agent of JSON lines. */
const defineLines = (turns) => define(turns, "lines", { program: "json_lines", lines: LINES,
  command: script(turns, "lines", `exec ${process.execPath} ${STANDIN} lines "$@"`) });

test("a program that says and does more than a message holds is not ended for that", async (t) => {
  const turns = await open(t);
  defineLines(turns);
  const listener = await session(turns, { agent: "lines" });
  const { end, message } = await turns.turn(listener, "MANY(1100)");
  assert.deepEqual([end.state, end.cause], ["succeeded", "completed"]);
  const { parts } = message;
  assert.ok(parts.length < 2000, `${parts.length} parts`);
  const text = textOf(message);
  const tools = toolsOf(message);
  const condensed = parts.filter(({ data }) => data.condensed > 0);
  for (let i = 1; i <= 1100; i++) {
    const green = [`[make {"target":"t${i}"}: succeeded: green ${i}]`, `green ${i}`];
    assert.ok(text.includes(`word ${i}`), `word ${i}`);
    assert.ok(text.includes(green[0]) || tools.some((one) => one.text === green[1]), `tool ${i}`);
  }
  assert.ok(tools.length > 100 && tools.every(({ state }) => state === "succeeded"));
  const numbers = parts.map(({ number }) => number);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  assert.equal(condensed.reduce((sum, { data }) => sum + data.condensed - 1, parts.length), 2201);
  // A part is found by its number; and the next process has the end of it all.
  const last = parts.at(-1);
  assert.equal((await turns.get(`/messages/${message.id}/parts/${last.number}`)).text, last.text);
  assert.match(last.text, /turn 1 of lines$/);
  assert.equal((await turns.turn(listener, "and now?")).end.state, "succeeded");
  listener.close();
});
