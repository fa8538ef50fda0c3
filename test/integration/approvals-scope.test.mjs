// approvals-scope.test.mjs: a yes to such calls of the session, or of its project, leaves a rule
// behind, in the commit of the answer; the rule stands in the settings of the session or project.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scaled } from "./scale.mjs";
import { call, say, script, toolsOf, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(60_000) };
const append = (text) =>
  call("run_command", { command: "sh", args: ["-c", `echo ${text} >> file`] });
const write = (file) => call("write_file", { path: file, content: "x\n" });
const settingsOf = async (turns, { session }) => (await turns.get(`/sessions/${session}`)).settings;

async function asking(turns, listener, ...calls) {
  const { run } = await turns.send(listener.session, script(...calls, "step:", say("so")));
  return { run, asked: await listener.until("approval_asked", (data) => data.run === run) };
}

test("the answer and its rule survive a kill together, and the rule can be removed", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const listener = await turns.listen({ root: turns.root });
    const { run, asked } = await asking(turns, listener, append("a"));
    const yes = { decision: "allow", scope: "session", digest: asked.digest };
    assert.equal((await turns.approve(asked.id, yes)).status, 200);
    await turns.daemon.kill();
    await turns.daemon.start();
    const permissions = [
      { tool: "run_command", subject: "sh -c 'echo a >> file'", permission: "allow" }];
    assert.deepEqual(await settingsOf(turns, listener), { permissions });
    const again = await turns.approve(asked.id, yes);
    assert.deepEqual([again.status, again.json.answer], [200, '{"scope":"session"}']);
    assert.equal((await turns.approve(asked.id)).json.code, "conflict");
    assert.deepEqual(await settingsOf(turns, listener), { permissions });
    await listener.open();
    await listener.ended(run);
    const free = await turns.turn(listener, script(append("a"), "step:", say("so")));
    assert.equal(toolsOf(free.message)[0].state, "succeeded");
    assert.equal(readFileSync(path.join(turns.root, "file"), "utf8"), "a\na\n");
    await turns.ask("PATCH", `/sessions/${listener.session}`, { settings: {} });
    const third = await asking(turns, listener, append("a"));
    await turns.approve(third.asked.id, { decision: "deny" });
    await listener.ended(third.run);
  });

test("a yes keeps the borders of arguments, also in earlier rules", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, settings: { permissions: [
    { tool: "run_command", subject: "sh -c echo y; touch PWN", permission: "allow" }] } });
  const sh = (...args) => call("run_command", { command: "sh", args: ["-c", ...args] });
  const first = await asking(turns, listener, sh("echo", "x; touch PWN"));
  await turns.approve(first.asked.id, { decision: "allow", scope: "session" });
  await listener.ended(first.run);
  const free = await turns.turn(listener,
    script(sh("echo", "x; touch PWN"), "step:", say("so")));
  assert.equal(toolsOf(free.message)[0].state, "succeeded");
  for (const [word, old] of [["x", undefined], ["y", "sh -c echo y; touch PWN"]]) {
    const { run } = await turns.send(listener.session,
      script(sh(`echo ${word}; touch PWN`), "step:", say("so")));
    const asked = await listener.until(["approval_asked", "turn_finished"],
      (data) => data.run === run);
    assert.ok(!existsSync(path.join(turns.root, "PWN")), "it ran unasked");
    assert.deepEqual([asked.about.subjects, asked.about.match, asked.about.old_rule],
      [[`sh -c 'echo ${word}; touch PWN'`], "words", old]);
    await turns.approve(asked.id, { decision: "deny" });
    await listener.ended(run);
  }
});

test("a yes to a call without a subject is for exactly its arguments", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root, settings: { permissions: [
    { tool: "remember", permission: "ask" }] } });
  const keep = (title) =>
    call("remember", { action: "create", topic: "t", title, content: "c" });
  const { run, asked } = await asking(turns, listener, keep("a"));
  assert.equal(asked.about.exact, true);
  const named = await turns.approve(asked.id,
    { decision: "allow", scope: "session", subject: "*" });
  assert.match(named.json.detail, /only be for exactly its arguments/);
  await turns.approve(asked.id, { decision: "allow", scope: "session" });
  await listener.ended(run);
  assert.deepEqual((await settingsOf(turns, listener)).permissions[1],
    { tool: "remember", subject: `sha256:${asked.digest}`, permission: "allow" });
  const free = await turns.turn(listener, script(keep("a"), "step:", say("so")));
  assert.equal(toolsOf(free.message)[0].state, "succeeded");
  await isAsked(turns, listener, keep("b"));
});

