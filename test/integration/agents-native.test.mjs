// agents-native.test.mjs: a session that Claude Code or Codex had before is adopted: its messages
// are shown, it goes on, and it has one writer.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync,
  writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, open, prompts } from "./agents.mjs";
import { Listener, textOf } from "./turns.mjs";

const ID = "7f3c2b1a-0d4e-4f5a-8b6c-9d0e1f2a3b4c";
const THREAD = "0199a213-81c0-7800-8aa1-bbab2a035a53";

const claudeLine = (turns, type, content, more = {}) => ({ type, cwd: turns.root, sessionId: ID,
  message: { role: type, content }, ...more });

/** Lines as Claude Code keeps them. */
const claudeTalk = (turns) => [
  { type: "summary", summary: "Colours", leafUuid: "x" },
  claudeLine(turns, "user", "<command-name>/clear</command-name>"),
  claudeLine(turns, "user", "which colour?"),
  claudeLine(turns, "assistant", [{ type: "thinking", thinking: "hm" }]),
  claudeLine(turns, "assistant", [{ type: "text", text: "I look." }]),
  claudeLine(turns, "assistant",
    [{ type: "tool_use", id: "toolu_9", name: "Bash", input: { command: "cat colour" } }]),
  claudeLine(turns, "assistant", [{ type: "text", text: "inner" }], { isSidechain: true }),
  claudeLine(turns, "user",
    [{ type: "tool_result", tool_use_id: "toolu_9", content: [{ type: "text", text: "blue" }] }]),
  claudeLine(turns, "assistant", [{ type: "text", text: "It is blue." }]),
];

/** The stand-in goes on in sessions that it knows. */
function know(turns, id) {
  mkdirSync(path.join(turns.root, ".standin"), { recursive: true });
  writeFileSync(path.join(turns.root, ".standin", id), "");
}

/** Writes the file of a session of Claude Code, of that folder. */
function keep(turns, lines, { id = ID, root = turns.root } = {}) {
  const folder = path.join(turns.home, ".claude/projects", root.replaceAll(/[^a-zA-Z0-9]/g, "-"));
  const file = path.join(folder, `${id}.jsonl`);
  mkdirSync(folder, { recursive: true });
  know(turns, id);
  writeFileSync(file, lines.map((one) =>
    `${typeof one === "string" ? one : JSON.stringify(one)}\n`).join(""));
  return file;
}

/** Writes the file of a thread of Codex. */
function keepCodex(turns, { cwd = turns.root } = {}) {
  const folder = path.join(turns.home, ".codex/sessions/2026/11/25");
  mkdirSync(folder, { recursive: true });
  know(turns, THREAD);
  const item = (type, payload) => ({ timestamp: "2026-11-25T10:00:00Z", type, payload });
  writeFileSync(path.join(folder, `rollout-2026-11-25T10-00-00-${THREAD}.jsonl`), [
    item("session_meta", { id: THREAD, cwd }),
    item("response_item", { type: "message", role: "user",
      content: [{ type: "input_text", text: "<environment_context>…" }] }),
    item("response_item", { type: "message", role: "user",
      content: [{ type: "input_text", text: "which shape?" }] }),
    item("event_msg", { type: "user_message", message: "which shape?" }),
    item("response_item",
      { type: "function_call", name: "shell", arguments: '{"command":["ls"]}', call_id: "c7" }),
    item("response_item", { type: "function_call_output", call_id: "c7", output: "round" }),
    item("response_item", { type: "message", role: "assistant",
      content: [{ type: "output_text", text: "It is round." }] }),
    item("event_msg", { type: "token_count", info: {
      total_token_usage: { input_tokens: 40, cached_input_tokens: 8, output_tokens: 5 } } }),
  ].map((one) => `${JSON.stringify(one)}\n`).join(""));
}

const make = (turns, more = {}) => turns.ask("POST", "/sessions",
  { agent: turns.agent, native: ID, root: turns.root, title: "A talk", ...more });

async function adopt(turns, more = {}) {
  const made = await make(turns, more);
  assert.equal(made.status, 201, made.text);
  return new Listener(turns, made.json.id).open();
}

async function messages(turns, session) {
  const all = [];
  for (let next = ""; next !== null;) {
    const page = await turns.ask("GET", `/sessions/${session}/messages?order=oldest&limit=100` +
      (next && `&after=${next}`));
    assert.equal(page.status, 200, page.text);
    all.push(...page.json.items);
    next = page.json.next ?? null;
  }
  return all;
}
const sessions = async (turns) => (await turns.ask("GET", "/sessions")).json.items;

async function refused(turns, more, status, code, words) {
  const answer = await make(turns, more);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json.code, code);
  assert.match(answer.json.detail, words);
}

