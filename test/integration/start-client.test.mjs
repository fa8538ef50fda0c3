// start-client.test.mjs: what clients say about a daemon that another command started.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, statSync,
  symlinkSync, unlinkSync, writeFileSync,
} from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { bin, run } from "./lib.mjs";
import { read } from "./processes.mjs";
import { Provider, start, until } from "./providers.mjs";
import { User } from "./user.mjs";

const jsonLines = (text) => text.trim().split("\n").map((line) => JSON.parse(line));

test("keys are those of the command that started the daemon; one hint for another", async (t) => {
  const provider = await new Provider().start(t);
  const mine = { OPENAI_API_KEY: "sk-mine-1234567", OPENAI_BASE_URL: provider.url };
  const user = new User(t, { env: mine });
  assert.match(await user.ok("models"), /openai\/small/);
  const from = `environment of drover models, pid \\d+, \\d{4}-\\d\\d-\\d\\d [0-9:]{8}Z`;
  assert.match(await user.ok("status"), new RegExp(`openai \\(key from the ${from}\\)`));
  assert.match(await user.ok("provider", "ls"), new RegExp(`^openai .* ${from}$`, "m"));
  const [row] = jsonLines(await user.ok("provider", "ls", "--json", "--search", "openai"));
  assert.match(row.key_from, new RegExp(`^${from}$`));

  // The same key, no key, and a command that asks no model: nothing is said.
  assert.doesNotMatch((await user.terminal("models")).shown, /OPENAI_API_KEY/);
  assert.doesNotMatch((await user.terminal("models", { OPENAI_API_KEY: "" })).shown, /_API_KEY/);
  const other = { OPENAI_API_KEY: "sk-other-765432", DEEPSEEK_API_KEY: "sk-deep-765432" };
  assert.doesNotMatch((await user.terminal("ps", other)).shown, /_API_KEY/);

  const { code, shown } = await user.terminal("models", other);
  assert.equal(code, 0, shown);
  const another = new RegExp(`drover: OPENAI_API_KEY of this terminal is not used: the daemon has` +
    ` another one, from the ${from}\\.\n.*'drover provider add openai --key-env OPENAI_API_KEY'`);
  assert.match(shown, another);
  assert.match(shown, /DEEPSEEK_API_KEY of this terminal is not used: the daemon has none/);
  assert.doesNotMatch((await user.terminal("models", other)).shown, /_API_KEY/, "once");
  const third = { ...other, OPENAI_API_KEY: "sk-third-765432" };
  assert.match((await user.terminal("models", third)).shown, /OPENAI_API_KEY of this terminal/);
  const hints = path.join(user.data, "key-hints");
  assert.equal(statSync(hints).mode & 0o777, 0o600);
  assert.match(readFileSync(hints, "utf8"), /^([0-9a-f]{64}\n){3}$/);
  assert.equal(provider.last.headers.authorization, "Bearer sk-mine-1234567");

  // A restart has the keys of its environment; earlier hints are not repeated.
  user.env.OPENAI_API_KEY = "sk-third-765432";
  await user.ok("restart");
  assert.doesNotMatch((await user.terminal("models", third)).shown, /OPENAI_API_KEY/);
});

test("a key of the client's environment is stored, and not asked about again", async (t) => {
  const provider = await new Provider().start(t);
  const user = new User(t);
  await user.ok("models");
  const mine = { OPENAI_API_KEY: "sk-mine-1234567", OPENAI_BASE_URL: provider.url };
  Object.assign(user.env, mine);
  assert.match(await user.ok("provider", "add", "openai", "--key-env", "OPENAI_API_KEY"),
    /openai is set; /);
  await user.ok("provider", "test", "openai");
  assert.equal(provider.last.headers.authorization, "Bearer sk-mine-1234567");
  const [row] = jsonLines(await user.ok("provider", "ls", "--json", "--search", "openai"));
  assert.deepEqual([row.kind, row.base_url, row.key_from], ["openai", provider.url, "key file"]);
  assert.match(await user.ok("status"), /openai \(key file\)/);
  const other = await user.terminal("models", { OPENAI_API_KEY: "sk-other-765432" });
  assert.doesNotMatch(other.shown, /OPENAI_API_KEY/);

  const { stdout } = await user.cli("provider", "add", "deepseek", "--json");
  assert.deepEqual([JSON.parse(stdout).kind, JSON.parse(stdout).base_url],
    ["openai", "https://api.deepseek.com/v1"]);
  const unset = await user.cli("provider", "add", "anthropic", "--key-env", "NO_SUCH_KEY");
  assert.equal(unset.code, 2);
  assert.match(unset.stderr, /the variable NO_SUCH_KEY is not set in this environment/);
  assert.equal((await user.cli("provider", "add", "mine", "--key-env", "OPENAI_API_KEY")).code, 2);
});

