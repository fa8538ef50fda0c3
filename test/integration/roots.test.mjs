// roots.test.mjs: folders beside the project: asked for, granted, used, taken back.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import {
  existsSync, mkdirSync, readFileSync, realpathSync, renameSync, symlinkSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { plainEnv, run as cli } from "./lib.mjs";
import { Provider } from "./providers.mjs";
import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const WRITES = { settings: { permissions: [{ tool: "*_file", permission: "allow" }] } };

function beside(turns, name) {
  const folder = path.join(realpathSync(turns.folder), name);
  mkdirSync(folder);
  writeFileSync(path.join(folder, "a.txt"), `of ${name}\n`);
  return folder;
}

/** A turn that asks for the folder, and then reads and writes in it. */
async function asking(turns, listener, folder, access) {
  const file = path.join(folder, "a.txt");
  const text = script(
    call("read_file", { path: file }),
    call("request_access", { path: folder, access, reason: "to see" }),
    call("read_file", { path: file }),
    call("write_file", { path: path.join(folder, "new.txt"), content: "made\n" }),
    say("done"),
  );
  // Calls in a row are one answer: each shall come after the one before it.
  const steps = text.replaceAll("\ncall:", "\nstep:\ncall:");
  const { run } = await turns.send(listener.session, steps);
  const asked = await listener.until("approval_asked", (data) => data.run === run);
  return { run, asked };
}

test("a folder that is granted is read and written in the turn that waited", async (t) => {
  const turns = await Turns.open(t);
  const folder = beside(turns, "beside");
  const listener = await turns.listen({ root: turns.root, ...WRITES });
  const { run, asked } = await asking(turns, listener, folder, "write");
  assert.deepEqual(asked.about.grant, { path: folder, access: "write" });
  assert.equal((await turns.approve(asked.id)).status, 200);
  await listener.ended(run);
  const cards = toolsOf(await turns.answer(listener.session, run));
  const states = cards.map((card) => card.state);
  assert.deepEqual(states, ["failed", "succeeded", "succeeded", "succeeded"]);
  assert.deepEqual(JSON.parse(cards[1].text), { granted: true, path: folder, access: "write" });
  assert.match(cards[2].text, /of beside/);
  assert.equal(readFileSync(path.join(folder, "new.txt"), "utf8"), "made\n");
  const { items } = await turns.get(`/sessions/${listener.session}/roots`);
  assert.deepEqual(items.map((one) => [one.path, one.access]), [[folder, "write"]]);
  assert.ok(items[0].granted_by.length > 0 && items[0].granted_ms > 0);
  // It is the session's, also after a restart; and no other session's.
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  const file = path.join(folder, "a.txt");
  const later = await turns.turn(listener, script(call("read_file", { path: file }), say("x")));
  assert.match(toolsOf(later.message)[0].text, /of beside/);
  const other = await turns.listen({ root: turns.root });
  const foreign = await turns.turn(other, script(call("read_file", { path: file }), say("x")));
  assert.equal(toolsOf(foreign.message)[0].cause, "not_permitted");
});

