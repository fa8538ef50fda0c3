// system.test.mjs: the daemon itself: health, version, figures, tokens, damage, hosts, the hold.
//
// runs-with: release, san, postgres
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";

import { golden } from "./golden.mjs";

/** Names and explanations of all figures; their values are those of one moment. */
const figures = (text) => text.replace(/^(\w+(?:\{[^}]*\})?) [\d.e+-]+$/gm, "$1 <n>");

/** For records that only mention the database. */
function anyDatabase({ names }) {
  for (const word of ["sqlite", "postgres"]) names.add(word, "<database>");
}

golden("system", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  await daemon.append("a", { type: "note" });
  record.say("Headers of all other answers are these, where nothing else is said.");
  const health = await daemon.request("GET", "/healthz");
  const usual = Object.entries(health.headers).filter(([name]) => name !== "date");
  const lines = usual.map(([name, value]) => `${name}: ${value}`);
  record.add(record.names.text(lines.join("\n")));
  await ask("GET", "/healthz");
  const ready = await daemon.request("GET", "/readyz");
  const text = ready.text.replace(/"limit":\d+/, '"limit":0');
  record.answer("GET", "/readyz", { ...ready, text });
  const { headers, ...metrics } = await daemon.request("GET", "/metrics");
  record.answer("GET", "/metrics", { ...metrics, headers, text: figures(metrics.text) });
  await ask("GET", "version");
  await ask("GET", "no/such/address");
  await ask("GET", "/api/v1/no-such-address");
  await ask("PUT", "version");
  await ask("OPTIONS", "version");
  await ask("HEAD", "version");
  await ask("GET", "ws");
  await ask("GET", "version", undefined, { headers: { host: "example.org" } });
  await ask("GET", "version", undefined, { headers: { origin: "http://example.org" } });
  await ask("GET", "streams/a/events", undefined, { headers: { accept: "image/png" } });
  // How many rows a page reads differs; the last one is recorded.
  let damage = await daemon.request("GET", "/api/v1/damage");
  while (damage.json.next !== null) {
    damage = await daemon.request("GET", `/api/v1/damage?after=${damage.json.next}`);
  }
  record.answer("GET", "/api/v1/damage", damage);
  await ask("GET", `damage/folders?names=run_${"0".repeat(26)}.1`);
  const labelled = await record.ok(daemon, "POST", "jobs", { shell: "true", label: "named" });
  await record.until(daemon, `run:${labelled.id}`, "run_finished");
  const prefix = labelled.id.slice(0, 20);
  record.names.add(`q=${prefix}`, "q=<prefix>");
  await ask("GET", `names?kind=job&q=${prefix}`);
  await ask("GET", "names?kind=run&q=named");
  await ask("GET", "names?kind=run&q=unnamed");
  await ask("GET", "names?kind=thing");
  await ask("GET", "hosts?total=1");
  await ask("DELETE", "hosts?host=elsewhere");
  await ask("GET", "system/hold");
  await ask("GET", "system/log");
  await ask("POST", "system/release");
  for (const args of [["host", "ls"], ["host", "ls", "--json"], ["host", "rm", "elsewhere"]]) {
    await record.cli(daemon, args);
  }
  await record.cli(daemon, ["version", "--json"]);
  await record.cli(daemon, ["release"]);
  await record.cli(daemon, ["release", "--json"]);
});

golden("hold", async (record) => {
  anyDatabase(record);
  const daemon = await record.daemon({ args: ["--insecure-loopback", "--hold"] });
  const ask = (...request) => record.ask(daemon, ...request);
  const { id } = await record.ok(daemon, "POST", "jobs", { shell: "true", label: "held" });
  await ask("GET", "version");
  await ask("GET", "system/hold");
  const holds = (text) => text.match(/^\w+ +(?:daemon|unit) .*$/gm).join("\n");
  await record.cli(daemon, ["doctor"], { shown: (text) => `${holds(text)}\n` });
  await record.cli(daemon, ["ps"]);
  await ask("POST", "system/release");
  await record.until(daemon, `run:${id}`, "run_finished");
  await record.events(daemon, `run:${id}`);
  await ask("POST", "system/release");
  await ask("GET", "system/hold");
});

golden("release-command", async (record) => {
  const daemon = await record.daemon({ args: ["--insecure-loopback", "--hold"] });
  await record.ok(daemon, "POST", "jobs", { shell: "true", label: "held" });
  await record.cli(daemon, ["release"]);
  await record.cli(daemon, ["release", "--json"]);
  await record.cli(daemon, ["release", "--yes"]);
});

/** Ids of one millisecond sort by chance: the next one is made later. */
function later(token) {
  while (Date.now() <= token.made_ms);
  return token;
}

