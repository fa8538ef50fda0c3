// cut-off.test.mjs: a step that ends the daemon again and again is not begun for ever; an orderly
// stop is not counted.
//
// runs-with: release, postgres, each
import assert from "node:assert/strict";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { until } from "./providers.mjs";
import { Turns } from "./turns.mjs";
import { Silent } from "./wires.mjs";
import { whole, Workflows } from "./workflows.mjs";

const LIVES = 10;

/** Ends the daemon so often, each time when `asked` says that the step is under way in its life. */
async function endOften(daemon, asked, { lives = LIVES, how = () => daemon.kill() } = {}) {
  for (let life = 1; life <= lives; life++) {
    await until(`asked in life ${life}`, () => asked() >= life);
    await how();
    await daemon.start();
  }
}

test("a call of a turn that ten crashes cut off is not made again", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Silent("for ever").start(t);
  const listener = await turns.listen({ model: await provider.connect(turns) });
  const { run } = await turns.send(listener.session, "think for ever");
  await endOften(turns.daemon, () => provider.unanswered);
  await listener.open();
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["failed", "cut_off"]);
  assert.match(end.error ?? JSON.stringify(end), /10 times in a row/);
  assert.equal(provider.unanswered, LIVES);
  provider.words = "nobody says this";
  provider.answers.push({ text: "It is mended." });
  assert.equal((await turns.turn(listener, "mend it")).end.state, "succeeded");
});

test("a call that any number of orderly stops cut off is made again", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Silent("for ever").start(t);
  const listener = await turns.listen({ model: await provider.connect(turns) });
  const { run } = await turns.send(listener.session, "think for ever");
  const how = () => turns.daemon.stop();
  await endOften(turns.daemon, () => provider.unanswered, { lives: LIVES + 1, how });
  await until("it is asked again", () => provider.unanswered === LIVES + 2);
  assert.equal((await turns.get(`/runs/${run}`)).state, "running");
});

test("a call for a title that ten crashes cut off is not made again", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Silent("You name conversations").start(t);
  const listener = await turns.listen({ model: await provider.connect(turns), title: "" });
  provider.answers.push({ text: "It is mended." });
  await turns.turn(listener, "mend the build");
  await endOften(turns.daemon, () => provider.unanswered);
  const title = async () => (await turns.get("/runs")).items.find(({ kind }) => kind === "title");
  await until("the title has ended", async () => (await title()).state === "failed");
  assert.equal((await title()).cause, "cut_off");
  assert.equal(provider.unanswered, LIVES);
  assert.equal((await turns.get(`/sessions/${listener.session}`)).title, "mend the build");
});

test("a call of an agent that ten crashes cut off is not made again", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider);
  const body = `try { await agent("held for ever") } catch (error) { log(error.message) }
return await agent("behind")`;
  const run = await flows.start({ script: whole(body), model, root: undefined });
  await endOften(flows.daemon, () => provider.count("held for ever"));
  const { end } = await flows.outcome(run);
  assert.equal(end.result, "behind");
  assert.equal(provider.count("held for ever"), LIVES);
  const [agent] = await flows.agents(run);
  assert.deepEqual([agent.state, agent.cause], ["failed", "cut_off"]);
});
