// agents-ends.test.mjs: a program that is killed, waits, or is stopped at any moment: the end
// of its turn, its questions and its processes.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import {
  STANDIN, define, killProgram, letGo, open, prompts, script, session,
} from "./agents.mjs";
import { sideBySide } from "./lib.mjs";
import { processesOf } from "./processes.mjs";
import { until } from "./providers.mjs";
import { Listener, textOf, toolsOf } from "./turns.mjs";

const test = sideBySide(6);

const live = async (turns, kind) =>
  (await turns.get("/runs?live=1")).items.filter((run) => run.kind === kind);
const gone = (turns) =>
  until("all has ended", async () => (await turns.get("/runs?live=1")).items.length === 0);

// Ten seconds, so this one begins first.
test("a program that stays after its failure is ended before the next attempt", async (t) => {
  const turns = await open(t);
  const failure = { type: "turn.failed", error: { message: "503 server error" } };
  define(turns, "stays", { program: "codex", command: script(turns, "stays",
    `echo '{"type":"thread.started","thread_id":"t1"}'
echo '${JSON.stringify(failure)}'; exec sleep 1000`) });
  const listener = await session(turns, { agent: "stays" });
  const { run } = await turns.send(listener.session, "hello");
  await listener.until("turn_waiting");
  await until("its process has ended", () => processesOf(turns.daemon.data).length === 0);
  assert.equal((await turns.get(`/runs/${run}`)).state, "waiting");
  listener.close();
});

test("a program that is killed goes on once in its session, and then fails", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const once = await turns.send(listener.session, "be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  assert.equal(killProgram(turns), 1);
  assert.equal((await listener.ended(once.run)).state, "succeeded");
  assert.match(prompts(turns)[0][1], /^You were interrupted/);
  const { items } = await turns.get(`/runs/${once.run}/spans`);
  const ends = items.map(({ state, cause }) => `${state}: ${cause}`);
  assert.deepEqual(ends.filter((one) => one !== "succeeded: completed"), ["failed: signal"]);
  assert.equal(textOf(await turns.answer(listener.session, once.run)), "one turn 2 of claude");
  const twice = await turns.turn(listener, "DIE always");
  assert.deepEqual([twice.end.state, twice.end.cause], ["failed", "signal"]);
  assert.equal(prompts(turns)[0].length, 4);
  assert.equal(textOf((await turns.turn(listener, "hello")).message), "turn 5 of claude");
  listener.close();
});

/** A program that ends by these words before it reads anything, while `doomed` is in its folder. */
function doom(turns, words) {
  script(turns, "codex", `[ ! -e doomed ] || { ${words}; }
exec ${process.execPath} ${STANDIN} codex "$@"`);
  writeFileSync(path.join(turns.root, "doomed"), "");
}

test("words that a program died without are in the prompt of its next process", async (t) => {
  for (const words of ["rm doomed; kill -9 $$", "rm doomed; echo boom >&2; exit 3"]) {
    const turns = await open(t, "codex");
    const listener = await session(turns);
    await turns.turn(listener, "the first");
    doom(turns, words);
    const { end } = await turns.turn(listener, "the second");
    assert.equal(end.state, "succeeded");
    const [heard] = prompts(turns);
    assert.deepEqual([heard.length, heard[0]], [2, "the first"]);
    assert.match(heard[1], /^You were interrupted.* may not have read yet .*:  the second$/);
    listener.close();
  }
});

test("a program whose new session has read nothing hears all of it again", async (t) => {
  const turns = await open(t, "codex", { instructions: "Be brief." });
  const listener = await session(turns);
  await turns.turn(listener, "the first");
  for (const [words, cause] of [["kill -9 $$", "signal"], ["exit 0", "gateway_timeout"]]) {
    const fork = await turns.ask("POST", `/sessions/${listener.session}/fork`, {});
    const other = await new Listener(turns, fork.json.id).open();
    doom(turns, `rm doomed; touch .standin/${cause}
echo '{"type":"thread.started","thread_id":"${cause}"}'; ${words}`);
    const { end, message } = await turns.turn(other, "the second");
    assert.deepEqual([end.state, textOf(message)], ["succeeded", "turn 1 of codex"], cause);
    const heard = readFileSync(path.join(turns.root, ".standin", cause), "utf8");
    assert.match(heard, new RegExp("^Be brief[.] .*interrupted.*User: the first .*" +
      "You: turn 1 of codex .*Now the user says:  the second\n$"));
    other.close();
  }
  listener.close();
});