golden("tokens", async (record) => {
  anyDatabase(record);
  const daemon = await record.daemon({ args: [] });
  const local = { local: true };
  const ask = (method, target, body) => record.ask(daemon, method, target, body, local);
  await ask("GET", "tokens");
  const reader = later((await ask("POST", "tokens", { scopes: ["read"], label: "a reader" })).json);
  const worker = { scopes: ["read", "run", "approve", "admin"], owner: "bob" };
  const admin = later((await ask("POST", "tokens", worker)).json);
  const nobody = { scopes: ["read", "run"], owner: "eve" };
  const other = later((await ask("POST", "tokens", nobody)).json);
  await ask("GET", "tokens");
  await ask("GET", "tokens?q=reader&total=1");
  await ask("POST", "tokens", { scopes: [] });
  await ask("POST", "tokens", { scopes: ["read", "read"] });
  await ask("POST", "tokens", { scopes: ["write"] });
  await ask("POST", "tokens", { scopes: ["read"], owner: "Not A Name" });
  const as = (token) => ({ headers: { authorization: `Bearer ${token}` } });
  const over = (token, ...request) => record.ask(daemon, ...request, as(token));
  record.say("over TCP");
  await record.ask(daemon, "GET", "version");
  await over("nonsense", "GET", "version", undefined);
  await record.ask(daemon, "GET", "version", undefined, { headers: { authorization: "Basic x" } });
  await over(reader.token, "GET", "version", undefined);
  await over(admin.token, "GET", "version", undefined);
  await over(reader.token, "POST", "jobs", { shell: "true" });
  await over(other.token, "GET", "tokens", undefined);
  await over(other.token, "POST", "approvals/none", { decision: "allow" });
  await over(other.token, "GET", "streams?owner=bob", undefined);
  await over(other.token, "PATCH", "budgets/global", { tokens: 1 });
  await over(other.token, "PATCH", "settings", { effort: "low" });
  await over(admin.token, "POST", "streams/notes/events", { type: "note" });
  await over(other.token, "GET", "streams/notes", undefined);
  await over(admin.token, "GET", "streams?owner=local", undefined);
  await ask("GET", "streams/notes?owner=bob");
  await ask("DELETE", `tokens/${reader.id}`);
  await ask("DELETE", `tokens/${reader.id}`);
  await over(reader.token, "GET", "version", undefined);
  const command = (...args) => record.cli(daemon, args);
  await command("token", "ls");
  await command("token", "ls", "--json");

  record.say("a web page");
  const made = await daemon.request("POST", "/api/v1/login/links", local);
  record.names.add(made.json.origin, "<origin>");
  record.names.add(new URL(made.json.origin).host, "<address of pages>");
  const { url } = (await ask("POST", "login/links", { scopes: ["read"] })).json;
  const { host, port } = new URL(url);
  daemon.port = Number(port);
  const page = { headers: { host } };
  const link = { link: url.split("#link=")[1] };
  const { key } = (await record.ask(daemon, "POST", "login", link, page)).json;
  await record.ask(daemon, "POST", "login", link, page);
  const signed = { headers: { ...page.headers, authorization: `Bearer ${key}` } };
  const elsewhere = { headers: { ...signed.headers, "sec-fetch-site": "cross-site" } };
  await record.ask(daemon, "GET", "version", undefined, elsewhere);
  await record.ask(daemon, "GET", "login", undefined, signed);
  await record.ask(daemon, "DELETE", "login", undefined, signed);
  await command("open");
  await command("open", "--json");
  await command("token", "ls", "--search", "nobody");
  await command("token", "ls", "--search", "nobody", "--json");
  await command("token", "create", "--label", "for tcp", "--scope", "read,run", "--owner", "al");
  await command("token", "create", "--scope", "read", "--json");
  await command("token", "create", "--scope", "nothing");
  await command("token", "revoke", other.id);
  await command("token", "revoke", admin.id, "--json");
  await command("token", "revoke", other.id);
  await record.cli(daemon, ["stream", "ls"], { env: { DROVER_URL: daemon.url, DROVER_DATA: "" } });
  const env = { DROVER_URL: daemon.url, DROVER_TOKEN: other.token };
  await record.cli(daemon, ["stream", "ls"], { env });
});

golden("daemon-commands", async (record) => {
  anyDatabase(record);
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  const running = await record.ok(daemon, "POST", "jobs", { argv: ["sleep", "1000"] });
  const id = running.id.slice(0, 16);
  const short = (text) => text.replace(id, "<short run1>");
  await record.cli(daemon, ["status"], { shown: short });
  await cli("restart");
  await cli("logs");
  const event = { at: "2026-11-24T07:00:00.000Z", level: "warn", what: "it is slow", cpu_us: 7 };
  writeFileSync(path.join(daemon.data, "log"), `${JSON.stringify(event)}\n\u001b[31mAborted\n`);
  await cli("logs");
  await cli("logs", "-n", "1", "--json");
  await cli("logs", "--stream", "out");
  await cli("logs", running.id, "-n", "1");
  record.say("a start that is refused: the directory and the port are another daemon's");
  const quiet = { DROVER_LOG: "error" }; // Of a slow machine the log has warnings.
  await record.cli(daemon, ["serve"], { env: quiet });
  const other = path.join(record.folder, "other");
  const port = String(daemon.port);
  record.names.add(`port ${port}`, "port <port>");
  record.names.add(`127.0.0.1:${port}`, "127.0.0.1:<port>");
  // On PostgreSQL a second daemon would stand by before it listens.
  const alone = { env: { ...quiet, DROVER_DATABASE: undefined } };
  await record.cli(daemon, ["serve", "--data", other, "--listen", `127.0.0.1:${port}`], alone);
  await cli("shutdown", "--url", daemon.url);
  await cli("stop");
  await cli("stop", running.id, "--all");
  await cli("shutdown");
  await cli("shutdown");
  await cli("status");
  await cli("status", "--json");
  await daemon.start();
  await cli("status", "--json");
  await cli("stop", "--all", "--json");
  await cli("shutdown", "--stop-all", "--json");
  record.say("a socket without a daemon, and a path that is no directory");
  const socket = createServer().listen(daemon.socket);
  await once(socket, "listening");
  renameSync(daemon.socket, `${daemon.socket}.left`);
  socket.close();
  await once(socket, "close");
  renameSync(`${daemon.socket}.left`, daemon.socket);
  await cli("ps");
  await cli("ps", "--data", path.join(daemon.data, "host-id"));
});
