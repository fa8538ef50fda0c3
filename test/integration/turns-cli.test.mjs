// turns-cli.test.mjs: turns from a shell: ask, chat, approve, trace, stop.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { onTerminal, plain } from "./jobs-cli.mjs";
import { call, Listener, say, script, textOf, Turns } from "./turns.mjs";

const FIELDS = ["session", "run", "state", "cause", "text", "usage"];
const MODEL = ["--model", "scripted/demo"];

test("ask prints the answer alone, and exits with 0", async (t) => {
  const turns = await Turns.open(t);
  const text = script("think: hidden", say("forty-two"));
  const { code, stdout, stderr } = await turns.daemon.cli(["ask", ...MODEL, text]);
  assert.deepEqual([code, stdout, stderr], [0, "forty-two\n", ""]);
});

const GUIDE = new RegExp("^drover: no model is known \\(no_model\\)\n[^]*ANTHROPIC_API_KEY" +
  "[^]*provider add[^]*ollama[^]*--model scripted/demo");

test("without a model ask, chat and run say what to set, and leave nothing", async (t) => {
  const env = { DROVER_MODEL: "" };
  const turns = await Turns.open(t, { env });
  const cli = (words, more) => turns.daemon.cli(words, { env, ...more });
  const script = path.join(turns.folder, "two.js");
  writeFileSync(script, `export const meta = { name: "two", description: "Two agents." };
const own = await agent("say: one", { model: "scripted/demo" });
return [own, await agent("say: two")];\n`);
  const words = [["ask", "hello"], ["chat", "--no-root"], ["run", "deep-research", "x"],
    ["run", "deep-research", "x", "--model", "sonnet"], ["session", "new"]];
  for (const each of words) {
    const { code, stdout, stderr } = await cli(each, { input: "hello\n" });
    assert.deepEqual([each, code, stdout], [each, 2, ""]);
    assert.match(stderr, GUIDE);
  }
  const json = JSON.parse((await cli(["ask", "--json", "hello"])).stderr).error;
  assert.equal(json.code, "no_model");
  assert.match(json.detail, /Set ANTHROPIC_API_KEY.*'drover provider add.*Ollama.*scripted\/demo/);
  assert.deepEqual((await turns.get("/sessions")).items, []);
  assert.deepEqual((await turns.get("/runs")).items, []);
  assert.match((await cli(["workflow", "plan", "deep-research", "x"])).stdout,
    /^model +no model is known: [^]*^price +unknown/m);
  // A script that names its own models runs up to the agent that has none.
  const run = await cli(["run", script]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /agent failed: say: two model_unknown: no model is known/);
  assert.deepEqual(JSON.parse(run.stdout), ["one", null]);
  // A name is enough; a session that lost its model says so, and takes the next message.
  assert.equal((await cli(["ask", ...MODEL, "say: hello"])).stdout, "hello\n");
  const [{ id }] = (await turns.get("/sessions")).items.filter(({ title }) => title !== "two");
  assert.equal((await turns.ask("PATCH", `/sessions/${id}`, { model: "" })).status, 200);
  const lost = await turns.ask("POST", `/sessions/${id}/messages`, { text: "hi" });
  assert.deepEqual([lost.status, lost.json.code], [400, "no_model"]);
  const again = await cli(["chat", "--session", id], { input: "hi\n" });
  assert.match(again.stderr, /no model is known/);
  assert.equal((await cli(["ask", ...MODEL, "--session", id, "say: back"])).stdout, "back\n");
});

test("ask --json has the fields that scripts rely on", async (t) => {
  const turns = await Turns.open(t);
  const text = script("usage: fresh=10 cache_read=5 output=7 reasoning=2", say("yes"));
  const { code, stdout } = await turns.daemon.cli(["ask", ...MODEL, "--json", text]);
  assert.equal(code, 0);
  const answer = JSON.parse(stdout);
  assert.deepEqual(Object.keys(answer).sort(), [...FIELDS].sort());
  assert.deepEqual([answer.state, answer.cause, answer.text], ["succeeded", "completed", "yes"]);
  const { fresh, cache_read, cache_write, output, reasoning } = answer.usage;
  assert.deepEqual([fresh, cache_read, cache_write, output, reasoning], [10, 5, 0, 7, 2]);
  assert.equal(textOf(await turns.answer(answer.session, answer.run)), "yes");
});

test("ask exits with 1 when the turn failed, and says why", async (t) => {
  const turns = await Turns.open(t);
  const json = await turns.daemon.cli(["ask", ...MODEL, "--json", "fail: auth"]);
  assert.equal(json.code, 1);
  const { state, cause } = JSON.parse(json.stdout);
  assert.deepEqual([state, cause], ["failed", "auth_failed"]);
  const plain = await turns.daemon.cli(["ask", ...MODEL, "fail: auth"]);
  assert.deepEqual([plain.code, plain.stdout], [1, ""]);
  assert.match(plain.stderr, /auth_failed/);
});

test("ask reads a pipe, with '-' and without", async (t) => {
  const turns = await Turns.open(t);
  for (const operands of [["-"], []]) {
    const input = script(say("from"), say("a pipe"));
    const { code, stdout } = await turns.daemon.cli(["ask", ...MODEL, ...operands], { input });
    assert.deepEqual([code, stdout], [0, "froma pipe\n"]);
  }
});

test("ask -s goes on in a session", async (t) => {
  const turns = await Turns.open(t);
  const first = await turns.daemon.cli(["ask", ...MODEL, "--json", say("one")]);
  const { session } = JSON.parse(first.stdout);
  const second = await turns.daemon.cli(["ask", "--session", session, say("two")]);
  assert.deepEqual([second.code, second.stdout], [0, "two\n"]);
  assert.equal((await turns.messages(session)).length, 4);
});

test("chat in a pipe answers each line", async (t) => {
  const turns = await Turns.open(t);
  const input = `${say("one")}\n${say("two")}\n`;
  const { code, stdout } = await turns.daemon.cli(["chat", ...MODEL, "--no-root"], { input });
  assert.deepEqual([code, stdout], [0, "one\ntwo\n"]);
});

test("a chat retries, lists what waits and tells what it took", async (t) => {
  const turns = await Turns.open(t);
  const text = say("again");
  const words = ["/retry", "/queue", text, "/usage", "/retry", "/usage", "/new", "/session"];
  const args = ["chat", ...MODEL, "--root", turns.root];
  const input = `${words.join("\n")}\n`;
  const { code, stdout, stderr } = await turns.daemon.cli(args, { input });
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split("\n");
  assert.deepEqual(lines.slice(0, 2), ["[there is no answer yet]", "[no message is queued]"]);
  assert.match(lines[3], /^\[1 call; \d+ tokens read, /);
  assert.equal(lines[2], lines[4]); // The answer, and the other variant of it.
  assert.match(lines[5], /^\[2 calls; \d+ tokens read, \d+ written; cost \S+; \d+ of 200000 /);
  const fresh = /ses_\w+/.exec(lines.at(-1))[0];
  const { root, model } = await turns.get(`/sessions/${fresh}`);
  assert.deepEqual([root, model], [turns.root, MODEL[1]]);
});

test("a session is compacted from a shell, and from a chat", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  await turns.turn(listener, script(`say: ${"long ".repeat(2000)}`));
  const compact = await turns.daemon.cli(["session", "compact", listener.session]);
  assert.deepEqual([compact.code, compact.stderr], [0, ""]);
  assert.match(compact.stdout, /^What was said so far is .*: about \d+ tokens became \d+\.\n$/);
  const input = `/compact\n${say("on")}\n`;
  const chat = await turns.daemon.cli(["chat", "-s", listener.session], { input });
  assert.deepEqual([chat.code, chat.stdout], [0, "[There is nothing to summarise.]\non\n"]);
  const gone = await turns.daemon.cli(["session", "compact", `ses_${"0".repeat(26)}`]);
  assert.notEqual(gone.code, 0);
  assert.match(gone.stderr, /there is no session 'ses_/);
});

test("a chat says its last message again, and is cleared", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const input = ["/edit x", say("one"), "/edit", `/edit ${say("two")}`, "/clear"].join("\n");
  const chat = await turns.daemon.cli(["chat", "-s", listener.session], { input: `${input}\n` });
  assert.equal(chat.code, 0, chat.stderr);
  const [nothing, one, usage, fork, two, empty] = chat.stdout.trim().split("\n");
  assert.deepEqual([nothing, one], ["[you have said nothing yet]", "one"]);
  assert.deepEqual([usage, two], ["[what should it say? /edit TEXT]", "two"]);
  assert.equal(empty, "[the session is empty]");
  assert.deepEqual(await turns.messages(listener.session), []);
  const kept = await turns.messages(/^\[the old version is in (ses_\w+)\]$/.exec(fork)[1]);
  assert.deepEqual(kept.map(textOf), [say("one"), "one"]);
  const again = await turns.daemon.cli(["session", "clear", listener.session]);
  assert.deepEqual([again.code, again.stdout], [0, `${listener.session} is empty\n`]);
  const gone = await turns.daemon.cli(["session", "clear", `ses_${"0".repeat(26)}`]);
  assert.equal(gone.code, 3, gone.stderr);
});

test("what a model says controls no terminal", async (t) => {
  const turns = await Turns.open(t);
  const said = say("a\u009b31mb\u0090c\u007fd\u001b[2Je\u00a0é");
  const { code, stdout } = await turns.daemon.cli(["ask", ...MODEL, said]);
  assert.deepEqual([code, stdout], [0, "a31mbcd[2Je\u00a0é\n"]);
});

test("who is asked at a terminal sees the call in plain words", async (t) => {
  const turns = await Turns.open(t);
  const write = call("write_file", { path: "b", content: "new line\n" });
  const run = call("run_command", { command: "echo", args: ["one", "two"] });
  const input = script(write, "step:", run, "step:", say("all done"));
  writeFileSync(path.join(turns.root, "say"), input);
  const line = `ask ${MODEL.join(" ")} --root ${turns.root} "$(cat ${turns.root}/say)"`;
  const asked = onTerminal(t, turns.daemon, line, { typed: true });
  for (const question of ["May it call write_file", "May it run this command"]) {
    const prompt = new RegExp(`${question}[^]*a \\(always\\)> $`);
    await asked.when((all) => prompt.test(plain(all)));
    asked.child.stdin.write("y\r");
  }
  const { code, stdout } = await asked.ended;
  assert.equal(code, 0, stdout);
  const shown = plain(stdout);
  assert.match(shown, /May it call write_file\?\n {2}b \(new file\)\n[^]*\+new line\n/);
  assert.match(shown, /May it run this command\? \(run_command\)\n {2}echo one two\n/);
});

test("who comes back to a chat sees what was said, and answers what waits", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  await turns.turn(listener, script(say("an old answer")));
  const text = script(call("write_file", { path: "b", content: "x" }), say("it is written"));
  const { run } = await turns.send(listener.session, text);
  await listener.until("approval_asked");
  const piped = await turns.daemon.cli(["chat", "-s", listener.session], { input: "" });
  assert.deepEqual([piped.code, piped.stdout], [0, ""]);
  assert.match(piped.stderr, /^\[a turn waits for an answer; 'drover approve' lists/);
  const line = `chat -s ${listener.session}`;
  const chat = onTerminal(t, turns.daemon, line, { typed: true });
  await chat.when((all) => /May it call write_file[^]*a \(always\)> /.test(plain(all)));
  chat.child.stdin.write("y\r");
  assert.equal((await listener.ended(run)).state, "succeeded");
  await chat.when((all) => /it is written\n/.test(plain(all)));
  chat.child.stdin.write("\u0004");
  const { code, stdout } = await chat.ended;
  assert.equal(code, 0, stdout);
  const before = /> say: an old answer\nan old answer\n\n> call: [^]*• write_file b\n {2}… waits/;
  assert.match(plain(stdout), before);
});

test("ask says what it waits for; approve lists it, answers it, and ask goes on", async (t) => {
  const turns = await Turns.open(t);
  const text = script(call("write_file", { path: "b", content: "x" }), say("written"));
  const words = ["ask", ...MODEL, "--root", turns.root, text];
  const session = new Promise((resolve) => {
    turns.daemon.request("GET", "/api/v1/streams/project:default/events?wait=60").then((answer) => {
      resolve(answer.json.events.find((one) => one.type === "session_changed").data.id);
    });
  });
  const asking = turns.daemon.cli(words);
  const listener = await new Listener(turns, await session).open();
  const asked = await listener.until("approval_asked");
  const list = await turns.daemon.cli(["approve"]);
  assert.equal(list.code, 0);
  const what = "May it call write_file?\n  b (new file)\n  @@ -0,0 +1,1 @@\n  +x\n";
  assert.ok(list.stdout.startsWith(`${asked.id}  ${listener.session}\n${what}`), list.stdout);
  const answer = await turns.daemon.cli(["approve", asked.id]);
  assert.equal(answer.code, 0, answer.stderr);
  const again = await turns.daemon.cli(["approve", asked.id, "--deny"]);
  assert.notEqual(again.code, 0);
  const { code, stdout, stderr } = await asking;
  assert.deepEqual([code, stdout], [0, "written\n"]);
  assert.ok(stderr.includes(`drover approve ${asked.id.slice(0, 16)}\n`), stderr);
});

test("approve --deny --reason and --answer", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(
    call("write_file", { path: "b", content: "x" }),
    "step:",
    call("ask_user", { question: "why?" }),
    say("I see"),
  );
  const { run } = await turns.send(listener.session, text);
  const leave = await listener.until("approval_asked");
  const two = await turns.daemon.cli(["approve", leave.id, "other", "--answer", "1"]);
  assert.deepEqual([two.code, two.stdout], [2, ""]);
  assert.match(two.stderr, /--answer is for one question/);
  const no = await turns.daemon.cli(["approve", leave.id, "--deny", "--reason", "not now"]);
  assert.equal(no.code, 0, no.stderr);
  const question = await listener.until("question_asked");
  const why = await turns.daemon.cli(["approve", question.id, "--answer", "because"]);
  assert.equal(why.code, 0, why.stderr);
  await listener.ended(run);
  const { parts } = await turns.answer(listener.session, run);
  assert.match(parts[0].text, /not now/);
  const shown = await turns.daemon.cli(["session", "show", "-m", listener.session]);
  assert.match(shown.stdout, /^\[write_file denied \(person\)\]$/m);
  assert.match(parts[1].text, /because/);
});

test("trace shows the calls of a turn, its model's and its tools'", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(call("list_files", { path: "." }), say("done"));
  const { run } = await turns.turn(listener, text);
  const spans = (await turns.get(`/runs/${run}/spans`)).items.map((one) => [one.kind, one.state]);
  const wanted = ["model", "tool", "model"].map((kind) => [kind, "succeeded"]);
  assert.deepEqual(spans, wanted);
  const { code, stdout } = await turns.daemon.cli(["trace", run]);
  assert.equal(code, 0);
  assert.match(stdout, /scripted\/demo[^]*list_files[^]*scripted\/demo/);
});

test("stop RUN ends a turn, and what it said stays", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { run } = await turns.send(listener.session, script(say("begun"), "delay: 600s"));
  await listener.until("delta");
  assert.equal((await turns.get(`/runs/${run}`)).stream, `session:${listener.session}`);
  const { stderr } = await turns.daemon.cli(["stop", run]);
  assert.equal(stderr, "");
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["cancelled", "stopped"]);
  assert.equal(textOf(await turns.answer(listener.session, run)), "begun");
});
