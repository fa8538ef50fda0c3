// run-commands.test.mjs: the commands for jobs, runs and workflows, as a pipe sees them.
//
// runs-with: release, san, postgres
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { script, USAGE } from "./talk.mjs";

/** The id that a command with --json printed. */
const idOf = ({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1)).id;

golden("job-commands", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  const ended = (run) => record.until(daemon, `run:${run}`, "run_finished");
  await cli("job", "ls");
  await cli("job", "ls", "--json");
  await cli("ps");
  await cli("ps", "--all", "--json");
  await cli("job", "run", "--", "printf", "one\\ntwo\\n");
  await cli("job", "run", "--label", "fails", "--shell", "echo out; echo err >&2; exit 3");
  await cli("job", "run", "--shell", "kill -9 $$");
  await cli("job", "run", "--timeout", "50ms", "--", "sleep", "600");
  await cli("job", "run", "--", "/no/such/program");
  await cli("job", "run", "--detach", "--", "true").then(({ stdout }) => ended(stdout.trim()));
  const words = ["--label", "all", "--key", "k", "--priority", "3", "--project", "web"];
  const command = ["--retry", "1", "--", "printf", "a\\nb\\n"];
  const all = await cli("job", "run", "--detach", "--json", ...words, ...command);
  const run = idOf(all);
  await ended(run);
  await record.cli(daemon, ["job", "run", "--stdin", "-", "--", "cat"], { input: "typed\n" });
  await cli("job", "run", "--json", "--", "echo", "hi");
  record.say("lists");
  await cli("job", "ls");
  await cli("job", "ls", "--state", "failed", "--json");
  await cli("job", "ls", "--limit", "1");
  await cli("job", "ls", "--limit", "1", "--total");
  await cli("ps");
  await cli("ps", "--all", "--limit", "2");
  await cli("ps", "--all", "--search", "FAILS", "--json");
  record.say("one of them");
  for (const name of ["show", "trace", "attach", "job attach", "job wait", "job logs"]) {
    await cli(...name.split(" "), run);
    await cli(...name.split(" "), run, "--json");
    await cli(...name.split(" "), "none");
  }
  await cli("job", "search", run, "b");
  await cli("job", "search", run, "b", "--context", "1", "--json");
  await cli("job", "search", run, "nothing");
  await cli("job", "search", run, "(");
  await cli("job", "stop", run);
  await cli("stop", run);
  await cli("stop", "none");
  await cli("job", "abandon", run);
  await cli("job", "rm", run);
  await cli("job", "rm", run);
  record.say("a live one");
  const live = idOf(await cli("job", "run", "--detach", "--json", "--", "sleep", "600"));
  await cli("job", "rm", live);
  await cli("job", "stop", live);
  await cli("show", live);
  await cli("job", "rm", live, "--json");
  for (const command of [["job", "stop"], ["stop"]]) {
    const other = idOf(await cli("job", "run", "--detach", "--json", "--", "sleep", "600"));
    await cli(...command, other, "--json");
  }
  record.say("wrong uses");
  await cli("job", "run");
  await cli("job", "run", "--timeout", "soon", "--", "true");
  await cli("job", "run", "--memory", "much", "--", "true");
  await cli("job", "run", "--priority", "5000", "--", "true");
  await cli("job", "run", "--retry-on", "never", "--", "true");
  await cli("job", "run", "--budget", "cows=1", "--", "true");
  await cli("job", "run", "--env", "A B=1", "--", "true");
  await cli("job", "run", "--notify", "nonsense", "--", "true");
  await cli("ps", "--state", "asleep");
  await cli("ps", "--watch", "--limit", "3");
});

const FLOW = `export const meta = {
  name: "flock", description: "counts sheep", phases: [{ title: "Find" }],
};
phase("Find");
const found = await agent(${JSON.stringify(script("say: sheep", USAGE))}, { label: "finder" });
log("one was found");
return { found, args };
`;

