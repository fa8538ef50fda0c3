// flow-approved.test.mjs: the yes of named approvers is for what they read, once.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };

/** `local` owns the runs, ana approves them. */
class Desk {
  static async open(t) {
    const desk = new Desk();
    desk.turns = await Turns.open(t);
    desk.ana = await desk.token("ana");
    return desk;
  }

  async token(owner) {
    const made = await this.turns.ask("POST", "/tokens", { owner, scopes: ["read", "approve"] });
    return { authorization: `Bearer ${made.json.token}` };
  }

  as(headers, method, target, body) {
    return this.turns.daemon.request(method, `/api/v1${target}`, { body, headers });
  }

  /** sure, an approval of ana, then `steps`. */
  async begin(steps, more = {}) {
    written(this.turns, "ship", `export default { steps: [
      { id: "sure", kind: "approval", prompt: "Ship?", approvers: ["ana"] }, ${steps}] };`);
    return started(this.turns, "ship", { question: "1.2.0" }, more);
  }

  /** The open question of the run; a run that ends without one fails the test. */
  async question(run) {
    let found;
    await until(`ana is asked about ${run}`, async () => {
      const { items } = (await this.as(this.ana, "GET", "/approvals")).json;
      found = items.find((one) => one.run === run);
      const flow = await flowOf(this.turns, run);
      assert.ok(found !== undefined || flow.stage === "steps",
        `it ended unasked: ${JSON.stringify(stepOf(flow, "ship"))}`);
      return found !== undefined;
    });
    return (await this.as(this.ana, "GET", `/approvals/${found.id}`)).json;
  }

  async agree(run) {
    const { id } = await this.question(run);
    const yes = await this.as(this.ana, "POST", `/approvals/${id}`,
      { decision: "allow", reason: "looks right" });
    assert.equal(yes.status, 200, yes.text);
  }

  async retry(run) {
    const again = await this.turns.ask("POST", `/runs/${run}/retry`, {});
    assert.equal(again.status, 201, again.text);
    return again.json.id;
  }

  place(name) {
    return path.join(this.turns.root, name);
  }

  write(name, text) {
    mkdirSync(path.dirname(this.place(name)), { recursive: true });
    writeFileSync(this.place(name), text);
  }

  log() {
    const log = this.place("log");
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").join(" ") : "";
  }
}

const AGAIN = /\nAsked again\. The answer before: yes, by ana: looks right\n/;

test("a yes is used when the step after it begins: a retry asks again, with the first answer",
  LIMIT, async (t) => {
    const desk = await Desk.open(t);
    let run = await desk.begin(`{ id: "ship", kind: "command", deps: ["sure"],
      command: "echo ship >> log; test -d ok" }`);
    await desk.agree(run);
    assert.equal((await ended(desk.turns, run)).failed_step, "ship");
    run = await desk.retry(run);
    assert.match((await desk.question(run)).shown, AGAIN);
    assert.equal(desk.log(), "ship");
    mkdirSync(desk.place("ok"));
    await desk.agree(run);
    assert.equal((await ended(desk.turns, run)).state, "succeeded");
    assert.equal(desk.log(), "ship ship");
  });

test("stopped in the middle of the step after it, a run asks again; after a kill it does not",
  LIMIT, async (t) => {
    const desk = await Desk.open(t);
    const begun = (count) => until(`ship has begun ${count} times`, () =>
      desk.log().split(" ").length === count && desk.log() !== "");
    let run = await desk.begin(`{ id: "ship", kind: "command", deps: ["sure"],
      command: "echo ship >> log; until test -d ok; do sleep 0.1; done" }`);
    await desk.agree(run);
    await begun(1);
    await desk.turns.ask("POST", `/runs/${run}/stop`, {});
    await ended(desk.turns, run);
    run = await desk.retry(run);
    assert.match((await desk.question(run)).shown, AGAIN);
    await desk.agree(run);
    await begun(2);
    await desk.turns.daemon.kill();
    await desk.turns.daemon.start();
    mkdirSync(desk.place("ok"));
    assert.equal((await ended(desk.turns, run)).state, "succeeded");
    assert.equal(desk.log(), "ship ship");
  });