test("a program whose conversation is full starts again with what was said", async (t) => {
  const turns = await open(t, "codex");
  const listener = await session(turns);
  await turns.turn(listener, "the first");
  doom(turns, `rm doomed; echo '{"type":"turn.failed","error":{"message":` +
    `"Codex ran out of room in the model\\u0027s context window. Start a new thread."}}'; exit 1`);
  const { end } = await turns.turn(listener, "the second");
  assert.deepEqual([end.state, end.cause], ["succeeded", "completed"]);
  await turns.turn(listener, "the third");
  const heard = prompts(turns).map((lines) => lines.join(" "));
  assert.equal(heard.length, 2, "a second session of the program");
  assert.ok(heard.includes("the first"));
  const second = heard.find((text) => text !== "the first");
  assert.match(second, new RegExp("User: the first .*You: turn 1 of codex .*" +
    "Now the user says: +the second the third$"));
  listener.close();
});

test("a program without sessions gets what was said before", async (t) => {
  const turns = await open(t);
  define(turns, "plain", { program: "plain", command: "/bin/echo", args: ["heard:"] });
  define(turns, "lines", { program: "json_lines", lines: { result: "done" }, command: script(turns,
    "lines", `printf '{"done":"%s"}\\n' "$(printf %s "$1" | tr '\\n' ' ')"`) });
  for (const agent of ["plain", "lines"]) {
    const listener = await session(turns, { agent });
    await turns.turn(listener, "the first");
    const { message } = await turns.turn(listener, "the second");
    assert.match(textOf(message).replaceAll("\n", " "),
      /User: the first .*You: (heard: )?the first .*Now the user says: +the second ?$/, agent);
    listener.close();
  }
});

test("words of a turn that ended too early are in the next prompt", async (t) => {
  const turns = await open(t, "codex");
  const listener = await session(turns);
  await turns.turn(listener, "the first");
  doom(turns, "echo boom >&2; exit 3");
  assert.equal((await turns.turn(listener, "the second")).end.cause, "crashed");
  rmSync(path.join(turns.root, "doomed"));
  for (const text of ["the third", "the fourth"]) await turns.turn(listener, text);
  const [heard] = prompts(turns);
  assert.deepEqual([heard.length, heard[0], heard[2]], [3, "the first", "the fourth"]);
  assert.match(heard[1], /^Before, .*:  the second  Now the user says:  the third$/);
  listener.close();
});

test("a program that cannot be started says why", async (t) => {
  const turns = await open(t);
  define(turns, "echo", { program: "plain", command: "/bin/echo" });
  const listener = await session(turns), echo = await session(turns, { agent: "echo" });
  const long = await turns.turn(echo, "word ".repeat(40000));
  assert.deepEqual([long.end.state, long.end.cause], ["failed", "not_started"]);
  assert.match(long.end.note, /^echo could not be started: argv.1. is longer than 131071 bytes/);
  rmSync(turns.root, { recursive: true });
  const { end } = await turns.turn(listener, "hello");
  assert.deepEqual([end.state, end.cause], ["failed", "not_started"]);
  assert.match(end.note, /^claude could not be started: .*No such file or directory/);
  for (const one of [listener, echo]) one.close();
});