test("hashes of keys are for the owner of the socket, of a daemon on demand", async (t) => {
  const keys = { OPENAI_API_KEY: "sk-mine-1234567", DEEPSEEK_BASE_URL: "http://127.0.0.1:9/v1" };
  const target = "/api/v1/environment-keys";
  const user = new User(t, { env: keys });
  const { token } = JSON.parse(await user.ok("token", "create", "--label", "x", "--json"));
  const { json } = await user.request("GET", target);
  assert.match(json.salt, /\/[0-9a-f]{16}$/);
  assert.equal(json.keys.length, 1);
  assert.equal(json.keys[0].name, "openai");
  const hash = createHmac("sha256", json.salt).update(keys.OPENAI_API_KEY).digest("hex");
  assert.equal(json.keys[0].hash, hash);
  const headers = { authorization: `Bearer ${token}` };
  const refused = await user.request("GET", target, { headers });
  assert.equal(refused.status, 403);

  const daemon = await start(t, { env: keys });
  const served = await daemon.request("GET", target, { local: true });
  assert.deepEqual(served.json, { salt: null, from: "environment of the daemon", keys: [] });
  const row = await daemon.request("GET", "/api/v1/providers/openai", { local: true });
  assert.equal(row.json.key_from, "environment of the daemon");
  const hint = await user.terminal(`models --data ${daemon.data}`, { OPENAI_API_KEY: "sk-2" });
  assert.doesNotMatch(hint.shown, /OPENAI_API_KEY/);
});

test("answers have the daemon's version and epoch; an older one gets one hint", async (t) => {
  const user = new User(t);
  const data = user.data;
  await user.ok("ps");
  const ours = (await user.ok("--version")).trim().split(" ").at(-1);
  for (const target of ["/api/v1/version", "/no-such", "/api/v1/streams/x/events?after=x"]) {
    const { headers } = await user.request("GET", target);
    assert.deepEqual([headers["drover-version"], headers["drover-epoch"]], [ours, "1"], target);
  }
  assert.doesNotMatch((await user.terminal("ps")).shown, /older/);
  await user.ok("shutdown");

  let version = "0.0.9";
  const old = http.createServer((request, answer) => {
    answer.writeHead(200, { "content-type": "application/json", "drover-version": version });
    answer.end('{"items": [], "next": null, "total": 0}');
  });
  old.listen(path.join(data, "drover.sock"));
  await once(old, "listening");
  t.after(() => old.closeAllConnections() || old.close());
  const older = `drover: the daemon (0.0.9) is older than this drover (${ours}); `;
  const told = (rest) => `${older}${rest}\n`;
  const { shown } = await user.terminal("status");
  assert.ok(shown.includes(told("restart it where it was started: nothing is lost")), shown);
  assert.equal(shown.split("older").length, 2, "once");
  writeFileSync(path.join(data, "on-demand"), "drover ask, pid 1");
  const again = await user.terminal("ps");
  assert.ok(again.shown.includes(told("'drover restart' replaces it without loss")), again.shown);
  assert.equal((await user.cli("ps", "--json")).stderr, "", "a pipe");
  version = "99.0.0";
  assert.doesNotMatch((await user.terminal("ps")).shown, /older/);
});

test("a restart starts the program that was installed meanwhile", async (t) => {
  const user = new User(t);
  const installed = path.join(user.folder, "drover");
  copyFileSync(bin, installed);
  const ask = (...args) => run(args, { env: user.env, program: installed });
  const id = (await ask("job", "run", "--detach", "--", "sleep", "1000")).stdout.trim();
  const first = user.pid;
  const file = () => statSync(`/proc/${user.pid}/exe`).ino;
  assert.equal(file(), statSync(installed).ino);
  copyFileSync(bin, `${installed}.new`);
  renameSync(`${installed}.new`, installed);
  assert.match((await ask("restart")).stdout, /goes on with all runs/);
  assert.notEqual(user.pid, first);
  assert.equal(file(), statSync(installed).ino);
  assert.equal(readlinkSync(`/proc/${user.pid}/exe`), installed);
  assert.match(await user.ok("ps"), new RegExp(`${id} .*running`));
  await user.ok("stop", id);
});