test("a step that tries again by itself asks before each try; one beside it is not disturbed",
  LIMIT, async (t) => {
    const desk = await Desk.open(t);
    const run = await desk.begin(`
      { id: "ship", kind: "command", deps: ["sure"], maxRetries: 1,
        command: "echo ship >> log; test -d ok" },
      { id: "tell", kind: "command", deps: ["sure"], command: "echo tell >> told" }`);
    await desk.agree(run);
    await until("ship waits for its second try", async () =>
      stepOf(await flowOf(desk.turns, run), "ship").tries === 1);
    assert.match((await desk.question(run)).shown, AGAIN);
    assert.equal(desk.log(), "ship");
    mkdirSync(desk.place("ok"));
    await desk.agree(run);
    assert.equal((await ended(desk.turns, run)).state, "succeeded");
    assert.equal(desk.log(), "ship ship");
    assert.equal(readFileSync(desk.place("told"), "utf8"), "tell\n");
  });

test("a no that goes back to a step after it asks again; the yes was used", LIMIT, async (t) => {
  const desk = await Desk.open(t);
  const run = await desk.begin(`
    { id: "ship", kind: "command", deps: ["sure"], command: "echo ship >> log" },
    { id: "good", kind: "approval", deps: ["ship"], prompt: "Good?", rewind_to: "ship" }`);
  await desk.agree(run);
  let good;
  await until("it asks whether that was good", async () => {
    good = (await desk.turns.get("/approvals")).items.find((one) => one.step === "good");
    return good !== undefined;
  });
  await desk.turns.ask("POST", `/approvals/${good.id}`, { decision: "deny" });
  assert.match((await desk.question(run)).shown, AGAIN);
  assert.equal(desk.log(), "ship");
});

test("code and a switch in between take nothing from the question, and a try again asks again",
  LIMIT, async (t) => {
    const desk = await Desk.open(t);
    desk.write("deploy.sh", "echo read >> log; test -d ok");
    const run = await desk.begin(`
      { id: "how", kind: "code", deps: ["sure"], run: () => "now" },
      { id: "which", kind: "switch", deps: ["how"],
        cases: [{ label: "now", condition: () => true, stepIds: ["ship"] }] },
      { id: "ship", kind: "command", deps: ["which"], maxRetries: 1,
        command: "sh ./deploy.sh" }`);
    const first = await desk.question(run);
    assert.match(first.shown, /file \.\/deploy.sh \(sha256 [0-9a-f]{16}\)/);
    desk.write("deploy.sh", "echo edited >> log; test -d ok");
    await desk.agree(run);
    let second;
    await until("it asks again", async () => {
      second = await desk.question(run);
      return second.id !== first.id;
    });
    assert.match(second.shown, /\nSince then: \S*deploy.sh was another file\n/);
    assert.equal(desk.log(), "");
    await desk.agree(run);
    await until("ship waits for its second try", async () =>
      stepOf(await flowOf(desk.turns, run), "ship").tries === 1);
    assert.match((await desk.question(run)).shown, AGAIN);
    assert.equal(desk.log(), "edited");
    mkdirSync(desk.place("ok"));
    await desk.agree(run);
    assert.equal((await ended(desk.turns, run)).state, "succeeded");
    assert.equal(desk.log(), "edited edited");
  });

/** What is edited while the question is open, and the step that would have run it. */
const EDITED = [
  ["deploy.sh", "echo REPLACE >> log", `kind: "command", command: "sh ./deploy.sh"`],
  ["deploy.sh", "echo REPLACE >> log", `kind: "command", run: () => "sh deploy.sh now"`],
  [".drover/flows/child.js", `export default { steps: [
    { id: "one", kind: "command", command: "echo REPLACE >> log" }] };`,
    `kind: "flow", flow: "child"`],
  [".drover/workflows/child.js", `export const meta = { name: "child", description: "A child." };
    log("REPLACE");`, `kind: "workflow", workflow: "child"`],
];

test("what is edited while the question is open is not run: it asks again, and says what differs",
  LIMIT, async (t) => {
    const desk = await Desk.open(t);
    for (const [file, text, step] of EDITED) {
      rmSync(desk.place("log"), { force: true });
      desk.write(file, text.replace("REPLACE", "read"));
      const run = await desk.begin(`{ id: "ship", deps: ["sure"], ${step} }`);
      const first = await desk.question(run);
      desk.write(file, text.replace("REPLACE", "edited"));
      await desk.agree(run);
      let second;
      await until("it asks again", async () => {
        second = await desk.question(run);
        return second.id !== first.id;
      });
      assert.match(second.shown, AGAIN);
      assert.match(second.shown,
        new RegExp(`\nSince then: \\S*${path.basename(file)} was another file\n`));
      assert.match(first.shown, /file \S*(deploy.sh|child.js) \(sha256 [0-9a-f]{16}\)/);
      assert.equal(desk.log(), "");
      await desk.agree(run);
      const flow = await ended(desk.turns, run);
      assert.equal(flow.state, "succeeded", JSON.stringify(stepOf(flow, "ship")));
      assert.equal(desk.log(), file.includes("workflows") ? "" : "edited");
    }
  });

