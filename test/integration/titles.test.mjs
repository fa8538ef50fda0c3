// titles.test.mjs: what sessions are called, when nobody says so.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { openSse } from "./sse.mjs";
import { say, Turns } from "./turns.mjs";
import { framesOf, kinds, Wires } from "./wires.mjs";

const NAMER = "You name conversations";
const isNaming = (body) => body.includes(NAMER);
const WORDS = "please mend the build of this project, it has been broken since last Monday";
const FIRST_WORDS = "please mend the build of this project, it has been broken";

/** Answers turns at once; what asks for a title waits for `name`, `refuse` or `break_`. */
class Namer extends Wires {
  naming = [];

  answer(request, body, answer) {
    if (!isNaming(body)) {
      super.answer(request, body, answer);
      return;
    }
    this.naming.push({ body: JSON.parse(body), answer });
    this.server.emit("naming");
  }

  async nextNaming() {
    while (this.naming.length === 0) await once(this.server, "naming");
    return this.naming.shift();
  }

  name({ answer }, text) {
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.end(framesOf(this.kind, { text }).map(({ bytes }) => bytes).join(""));
  }

  refuse({ answer }) {
    answer.writeHead(401, { "content-type": "application/json" });
    answer.end('{"error":{"message":"no"}}');
  }
}

async function open(t, kind = "openai") {
  const turns = await Turns.open(t);
  const provider = await new Namer(kind).start(t);
  const model = await provider.connect(turns);
  const listener = await turns.listen({ model, title: "" });
  const show = () => turns.get(`/sessions/${listener.session}`);
  const runs = async () =>
    (await turns.get("/runs")).items.filter((run) => run.kind === "title");
  return { turns, provider, model, listener, show, runs };
}

const renamed = (listener) => listener.until("session_renamed");

for (const kind of kinds) {
  test(`a model names a session after its first answer, in the words of ${kind}`, async (t) => {
    const { turns, provider, listener, show, runs } = await open(t, kind);
    provider.answers.push({ text: "I have mended it." });
    await turns.turn(listener, WORDS);
    const asked = await provider.nextNaming();
    assert.equal((await show()).title, "");
    const prompt = JSON.stringify(asked.body);
    assert.ok(prompt.includes(WORDS) && prompt.includes("I have mended it."), prompt);
    provider.name(asked, '"Mending the build."');
    assert.equal((await renamed(listener)).title, "Mending the build");
    const session = await show();
    assert.deepEqual([session.title, session.title_by], ["Mending the build", "auto"]);
    const [run] = await runs();
    assert.deepEqual([run.state, run.cause, run.attempts ?? 1], ["succeeded", "completed", 1]);
    await turns.turn(listener, "and the next one");
    assert.equal((await runs()).length, 1);
    assert.equal(provider.bodies.filter(isNaming).length, 0);
  });
}

test("whoever names it meanwhile wins, and the session goes on meanwhile", async (t) => {
  const { turns, provider, listener, show, runs } = await open(t);
  await turns.turn(listener, WORDS);
  const asked = await provider.nextNaming();
  await turns.turn(listener, "the next message does not wait for a title");
  const target = `/sessions/${listener.session}`;
  assert.equal((await turns.ask("PATCH", target, { title: "Mine" })).status, 200);
  provider.name(asked, "Yours");
  await listener.until("usage", (data) => data.title);
  const session = await show();
  assert.deepEqual([session.title, session.title_by], ["Mine", "user"]);
  assert.equal((await runs()).length, 1);
});

test("what a title takes counts in the session's sums, and by its category", async (t) => {
  const { turns, provider, listener, show, runs } = await open(t);
  await turns.turn(listener, WORDS);
  const before = (await show()).usage;
  provider.name(await provider.nextNaming(), "Mending");
  const { call, session } = await listener.until("usage", (data) => data.title);
  assert.equal(session.calls, before.calls + 1);
  assert.equal(session.output, before.output + call.output);
  const { items } = await turns.get("/usage?by=category");
  assert.equal(items.find((row) => row.category === "title").usage.calls, 1);
  const [run] = await runs();
  const spans = (await turns.get(`/runs/${run.id}/spans`)).items;
  assert.deepEqual(spans.map(({ kind, name, state }) => [kind, name, state]), [
    ["model", "test/small", "succeeded"],
  ]);
});

test("without a useful answer it is the first words", async (t) => {
  const { turns, provider, listener, runs } = await open(t);
  await turns.turn(listener, WORDS);
  provider.refuse(await provider.nextNaming());
  assert.equal((await renamed(listener)).title, FIRST_WORDS);
  assert.deepEqual((await runs()).map((run) => run.cause), ["auth_failed"]);
  const other = await turns.listen({ model: "test/small", title: "" });
  await turns.turn(other, WORDS);
  provider.name(await provider.nextNaming(), '"..."');
  assert.equal((await renamed(other)).title, FIRST_WORDS);
  assert.deepEqual((await runs()).map((run) => run.cause), ["empty_response", "auth_failed"]);
});