test("words and results of turns that were stopped early are in the next prompt", async (t) => {
  const turns = await open(t, "pi", { at_once: 1 });
  const listener = await session(turns), other = await session(turns);
  await turns.turn(listener, "the first");
  const slow = await turns.send(other.session, "be SLOW");
  await other.until("delta", ({ text }) => text.includes("one"));
  const stopInQueue = async () => {
    await until("it waits", async () => (await live(turns, "job")).some(({ state, label }) =>
      state === "queued" && label === "pi"));
    const { id: run } = (await live(turns, "turn")).find(({ id }) => id !== slow.run);
    assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
    assert.equal((await listener.ended(run)).state, "cancelled");
  };
  await turns.send(listener.session, "the second");
  await stopInQueue();
  const notify = [{ session: listener.session }];
  await turns.ask("POST", "/jobs", { argv: ["echo", "a certain result"], notify });
  await stopInQueue();
  letGo(turns);
  await other.ended(slow.run);
  await turns.turn(listener, "the third");
  const heard = prompts(turns).find(([one]) => one === "the first");
  assert.match(heard[1],
    /^Before, .*:  the second .*a certain result.* Now the user says:  the third$/);
  for (const one of [listener, other]) one.close();
});

test("each interruption of a program says its number and the most there may be", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { end, message } = await turns.turn(listener, "QUIT twice");
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "turn 3 of claude"]);
  assert.deepEqual(prompts(turns)[0].slice(1).map((one) => /interruption .*?\)/.exec(one)[0]),
    ["interruption 1 of at most 3)", "interruption 2 of at most 3)"]);
  listener.close();
});

test("a program that is interrupted again and again without progress fails", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { end } = await turns.turn(listener, "QUIT ALWAYS");
  assert.deepEqual([end.state, end.cause], ["failed", "max_retry_count"]);
  assert.match(end.note, /^claude ended before it was done: run it in a terminal to see why/);
  assert.deepEqual(prompts(turns)[0].slice(1).map((one) => /interruption .*?\)/.exec(one)[0]),
    [1, 2, 3].map((number) => `interruption ${number} of at most 3)`));
  const { items } = await turns.get(`/runs/${end.run}/spans`);
  const ends = items.filter(({ kind }) => kind === "model");
  assert.deepEqual(ends.map(({ cause, rule }) => `${cause}: ${rule}`),
    Array(4).fill("gateway_timeout: exit-0"));
  const { attempts } = await turns.get(`/runs/${end.run}`);
  const { usage } = await turns.get(`/sessions/${listener.session}`);
  assert.deepEqual([attempts, usage.cost_micros], [4, null], "four starts, of unknown cost");
  listener.close();
});

test("progress resets the count of interruptions, also over a restart", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "FALTER");
  await listener.until("tool_finished");
  listener.close();
  await turns.daemon.kill();
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  const end = await again.ended(run);
  assert.equal(end.state, "succeeded", end.note);
  assert.deepEqual(prompts(turns)[0].slice(1).map((one) => /interruption .*?\)/.exec(one)[0]),
    Array(3).fill("interruption 1 of at most 1)"));
  assert.equal(textOf(await turns.answer(listener.session, run)), "turn 4 of claude");
  again.close();
});

test("a question of a program that has died is asked by nobody any more", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "ASK me");
  const open_ = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await open_()).length === 1);
  assert.equal(killProgram(turns), 1);
  const end = await listener.ended(run);
  assert.equal(end.state, "succeeded"); // It went on, and asked no more.
  assert.deepEqual(await open_(), []);
  const [card] = toolsOf(await turns.answer(listener.session, run));
  assert.ok(!["running", "asking", "ready"].includes(card.state), card.state);
  listener.close();
});

test("a provider that refuses for now is waited for, over a restart, until somebody stops it",
  async (t) => {
    const turns = await open(t);
    const listener = await session(turns);
    const { run } = await turns.send(listener.session, "FAIL429");
    await listener.until("turn_waiting");
    listener.close();
    assert.equal((await turns.get(`/runs/${run}`)).state, "waiting");
    await turns.daemon.kill();
    await turns.daemon.start();
    const again = await new Listener(turns, listener.session).open();
    const state = async () => (await turns.get(`/runs/${run}`)).state;
    await until("it waits again", async () => (await state()) === "waiting");
    assert.deepEqual(await live(turns, "job"), []);
    assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
    assert.equal((await again.ended(run)).cause, "stopped");
    assert.equal(prompts(turns)[0].length, 1); // It was begun once.
    again.close();
  });