const said = async (turns, listener, text) => textOf((await turns.turn(listener, text)).message);

test("a session of Claude Code is shown, and goes on without being told again", async (t) => {
  const turns = await open(t);
  keep(turns, claudeTalk(turns));
  const listener = await adopt(turns);
  const [question, answer, notice, ...rest] = await messages(turns, listener.session);
  assert.deepEqual(rest, []);
  assert.equal(question.role, "user");
  assert.equal(textOf(question), "which colour?");
  assert.equal(answer.role, "assistant");
  assert.equal(answer.reply_to, question.id);
  assert.deepEqual(answer.parts.map(({ kind }) => kind), ["text", "tool", "text"]);
  assert.equal(textOf(answer), "I look.It is blue.");
  const tool = answer.parts[1];
  assert.equal(tool.state, "succeeded");
  assert.equal(tool.text, "blue");
  assert.deepEqual(tool.data.arguments, { command: "cat colour" });
  assert.equal(notice.role, "notice");
  assert.match(notice.parts[0].text, new RegExp(`session ${ID} of claude`));
  assert.equal(await said(turns, listener, "and now?"), "turn 1 of claude");
  assert.equal(await said(turns, listener, "and then?"), "turn 2 of claude");
  assert.deepEqual(prompts(turns), [["and now?", "and then?"]]);
  const told = readFileSync(path.join(turns.root, ".standin", ID), "utf8");
  assert.equal(told, "and now?\nand then?\n");
  listener.close();
});

test("a thread of Codex goes on, and only what it uses from then on is counted", async (t) => {
  const turns = await open(t, "codex");
  keepCodex(turns);
  const listener = await adopt(turns, { native: THREAD });
  const [question, answer] = await messages(turns, listener.session);
  assert.equal(textOf(question), "which shape?");
  assert.equal(textOf(answer), "It is round.");
  assert.equal(answer.parts[0].text, "round");
  assert.equal(await said(turns, listener, "and now?"), "turn 1 of codex");
  assert.equal(readFileSync(path.join(turns.root, ".standin", THREAD), "utf8"), "and now?\n");
  const { usage } = (await turns.ask("GET", `/sessions/${listener.session}`)).json;
  assert.equal(usage.fresh + usage.cache_read, 60); // Of 100 until now, 40 were there before.
  assert.equal(usage.output, 7);
  listener.close();
});

test("what was cleared is not continued, and a fork shares nothing", async (t) => {
  const turns = await open(t);
  keep(turns, claudeTalk(turns));
  const listener = await adopt(turns);
  const fork = await turns.ask("POST", `/sessions/${listener.session}/fork`, {});
  assert.equal(fork.status, 201, fork.text);
  const other = await new Listener(turns, fork.json.id).open();
  await turns.turn(other, "in the fork");
  const [prompt] = prompts(turns)[0];
  assert.match(prompt, /which colour\?.*It is blue\..*in the fork$/);
  other.close();
  assert.equal((await turns.ask("POST", `/sessions/${listener.session}/clear`, {})).status, 200);
  await turns.turn(listener, "afresh");
  assert.deepEqual(prompts(turns).find(([first]) => first === "afresh"), ["afresh"]);
  assert.equal(readFileSync(path.join(turns.root, ".standin", ID), "utf8"), "");
  listener.close();
});

test("an adopted answer is not asked for again: the program has it", async (t) => {
  const turns = await open(t);
  keep(turns, claudeTalk(turns));
  const made = await make(turns);
  const [, answer] = await messages(turns, made.json.id);
  const again = await turns.ask("POST", `/messages/${answer.id}/regenerate`, {});
  assert.deepEqual([again.status, again.json.code], [409, "conflict"]);
});

test("a session of a program has one writer", async (t) => {
  const turns = await open(t);
  keep(turns, claudeTalk(turns));
  const first = await make(turns);
  assert.equal(first.status, 201, first.text);
  await refused(turns, {}, 409, "conflict", new RegExp(`goes on in ${first.json.id} already`));
  assert.equal((await turns.ask("DELETE", `/sessions/${first.json.id}`)).status, 200);
  const listener = await adopt(turns);
  await turns.turn(listener, "mine");
  await refused(turns, {}, 409, "conflict", new RegExp(`goes on in ${listener.session} already`));
  listener.close();
});

test("a session that drover began itself is not adopted by another one", async (t) => {
  const turns = await open(t);
  const listener = await turns.listen({ agent: "claude", model: "", root: turns.root, title: "T" });
  await turns.turn(listener, "one");
  const id = readdirSync(path.join(turns.root, ".standin"))[0];
  keep(turns, claudeTalk(turns), { id });
  await refused(turns, { native: id }, 409, "conflict", /already/);
  listener.close();
});