test("a folder of the project is one of all its sessions, until its settings leave it out",
  async (t) => {
    const turns = await Turns.open(t);
    const folder = beside(turns, "beside"), project = "web";
    const listener = await turns.listen({ root: turns.root, project, ...WRITES });
    const set = (settings) => turns.ask("PATCH", "/projects/web", { settings });
    const seen = async (session) => {
      const file = path.join(folder, "a.txt"), body = script(call("read_file", { path: file }),
        "step:", call("write_file", { path: file, content: "new\n" }), "step:", say("x"));
      const { message } = await turns.turn(session, body);
      return toolsOf(message).map((card) => card.state);
    };
    const { run, asked } = await asking(turns, listener, folder, "write");
    const yes = { decision: "allow", scope: "project" };
    const narrowed = await turns.approve(asked.id, { ...yes, subject: "/tmp/*" });
    assert.match(narrowed.json.detail, /^subject: a folder is granted as it was asked for/);
    const granted = await turns.approve(asked.id, yes);
    assert.equal(granted.status, 200, granted.text);
    await listener.ended(run);
    const cards = toolsOf(await turns.answer(listener.session, run));
    assert.deepEqual(cards.map((card) => card.state),
      ["failed", "succeeded", "succeeded", "succeeded"]);
    const folders = [{ path: folder, access: "write" }];
    assert.deepEqual((await turns.get("/projects/web")).settings, { folders });
    assert.deepEqual((await turns.get(`/sessions/${listener.session}/roots`)).items, []);
    const other = await turns.listen({ root: turns.root, project, ...WRITES });
    assert.deepEqual(await seen(other), ["succeeded", "succeeded"]);

    // Settings grant nothing: no other folder, and no more access.
    const less = [{ path: folder, access: "read" }];
    assert.deepEqual((await set({ folders: less })).json.settings, { folders: less });
    assert.deepEqual(await seen(other), ["succeeded", "failed"]);
    for (const wrong of [folders, [{ path: "/", access: "read" }], [...less, ...less], [7], {}]) {
      assert.equal((await set({ folders: wrong })).json.code, "bad_field");
    }
    const made = await turns.ask("POST", "/projects", { name: "new", settings: { folders: less } });
    assert.match(made.json.detail, /only an answer grants a folder/);
    await turns.ask("POST", `/sessions/${other.session}/roots`, { path: folder, access: "write" });
    assert.deepEqual(await seen(other), ["succeeded", "succeeded"]); // The wider one.
    await set(null);
    assert.deepEqual(await seen(listener), ["failed", "failed"]);
  });

test("a root to read refuses writes, and a no grants nothing", async (t) => {
  const turns = await Turns.open(t);
  const folder = beside(turns, "beside");
  const listener = await turns.listen({ root: turns.root, ...WRITES });
  const denied = await asking(turns, listener, folder, "read");
  await turns.approve(denied.asked.id, { decision: "deny", reason: "not that one" });
  await listener.ended(denied.run);
  let cards = toolsOf(await turns.answer(listener.session, denied.run));
  assert.deepEqual(cards.map((card) => card.state), ["failed", "denied", "failed", "failed"]);
  assert.match(cards[1].text, /not that one/);
  assert.deepEqual((await turns.get(`/sessions/${listener.session}/roots`)).items, []);
  const allowed = await asking(turns, listener, folder, "read");
  await turns.approve(allowed.asked.id);
  await listener.ended(allowed.run);
  cards = toolsOf(await turns.answer(listener.session, allowed.run));
  assert.deepEqual(cards.map((card) => card.state), ["failed", "succeeded", "succeeded", "failed"]);
  assert.match(cards[3].text, /may be read but not written/);
  assert.ok(!existsSync(path.join(folder, "new.txt")));
});

test("a yes that comes while the daemon is killed counts once", async (t) => {
  const turns = await Turns.open(t);
  const folder = beside(turns, "beside");
  const listener = await turns.listen({ root: turns.root, ...WRITES });
  const { run, asked } = await asking(turns, listener, folder, "write");
  await turns.daemon.kill();
  await turns.daemon.start();
  const given = await turns.approve(asked.id);
  assert.equal(given.status, 200);
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.equal((await turns.approve(asked.id, { decision: "deny" })).status, 409);
  await listener.open();
  await listener.ended(run);
  assert.equal(readFileSync(path.join(folder, "new.txt"), "utf8"), "made\n");
  assert.equal((await turns.get(`/sessions/${listener.session}/roots`)).items.length, 1);
});