test("a folder of files is free from then on, and what programs run in it is not", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    for (const name of ["test", "src", "test/.git"]) mkdirSync(path.join(turns.root, name));
    const listener = await turns.listen({ root: turns.root });
    const first = await asking(turns, listener, write("test/a"));
    const { code, stderr } = await turns.daemon.cli(
      ["approve", first.asked.id, "--scope", "session", "--subject", "test/**"]);
    assert.equal(code, 0, stderr);
    await listener.ended(first.run);
    assert.deepEqual(await settingsOf(turns, listener), { edits: ["test/**"] });
    await turns.turn(listener, script(write("test/b"), "step:", say("so")));
    assert.equal(readFileSync(path.join(turns.root, "test/b"), "utf8"), "x\n");
    for (const file of ["src/c", "test/.git/config"]) {
      const other = await asking(turns, listener, write(file));
      await turns.approve(other.asked.id, { decision: "deny" });
      await listener.ended(other.run);
    }
  });

test("a scope that fits no rule is refused, and the question stays open", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const { run, asked } = await asking(turns, listener, append("a"));
  for (const [body, words] of [
    [{ decision: "allow", scope: "world" }, /scope: once, session or project/],
    [{ decision: "deny", scope: "session" }, /scope: a no is for this call/],
    [{ decision: "allow", subject: "x" }, /subject: only with/],
    [{ decision: "allow", scope: "session", subject: "make *" }, /does not match this call/],
  ]) {
    const { json } = await turns.approve(asked.id, body);
    assert.equal(json.code, "bad_field");
    assert.match(json.detail, words);
  }
  assert.equal((await turns.get(`/approvals/${asked.id}`)).state, "open");
  assert.deepEqual(await settingsOf(turns, listener), {});
  assert.equal((await turns.approve(asked.id, { decision: "allow", scope: "once" })).status, 200);
  await listener.ended(run);
  assert.deepEqual(await settingsOf(turns, listener), {});
  const { json: job } = await turns.ask("POST", "/jobs", { argv: ["sleep", "1000"] });
  const { json: question } =
    await turns.ask("POST", "/approvals", { run: job.id, step: "s", question: "sure?" });
  const refused = await turns.approve(question.id, { decision: "allow", scope: "session" });
  assert.match(refused.json.detail, /which no rule can answer/);
  const folder = path.dirname(turns.root);
  const access = { path: folder, access: "write", reason: "to see" };
  const wish = await asking(turns, listener, call("request_access", access));
  const once = await turns.approve(wish.asked.id, { decision: "allow", scope: "once" });
  assert.match(once.json.detail, /a folder is granted to the session/);
  await turns.approve(wish.asked.id, { decision: "allow", scope: "session" });
  await listener.ended(wish.run);
  assert.equal((await turns.get(`/sessions/${listener.session}/roots`)).items.length, 1);
  assert.deepEqual(await settingsOf(turns, listener), {});
});

const rule = (permission, subject) =>
  ({ tool: "run_command", ...(subject && { subject }), permission });
const web = (turns, settings = {}) =>
  turns.listen({ root: turns.root, project: "web", settings });
const projectOf = async (turns) => (await turns.get("/projects/web")).settings;

/** Asks for the call, and is asked about it. */
async function isAsked(turns, listener, ...calls) {
  const { run, asked } = await asking(turns, listener, ...calls);
  await turns.approve(asked.id, { decision: "deny" });
  await listener.ended(run);
}