golden("remedies", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  await cli("job", "run", "make && echo ok");
  await cli("job", "run", "--json", "make && echo ok");
  await cli("job", "run", "--env", "PATH=/none", "make");
  await cli("job", "run", "./make");
  await cli("job", "run", "--notify", "http://127.0.0.1:8080/ended", "true");
  await cli("job", "run", "--notify", "http://localhost/ended", "true");
  await cli("job", "rm", "run_x", "run_y");
});

golden("workflow-commands", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  const folder = path.join(record.root, ".drover/workflows");
  mkdirSync(folder, { recursive: true });
  const at = ["--root", record.root];
  await cli("workflow", "ls", ...at);
  writeFileSync(path.join(folder, "flock.js"), FLOW);
  const broken = path.join(folder, "broken.js");
  writeFileSync(broken, 'export const meta = { name: "broken", description: "x" };\nreturn (;\n');
  for (const more of [[], ["--json"]]) {
    await cli("workflow", "ls", ...at, ...more);
    await cli("workflow", "show", "flock", ...at, ...more);
    await cli("workflow", "show", "flok", ...at, ...more);
    await cli("workflow", "check", broken, path.join(folder, "flock.js"), ...more);
    await cli("workflow", "check", path.join(folder, "flock.js"), ...more);
    await cli("workflow", "plan", "flock", ...at, ...more);
  }
  await cli("workflow", "plan", broken);
  const first = await cli("run", "flock", ...at, "--arg", "n=7");
  await cli("run", "flock", ...at, "--args", '{"n": [1]}', "--json");
  await cli("run", "flock", ...at, "--label", "a label", "--timeout", "1m", "--budget", "agents=5");
  await cli("run", "flok", ...at);
  await cli("run", broken);
  await cli("run", "flock", ...at, "--args", "{");
  await cli("run", "flock", ...at, "--detach", "--json").then(({ stdout }) =>
    record.until(daemon, `run:${JSON.parse(stdout).id}`, "workflow_finished"));
  record.say("one of them");
  const list = await daemon.request("GET", "/api/v1/runs?kind=workflow");
  const run = list.json.items.at(-1).id;
  for (const command of ["show", "trace", "attach", "job wait", "workflow source",
    "export"]) {
    await cli(...command.split(" "), run);
    await cli(...command.split(" "), run, "--json");
  }
  await cli("run", "--resume", run);
  await cli("ps", "--all", "--kind", "workflow");
  await cli("pause", run);
  await cli("resume", run);
  await cli("restart", run);
  await cli("stop", run);
  await cli("job", "rm", run);
  record.say("tried again");
  const failing = await cli("job", "run", "--detach", "--json", "--", "false");
  const bad = JSON.parse(failing.stdout).id;
  await record.until(daemon, `run:${bad}`, "run_finished");
  await cli("retry", bad);
  await cli("retry", bad, "--json");
  await cli("retry", "run_nowhere");
  record.say("paused, restarted, stopped");
  const slow = 'return await agent("delay: 600s", { label: "slow" });\n';
  const file = path.join(folder, "slow.js");
  writeFileSync(file, `export const meta = { name: "slow", description: "x" };\n${slow}`);
  const { id } = JSON.parse((await cli("run", file, "--detach", "--json")).stdout);
  const agent = (await record.until(daemon, `run:${id}`, "agent_started")).run;
  await record.calling(daemon);
  await cli("show", id);
  await cli("show", agent);
  await cli("pause", id);
  await cli("ps");
  await cli("pause", id, "--json");
  await cli("resume", id);
  await cli("resume", id, "--json");
  await record.calling(daemon);
  await cli("restart", agent);
  await record.calling(daemon);
  await cli("restart", agent, "--json");
  await record.calling(daemon);
  await cli("stop", id);
  await cli("show", id);
});

golden("new-workflow", async (record) => {
  const daemon = await record.daemon();
  await record.cli(daemon, ["workflow", "new", "mine"]);
  await record.cli(daemon, ["workflow", "new", "mine"]);
  await record.cli(daemon, ["workflow", "new", "Not A Name"]);
  await record.cli(daemon, ["workflow", "new", "other", "--json"]);
  record.add(readFileSync(path.join(record.root, ".drover/workflows/mine.js"), "utf8"));
});
