// agents-output.test.mjs: what programs print, however much it is: long answers, long lines, lines
// that cannot be read.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { STANDIN, define, letGo, open, prompts, script, session } from "./agents.mjs";
import { until } from "./providers.mjs";
import { Listener, textOf, toolsOf } from "./turns.mjs";

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

test("an answer of 8 MB, or a picture, is a line that can be read", async (t) => {
  const kinds = ["claude", "codex", "opencode", "pi"];
  const turns = await open(t, kinds);
  for (const agent of kinds) {
    const listener = await session(turns, { agent });
    const { end, message } = await turns.turn(listener, `TOOL PICTURE LONG ${agent}`);
    assert.deepEqual([agent, end.state, end.cause], [agent, "succeeded", "completed"]);
    assert.match(end.note, /^\d+ bytes of its output are left out here/);
    const [tool] = toolsOf(message);
    assert.deepEqual([tool.state, tool.text], ["succeeded", "all green"]);
    const text = message.parts.filter(({ kind }) => kind === "text");
    assert.match(text[0].text, new RegExp(`^turn 1 of ${agent} (long)+`));
    const { number, bytes } = text.at(-1);
    assert.ok(bytes > 500000, `${bytes} bytes`);
    const last = await turns.get(
      `/messages/${message.id}/parts/${number}?offset=${bytes - 100}&limit=100`);
    assert.match(last.text, /\n\[drover: \d+ bytes are left out\]$/);
    assert.equal(end.note, (await turns.get(`/runs/${end.run}`)).note);
    listener.close();
  }
  assert.equal(prompts(turns).length, kinds.length);
  assert.ok(prompts(turns).every((one) => one.length === 1)); // One process each.
});

test("bad bytes are replaced, and of a key that stands twice the last one counts", async (t) => {
  const turns = await open(t);
  define(turns, "lines", { program: "json_lines", lines: LINES, command: script(turns, "lines",
    `printf '{"say":"a","say":"b\\377c"}\\n{"done":0,"done":true}\\n'`) });
  const listener = await session(turns, { agent: "lines" });
  const { end, message } = await turns.turn(listener, "hello");
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "b\ufffdc"]);
  listener.close();
});

test("a program whose result cannot be read has ended, and is not begun again", async (t) => {
  const turns = await open(t);
  const begun = (name) => `echo begun >>${name}-begun;`;
  define(turns, "lines", { program: "json_lines", lines: LINES, command: script(turns, "lines",
    `${begun("lines")} printf '{"say":"hi"}\\n{"done":tru\\n'`) });
  script(turns, "claude", `${begun("claude")} read line
echo '{"type":"system","subtype":"init","session_id":"s"}'
echo '{"type":"result","subtype":"success","result":"hi'`);
  for (const agent of ["lines", "claude"]) {
    const listener = await session(turns, { agent });
    const { end } = await turns.turn(listener, "hello");
    assert.deepEqual([agent, end.state, end.cause], [agent, "failed", "outcome_unknown"]);
    assert.match(end.note, /1 line of its output could not be read/);
    assert.equal(readFileSync(path.join(turns.root, `${agent}-begun`), "utf8"), "begun\n");
    listener.close();
  }
});

test("a daemon that is killed in the middle of a long line reads all of it", async (t) => {
  const turns = await open(t);
  const half = "head -c 1500000 /dev/zero | tr '\\0'";
  define(turns, "long", { program: "json_lines", lines: LINES, command: script(turns, "long",
    `echo '{"say":"one "}'; printf '{"say":"'; ${half} a; : >half
until [ -e go ]; do sleep 0.02; done
${half} b; printf '","more":1}\\n{"say":" two"}\\n{"done":true}\\n'`) });
  const listener = await session(turns, { agent: "long" });
  const { run } = await turns.send(listener.session, "hello");
  await listener.until("delta", ({ text }) => text.includes("one"));
  await until("half of it is there", () => existsSync(path.join(turns.root, "half")));
  await turns.daemon.kill();
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  letGo(turns);
  const end = await again.ended(run);
  assert.deepEqual([end.state, end.note.split(" ")[0]], ["succeeded", `${3000000 - (512 << 10)}`]);
  const message = await turns.answer(listener.session, run);
  const whole = await turns.get(`/messages/${message.id}`);
  assert.match(textOf(whole), /^one a{524288}\n\[drover: \d+ bytes are left out\] two$/);
  for (const one of [listener, again]) one.close();
});

test("output that the log dropped before it was read is named by its bytes", async (t) => {
  const turns = await open(t);
  define(turns, "long", { program: "json_lines", lines: LINES, command: script(turns, "long",
    `echo '{"say":"one "}'; until [ -e go ]; do sleep 0.02; done
word=$(head -c 60000 /dev/zero | tr '\\0' x)
for i in $(seq 1200); do printf '{"say":"%s"}\\n' $word; done
echo '{"say":" two"}'; echo '{"done":true}'; : >printed`) });
  const listener = await session(turns, { agent: "long" });
  const { run } = await turns.send(listener.session, "hello");
  await listener.until("delta", ({ text }) => text.includes("one"));
  await turns.daemon.kill();
  letGo(turns);
  await until("all is printed", () => existsSync(path.join(turns.root, "printed")));
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  const end = await again.ended(run);
  assert.equal(end.state, "succeeded");
  const told = /^(\d+) lines? .* read; (\d+) bytes of it \(between byte (\d+) and byte (\d+)\)/;
  const [lines, gone, from, to] = told.exec(end.note).slice(1).map(Number);
  assert.ok(lines > 0 && gone === to - from, end.note);
  assert.match(end.note, /were dropped .*\('drover logs' of its process has the rest\)$/);
  const [folder] = readdirSync(path.join(turns.daemon.data, "spool"));
  const logs = `/api/v1/jobs/${folder.split(".")[0]}/logs?offset=${from}&limit=1`;
  const { headers } = await turns.daemon.request("GET", logs);
  assert.equal(headers["drover-dropped"], `${from}-${to}`);
  for (const one of [listener, again]) one.close();
});

test("a program that cannot go on in its session is begun once, however it ends", async (t) => {
  const turns = await open(t);
  const ends = { done: ["exit 0", "gateway_timeout"], crash: ["exit 1", "crashed"],
    locked: ["echo package is locked >&2; exit 1", "crashed"],
    hook: ["echo HTTP 500 from hook >&2; exit 0", "gateway_timeout"],
    told: ["echo HTTP 500 of ours >&2; exit 1", "provider_error"],
    limited: [`echo '{"error":"429 Too many requests"}'; exit 1`, "rate_limited"] };
  for (const [agent, [words, cause]] of Object.entries(ends)) {
    define(turns, agent, { program: "json_lines", lines: { ...LINES, error: "error" },
      stderr: { "500 of ours": "provider_error" },
      command: script(turns, agent, `echo begun >>${agent}-begun; ${words}`) });
    const listener = await session(turns, { agent });
    const { end } = await turns.turn(listener, "hello");
    assert.deepEqual([agent, end.state, end.cause], [agent, "failed", cause]);
    assert.equal(readFileSync(path.join(turns.root, `${agent}-begun`), "utf8"), "begun\n");
    listener.close();
  }
});