test("a yes for the project holds for its sessions, and is one commit with its rule", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const first = await web(turns), second = await web(turns);
    const { run, asked } = await asking(turns, first, append("a"));
    assert.equal(asked.project, "web");
    const yes = { decision: "allow", scope: "project", digest: asked.digest };
    assert.equal((await turns.approve(asked.id, yes)).status, 200);
    await turns.daemon.kill();
    await turns.daemon.start();
    const permissions = [rule("allow", "sh -c 'echo a >> file'")];
    assert.deepEqual(await projectOf(turns), { permissions });
    assert.deepEqual(await settingsOf(turns, first), {});
    assert.equal((await turns.approve(asked.id, yes)).json.answer, '{"scope":"project"}');
    const { events } = await turns.get("/streams/owner:local/events");
    assert.deepEqual(events.findLast(({ type }) => type === "project_changed").data.settings,
      { permissions });
    await first.open();
    await first.ended(run);
    await second.open();
    const free = await turns.turn(second, script(append("a"), "step:", say("so")));
    assert.equal(toolsOf(free.message)[0].state, "succeeded");
    await isAsked(turns, await turns.listen({ root: turns.root }), append("a")); // Another project.
  });

test("ask and deny of a session stand above a yes of its project, a deny of that is final", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const set = (settings) => turns.ask("PATCH", "/projects/web", { settings });
    const plain = await web(turns);
    await set({ permissions: [rule("allow")], edits: ["*.md"] });
    await isAsked(turns, await web(turns, { permissions: [rule("ask")] }), append("a"));
    const denied = await web(turns, { permissions: [rule("deny")] });
    const no = await turns.turn(denied, script(append("a"), "step:", say("so")));
    assert.equal(toolsOf(no.message)[0].state, "denied");
    const edits = await web(turns, { edits: ["*.txt"] });
    await turns.turn(edits, script(write("a.md"), write("a.txt"), "step:", say("so")));
    await isAsked(turns, edits, write("a.c"));
    await isAsked(turns, await web(turns, { edits: "ask" }), write("b.md"));

    // Taken back while a turn waits: nothing that begins after it is free.
    const { run, asked } = await asking(turns, plain, write("c"), "step:", append("a"));
    assert.equal((await set({})).json.settings, null);
    await turns.approve(asked.id, { decision: "allow" });
    const again = await plain.until("approval_asked", (data) => data.run === run);
    assert.equal(again.tool, "run_command");
    await turns.approve(again.id, { decision: "deny" });
    await plain.ended(run);

    await set({ permissions: [rule("deny", "sh *")] });
    const free = await web(turns, { permissions: [rule("allow")] });
    const final = await turns.turn(free, script(append("a"), "step:", say("so")));
    assert.equal(toolsOf(final.message)[0].state, "denied");
  });

test("settings of a project that no rule can be read from are refused", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await web(turns);
  const good = { permissions: [rule("ask")], edits: "allow" };
  const { code, stderr } = await turns.daemon.cli(
    ["project", "set", "web", "--settings", JSON.stringify(good)]);
  assert.equal(code, 0, stderr);
  for (const [settings, words] of [
    [{ tools: [] }, /"settings": .*tools/],
    [{ permissions: {} }, /a list of at most 256 rules/],
    [{ permissions: [rule("ask"), rule("maybe")] }, /rule 2: .*allow, review, ask, deny/],
    [{ edits: [""] }, /edits: must be/],
    [[], /"settings"/],
    [{ edits: Array.from({ length: 64 }, () => "x".repeat(500)) }, /more than 16384 bytes/],
  ]) {
    const { json } = await turns.ask("PATCH", "/projects/web", { settings });
    assert.match(json.code, /^(bad|unknown)_field$|^bad_request$/, JSON.stringify(json));
    assert.match(json.detail, words);
  }
  assert.deepEqual(await projectOf(turns), good);
  const full = { edits: Array.from({ length: 64 }, (_, at) => `x${at}`) };
  await turns.ask("PATCH", "/projects/web", { settings: full });
  const { run, asked } = await asking(turns, listener, write("a"));
  const answer = { decision: "allow", scope: "project", subject: "a" };
  assert.match((await turns.approve(asked.id, answer)).json.detail, /has 64 already/);
  assert.equal((await turns.get(`/approvals/${asked.id}`)).state, "open");
  assert.deepEqual(await projectOf(turns), full);
  const yes = await turns.daemon.cli(["approve", asked.id, "--scope", "once"]);
  assert.equal(yes.code, 0, yes.stderr);
  await listener.ended(run);
});