test("a stop of its run leaves the first words", async (t) => {
  const { turns, provider, listener, runs } = await open(t);
  await turns.turn(listener, WORDS);
  await provider.nextNaming();
  const [run] = await runs();
  assert.equal((await turns.ask("POST", `/runs/${run.id}/stop`)).status, 200);
  assert.equal((await renamed(listener)).title, FIRST_WORDS);
  assert.deepEqual((await runs()).map(({ state, cause }) => [state, cause]), [
    ["cancelled", "stopped"],
  ]);
});

test("a daemon that dies asks again when it comes back", async (t) => {
  const { turns, provider, listener, show, runs } = await open(t);
  await turns.turn(listener, WORDS);
  await provider.nextNaming();
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  provider.name(await provider.nextNaming(), "Mending");
  assert.equal((await renamed(listener)).title, "Mending");
  assert.equal((await runs()).length, 1);
  assert.equal((await show()).title, "Mending");
});

test("a call that a crash cut off costs what was reserved for it", async (t) => {
  const { turns, provider, listener, show } = await open(t);
  const limit = { tokens: 1_000_000 };
  assert.equal((await turns.ask("PATCH", "/budgets/project:default", limit)).status, 200);
  await turns.turn(listener, WORDS);
  await provider.nextNaming();
  const { reserved } = await turns.get("/budgets/project:default");
  assert.ok(reserved.tokens > 0);
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  provider.name(await provider.nextNaming(), "Mending");
  await renamed(listener);
  const { usage } = await show();
  const reported = usage.fresh + usage.cache_read + usage.cache_write + usage.output;
  const budget = await turns.get("/budgets/project:default");
  assert.equal(budget.spent.tokens, reported + reserved.tokens);
  assert.equal(budget.reserved.tokens, 0);
});

test("a session that is deleted meanwhile leaves nothing", async (t) => {
  const { turns, provider, listener, runs } = await open(t);
  await turns.turn(listener, WORDS);
  const asked = await provider.nextNaming();
  const [run] = await runs();
  assert.equal((await turns.ask("DELETE", `/sessions/${listener.session}`)).status, 200);
  provider.name(asked, "Mending");
  const ended = await openSse(turns.daemon, `/api/v1/streams/run:${run.id}/events?after=0`);
  for (let frame; (frame = await ended.next()) && frame.event !== "run_finished"; );
  ended.close();
  assert.equal((await turns.get(`/runs/${run.id}`)).state, "succeeded");
  assert.equal((await turns.get("/usage?by=category")).items.length, 1);
});

test("no model is asked where the first words do", async (t) => {
  const { turns, provider, listener, runs } = await open(t);
  const scripted = await turns.listen({ title: "" });
  await turns.turn(scripted, say("hello"));
  assert.equal((await turns.get(`/sessions/${scripted.session}`)).title, "say: hello");
  const given = await turns.listen({ model: "test/small", title: "Given" });
  await turns.turn(given, WORDS);
  const set = await turns.ask("PATCH", "/settings", { title_model: "scripted/demo" });
  assert.equal(set.status, 200);
  await turns.turn(listener, WORDS);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).title, FIRST_WORDS);
  const { run } = await turns.send(listener.session, WORDS);
  await listener.ended(run);
  assert.deepEqual([await runs(), provider.naming], [[], []]);
});

test("a model of its own may be set for titles", async (t) => {
  const { turns, provider } = await open(t);
  const set = await turns.ask("PATCH", "/settings", { title_model: "test/cheap" });
  assert.equal(set.json.title_model, "test/cheap");
  const listener = await turns.listen({ title: "" });
  await turns.turn(listener, say("hello"));
  const asked = await provider.nextNaming();
  assert.equal(asked.body.model, "cheap");
  provider.name(asked, "Greeting");
  assert.equal((await renamed(listener)).title, "Greeting");
  const refused = await turns.ask("PATCH", "/settings", { title_model: "nobody/x" });
  assert.deepEqual([refused.status, refused.json.code], [400, "bad_field"]);
});

test("where the budget is used up it is the first words", async (t) => {
  const { turns, provider, listener, runs } = await open(t);
  assert.equal((await turns.ask("PATCH", "/budgets/project:default", { tokens: 1 })).status, 200);
  const { end } = await turns.turn(listener, WORDS);
  assert.equal(end.state, "succeeded");
  assert.equal((await turns.get(`/sessions/${listener.session}`)).title, FIRST_WORDS);
  const [{ state, cause }] = await runs();
  assert.deepEqual([state, cause], ["failed", "budget"]);
  assert.deepEqual(provider.naming, []);
});
