// budgets.test.mjs: budgets, usage, and what is owed to those who wait for results.
//
// runs-with: release, san, postgres
import { once } from "node:events";
import http from "node:http";

import { golden } from "./golden.mjs";
import { script, Talk, USAGE } from "./talk.mjs";

golden("budgets", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  await ask("GET", "budgets");
  await ask("PATCH", "budgets/project:web", { wall_ms: 1e12, cost_micros: 2500000 });
  await ask("PATCH", "budgets/project:web", { agents: 5, cost_micros: null });
  await ask("PATCH", "budgets/project:web", { agents: -1 });
  await ask("PATCH", "budgets/project:web", { cows: 1 });
  await ask("PATCH", "budgets/nonsense", { agents: 1 });
  await ask("PATCH", "budgets/session:none", { agents: 1 });
  await ask("PATCH", "budgets/run:none", { agents: 1 });
  await ask("PATCH", "budgets/global?new=1", {});
  await ask("PATCH", "budgets/global?new=1", { cost_micros: 1 });
  await ask("PATCH", "budgets/global?new=perhaps", {});
  await ask("GET", "budgets/project:web");
  await ask("GET", "budgets?total=1&limit=1");
  await ask("GET", "budgets?q=WEB");
  record.say("a job that is charged, and one that finds nothing left");
  const body = { shell: "sleep 0.05", project: "web", budget: { wall_ms: 60000 } };
  const run = (await ask("POST", "jobs", body)).json.id;
  await record.until(daemon, `run:${run}`, "run_finished");
  await ask("GET", `budgets/run:${run}`);
  await ask("GET", "budgets?runs=1");
  await ask("PATCH", "budgets/project:poor", { wall_ms: 0 });
  const none = (await ask("POST", "jobs", { shell: "true", project: "poor" })).json.id;
  await record.until(daemon, `run:${none}`, "run_finished");
  await ask("GET", `runs/${none}`);
  await record.events(daemon, `run:${none}`);
  record.say("one that waits for what another has reserved");
  await ask("PATCH", "budgets/project:slow", { wall_ms: 50 });
  const cat = { shell: "cat", stdin_open: true, project: "slow" };
  const first = (await ask("POST", "jobs", cat)).json;
  const second = (await ask("POST", "jobs", { shell: "true", project: "slow" })).json;
  await ask("GET", `runs/${second.id}`);
  await ask("PATCH", "budgets/project:slow", { wall_ms: null });
  await record.until(daemon, `run:${second.id}`, "run_finished");
  await record.events(daemon, `run:${second.id}`);
  await ask("POST", `jobs/${first.id}/input`, { end: true });
  await record.until(daemon, `run:${first.id}`, "run_finished");
  await ask("DELETE", "budgets/project:web");
  await ask("DELETE", "budgets/project:web");
  await ask("GET", "budgets/project:web");
});

golden("budget-commands", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  await cli("budget", "ls");
  await cli("budget", "ls", "--json");
  await cli("budget", "set", "project:web", "--tokens", "10", "--cost", "2.50", "--wall", "30m");
  await cli("budget", "set", "project:web", "--agents", "5", "--json");
  await cli("budget", "set", "project:web");
  await cli("budget", "set", "project:web", "--tokens", "many");
  await cli("budget", "set", "nonsense", "--tokens", "1");
  await cli("budget", "show", "project:web");
  await cli("budget", "show", "project:web", "--json");
  await cli("budget", "show", "project:none");
  await cli("budget", "ls");
  await cli("budget", "ls", "--json");
  await cli("budget", "ls", "--search", "nothing");
  await cli("budget", "set", "project:other", "--tokens", "1");
  await cli("budget", "rm", "project:other", "--json");
  await cli("budget", "rm", "project:web");
  await cli("budget", "rm", "project:web");
});

golden("usage", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const cli = (...args) => record.cli(daemon, args);
  await ask("GET", "usage");
  await cli("usage");
  await cli("usage", "--json");
  const talk = await Talk.begin(record, daemon, { project: "web" });
  await talk.turn(script("say: One.", USAGE));
  await talk.turn(script("say: Two.", USAGE));
  for (const by of ["day", "model", "agent", "session", "project", "category"]) {
    await ask("GET", `usage?by=${by}`);
    await cli("usage", "--by", by);
  }
  await ask("GET", "usage?project=none&days=1");
  await ask("GET", "usage?by=week");
  await ask("GET", `sessions/${talk.session}/usage?by=model`);
  await cli("usage", talk.session);
  await cli("usage", "--json");
  await cli("usage", "none");
  await cli("usage", "--by", "week");
});

