// mail.test.mjs: mail between agents, sessions and people.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { letGo, open, prompts, session } from "./agents.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";

const LIMIT = { timeout: scaled(90_000) };

/** A command of the stand-in: sends that mail from inside of its run. */
const mail = (body, more = "") => `RUN curl -s ${more} --unix-socket "$DROVER_DATA/drover.sock" ` +
  `-H 'content-type: application/json' -d '${JSON.stringify(body)}' http://drover/api/mail`;
/** A script of the stand-in's folder that does so; its words stand in no prompt before. */
const script = (post, name, text) => {
  writeFileSync(path.join(post.turns.root, name), text);
  return `RUN sh ${name}`;
};

class Post {
  static async open(t, agents = ["claude", "codex"]) {
    const turns = await open(t, agents);
    await turns.ask("POST", "/projects", { name: "shop", root: turns.root });
    return Object.assign(new Post(), { turns });
  }

  ask = async (at, body) => {
    const { status, text, json } = await this.turns.ask("POST", at, body);
    assert.ok(status < 300, text);
    return json;
  };

  send = (to, text, more = {}) =>
    this.ask("/mail", { to, title: "Hello", text, project: "shop", ...more });

  refused = async (at, body) => {
    const { status, json } = await this.turns.ask("POST", at, body);
    return [status, json.code];
  };

  list = async (query = "") => (await this.turns.get(`/mail${query}`)).items;

  show = (id) => this.turns.get(`/mail/${id}`);

  async until(id, wanted) {
    let one;
    await until(`${id} is ${wanted}`, async () => {
      one = await this.show(id);
      return one.status === wanted;
    });
    return one;
  }
}

const said = (post) => prompts(post.turns).flat();

test("mail to an agent is read once in its main session, and the sender hears of no answer", LIMIT,
  async (t) => {
    const post = await Post.open(t);
    const { id } = await post.send("claude", "Look at it.\nRUN echo x >> count");
    const done = await post.until(id, "done");
    assert.deepEqual([done.project, done.from, done.to, done.type, done.depth, done.attempts],
      ["shop", "local", "claude", "request", 1, 1]);
    const { agent, root } = await post.turns.get(`/sessions/${done.session}`);
    assert.deepEqual([agent, root], ["claude", post.turns.root]);
    assert.equal(readFileSync(path.join(post.turns.root, "count"), "utf8"), "x\n");
    assert.match(said(post)[0], /you have mail.*Look at it\./);
    const [told] = await post.list("?q=without");
    assert.deepEqual([told.from, told.to, told.in_reply_to, told.status],
      ["drover", "local", id, "done"]);
    const again = await post.send("claude@shop", "More.", { type: "inform", project: undefined });
    assert.equal((await post.until(again.id, "done")).session, done.session);
    const events = await post.turns.get("/streams/project:shop/events?limit=200");
    assert.ok(events.events.some(({ type }) => type === "mail_changed"));
  });

test("who writes is found, and receivers are there", LIMIT, async (t) => {
  const post = await Post.open(t);
  const sent = (body) => post.refused("/mail", { title: "x", text: "x", ...body });
  assert.deepEqual(await sent({ to: "nobody", project: "shop" }), [404, "not_found"]);
  assert.deepEqual(await sent({ to: "claude" }), [400, "missing_field"]);
  assert.deepEqual(await sent({ to: "claude@none" }), [404, "not_found"]);
  assert.deepEqual(await sent({ project: "shop" }), [400, "missing_field"]);
  assert.deepEqual(await sent({ to: "drover", project: "shop" }), [400, "bad_field"]);
  const { id } = await post.send("claude", mail({ to: "codex", title: "x", text: "y",
    from: "codex" }, "-o as-other"));
  await post.until(id, "done");
  const answer = JSON.parse(readFileSync(path.join(post.turns.root, "as-other"), "utf8"));
  assert.equal(answer.code, "not_your_task");
  assert.deepEqual(await post.refused(`/projects/shop/tasks/${id}/status`,
    { status: "done" }), [409, "mail"]);
});

test("a busy agent gets its mail after its turn, bundled; what was taken back it never sees", LIMIT,
  async (t) => {
    const post = await Post.open(t);
    const first = await post.send("claude", "SLOW");
    await post.until(first.id, "working");
    const kept = [];
    for (const word of ["alpha", "beta"]) {
      kept.push(await post.send("claude", word, { type: "inform" }));
    }
    const gone = await post.send("claude", "gamma");
    const old = await post.send("claude", "delta", { type: "inform" });
    kept.push(await post.send("claude", "epsilon", { type: "inform", supersedes: old.id }));
    const taken = await post.ask(`/mail/${gone.id}/retract`);
    assert.equal(taken.status, "retracted");
    assert.deepEqual(await post.refused(`/mail/${first.id}/retract`), [409, "conflict"]);
    letGo(post.turns);
    for (const { id } of kept) await post.until(id, "done");
    const [, bundle, ...rest] = said(post);
    assert.match(bundle, /alpha.*beta.*epsilon/);
    assert.doesNotMatch(said(post).join(), /gamma|delta/);
    assert.deepEqual(rest, []);
    assert.equal((await post.show(old.id)).status, "retracted");
    assert.equal(new Set(await Promise.all(kept.map(async ({ id }) =>
      (await post.show(id)).turn))).size, 1);
  });