/** A user whose unit is enabled, and a systemctl that runs a line of sh. */
function withUnit(t, line) {
  const user = new User(t);
  delete user.env.DROVER_DATA;
  user.data = path.join(user.folder, ".local/state/drover");
  const wants = path.join(user.folder, ".config/systemd/user/default.target.wants");
  mkdirSync(wants, { recursive: true });
  symlinkSync("/no/such/unit", path.join(wants, "drover.service"));
  const programs = path.join(user.folder, "bin");
  mkdirSync(programs);
  const script = `#!/bin/sh\necho "$@" >>'${user.folder}/asked'\n${line}\n`;
  writeFileSync(path.join(programs, "systemctl"), script, { mode: 0o755 });
  user.env.PATH = `${programs}:${user.env.PATH}`;
  return user;
}

test("an enabled user unit is started by systemd, once for many commands", async (t) => {
  const data = '"$HOME/.local/state/drover"';
  // A dead process stays, without its program, where process 1 waits for none.
  const systemd = `pid=$(cat ${data}/drover.lock 2>/dev/null)
    if [ "$2" = restart ]; then
      kill "$pid"; while readlink "/proc/$pid/exe" >/dev/null; do sleep 0.02; done
    elif [ -n "$pid" ]; then
      exit 0
    fi`;
  const user = withUnit(t, `${systemd}
    '${bin}' serve --data ${data} --listen "unix:$HOME/sock" >"$HOME/log" 2>&1 </dev/null &`);
  const ends = await Promise.all(Array.from({ length: 5 }, () => user.cli("ps", "--json")));
  for (const { code, stderr } of ends) assert.deepEqual([code, stderr], [0, ""]);
  const asked = path.join(user.folder, "asked");
  assert.equal(read(asked), "--user start drover.service\n");
  assert.match(await user.ok("status"), /started by drover serve/);
  assert.ok(!existsSync(path.join(user.data, "log")));

  const other = path.join(user.folder, "other");
  await user.ok("ps", "--data", other);
  assert.equal(read(asked), "--user start drover.service\n", "another directory is not its");
  await user.ok("shutdown", "--data", other);

  const first = user.pid;
  assert.match(await user.ok("restart"), /goes on with all runs/);
  assert.notEqual(user.pid, first);
  assert.match(read(asked), /start drover.service\n--user restart drover.service\n/);
  await user.ok("shutdown");
});

test("a unit that cannot be started is said, and nothing else is started", async (t) => {
  const user = withUnit(t, "echo 'Unit drover.service is masked.' >&2; exit 1");
  const { code, stderr } = await user.cli("ps");
  assert.equal(code, 9);
  assert.match(stderr, /^drover: the user unit .* is enabled, .*: Unit drover.service is masked\./);
  assert.equal(user.pid, undefined);
  assert.ok(!existsSync(path.join(user.data, "drover.db")));

  // A unit is asked for the directory that it names, and for no other one.
  const other = path.join(user.folder, "other");
  const link = path.join(user.folder, ".config/systemd/user/default.target.wants/drover.service");
  unlinkSync(link);
  writeFileSync(link, `[Service]\nExecStart="/x/drover" serve --data "${other}"\n`);
  await user.ok("ps");
  assert.notEqual(user.pid, undefined);
  assert.match((await user.cli("ps", "--data", other)).stderr, /drover.service is masked/);
});