/** A receiver of webhooks that answers with the status that is wanted now. */
async function receiver(t) {
  const got = { status: 500, asked: [] };
  const server = http.createServer((request, answer) => {
    let body = "";
    request.on("data", (piece) => (body += piece));
    request.on("end", () => {
      got.asked.push({ headers: request.headers, body });
      answer.writeHead(got.status).end();
      server.emit("asked");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  got.address = `127.0.0.1:${server.address().port}`;
  got.untilAsked = async (count) => {
    while (got.asked.length < count) await once(server, "asked");
  };
  return got;
}

/** The delivery once it is in that state. */
async function settled(daemon, id, fits) {
  for (;;) {
    const { json } = await daemon.request("GET", `/api/v1/inbox/${id}`);
    if (fits(json)) return json;
  }
}

golden("inbox", async (record, t) => {
  const hook = await receiver(t);
  record.names.add(hook.address, "<receiver>");
  const patient = ["--webhook-wait", "3600000"]; // Nothing is tried again by itself.
  const args = ["--insecure-loopback", "--webhook-allow", hook.address, ...patient];
  const daemon = await record.daemon({ args });
  const ask = (...request) => record.ask(daemon, ...request);
  const cli = (...words) => record.cli(daemon, words);
  await ask("GET", "inbox");
  await cli("inbox", "ls");
  await cli("inbox", "ls", "--json");
  const notify = [{ webhook: `http://${hook.address}/hook` }];
  const start = async () => {
    const body = { shell: "true", label: "told", notify };
    const answer = await daemon.request("POST", "/api/v1/jobs", { body });
    await record.until(daemon, `run:${answer.json.id}`, "run_finished");
    const list = `/api/v1/inbox?all=1&run=${answer.json.id}`;
    return (await daemon.request("GET", list)).json.items[0].id;
  };
  const failed = await start();
  await settled(daemon, failed, ({ failures }) => failures === 1);
  await ask("GET", `inbox/${failed}`);
  await ask("GET", "inbox?total=1");
  await cli("inbox", "ls");
  await cli("inbox", "ls", "--json");
  await cli("inbox", "show", failed);
  await cli("inbox", "show", failed, "--json");
  hook.status = 200;
  await ask("POST", `inbox/${failed}/retry`);
  await settled(daemon, failed, ({ state }) => state === "acknowledged");
  await ask("GET", `inbox/${failed}`);
  await ask("POST", `inbox/${failed}/retry`);
  await ask("POST", `inbox/${failed}/drop`);
  hook.status = 410;
  await settled(daemon, await start(), ({ state }) => state === "gone");
  hook.status = 500;
  const dropped = await start();
  await settled(daemon, dropped, ({ failures }) => failures === 1);
  await ask("POST", `inbox/${dropped}/drop`);
  await ask("GET", "inbox?all=1");
  await ask("GET", "inbox?state=gone&q=HOOK");
  const last = await start();
  await settled(daemon, last, ({ failures }) => failures === 1);
  await cli("inbox", "retry", last);
  await settled(daemon, last, ({ failures }) => failures === 2);
  await cli("inbox", "retry", last, "--json");
  await settled(daemon, last, ({ failures }) => failures === 3);
  await cli("inbox", "drop", last);
  await cli("inbox", "drop", last);
  const other = await start();
  await settled(daemon, other, ({ failures }) => failures === 1);
  await cli("inbox", "drop", other, "--json");
  await cli("inbox", "retry", last, "--json");
  await cli("inbox", "show", "none");
  await cli("inbox", "ls", "--all");
  record.say("what a receiver is sent");
  const [{ headers, body }] = hook.asked;
  const names = Object.entries(headers).filter(([name]) => !/^(host|content-length)$/.test(name));
  const shown = names.map(([name, value]) => {
    if (name === "drover-signature") return `${name}: ${value.replace(/[0-9a-f]{64}/, "<hmac>")}`;
    return name === "drover-timestamp" ? `${name}: <seconds>` : `${name}: ${value}`;
  });
  record.add(record.names.text(shown.join("\n")), record.names.json(body));
});
