// numbers.test.mjs: a number comes out as it went in: in events, in arguments of workflows and of
// tools, in results, over every way out.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { openSse } from "./sse.mjs";
import { toolsOf, Turns } from "./turns.mjs";
import { kinds, Wires } from "./wires.mjs";
import { whole, Workflows } from "./workflows.mjs";

/** As they are sent and as they come back: the text, not the value, since JSON.parse rounds too. */
const NUMBERS = [
  "0.30000000000000004", "0.1", "-0.0", "1.0", "100.5", "5e-324", "2.2250738585072014e-308",
  "1.7976931348623157e+308", "123456789.12345679", "0.1234567890123456", "9007199254740992",
  "9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808", "1e+21",
  "1.5e-7",
];
/** An integer beyond 64 bits is refused by name of its place, never rounded. */
const REFUSED = ["9223372036854775808", "-9223372036854775809", "1e999"];
const list = `[${NUMBERS.join(",")}]`;

test("events hold the numbers that were appended, and refuse those that do not fit", async (t) => {
  const turns = await Turns.open(t);
  const { daemon } = turns;
  const made = await daemon.append("n", `{"type":"n","data":${list}}`);
  assert.equal(made.status, 201, made.text);
  for (const number of REFUSED) {
    const refused = await daemon.append("n", `{"type":"n","data":${number}}`);
    assert.equal(refused.status, 400, number);
    assert.equal(refused.json.code, "bad_json", number);
  }
  const page = await turns.ask("GET", "/streams/n/events");
  assert.ok(page.text.includes(`"data":${list}`), page.text);
  const sse = await openSse(daemon, "/api/v1/streams/n/events?after=0", {});
  assert.equal((await sse.next()).data, list);
  sse.close();
  const cli = await daemon.cli(["stream", "tail", "n", "--json"]);
  assert.ok(cli.stdout.includes(list), cli.stdout + cli.stderr);
});

test("a workflow's args and result are the numbers that were given", async (t) => {
  const flows = await Workflows.open(t);
  // Numbers of JavaScript are doubles: integers beyond 2^53 are given as it knows them.
  const fit = NUMBERS.filter((text) => !/^-?9(007199254740993|22337203685477580)/.test(text));
  const shown = fit.map((text) => JSON.stringify(JSON.parse(text)));
  const script = whole("return { same: args, sum: 0.1 + 0.2, large: 2 ** 60, huge: 1e20 };");
  const args = `{"n":[${fit.join(",")}]}`;
  const body = `{"root":${JSON.stringify(flows.root)},"script":${JSON.stringify(script)},`;
  const answer = await flows.ask("POST", "/workflows", `${body}"args":${args}}`);
  assert.equal(answer.status, 201, answer.text);
  const run = answer.json.runId;
  await flows.ended(run);
  const row = await flows.ask("GET", `/runs/${run}`);
  for (const number of shown) {
    const spelt = number === "0" ? "[-]?0" : number.replace(/[.+]/g, "\\$&");
    assert.match(row.text, new RegExp(`[[,]${spelt}[,\\]]`), `${number} in ${row.text}`);
  }
  assert.ok(row.text.includes('"sum":0.30000000000000004,"large":1152921504606847000'), row.text);
  assert.ok(row.text.includes('"huge":1e+20'), row.text);
  const file = flows.write("sum.js", whole("return { sum: 0.1 + 0.2, tenth: args.tenth };"));
  const words = ["--args", '{"tenth":0.1}', "--root", flows.root];
  const cli = await flows.daemon.cli(["run", file, ...words]);
  assert.ok(cli.stdout.includes('"sum": 0.30000000000000004'), cli.stdout + cli.stderr);
  assert.ok(cli.stdout.includes('"tenth": 0.1\n'), cli.stdout);
});

for (const kind of kinds) {
  test(`${kind}: arguments of tools keep their numbers, and are sent back with them`, async (t) => {
    const turns = await Turns.open(t);
    const provider = await new Wires(kind).start(t);
    const model = await provider.connect(turns);
    const listener = await turns.listen({ model, root: turns.root });
    const raw = `{"path":"a","numbers":${list}}`;
    provider.answers.push({ call: { id: "c1", name: "read_file", raw } }, { text: "ok" });
    const { message } = await turns.turn(listener, "read");
    assert.equal(toolsOf(message).length, 1);
    const all = await turns.ask("GET", `/sessions/${listener.session}/messages`);
    assert.ok(all.text.includes(`"numbers":${list}`), all.text);
    const sent = kind === "anthropic" ? raw : JSON.stringify(raw).slice(1, -1);
    assert.ok(provider.bodies[1].includes(sent), provider.bodies[1]);
    listener.close();
  });
}
