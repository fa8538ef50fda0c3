// workflow-builds.test.mjs: a run goes on with the build of the engine that it began with, over
// upgrades of the daemon, and says so where that build is gone.
//
// The other build is a copy of this one whose embedded programs differ in a byte that no kernel
// reads, so that they have folders of their own in libexec, as an upgrade has.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import {
  readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { otherBuild } from "./builds.mjs";
import { Counting } from "./counting.mjs";
import { kill } from "./processes.mjs";
import { until } from "./providers.mjs";
import { whole, Workflows } from "./workflows.mjs";

const SCRIPT = whole(`
const first = await agent('first');
return [first, await agent('second'), await agent('third')]`);
const RESULT = ["heard first", "heard second", "heard third"];

const link = (file) => {
  try {
    return readlinkSync(file);
  } catch {
    return ""; // It has ended meanwhile.
  }
};

/** Answers `second` when the test says so. */
class Gated extends Counting {
  opened = new Promise((open) => (this.open = open));

  async speak(answer, what) {
    if (what.text === "heard second") await this.opened;
    return super.speak(answer, what);
  }
}

class Upgrade {
  static async open(t) {
    const upgrade = new Upgrade();
    upgrade.provider = new Gated();
    await upgrade.provider.start(t);
    upgrade.flows = await Workflows.open(t);
    upgrade.daemon = upgrade.flows.daemon;
    upgrade.libexec = path.join(upgrade.daemon.data, "libexec");
    upgrade.model = await upgrade.flows.connect(upgrade.provider);
    upgrade.run = await upgrade.start();
    upgrade.engine = await upgrade.engineOf(upgrade.run);
    upgrade.file = path.join(upgrade.libexec, upgrade.engine, "worker");
    await until("the second agent is asked", () => upgrade.provider.count("second") === 1);
    return upgrade;
  }

  start(more = {}) {
    return this.flows.start({ script: SCRIPT, model: this.model, ...more });
  }

  async engineOf(run) {
    return (await this.flows.get(`/runs/${run}`)).spec.engine;
  }

  /** Another build takes over from one that was killed. */
  async over(between = () => {}) {
    await this.daemon.kill();
    between();
    this.daemon.program = otherBuild(this.flows.folder);
    await this.daemon.start();
  }

  /** The processes that workers are forked from: [{pid, engine}]. */
  zygotes() {
    const { pid } = this.daemon.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    const programs = children.map((child) => [child, link(`/proc/${child}/exe`)]);
    return programs
      .filter(([, program]) => path.basename(program.replace(" (deleted)", "")) === "worker")
      .map(([child, program]) => ({ pid: Number(child), engine: program.split("/").at(-2) }));
  }

  engines() {
    return this.zygotes().map(({ engine }) => engine);
  }

  /** Engines on the disk. */
  kept() {
    const folders = readdirSync(this.libexec);
    return folders.filter((name) => readdirSync(path.join(this.libexec, name)).includes("worker"));
  }
}

test("over an upgrade a run goes on with its engine, and a new one has the new", async (t) => {
  const upgrade = await Upgrade.open(t);
  await upgrade.over();
  await until("the old engine lives", () => upgrade.engines().includes(upgrade.engine));
  await until("the second agent is asked again", () => upgrade.provider.count("second") === 2);
  const next = await upgrade.start();
  const engine = await upgrade.engineOf(next);
  assert.notEqual(engine, upgrade.engine);
  await until("both live", () => upgrade.engines().includes(engine));
  assert.deepEqual(new Set(upgrade.engines()), new Set([engine, upgrade.engine]));
  assert.deepEqual(new Set(upgrade.kept()), new Set([engine, upgrade.engine]));
  upgrade.provider.open();
  const ends = [await upgrade.flows.outcome(upgrade.run), await upgrade.flows.outcome(next)];
  assert.deepEqual(ends.map(({ end }) => end.result), [RESULT, RESULT]);
  assert.equal(upgrade.provider.count("first"), 2, "once for each run");
  assert.equal(await upgrade.engineOf(upgrade.run), upgrade.engine, "the pin stays");
  await until("the old one has gone", () => !upgrade.engines().includes(upgrade.engine));
  assert.deepEqual(upgrade.engines(), [engine], "one for each that is in use");
});

const damages = {
  "is gone": ({ file }) => rmSync(file),
  // A file of its own: the old one may still run for a moment, and nobody can write to it.
  "is damaged": ({ file }) => {
    const bytes = readFileSync(file).fill(0, 4096, 4100);
    rmSync(file);
    writeFileSync(file, bytes, { mode: 0o700 });
  },
};
for (const [what, damage] of Object.entries(damages)) {
  test(`a run whose engine ${what} ends so, and is resumed with the present one`, async (t) => {
    const upgrade = await Upgrade.open(t);
    await upgrade.over(() => damage(upgrade));
    const { end } = await upgrade.flows.outcome(upgrade.run);
    assert.deepEqual([end.state, end.cause], ["failed", "engine_gone"]);
    assert.equal(end.error.code, "engine_gone");
    assert.match(end.note, /libexec.*present one/);
    upgrade.provider.open();
    const resumed = await upgrade.start({ resumeFromRunId: upgrade.run });
    const again = await upgrade.flows.outcome(resumed);
    assert.deepEqual(again.end.result, RESULT);
    assert.equal(again.end.agents.cached, 1);
    assert.equal(upgrade.provider.count("first"), 1, "what is done is not asked again");
    assert.notEqual(await upgrade.engineOf(resumed), upgrade.engine);
  });
}

test("an engine that nobody can look at just now is waited for", async (t) => {
  const upgrade = await Upgrade.open(t);
  const folder = path.dirname(upgrade.file);
  await upgrade.over(() => {
    renameSync(folder, `${folder}.aside`);
    symlinkSync(path.basename(folder), folder); // A link to itself: an error, and no absence.
  });
  await until("it is said", () => upgrade.daemon.log.includes("an engine of before could not"));
  unlinkSync(folder);
  renameSync(`${folder}.aside`, folder);
  upgrade.provider.open();
  assert.deepEqual((await upgrade.flows.outcome(upgrade.run)).end.result, RESULT);
});

test("an engine that goes while its run waits ends the run when it is needed again", async (t) => {
  const upgrade = await Upgrade.open(t);
  await upgrade.over();
  await until("the second agent is asked again", () => upgrade.provider.count("second") === 2);
  rmSync(upgrade.file);
  kill(upgrade.zygotes().find(({ engine }) => engine === upgrade.engine).pid);
  const { end } = await upgrade.flows.outcome(upgrade.run);
  assert.deepEqual([end.state, end.cause], ["failed", "engine_gone"]);
});