for (const agent of ["claude", "codex", "opencode"]) {
  test(`a wait that the provider of ${agent} names is kept`, async (t) => {
    const turns = await open(t, agent);
    const listener = await session(turns);
    const { run } = await turns.send(listener.session, "FAIL429 NAMES(1)");
    const wait = await listener.until("turn_waiting");
    assert.equal(wait.gate, "provider");
    assert.ok(wait.resume_at_ms - Date.now() <= 1000); // Ours would be a minute.
    assert.equal((await listener.ended(run)).state, "succeeded");
    assert.match(prompts(turns)[0][1], /^You were interrupted/);
    listener.close();
  });
}

test("a wait that a provider names goes on after a restart, and is waited once", async (t) => {
  const turns = await open(t, ["claude", "codex"]);
  const short = await session(turns), long = await session(turns, { agent: "codex" });
  const wait = async (listener, text) => {
    const { run } = await turns.send(listener.session, text);
    const { resume_at_ms: resumes } = await listener.until("turn_waiting");
    listener.close();
    return { run, resumes };
  };
  const far = await wait(long, "FAIL429 NAMES(7200)"), soon = await wait(short, "FAIL429 NAMES(1)");
  assert.ok(far.resumes - soon.resumes > 3600_000);
  await turns.daemon.kill();
  await turns.daemon.start();
  const again = await new Listener(turns, short.session).open();
  const end = await again.ended(soon.run);
  again.close();
  const { events } = await turns.get(`/streams/session:${short.session}/events?after=0`);
  const waits = events.filter(({ type }) => type === "turn_waiting")
    .map(({ data }) => data.resume_at_ms);
  assert.deepEqual([end.state, waits], ["succeeded", [soon.resumes]]);
  const { state, resume_at_ms: resumes } = await turns.get(`/runs/${far.run}`);
  assert.deepEqual([state, resumes], ["waiting", far.resumes]);
  assert.equal((await turns.ask("POST", `/runs/${far.run}/stop`, {})).status, 200);
});

test("while an agent cools down its other turns wait, until one has got an answer", async (t) => {
  const turns = await open(t, ["claude", "codex"]);
  const first = await session(turns), second = await session(turns);
  const failed = await turns.send(first.session, "FAIL429 NAMES(3)");
  await first.until("turn_waiting");
  const other = await session(turns, { agent: "codex" });
  assert.equal((await turns.turn(other, "hello")).end.state, "succeeded"); // It does not wait.
  const { run } = await turns.send(second.session, "hello");
  const wait = await second.until("turn_waiting");
  assert.equal(wait.gate, "provider");
  assert.match(wait.note, /^the provider of claude refuses more for now/);
  for (const [listener, id] of [[first, failed.run], [second, run]]) {
    assert.equal((await listener.ended(id)).state, "succeeded");
  }
  const begun = (await turns.get("/runs?limit=100")).items
    .filter(({ kind, label }) => kind === "job" && label === "claude")
    .sort((a, b) => a.started_ms - b.started_ms);
  assert.deepEqual([begun.length, begun[0].parent], [3, failed.run]);
  assert.ok(begun[1].started_ms - begun[0].started_ms >= 3000);
  for (const listener of [first, second, other]) listener.close();
});

