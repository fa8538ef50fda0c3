// outage.test.mjs: a provider that is away is asked by one call of its connection at a time, and
// all others wait for that one: agents until their deadline, a person for two minutes. Each minute
// of these tests is a second: --model-wait is the first long wait, usually 15 s.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Faulty } from "./faulty.mjs";
import { textOf, Turns } from "./turns.mjs";
import { Workflows, whole } from "./workflows.mjs";

const WAIT_MS = 250;
const MINUTE_MS = 4 * WAIT_MS;
const args = ["--insecure-loopback", "--model-wait", String(WAIT_MS), "--agents", "16"];
const json = { "content-type": "application/json" };
const refused = (status, message, headers = {}) =>
  ({ status, headers: { ...json, ...headers }, body: JSON.stringify({ error: { message } }) });

/** A provider that answers only while it is not away. */
class Absent extends Faulty {
  away = () => null; // What is played instead of an answer.
  requests = 0; // While it was away.

  answer(socket, body) {
    const play = this.away(JSON.parse(body));
    if (play) {
      this.requests++;
      this.plays.set(JSON.parse(body).model, [play]);
    }
    super.answer(socket, body);
  }
}

async function connect(t, daemon) {
  const provider = await new Absent("openai").start(t);
  const body = { name: "far", kind: "openai", base_url: provider.url };
  const made = await daemon.ask("POST", "/providers", body);
  assert.equal(made.status, 201, made.text);
  return provider;
}

for (const [how, play] of [
  ["answers 503", () => refused(503, "the machines rest")],
  ["closes each connection", () => ({ answer: { text: "never" }, at: "silent", how: "close" })],
]) {
  test(`40 agents survive a provider that ${how} for a minute, with few requests`, async (t) => {
    const flows = await Workflows.open(t, { args: args.slice(1) });
    const provider = await connect(t, flows);
    let until = 0;
    provider.away = () => {
      until ||= Date.now() + MINUTE_MS;
      return Date.now() < until ? play() : null;
    };
    const run = await flows.start({ model: "far/m", script: whole(`
      const all = await parallel(Array.from({ length: 40 }, (_, i) => () =>
        agent("count " + i, { label: "sheep " + i, tools: [] })));
      return all.filter((one) => one === null).length;`) });
    const { end, events } = await flows.outcome(run);
    assert.equal(end.result, 0, "none is null");
    assert.deepEqual(end.agents, { succeeded: 40, cached: 0, failed: 0, skipped: 0 });
    assert.ok(provider.requests <= 12, `${provider.requests} requests while it was away`);
    const waits = events.filter(({ type }) => type === "agent_retrying");
    assert.ok(waits.every(({ data }) => data.gate === "provider" && data.resume_at_ms > 0));
  });
}