test("over a kill of the daemon mail is read once", LIMIT, async (t) => {
  const post = await Post.open(t);
  const { daemon, root } = post.turns;
  const { id } = await post.send("claude", "RUN echo x >> count\nSLOW", { type: "inform" });
  await until("it is read", async () => existsSync(path.join(root, "count")));
  const next = await post.send("claude", "RUN echo y >> count", { type: "inform" });
  await daemon.kill();
  await daemon.start();
  letGo(post.turns);
  await post.until(id, "done");
  await post.until(next.id, "done");
  assert.equal(readFileSync(path.join(root, "count"), "utf8"), "x\ny\n");
  assert.equal((await post.show(id)).attempts, 1);
});

test("an answer goes to the session that asked, as what needs no answer", LIMIT, async (t) => {
  const post = await Post.open(t);
  const talk = await session(post.turns, { agent: "codex" });
  const answer = script(post, "answer.sh", `id=$(grep -oh 'mail_[0-9a-z]*' .standin/* | tail -1)
printf '{"in_reply_to":"%s","text":"It is so."}' $id | ` +
    mail({}).replace("RUN ", "").replace("'{}'", "@-"));
  await post.turns.send(talk.session,
    mail({ to: "claude@shop", title: "Ask", text: `Say it.\n${answer}` }));
  await until("it is answered", async () =>
    (await post.list()).some(({ title, status }) => title === "Re: Ask" && status === "done"));
  const [told, asked] = await post.list();
  assert.deepEqual([told.type, told.from, told.in_reply_to, told.depth, told.session],
    ["inform", "claude@shop", asked.id, 2, asked.from_session]);
  await post.until(asked.id, "done");
  assert.equal((await post.list("?q=without")).length, 0);
  assert.match(said(post).join(), /It is so\./);
});

test("two agents that answer everything come to an end", LIMIT, async (t) => {
  const post = await Post.open(t);
  // Each mail holds the command that sends the next one, back to where it came from.
  const pass = (from, to) => script(post, `to-${to}.sh`,
    mail({ to, title: "Ping", text: `RUN sh to-${from}.sh` }).replace("RUN ", "") + " >> passed");
  pass("claude", "codex");
  pass("codex", "claude");
  await post.send("claude", "RUN sh to-codex.sh");
  await until("the chain ends", async () =>
    existsSync(path.join(post.turns.root, "passed")) &&
    readFileSync(path.join(post.turns.root, "passed"), "utf8").includes("mail_loop"));
  await until("all is read", async () => (await post.list("?status=pending,working")).length === 0);
  const requests = (await post.list()).filter(({ type }) => type === "request");
  assert.deepEqual(requests.map(({ depth }) => depth).reverse(), [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("mail that fails three times has failed, and its sender gets notice", LIMIT, async (t) => {
  const post = await Post.open(t);
  const talk = await session(post.turns, { agent: "codex" });
  await post.turns.send(talk.session, script(post, "ask.sh",
    mail({ to: "claude@shop", title: "Ask", text: "DIE" }).replace("RUN ", "")));
  let asked;
  await until("it failed", async () => {
    asked = (await post.list()).find(({ title }) => title === "Ask");
    return asked?.status === "failed";
  });
  await until("the sender has notice", async () => (await post.list()).some(
    (one) => one.from === "drover" && one.status === "done" && one.session === talk.session));
  assert.match(said(post).join(), /Your request failed/);
});

test("urgent mail joins a turn that takes messages; where none does, it follows the turn", LIMIT,
  async (t) => {
    const post = await Post.open(t);
    const works = async (agent) => (await post.until(
      (await post.send(agent, "SLOW TOOL", { type: "inform" })).id, "working")).turn;
    const [takes, without] = [await works("claude"), await works("codex")];
    const more = { type: "inform", urgent: true };
    const [first, later] = [await post.send("claude", "Stop at alpha", more),
      await post.send("codex", "Stop at beta", more)];
    assert.deepEqual([first.status, first.turn, later.status], ["working", takes, "pending"]);
    assert.deepEqual(await post.refused(`/mail/${first.id}/retract`), [409, "conflict"]);
    await post.turns.daemon.kill();
    await post.turns.daemon.start();
    letGo(post.turns);
    assert.equal((await post.until(first.id, "done")).turn, takes);
    assert.notEqual((await post.until(later.id, "done")).turn, without);
    assert.equal(said(post).filter((one) => one.includes("Stop at alpha")).length, 1);
  });

test("urgent mail that a turn did not come to read waits for the next one", LIMIT, async (t) => {
  const post = await Post.open(t);
  const working = await post.send("claude", "GATE(never)", { type: "inform" });
  const { turn } = await post.until(working.id, "working");
  const { id } = await post.send("claude", "Stop at alpha", { type: "inform", urgent: true });
  await post.until(id, "working");
  await post.ask(`/runs/${turn}/stop`);
  const done = await post.until(id, "done");
  assert.notEqual(done.turn, turn);
  assert.match(said(post).at(-1), /you have mail.*Stop at alpha/);
});

test("a mail is answered by whom it was sent to", async (t) => {
  const turns = await open(t);
  const { json: mail } = await turns.ask("POST", "/mail", { to: "local", title: "t", text: "t" });
  const { json: { token } } = await turns.daemon.request("POST", "/api/v1/tokens",
    { body: { label: "spy", scopes: ["read", "run"] }, local: true });
  const headers = { authorization: `Bearer ${token}` };
  const answer = await turns.daemon.request("POST", "/api/v1/mail",
    { body: { in_reply_to: mail.id, text: "done" }, headers });
  assert.deepEqual([answer.status, answer.json.code], [403, "not_your_task"], answer.text);
  assert.equal((await turns.get(`/mail/${mail.id}`)).status, mail.status);
});