test("a tool of the process that tries is enough for the others of its agent", async (t) => {
  const turns = await open(t);
  const words = "429 Too many requests. Please try again in 1s.";
  const item = (type, item) => JSON.stringify({ type, item });
  define(turns, "tries", { program: "codex",
    command: script(turns, "tries", [
      "if mkdir failed 2>/dev/null; then",
      `  echo '${JSON.stringify({ type: "turn.failed", error: { message: words } })}'; exit 1`,
      "elif mkdir tried 2>/dev/null; then",
      `  echo '${item("item.started", { id: "c1", type: "command_execution", command: "x" })}'`,
      "  until [ -e go ]; do sleep 0.05; done",
      `fi; echo '${item("item.completed", { id: "i1", type: "agent_message", text: "done" })}'`,
      `echo '{"type":"turn.completed"}'`].join("\n")) });
  const listeners = [], ends = [];
  for (const _ of [1, 2]) listeners.push(await session(turns, { agent: "tries" }));
  const works = () => !existsSync(path.join(turns.root, "go"));
  for (const listener of listeners) {
    const { run } = await turns.send(listener.session, "hello");
    await listener.until("turn_waiting");
    ends.push(listener.ended(run).then(({ state }) => [state, works()]));
  }
  const first = await Promise.race(ends);
  letGo(turns);
  assert.deepEqual(first, ["succeeded", true]); // The one that tries is busy with its tool.
  for (const end of await Promise.all(ends)) assert.equal(end[0], "succeeded");
  for (const listener of listeners) listener.close();
});

test("a turn that waits for its agent can be stopped", async (t) => {
  const turns = await open(t);
  const listeners = [await session(turns), await session(turns)];
  const [first, second] = listeners;
  const failed = await turns.send(first.session, "FAIL429 NAMES(7200)");
  await first.until("turn_waiting");
  const { run } = await turns.send(second.session, "hello");
  await second.until("turn_waiting");
  assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  assert.equal((await second.ended(run)).cause, "stopped");
  assert.equal((await turns.ask("POST", `/runs/${failed.run}/stop`, {})).status, 200);
  await first.ended(failed.run);
  for (const listener of listeners) listener.close();
});

test("a turn that waits for its own last process holds up no other of its agent", async (t) => {
  const turns = await open(t);
  const line = (type, more) => `echo '${JSON.stringify({ type, ...more })}'`;
  const text = (words) =>
    line("item.completed", { item: { id: "item_1", type: "agent_message", text: words } });
  const error = { message: "429 too many requests, try again in 3s" };
  const words = `${line("thread.started", { thread_id: "thread" })}
case "$(cat)" in
*FAIL*) ${line("turn.failed", { error })}; exit 1;;
*STAY*) trap '' TERM; ${text("one")}; while [ ! -e go ]; do sleep 0.05; done;;
*) ${text("well")}; ${line("turn.completed", { usage: {} })};;
esac`;
  define(turns, "own", { program: "codex", command: script(turns, "own", words) });
  const [stays, fails, other] = [await session(turns, { agent: "own" }),
    await session(turns, { agent: "own" }), await session(turns, { agent: "own" })];
  const first = await turns.send(stays.session, "STAY");
  await stays.until("delta", ({ text }) => text.includes("one"));
  const failed = await turns.send(fails.session, "FAIL");
  await fails.until("turn_waiting");
  for (const [listener, { run }] of [[fails, failed], [stays, first]]) {
    assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
    assert.equal((await listener.ended(run)).state, "cancelled");
  }
  const runs = [];
  for (const listener of [stays, other]) {
    runs.push([listener, (await turns.send(listener.session, "hello")).run]);
  }
  for (const [listener, run] of runs) {
    assert.equal((await listener.ended(run)).state, "succeeded");
  }
  for (const listener of [stays, fails, other]) listener.close();
});

