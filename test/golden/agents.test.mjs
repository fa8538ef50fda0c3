// agents.test.mjs: what turns begin besides: reviews, jobs that wake them, subagents, summaries.
//
// runs-with: release, san, postgres
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { call, script, Talk, USAGE } from "./talk.mjs";

golden("reviews", async (record) => {
  const file = path.join(record.folder, "script.json");
  const decide = (decision, reason) => [`say: ${JSON.stringify({ decision, reason })}`, USAGE];
  const turn = (word, lines) => ({ when: `"subjects":["${word}.txt"]`, steps: [lines] });
  const turns = [
    turn("fine", decide("allow", "it was asked for")),
    turn("harm", decide("deny", "nobody asked for that")),
    turn("unclear", ["say: Sure, go ahead!", USAGE]),
  ];
  writeFileSync(file, JSON.stringify({ models: { reviewer: { turns } } }));
  const daemon = await record.daemon({ env: { DROVER_SCRIPT: file } });
  await record.ok(daemon, "PATCH", "settings", { review_model: "scripted/reviewer" });
  const settings = { permissions: [{ tool: "write_file", permission: "review" }], check: false };
  const talk = await Talk.begin(record, daemon, { settings });
  const write = (word) => call("write_file", { path: `${word}.txt`, content: "x\n" });
  await talk.turn(script(write("fine"), USAGE, "say: Done.", USAGE));
  await talk.turn(script(write("harm"), USAGE, "say: I see.", USAGE));
  const { run } = await talk.send(script(write("unclear"), USAGE, "say: Well.", USAGE));
  const { id } = await talk.asked(run);
  await talk.ask("GET", `approvals/${id}`);
  await talk.ask("POST", `approvals/${id}`, { decision: "deny" });
  await talk.ended(run);
  await talk.events();
  await talk.ask("GET", `sessions/${talk.session}/spans?kind=review`);
});

golden("follow-ups", async (record) => {
  const daemon = await record.daemon();
  record.names.estimates = true; // A follow-up reads how long its job took.
  const settings = { permissions: [{ tool: "run_job", permission: "allow" }], check: false };
  const talk = await Talk.begin(record, daemon, { settings });
  const { session } = talk;
  const job = call("run_job", { command: "sh", args: ["-c", "echo built"] });
  const { run } = await talk.send(script(job, USAGE, "say: It runs.", USAGE));
  await talk.until("turn_finished", (data) => data.run !== run && data.state === "succeeded");
  await talk.ask("GET", "inbox?all=1");
  await talk.ask("GET", `runs?session=${session}`);
  await talk.ask("GET", `sessions/${session}/messages?order=oldest`);
  const { json } = await daemon.request("GET", "/api/v1/jobs");
  await talk.ask("DELETE", `sessions/${session}?stop_jobs=1`);
  await talk.ask("GET", `runs/${json.items[0].id}`);
});

golden("subagents", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon);
  const spawn = call("spawn_subagent", { input: script("say: Below.", USAGE), label: "below" });
  const { run } = await talk.send(script(spawn, USAGE, "say: It works.", USAGE));
  await talk.until("turn_finished", (data) => data.run !== run && data.state === "succeeded");
  await talk.ask("GET", `sessions?parent=${talk.session}`);
  await talk.ask("GET", `sessions/${talk.session}/background`);
  await talk.ask("GET", `sessions/${talk.session}/messages?role=notice`);
  await talk.ask("GET", "runs?total=1");
  record.names.estimates = true; // A follow-up reads how long its subagent took.
  await talk.ask("GET", "usage?by=category");
  const below = { input: "say: For a person.", label: "mine" };
  await talk.ask("POST", `sessions/${talk.session}/subagents`, below);
});

golden("summaries", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon, { root: "" });
  record.names.estimates = true;
  await talk.turn(script(`say: ${"I tell a long story. ".repeat(40)}`, USAGE));
  await talk.turn(script("say: And its end.", USAGE));
  const compact = await talk.ask("POST", `sessions/${talk.session}/compact`);
  await talk.ended(compact.json.id);
  await talk.ask("GET", `runs/${compact.json.id}`);
  await talk.ask("GET", `sessions/${talk.session}/messages?role=system`);
  await talk.ask("GET", `sessions/${talk.session}/spans?kind=compaction`);
  await talk.events();
});

golden("memory", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  await ask("GET", "memory");
  await ask("GET", "memory/daily");
  await ask("GET", "memory/topics");
  const build = { project: "web", topic: "build", title: "How to build", content: "Run ninja." };
  const { id } = (await ask("POST", "memory", { ...build, tags: ["ninja", "c"] })).json;
  await ask("POST", "memory", { topic: "people", title: "Who", content: "Ask Al about herds." });
  await ask("POST", "memory", { ...build, topic: "x".repeat(65) });
  await ask("POST", "memory", { ...build, title: "x".repeat(201) });
  await ask("POST", "memory", { ...build, content: "x".repeat(8193) });
  await ask("POST", "memory", { ...build, tags: Array.from({ length: 17 }, (_, i) => `${i}`) });
  await ask("POST", "memory", build, { headers: { "content-type": "text/plain" } });
  await ask("GET", `memory/${id}`);
  await ask("GET", "memory?project=web&limit=1&total=1");
  await ask("GET", "memory?project=");
  await ask("GET", "memory?topic=people");
  await ask("GET", "memory?q=nin");
  await ask("GET", "memory/daily?project=web");
  await record.cli(daemon, ["memory", "ls"]);
  await record.cli(daemon, ["memory", "ls", "--json"]);
  await record.cli(daemon, ["memory", "ls", "herds"]);
  await record.cli(daemon, ["memory", "ls", "nothing"]);
  await record.cli(daemon, ["memory", "show", id]);
  await record.cli(daemon, ["memory", "show", id, "--json"]);
  await record.cli(daemon, ["memory", "show", "none"]);
  await record.cli(daemon, ["memory", "rm", id]);
  await record.cli(daemon, ["memory", "rm", id]);
  const more = (await ask("POST", "memory", build)).json;
  await record.cli(daemon, ["memory", "rm", more.id, "--json"]);
  const { json } = await daemon.request("GET", "/api/v1/memory");
  await ask("DELETE", `memory/${json.items[0].id}`);
  await ask("DELETE", `memory/${json.items[0].id}`);
});