test("what cannot be adopted is refused, and nothing is made", async (t) => {
  const turns = await open(t, ["claude", "pi"]);
  const outside = keep(turns, claudeTalk(turns), { id: "11111111-aaaa", root: "/elsewhere" });
  keep(turns, ["{", "[1]", '{"type":"other"}'], { id: "22222222-bbbb" });
  const folder = path.dirname(keep(turns, claudeTalk(turns)));
  symlinkSync("/etc/passwd", path.join(folder, "33333333-cccc.jsonl"));
  mkdirSync(path.join(folder, "44444444-dddd.jsonl"));
  const moved = claudeTalk(turns).map((one) => ({ ...one, cwd: "/elsewhere" }));
  writeFileSync(outside, moved.map((one) => `${JSON.stringify(one)}\n`).join(""));
  await refused(turns, { native: "99999999-ffff" }, 404, "not_found", /claude has no session 9999/);
  await refused(turns, { native: "11111111-aaaa" }, 409, "conflict", /works in \/elsewhere/);
  await refused(turns, { native: "22222222-bbbb" }, 409, "conflict", /cannot read/);
  await refused(turns, { native: "33333333-cccc" }, 409, "conflict", /cannot be opened/);
  await refused(turns, { native: "44444444-dddd" }, 409, "conflict", /cannot be opened/);
  for (const native of ["../../x/../y", "", "short", `${ID}\u0000`, "-aaaaaaaa", "a/aaaaaaaa"]) {
    await refused(turns, { native }, 400, "bad_field", /native/);
  }
  await refused(turns, { agent: "pi" }, 400, "bad_field", /cannot be adopted/);
  await refused(turns, { agent: "nobody", model: "a/b" }, 400, "bad_field", /no agent 'nobody'/);
  await refused(turns, { root: undefined }, 400, "bad_field", /root/);
  assert.deepEqual(await sessions(turns), []);
});

test("of a long session the newest messages are shown, and that there are more", async (t) => {
  const turns = await open(t);
  const lines = [];
  for (let i = 0; i < 300; i++) {
    lines.push(claudeLine(turns, "user", `question ${i}`));
    lines.push(claudeLine(turns, "assistant", [{ type: "text", text: `answer ${i}` }]));
  }
  lines.push("x".repeat(1_500_000), claudeLine(turns, "user", "y".repeat(200_000)));
  keep(turns, lines);
  const listener = await adopt(turns);
  const shown = await messages(turns, listener.session);
  const notice = shown.pop(), long = shown.pop();
  assert.equal(shown.length, 198); // 200, without an answer whose question is left out.
  assert.equal(textOf(shown[0]), "question 201");
  assert.equal(textOf(shown.at(-1)), "answer 299");
  assert.match(textOf(long), /^y+ \[\.\.\.\]$/);
  assert.match(notice.parts[0].text, /newest/);
  listener.close();
});

test("CLAUDE_CONFIG_DIR of the definition is where its sessions are", async (t) => {
  const turns = await open(t);
  keep(turns, claudeTalk(turns));
  const { command } = JSON.parse(readFileSync(path.join(turns.home, ".drover/agents/claude.json")));
  const moved = path.join(turns.home, "moved");
  renameSync(path.join(turns.home, ".claude"), moved);
  await refused(turns, {}, 404, "not_found", /has no session/);
  define(turns, "claude", { program: "claude", command, env: { CLAUDE_CONFIG_DIR: moved } });
  (await adopt(turns)).close();
});

test("ask and chat adopt a session by its id", async (t) => {
  const turns = await open(t);
  keep(turns, claudeTalk(turns));
  keep(turns, claudeTalk(turns), { id: "55555555-eeee" });
  const run = (...args) => turns.daemon.cli([...args, "--root", turns.root]);
  assert.match((await run("ask", "--native", ID, "so?")).stderr, /--native needs --agent/);
  const both = ["--agent", "claude", "--native", ID];
  const unknown = await run("ask", "--agent", "claude", "--native", "99999999-ffff", "so?");
  assert.match(unknown.stderr, /has no session 99999999-ffff/);
  const asked = await run("ask", ...both, "so?");
  assert.equal(asked.code, 0, asked.stderr);
  assert.match(asked.stdout, /turn 1 of claude/);
  const { id } = (await sessions(turns))[0];
  for (const other of [["--session", id], ["--continue"]]) {
    assert.match((await run("chat", ...both, ...other)).stderr, /exclude each other/);
  }
  const chat = await run("chat", "--agent", "claude", "--native", "55555555-eeee");
  assert.equal(chat.code, 0, chat.stderr);
  assert.equal((await messages(turns, (await sessions(turns))[0].id)).length, 3);
});