test("no file that a step names is left out: where they are too many, nobody is asked", LIMIT,
  async (t) => {
    const desk = await Desk.open(t);
    const names = Array.from({ length: 101 }, (_, at) => `part-${at}`);
    for (const name of [...names, "deploy.sh"]) desk.write(name, "read");
    desk.write(".claude/agents/reader.md", "---\nname: Explore\n---\nYou only read.");
    const command = (from, to) => `kind: "command", deps: ["sure"],
      command: "true ${names.slice(from, to).join(" ")}"`;
    let run = await desk.begin(
      `{ id: "one", ${command(0, 60)} }, { id: "two", ${command(40, 101)} }`);
    assert.deepEqual((await desk.question(run)).about.steps.map((step) => step.files.length),
      [60, 61]);
    await desk.agree(run);
    assert.equal((await ended(desk.turns, run)).state, "succeeded");
    run = await desk.begin(`{ id: "all", ${command(0, 101)} }`);
    const flow = await ended(desk.turns, run);
    assert.match(stepOf(flow, "sure").note, /^step 'all' names more than 100 files/);
    run = await desk.begin(`
      { id: "long", kind: "command", deps: ["sure"],
        run: () => { /* ${"long ".repeat(1000)} */ return "./deploy.sh --prod"; } },
      { id: "huge", kind: "command", deps: ["sure"],
        run: () => { /* ${"huge ".repeat(13000)} */ return "true"; } },
      { id: "look", kind: "agent", deps: ["sure"], run: () => "Look." }`);
    const { shown, about } = await desk.question(run);
    assert.deepEqual(about.steps.map((step) => step.files.map((file) => file.path)),
      [["./deploy.sh"], [], [".claude/agents/reader.md"]]);
    assert.match(shown, /\d+ more bytes: the flow's file has them \(sha256 [0-9a-f]{16}\)/);
    assert.match(shown, /… a function of 65\d{3} characters, sha256 [0-9a-f]{64}, is left out/);
  });

test("an approver sees what the yes is about, and reads that run alone", LIMIT, async (t) => {
  const desk = await Desk.open(t);
  const run = await desk.begin(`
    { id: "ship", kind: "command", deps: ["sure"], command: "make ship\\nowner: ana" },
    { id: "tell", kind: "agent", deps: ["ship"], agent: "Explore",
      run: (ctx) => "say: shipped " + ctx.input.question }`);
  const other = await desk.begin(`{ id: "ship", kind: "command", command: "true" }`);
  const { shown, about } = await desk.question(run);
  for (const line of ["Ship\\?", "owner: local", `input: {"question":"1.2.0"}`,
    "flow: ship, \\S+/ship.js \\(sha256 [0-9a-f]{16}\\)", "step ship, command: make ship",
    "  > owner: ana", `step tell, agent: Explore`, `  > \\(ctx\\) => "say: shipped ".*`]) {
    assert.match(shown, new RegExp(`^${line}$`, "m"));
  }
  assert.deepEqual(about.steps.map((step) => step.step_id), ["ship", "tell"]);
  const read = async (headers, target) => (await desk.as(headers, "GET", target)).status;
  assert.equal(await read(desk.ana, `/runs/${run}`), 200);
  assert.equal(await read(desk.ana, `/runs/${run}/flow`), 200);
  const eve = await desk.token("eve");
  assert.equal(await read(eve, `/runs/${run}`), 404);
  assert.equal(await read(eve, `/runs/${run}/flow`), 404);
  await desk.agree(run);
  let child;
  await until("ship has begun", async () => {
    child = stepOf(await flowOf(desk.turns, run), "ship").run;
    return child !== null && child !== "";
  });
  assert.equal(await read(desk.ana, `/runs/${child}`), 404);
  assert.equal((await desk.as(desk.ana, "POST", `/runs/${run}/stop`, {})).status, 403);
  assert.notEqual(other, run);
});