golden("projects", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const cli = (...args) => record.cli(daemon, ["project", ...args]);
  await cli("ls");
  await ask("POST", "projects", { name: "web", root: "/srv/web", model: "scripted/demo" });
  await ask("POST", "projects", { name: "web" });
  await ask("POST", "projects", { name: "Web" });
  await ask("GET", "projects");
  await ask("GET", "projects/web");
  await ask("PATCH", "projects/web", { agent: "reviewer" });
  const permission = { tool: "run_command", subject: "make *", permission: "allow" };
  const settings = { permissions: [permission], edits: ["docs/**"] };
  await ask("PATCH", "projects/web", { settings });
  await ask("PATCH", "projects/web", { settings: { permissions: [{ permission: "maybe" }] } });
  await ask("PATCH", "projects/web", { settings: {} });
  await ask("DELETE", "projects/web");
  const flags = ["--root", "/srv/web", "--model", "scripted/demo",
    "--settings", JSON.stringify(settings)];
  for (const json of [[], ["--json"]]) {
    await cli("add", "web", ...flags, ...json);
    await cli("set", "web", "--agent", "reviewer", ...json);
    await cli("ls", ...json);
    await cli("show", "web", ...json);
    await cli("rm", "web", ...json);
  }
  await cli("set", "web", "--root", "web");
  await cli("rm", "web");
});

golden("mail", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, ["mail", ...args]);
  const send = (body) => record.ask(daemon, "POST", "mail", body);
  await cli("ls");
  const { json } = await send({ to: "local", title: "Look", text: "Look at it.", about: "T-1" });
  await record.ask(daemon, "POST", "/api/mail", { in_reply_to: json.id, text: "I did." });
  await record.ask(daemon, "GET", "mail");
  await record.ask(daemon, "GET", `mail/${json.id}`);
  const more = (await send({ to: "local", title: "More", text: "t" })).json.id;
  await record.ask(daemon, "POST", `mail/${more}/retract`);
  await record.ask(daemon, "POST", `mail/${json.id}/retract`);
  await record.ask(daemon, "DELETE", `mail/${json.id}`);
  await record.ask(daemon, "DELETE", `mail/${more}`);
  await send({ to: "nobody", title: "t", text: "t" });
  await send({ to: "nobody@web", title: "t", text: "t" });
  await send({ to: "drover", title: "t", text: "t" });
  await send({ to: "local", title: "t" });
  for (const words of [[], ["--json"]]) {
    await cli("send", "local", "Look again.", "--title", "Again", ...words);
    await cli("reply", "last", "I did.", ...words);
    await cli("ls", ...words);
    await cli("show", "last", ...words);
    await cli("send", "local", "No.", "--title", "Never", ...words);
    await cli("retract", "last", ...words);
    await cli("rm", "last", ...words);
  }
});

golden("programs", async (record) => {
  const env = { PATH: "/usr/bin:/bin" };
  const folder = path.join(record.home, ".drover", "agents");
  mkdirSync(folder, { recursive: true });
  const define = (name, definition) =>
    writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(definition));
  define("echo", { program: "plain", command: "echo", args: ["you said"], description: "Says." });
  define("broken", { program: "none" });
  const daemon = await record.daemon({ env });
  const cli = (...args) => record.cli(daemon, args, { env });
  await record.ok(daemon, "GET", "agents");
  await record.ok(daemon, "GET", "agents/echo");
  for (const json of [[], ["--json"]]) {
    await cli("agent", "ls", ...json);
    await cli("agent", "show", "echo", ...json);
  }
  await cli("agent", "show", "broken");
  await cli("agent", "show", "nobody");
  await cli("ask", "--agent", "echo", "hello");
  await cli("ask", "--agent", "broken", "hello");
  await cli("ask", "--agent", "claude", "hello");
  const stored = { program: "plain", command: "echo", args: ["stored"] };
  await record.ok(daemon, "POST", "agents", { name: "kept", ...stored });
  await record.ok(daemon, "PUT", "agents/kept", { ...stored, env: { A: { from: "HOME" } } });
  await record.ok(daemon, "GET", "agents/kept/start?prompt=hi");
  await record.ok(daemon, "DELETE", "agents/kept");
  const flags = ["--program", "plain", "--command", "echo", "--arg", "stored", "--env", "A=b"];
  for (const json of [[], ["--json"]]) {
    await cli("agent", "add", "kept", ...flags, ...json);
    await cli("agent", "add", "kept", ...flags, ...json);
    await cli("agent", "set", "kept", ...flags, "--env", "HOME", ...json);
    await cli("agent", "test", "kept", "--dry-run", ...json);
    await cli("agent", "test", "kept", ...json);
    await cli("agent", "run", "kept", "a task", ...json);
    await cli("agent", "run", "kept", "a task", "--session", "main", ...json);
    await cli("agent", "run", "kept", "a task", "--worktree", "--root", record.home, ...json);
    await cli("agent", "run", "kept", "a task", "--worktree", "--session", "main", ...json);
    await cli("agent", "rm", "kept", ...json);
  }
  await cli("agent", "test", "broken");
  await cli("agent", "test", "nobody");
});