test("what nobody may grant is refused before anybody is asked", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const data = path.join(turns.folder, "d");
  symlinkSync(data, path.join(turns.folder, "way"));
  const here = (name) => path.join(turns.folder, name);
  const places = ["/", "/proc/self/root", "/proc/self", "/dev", "relative", data, turns.root];
  places.push(here("d/spool"), here("way"), here("none"));
  for (const place of places) {
    const asked = call("request_access", { path: place, access: "read", reason: "x" });
    const { message } = await turns.turn(listener, script(asked, say("x")));
    assert.equal(toolsOf(message)[0].state, "failed", place);
    if (place === turns.root) continue;
    const granted = await turns.ask("POST", `/sessions/${listener.session}/roots`, { path: place });
    assert.equal(granted.status, 400, place);
  }
});

test("a link that takes the place of a root leads nowhere", async (t) => {
  const turns = await Turns.open(t);
  const folder = beside(turns, "beside"), other = beside(turns, "other");
  const listener = await turns.listen({ root: turns.root });
  const granted = await turns.ask("POST", `/sessions/${listener.session}/roots`, { path: folder });
  assert.equal(granted.status, 201, granted.text);
  renameSync(folder, `${folder}-old`);
  symlinkSync(other, folder);
  const read = call("read_file", { path: path.join(folder, "a.txt") });
  const { message } = await turns.turn(listener, script(read, say("x")));
  assert.equal(toolsOf(message)[0].state, "failed");
  assert.doesNotMatch(toolsOf(message)[0].text, /of other/);
});

test("a root is told at the end of a prompt, and its beginning stays the same", async (t) => {
  const provider = await new Provider().start(t);
  const turns = await Turns.open(t);
  const folder = beside(turns, "beside");
  const connection = { name: "p", kind: "openai", base_url: provider.url };
  assert.equal((await turns.ask("POST", "/providers", connection)).status, 201);
  const listener = await turns.listen({ root: turns.root, model: "p/x" });
  const prompts = [];
  for (const text of ["one", "two", "three"]) {
    if (text === "two") {
      await turns.ask("POST", `/sessions/${listener.session}/roots`, { path: folder });
    }
    await turns.turn(listener, text);
    prompts.push(JSON.parse(provider.last.body));
  }
  const [first, second, third] = prompts;
  for (const { tools } of prompts) assert.deepEqual(tools, first.tools);
  assert.deepEqual(second.messages[0], first.messages[0]);
  assert.equal(second.messages[1].content, "one");
  assert.ok(!JSON.stringify(first).includes(folder));
  const last = JSON.stringify(second.messages.at(-1));
  assert.ok(last.includes("two") && last.includes(`${folder} (read)`), last);
  const earlier = third.messages.slice(0, -1);
  assert.ok(!JSON.stringify(earlier).includes(folder));
  assert.ok(JSON.stringify(third.messages.at(-1)).includes(folder));
});

test("roots are listed, granted and taken back from the command line", async (t) => {
  const turns = await Turns.open(t);
  const folder = beside(turns, "beside");
  const listener = await turns.listen({ root: turns.root });
  const { session } = listener;
  const env = { ...plainEnv, DROVER_DATA: path.join(turns.folder, "d") };
  const added = await cli(["root", "add", session, folder, "--write"], { env });
  assert.equal(added.code, 0, added.stderr);
  await listener.until("root_granted", (data) => data.path === folder && data.access === "write");
  const listed = await cli(["root", "ls", session], { env });
  assert.match(listed.stdout, new RegExp(`write .* ${folder}`));
  const ended = await turns.turn(listener, say("text"));
  assert.equal(textOf(ended.message), "text");
  const removed = await cli(["root", "rm", session, folder], { env });
  assert.equal(removed.code, 0, removed.stderr);
  await listener.until("root_removed", (data) => data.path === folder);
  const again = await cli(["root", "rm", session, folder], { env });
  assert.equal(again.code, 3);
  const read = call("read_file", { path: path.join(folder, "a.txt") });
  const { message } = await turns.turn(listener, script(read, say("x")));
  assert.equal(toolsOf(message)[0].state, "failed");
});
