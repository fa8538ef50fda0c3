// ps-tree.test.mjs: `drover ps` at a terminal, and the runs of `drover status`.
//
// runs-with: release
import assert from "node:assert/strict";
import { test } from "node:test";

import { AtTerminal } from "../../scripts/terminal.mjs";
import { bin, plainEnv, run as plain } from "./lib.mjs";
import { until } from "./providers.mjs";
import { whole, Workflows } from "./workflows.mjs";

const BODY = `return await parallel([
  () => agent('call: run_command {"command": "true"}\\nsay: done', { label: "asker" }),
  () => agent("delay: 600s\\nsay: late", { label: "slow" }),
]);`;

const short = (id) => id.slice(0, 16);

/** A workflow with an agent that asks and one that does not, and a job. */
async function scene(t) {
  const flows = await Workflows.open(t);
  const { daemon } = flows;
  const job = await flows.ask("POST", "/jobs", { shell: "sleep 600", label: "nightly" });
  const flow = await flows.start({ script: whole(BODY), model: "scripted/demo" });
  const lists = async () => [await flows.get("/approvals"), await flows.get("/runs?live=1")];
  await until("an agent asks and the other one works", async () => {
    const [asked, runs] = await lists();
    return asked.items.length === 1 && runs.items.length === 6;
  });
  const [asked, runs] = await lists();
  const idOf = (label) => short(runs.items.find((run) => run.label === label).id);
  const ids = { flow: short(flow), job: short(job.json.id), asked: short(asked.items[0].id) };
  Object.assign(ids, { asker: idOf("asker"), slow: idOf("slow") });
  const env = { ...plainEnv, LANG: "C.UTF-8", LC_ALL: "", DROVER_DATA: daemon.data };
  const at = (columns, words, more = {}) => {
    const rows = more.rows ?? 24;
    const told = new AtTerminal([bin, ...words], { columns, rows, env: { ...env, ...more.env },
      changed: more.changed });
    t.after(() => told.child.kill("SIGKILL"));
    return told;
  };
  return { flows, daemon, ids, env, at };
}

/** What a command that ends shows, without its empty last line and with times as "TIME". */
async function shown(told) {
  assert.equal(await told.ended, 0);
  assert.equal(told.screen.broken, 0, "no line is too long");
  return told.screen.text.join("\n").trimEnd().replaceAll(/ +\d+m?s(?= )/g, " TIME");
}

test("ps and status draw the same tree, as wide as the terminal", async (t) => {
  const { daemon, ids, env, at } = await scene(t);
  assert.equal(await shown(at(80, ["ps"])), `\
RUN               KIND      STATE         TIME  LABEL
${ids.flow}  workflow  running TIME  flock  0/2
${ids.asker}  agent     waiting TIME  ├ asker
    ? run_command: true
      drover approve ${ids.asked}
${ids.slow}  agent     running TIME  └ slow
${ids.job}  job       running TIME  nightly`);
  const narrow = `\
RUN               STATE      LABEL
${ids.flow}  running    flock  0/2
${ids.asker}  waiting    ├ asker
    ? run_command: true
      drover approve ${ids.asked}
${ids.slow}  running    └ slow
${ids.job}  running    nightly`;
  assert.equal(await shown(at(40, ["ps"])), narrow);
  const status = at(40, ["status"]); // Its other lines are as long as they are.
  await status.ended;
  assert.ok(status.screen.text.join("\n").trimEnd().endsWith(`runs      4\n${narrow}`));
  const ascii = await shown(at(40, ["ps"], { env: { LANG: "C" } }));
  assert.equal(ascii, narrow.replace("├ ", "|-").replace("└ ", "`-"));
  const wide = await shown(at(120, ["ps", "--kind", "workflow"]));
  assert.equal(wide.split("\n").at(-1), "? 1 question of other runs: drover approve");

  const piped = (await plain(["ps"], { env })).stdout.split("\n");
  assert.match(piped[0], /^RUN {29}KIND {6}STATE {25}TRY {5}TIME {2}WHAT$/);
  assert.equal(piped.length, 8, "a line for each run, turns, too");
  const show = await plain(["show", ids.slow, "--json"], { env });
  assert.equal(short(JSON.parse(show.stdout).id), ids.slow);
  assert.equal((await daemon.cli(["approve", ids.asked])).code, 0);
});

test("ps --watch draws in place, keeps the question on a small screen, and follows its width",
  async (t) => {
    const { flows, daemon, ids, at } = await scene(t);
    for (const label of ["a", "b", "c"]) {
      assert.equal((await flows.ask("POST", "/jobs", { shell: "sleep 600", label })).status, 201);
    }
    let waits = [];
    const changed = (screen) => {
      waits = waits.filter(({ fits, resolve }) => !fits(screen) || resolve());
    };
    const watch = at(60, ["ps", "--watch"], { rows: 8, changed });
    // It may have drawn already, and draws nothing where nothing changes.
    const sees = (fits) => new Promise((resolve) => (
      fits(watch.screen) ? resolve() : waits.push({ fits, resolve })));
    const text = () => watch.screen.shown.map((line) => line.map(({ char }) => char).join(""));
    const asks = `      drover approve ${ids.asked}`;
    await sees(() => text().some((line) => line.startsWith(asks)) && text().length === 8);
    const more = ["    1 more agent: 1 running", "    4 more jobs: 4 running", ""];
    assert.deepEqual(text().slice(5), more);
    await watch.resize(40);
    await sees(() => text()[0]?.startsWith("RUN               STATE      LABEL"));
    assert.equal((await daemon.cli(["approve", ids.asked])).code, 0);
    await sees(() => text().length > 5 && text().every((line) => !line.includes("approve")));
    watch.type("\x03");
    await watch.ended;
    assert.equal(text().filter((line) => line.startsWith("RUN")).length, 1);
  });