test("a stop ends a program that waits for its slot, asks, or has just begun", async (t) => {
  const turns = await open(t, "claude", { at_once: 1 });
  const slow = await session(turns), waits = await session(turns);
  const first = await turns.send(slow.session, "be SLOW");
  await slow.until("delta", ({ text }) => text.includes("one"));
  const second = await turns.send(waits.session, "hello");
  await until("it waits", async () => (await live(turns, "job")).length === 2);
  assert.equal((await turns.ask("POST", `/runs/${second.run}/stop`, {})).status, 200);
  assert.equal((await waits.ended(second.run)).cause, "stopped");
  letGo(turns);
  assert.equal((await slow.ended(first.run)).state, "succeeded");
  const third = await turns.send(slow.session, "ASK me");
  await until("it asks", async () => (await turns.get("/approvals")).items.length === 1);
  assert.equal((await turns.ask("POST", `/runs/${third.run}/stop`, {})).status, 200);
  assert.equal((await slow.ended(third.run)).cause, "stopped");
  assert.deepEqual((await turns.get("/approvals")).items, []);
  const fourth = await turns.send(slow.session, "hello");
  assert.equal((await turns.ask("POST", `/runs/${fourth.run}/stop`, {})).status, 200);
  await slow.ended(fourth.run);
  await gone(turns);
  slow.close();
  waits.close();
});

test("a program that nobody saw ending is not begun again", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  assert.equal(killProgram(turns, { holder: true }), 1);
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "outcome_unknown"]);
  assert.equal(prompts(turns)[0].length, 1);
  await gone(turns);
  listener.close();
});

test("a question that is too long to be shown ends its turn", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { end } = await turns.turn(listener, "ASK a HUGE thing");
  assert.deepEqual([end.state, end.cause], ["failed", "agent_failed"]);
  assert.match(end.note, /asked for permission with more than 1 MB/);
  assert.deepEqual((await turns.get("/approvals")).items, []);
  await gone(turns);
  assert.equal((await turns.turn(listener, "hello")).end.state, "succeeded");
  listener.close();
});

test("a question whose id is too long ends its turn", async (t) => {
  const turns = await open(t);
  const line = { type: "control_request", request_id: "q".repeat(70_000),
    request: { subtype: "can_use_tool", tool_name: "Bash", input: {} } };
  writeFileSync(path.join(turns.root, "line"), `${JSON.stringify(line)}\n`);
  define(turns, "asks", { program: "claude",
    command: script(turns, "asks", `cat ${turns.root}/line; cat > /dev/null`) });
  const listener = await session(turns, { agent: "asks" });
  const { end } = await turns.turn(listener, "hello");
  assert.deepEqual([end.state, end.cause], ["failed", "agent_failed"]);
  assert.match(end.note, /asked for permission with an id of more than 1,000 bytes/);
  listener.close();
});

test("words that no database and no terminal takes end a turn as others do", async (t) => {
  const turns = await open(t);
  const long = "y".repeat(100000);
  const lines = [
    { text: "a\u0000b \u001b[31m\ud83d\ude00" }, { tool: `T\u0000${long}`, id: `i\u0000${long}`,
      in: { "k\u0000": "v\u0000" } }, { id: `i\u0000${long}`, out: `r\u0000${long}` },
    { session: `s\u0000\n${long}` }, { tool: "", id: "", in: 7 },
    { error: `bad\u0000 \u001b]0;x\u0007` },
  ].map((one) => JSON.stringify(one));
  const paths = { text: "text", tool: "tool", tool_id: "id", arguments: "in", tool_result: "out",
    session: "session", error: "error" };
  const file = path.join(turns.root, "lines");
  writeFileSync(file, `${lines.join("\n")}\n{"text":"\\ud800"}\n{"text":"\xff"}\n`, "latin1");
  const bad = "printf '\\000\\377\\376 \\033[31mred\\200' >&2; exit 3";
  define(turns, "lines", { program: "json_lines", lines: paths,
    command: script(turns, "lines", `cat ${file}; exit 1`) });
  define(turns, "stderr", { program: "plain", command: script(turns, "stderr", bad) });
  for (const agent of ["lines", "stderr"]) {
    const listener = await session(turns, { agent });
    for (const _ of [1, 2]) {
      const { end } = await turns.turn(listener, "hello");
      assert.deepEqual([agent, end.state], [agent, "failed"]);
      assert.ok(["agent_failed", "crashed"].includes(end.cause), end.cause);
      assert.ok(end.note.isWellFormed?.() ?? true);
      assert.doesNotMatch(end.note, /\0/);
    }
    listener.close();
  }
});