test("doctor judges the user's unit, and takes the database of config.json", async (t) => {
  const user = withUnit(t, "exit 1");
  const row = async (check, ...more) => {
    const rows = (await user.cli("doctor", "--json", ...more)).stdout.trim().split("\n");
    return rows.map((line) => JSON.parse(line)).find((one) => one.check === check);
  };
  const units = path.join(user.folder, ".config/systemd/user");
  const wants = path.join(units, "default.target.wants/drover.service");
  const expect = async (verdict, detail, ...more) => {
    const unit = await row("unit", ...more);
    assert.equal(unit.verdict, verdict, unit.detail);
    assert.match(unit.detail, detail);
  };
  await expect("warn", /drover.service is enabled, and names no program that can be run \(none\)/);
  unlinkSync(wants);
  await expect("ok", /^none: commands start the daemon/);
  const unit = (program) => writeFileSync(path.join(units, "drover.service"),
    `[Service]\nExecStart="${program}" serve --data "${user.data}"\n`);
  unit("/bin/sh");
  await expect("ok", /drover.service is not enabled/);
  symlinkSync(path.join(units, "drover.service"), wants);
  await expect("warn", /drover.service runs \/bin\/sh, and this is another drover/);
  await expect("ok", /serves another data directory/, "--data", path.join(user.folder, "other"));
  unit("/no/such/drover");
  await expect("warn", /names no program that can be run \(\/no\/such\/drover\)/);
  unit(bin);
  await expect("ok", /is enabled and runs this program/);

  mkdirSync(user.data, { recursive: true, mode: 0o700 });
  const config = { database: "postgres://nobody@127.0.0.1:9/none" };
  writeFileSync(path.join(user.data, "config.json"), JSON.stringify(config));
  const { verdict, detail } = await row("database");
  assert.equal(verdict, "fail");
  assert.match(detail, /127\.0\.0\.1/);
  const backup = await user.cli("backup", path.join(user.folder, "copy"));
  assert.match(backup.stderr, /127\.0\.0\.1|pg_dump/);
});

test("jobs and commands of sessions have the PATH of the terminal they come from", async (t) => {
  const user = new User(t);
  await user.ok("ps");
  const programs = path.join(user.folder, "my programs");
  mkdirSync(programs);
  writeFileSync(path.join(programs, "mine"), "#!/bin/sh\necho mine\n", { mode: 0o755 });
  assert.notEqual((await user.cli("job", "run", "--", "mine")).code, 0);

  const before = user.env.PATH;
  user.env.PATH = `${programs}:${before}`;
  assert.equal(await user.ok("job", "run", "--", "mine"), "mine\n");
  const given = "/bin:/usr/bin";
  assert.equal(await user.ok("job", "run", "-e", `PATH=${given}`, "--shell", "echo $PATH"),
    `${given}\n`);
  const again = ["--retry", "1", "--backoff", "0s", "--shell"];
  const twice = await user.cli("job", "run", ...again, "mine; exit 1");
  assert.equal(twice.stdout, "mine\nmine\n", twice.stderr);

  // What a session's commands have is kept with it: over a restart, and for who sends no PATH.
  const root = path.join(user.folder, "project");
  mkdirSync(root);
  const made = await user.request("POST", "/api/v1/sessions", { body: {
    root, model: "scripted/demo", settings: { permissions: [{ permission: "allow" }] },
  } });
  const session = made.json.id;
  const text = 'call: run_command {"command": "mine"}\nsay: done';
  const output = async () => {
    const { json } = await user.request("GET", `/api/v1/sessions/${session}/messages`);
    const parts = json.items.flatMap((message) => message.parts);
    return parts.filter((part) => part.kind === "tool").map((part) => JSON.parse(part.text).stdout);
  };
  await user.ok("ask", "--session", session, text);
  assert.deepEqual(await output(), ["mine\n"]);
  user.env.PATH = before;
  await user.ok("restart");
  const messages = `/api/v1/sessions/${session}/messages?wait=30`;
  await user.request("POST", messages, { body: { text } });
  assert.deepEqual(await output(), ["mine\n", "mine\n"]);

  // An agent of a workflow has that of the command that started the workflow.
  const file = path.join(root, "flow.js");
  const options = '{tools: ["run_command"]}';
  writeFileSync(file, `export const meta = { name: "x", description: "d" };
    return await agent(${JSON.stringify(text)}, ${options});`);
  user.env.PATH = `${programs}:${before}`;
  assert.equal(await user.ok("run", "--yes", file), "done\n");
  const last = await user.request("GET", "/api/v1/runs?kind=job&limit=1");
  const [{ state, label }] = last.json.items;
  assert.deepEqual([label, state], ["mine", "succeeded"]);
});

