// workflow-progress.test.mjs: how far a workflow is, in its row and on the streams of lists.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { openSse } from "./sse.mjs";
import { whole, Workflows } from "./workflows.mjs";
import WebSocket from "./ws.mjs";

const NAMES = ["held a", "held b", "held c", "held d"];
const figures = ({ last_ms, ...rest }) => rest;

test("progress is in the row, and told at most once a second, without an event", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider, "wide");
  const socket = new WebSocket(`ws://127.0.0.1:${flows.daemon.port}/api/v1/ws`);
  t.after(() => socket.terminate());
  await once(socket, "open");
  const heard = [];
  socket.on("message", (text) => heard.push(JSON.parse(text)));
  socket.send(JSON.stringify({ subscribe: "project:default", after: 0 }));
  while (heard.length === 0) await once(socket, "message");
  const stream = await openSse(flows.daemon, "/api/v1/streams/owner:local/events?after=0");
  t.after(() => stream.close());
  const frames = [];
  const until = async (fits) => {
    for (let frame; (frame = await stream.next()) !== undefined;) {
      if (frame.event !== "run_progress") continue;
      assert.equal(frame.id, undefined);
      frames.push(JSON.parse(frame.data));
      if (fits(frames.at(-1).progress)) return;
    }
    assert.fail("the stream ended");
  };

  const script = whole(`return (await parallel(${JSON.stringify(NAMES)}.map((name) => () =>
    agent(name)))).length;`);
  const run = await flows.start({ script, model, root: undefined });
  await Promise.all(NAMES.map((name) => provider.untilAsked(name, 1)));
  await until(({ total }) => total === 4);
  const { progress } = await flows.get(`/runs/${run}`);
  assert.deepEqual(figures(progress), { done: 0, total: 4, cached: 0, waiting: 0, failed: 0 });
  const { items } = await flows.get("/runs?kind=workflow");
  assert.deepEqual(items[0].progress, progress);
  provider.free(NAMES[0]);
  await until(({ done }) => done === 1);
  for (const name of NAMES) provider.free(name);
  await flows.outcome(run);
  await until(({ done }) => done === 4);
  assert.equal((await flows.get(`/runs/${run}`)).progress, undefined);

  assert.ok(frames.every(({ id }) => id === run));
  const figuresOf = frames.map((frame) => JSON.stringify(frame.progress));
  assert.equal(new Set(figuresOf).size, frames.length, "each says something new");
  for (let i = 1; i < frames.length; i++) {
    assert.ok(frames[i].at_ms - frames[i - 1].at_ms >= 1000, JSON.stringify(frames));
  }
  const said = () => heard.filter(({ type }) => type === "run_progress");
  while (said().length < frames.length) await once(socket, "message");
  assert.deepEqual(said(), frames.map((data) =>
    ({ stream: "project:default", type: "run_progress", data })));
  const { events } = await flows.get("/streams/owner:local/events?limit=1000");
  assert.ok(events.every(({ type }) => type !== "run_progress"));
});

const PAUSED = `const [first] = await parallel([() => agent("held a"), () => agent("held b")]);
return [first, await agent("held c")];`;

test("the last frame of a paused workflow, and of one that ended, has its figures", {
  timeout: 120_000,
}, async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider, "wide");
  const stream = await openSse(flows.daemon, "/api/v1/streams/owner:local/events?after=0");
  t.after(() => stream.close());
  const last = new Map();
  const until = async (run, fits) => {
    while (!last.has(run) || !fits(last.get(run))) {
      const { event, data } = await stream.next();
      const { id, progress } = JSON.parse(data ?? "{}");
      if (event === "run_progress") last.set(id, progress);
    }
    return last.get(run);
  };
  const act = async (run, what) =>
    assert.equal((await flows.ask("POST", `/runs/${run}/${what}`, {})).status, 200);

  const run = await flows.start({ script: whole(PAUSED), model, root: undefined });
  await Promise.all(NAMES.slice(0, 2).map((name) => provider.untilAsked(name, 1)));
  await until(run, ({ total }) => total === 2);
  await act(run, "pause");
  provider.free(NAMES[0]);
  const paused = await until(run, ({ done }) => done === 1);
  assert.deepEqual(figures(paused), { done: 1, total: 2, cached: 0, waiting: 0, failed: 0 });
  assert.deepEqual((await flows.get(`/runs/${run}`)).progress, paused);
  await act(run, "resume");
  for (const name of NAMES) provider.free(name);
  assert.equal((await flows.outcome(run)).end.state, "succeeded");
  const ended = await until(run, ({ done }) => done === 3);
  assert.deepEqual(figures(ended), { done: 3, total: 3, cached: 0, waiting: 0, failed: 0 });

  const stopped = await flows.start({ script: whole('return await agent("held e")'), model,
    root: undefined });
  await provider.untilAsked("held e", 1);
  await until(stopped, ({ total }) => total === 1); // Asked before it is stored.
  await act(stopped, "stop");
  const cut = await until(stopped, ({ done }) => done === 1);
  assert.deepEqual(figures(cut), { done: 1, total: 1, cached: 0, waiting: 0, failed: 0 });
  assert.equal((await flows.get(`/runs/${stopped}`)).state, "cancelled");
});