test("an answer that a program got without its gateway fails its turn, and the trace says by what",
  async (t) => {
    const turns = await open(t);
    for (const [via, state, cause, rule] of [["embedded", "failed", "fallback_used", "embedded"],
      ["gateway", "succeeded", "completed", "said-so"]]) {
      const lines = { text: "text", result: "done", transport: "via.kind" };
      define(turns, via, { program: "json_lines", lines, command: script(turns, via,
        `echo '{"text":"hi","via":{"kind":"${via}"}}'; until [ -e ${via} ]; do sleep 0.05; done
echo '{"done":true}'`) });
      const listener = await session(turns, { agent: via });
      const { run } = await turns.send(listener.session, "hello");
      await listener.until("delta");
      listener.close();
      await turns.daemon.kill();
      await turns.daemon.start();
      writeFileSync(path.join(turns.root, via), "");
      const again = await new Listener(turns, listener.session).open();
      const end = await again.ended(run);
      assert.deepEqual([end.state, end.cause], [state, cause]);
      assert.equal(textOf(await turns.answer(listener.session, run)), "hi");
      const { items } = await turns.get(`/runs/${run}/spans`);
      assert.deepEqual([items.at(-1).cause, items.at(-1).rule], [cause, rule]);
      const trace = await turns.daemon.cli(["trace", run]);
      assert.match(trace.stdout, new RegExp(`${state}.* by rule ${rule}`));
      again.close();
    }
  });

test("a line that is too long for a part comes in parts, also over a restart", async (t) => {
  const turns = await open(t);
  const begin = "head -c 1048677 /dev/zero | tr '\\0' x; until [ -e go ]; do sleep 0.05; done";
  define(turns, "long", { program: "plain",
    command: script(turns, "long", `${begin}; echo rest; echo end`) });
  for (const restarts of [false, true]) {
    const listener = await session(turns, { agent: "long" });
    const { run } = await turns.send(listener.session, "hello");
    const parts = async () => {
      const { id, parts: all } = await turns.answer(listener.session, run);
      return all.filter(({ kind }) => kind === "text").map(({ number }) => `${id}/parts/${number}`);
    };
    await listener.until("delta");
    await until("its beginning is stored", async () => (await parts()).length > 0);
    if (restarts) await turns.daemon.kill();
    letGo(turns);
    if (restarts) await turns.daemon.start();
    const again = await new Listener(turns, listener.session).open();
    assert.equal((await again.ended(run)).state, "succeeded");
    const ends = [];
    for (const part of await parts()) {
      const { bytes } = await turns.get(`/messages/${part}?limit=4`);
      ends.push((await turns.get(`/messages/${part}?offset=${Math.max(bytes - 40, 0)}`)).text);
    }
    assert.match(ends.join(""), /^x+rest\nend\n$/);
    rmSync(path.join(turns.root, "go"));
    listener.close();
    again.close();
  }
});

test("large tools of a program are stored one by one", async (t) => {
  const turns = await open(t);
  const tool = (id) => ({ type: "item.started", item: { id: `i${id}`, type: "command_execution",
    command: "x".repeat(900_000) } });
  const file = path.join(turns.root, "lines");
  const said = { type: "item.completed", item: { type: "agent_message", text: "done" } };
  const lines = [...[...Array(4).keys()].map(tool), said, { type: "turn.completed" }];
  writeFileSync(file, lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
  define(turns, "large", { program: "codex",
    command: script(turns, "large", `cat > /dev/null; cat ${file}`) });
  const listener = await session(turns, { agent: "large" });
  const { end } = await turns.turn(listener, "hello");
  const { items } = await turns.get(`/runs/${end.run}/spans?limit=200`);
  const count = (kind) => items.filter((one) => one.kind === kind).length;
  assert.equal(end.state, "succeeded", end.note);
  assert.deepEqual([count("model") >= 4, count("tool")], [true, 4]);
  listener.close();
});