test("a daemon is private, and its commands and tools have the terminal's umask", async (t) => {
  const user = new User(t);
  const before = process.umask(0o027);
  t.after(() => process.umask(before));
  await user.ok("ps");
  process.umask(before);
  assert.match(read(`/proc/${user.pid}/status`), /^Umask:\t0077$/m);
  assert.equal(await user.ok("job", "run", "--shell", "umask"), "0027\n");

  const root = path.join(user.folder, "project");
  mkdirSync(root);
  const made = await user.request("POST", "/api/v1/sessions", { body: {
    root, model: "scripted/demo", settings: { permissions: [{ permission: "allow" }] },
  } });
  const text = 'call: write_file {"path": "a/b", "content": "c"}\nsay: done';
  await user.ok("ask", "--session", made.json.id, text);
  const mode = (name) => statSync(path.join(root, name)).mode & 0o777;
  assert.deepEqual([mode("a"), mode("a/b")], [0o750, 0o640]);

  for (const words of ["init -q", "commit -q --allow-empty -m x"]) {
    execFileSync("git", ["-C", root, "-c", "user.name=x", "-c", "user.email=x@x.example",
      ...words.split(" ")]);
  }
  const flow = path.join(root, "flow.js");
  writeFileSync(flow, `export const meta = { name: "x", description: "d" };
    await agent('say: a', { isolation: "worktree", tools: ["write_file"] });`);
  await user.ok("run", "--yes", "--root", root, flow);
  const above = [".drover", ".drover/worktrees", ".drover/worktrees/.gitignore"];
  assert.deepEqual(above.map(mode), [0o750, 0o750, 0o640]);

  const told = path.join(user.folder, "told");
  const command = ["sh", "-c", 'umask > "$0.new"; mv "$0.new" "$0"', told];
  await user.ok("config", "set", "notify_command", JSON.stringify(command));
  await user.cli("job", "run", "false");
  await until("a notification", () => existsSync(told));
  assert.equal(read(told), "0027\n");
});

test("workflows are found in CLAUDE_CONFIG_DIR of the terminal they are named at", async (t) => {
  const user = new User(t);
  await user.ok("ps");
  const config = path.join(user.folder, "config");
  mkdirSync(path.join(config, "workflows"), { recursive: true });
  const file = (name, body) =>
    writeFileSync(path.join(config, "workflows", `${name}.js`),
      `export const meta = { name: "${name}", description: "d" };\nreturn ${body};`);
  file("outer", 'await workflow("inner")');
  file("inner", '"found"');
  assert.equal((await user.cli("run", "--yes", "outer")).code, 3);
  assert.doesNotMatch(await user.ok("workflow", "ls"), /outer/);

  user.env.CLAUDE_CONFIG_DIR = config;
  assert.match(await user.ok("workflow", "ls"), /outer/);
  assert.equal(await user.ok("run", "--yes", "outer"), "found\n");

  const made = await user.request("POST", "/api/v1/sessions", { body: {
    model: "scripted/demo", settings: { permissions: [{ permission: "allow" }] },
  } });
  const text = 'call: run_workflow {"name": "outer"}\nsay: done';
  await user.ok("ask", "--session", made.json.id, text);
  const last = await user.request("GET", "/api/v1/runs?kind=workflow&limit=1");
  await user.ok("job", "wait", last.json.items[0].id);
  assert.equal((await user.request("GET", "/api/v1/runs?kind=workflow")).json.items.length, 2);
});

test("a PATH is taken from the owner of the socket alone, and of at most 8 kB", async (t) => {
  const daemon = await start(t, { args: ["--insecure-loopback"] });
  const specOf = async (variables, options = { local: true }) => {
    const value = Buffer.from(JSON.stringify(variables)).toString("base64");
    const headers = { "drover-environment": value };
    const body = { argv: ["true"] };
    const made = await daemon.request("POST", "/api/v1/jobs", { ...options, body, headers });
    assert.equal(made.status, 201, made.text);
    const { json } = await daemon.request("GET", `/api/v1/jobs/${made.json.id}`, { local: true });
    return json.path ?? json.spec.path;
  };
  assert.equal(await specOf({ PATH: "/bin:/x" }), "/bin:/x");
  assert.equal(await specOf({ PATH: "/bin:/x" }, {}), undefined, "TCP");
  assert.equal(await specOf({ PATH: `/bin:${"x".repeat(8000)}` }), undefined, "too long");
  assert.equal(await specOf({ PATH: "/bin\0" }), undefined);
  assert.equal(await specOf({ PATH: 3 }), undefined);
  assert.equal(await specOf("PATH"), undefined);
});
