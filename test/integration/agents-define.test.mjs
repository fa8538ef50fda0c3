// agents-define.test.mjs: definitions of agents: files of the project and of the home, rows, what
// is built in; their programs, versions, logins and secrets.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync,
  utimesSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { textOf, Turns } from "./turns.mjs";

const BUILT_IN = ["claude", "codex", "opencode", "kilo", "pi"];
const KEYS = Object.fromEntries(["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY",
  "CODEX_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR", "CODEX_HOME"]
  .map((name) => [name, ""]));

/** A daemon with a home, whose PATH has the folder `bin`. */
async function open(t, more = {}) {
  const env = { DROVER_MODEL: "", ...KEYS, ...more };
  const turns = await Turns.open(t, { env: { ...env, HOME: "/nonexistent" } });
  await turns.daemon.stop();
  turns.home = path.join(turns.folder, "home");
  turns.bin = path.join(turns.folder, "bin");
  for (const folder of [turns.home, turns.bin]) mkdirSync(folder);
  turns.env = { HOME: turns.home, PATH: `${turns.bin}:/usr/bin:/bin` };
  Object.assign(turns.daemon.env, turns.env);
  await turns.daemon.start();
  return turns;
}

function write(file, text, mode = 0o644) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const program = (file, ...lines) => write(file, ["#!/bin/sh", ...lines, ""].join("\n"), 0o755);
const definition = (folder, name, what) =>
  write(path.join(folder, ".drover/agents", name),
    typeof what === "string" ? what : JSON.stringify(what));
const plain = (...args) => ({ program: "plain", command: "echo", args });
const agents = async (turns, root = "") => {
  const all = [];
  for (let next = ""; next !== null;) {
    const page = await turns.get(`/agents?limit=200${root && `&root=${root}`}${next}`);
    all.push(...page.items);
    next = page.next && `&after=${page.next}`;
  }
  return all;
};
const agent = (turns, name, root = "") =>
  turns.get(`/agents/${name}${root && `?root=${root}`}`);
const said = async (turns, name, more = {}) => {
  const listener = await turns.listen({ agent: name, model: "", root: turns.root, title: "A talk",
    ...more });
  const { end, message } = await turns.turn(listener, "hello");
  listener.close();
  return [end.state, textOf(message).trim()];
};

test("a row replaces a built-in agent, the home replaces both, a project none", async (t) => {
  const turns = await open(t);
  const deep = path.join(turns.root, "a/b");
  const project = path.join(turns.root, "a");
  mkdirSync(deep, { recursive: true });
  mkdirSync(path.join(turns.root, ".git"));
  const of = (name, root = deep) => agent(turns, name, root);
  assert.equal((await of("claude")).from, "built in");
  const put = await turns.ask("PUT", "/agents/claude", plain());
  assert.equal(put.status, 200, put.text);
  assert.equal((await of("claude")).from, "stored");
  const markdown = "---\nprogram: plain\ncommand: echo\n---\n";
  for (const [name, folder, text] of [["claude.md", turns.home, markdown],
    ["claude.json", turns.home, plain()], ["mine.md", turns.root, markdown],
    ["mine.json", project, plain()], ["mine.json", deep, plain()]]) {
    const file = definition(folder, name, text);
    const { from, state } = await of(path.parse(name).name);
    assert.deepEqual([from, state], [file, "ready"]);
  }
  // Above the root of the project nothing counts, and without one only the folder does.
  rmSync(path.join(turns.root, ".git"), { recursive: true });
  assert.equal((await of("mine")).from, path.join(deep, ".drover/agents/mine.json"));
  rmSync(path.join(deep, ".drover"), { recursive: true });
  assert.equal((await turns.ask("GET", `/agents/mine?root=${deep}`)).status, 404);

  assert.equal((await turns.ask("PUT", "/agents/row", plain())).status, 200);
  for (const name of ["claude", "row", "pi"]) {
    const file = definition(deep, `${name}.json`, plain());
    const { from, state, why } = await of(name);
    assert.deepEqual([from, state], [file, "broken"]);
    assert.match(why, /may not replace/);
    assert.notEqual((await of(name, turns.root)).state, "broken");
  }
  definition(deep, "pi.md", "---\nname: pi\ndescription: a model\n---\nSay pi.");
  assert.match((await of("pi")).why, /may not replace/);
});

test("a broken file is shown with its line, and breaks no other", async (t) => {
  const turns = await open(t);
  const broken = definition(turns.root, "claude.json", '{"program": "claude",\n "at_once": 0}');
  definition(turns.root, "front.md", "---\nprogram: pi\nwrong: 1\n---\n");
  definition(turns.root, "huge.json", " ".repeat(300 << 10));
  definition(turns.root, "fine.json", plain());
  write(path.join(turns.folder, "secret"), '{"program": "plain", "command": "echo"}');
  symlinkSync(path.join(turns.folder, "secret"),
    path.join(turns.root, ".drover/agents/away.json"));
  const rows = Object.fromEntries((await agents(turns, turns.root)).map((row) => [row.name, row]));
  const state = (name) => [rows[name].state, rows[name].found, rows[name].why];
  assert.equal(rows.claude.from, broken);
  assert.deepEqual(state("claude").slice(0, 2), ["broken", false]);
  assert.match(rows.claude.why, /^line 2: "at_once"/);
  assert.match(rows.front.why, /^line 3: unknown field "wrong"/);
  assert.match(rows.huge.why, /more than 256 kB/);
  assert.match(rows.away.why, /leads out of its folder/);
  assert.deepEqual(state("fine"), ["ready", true, null]);
  assert.deepEqual(await said(turns, "fine"), ["succeeded", "hello"]);
  const refused = await turns.ask("POST", "/sessions",
    { agent: "claude", root: turns.root, title: "x" });
  assert.equal(refused.status, 409);
  assert.match(refused.json.detail, /line 2: "at_once"/);
});

test("a link that leads nowhere keeps its name, and its fault is named", async (t) => {
  const turns = await open(t);
  const folder = path.join(turns.home, ".drover/agents");
  mkdirSync(path.join(folder, "folder.json"), { recursive: true });
  symlinkSync(path.join(turns.home, "nothing"), path.join(folder, "claude.json"));
  symlinkSync("loop.json", path.join(folder, "loop.json"));
  symlinkSync("nothing", path.join(folder, "mine.md"));
  writeFileSync(Buffer.from(`${folder}/b\xff.json`, "latin1"), JSON.stringify(plain()));
  definition(turns.root, "mine.json", plain());
  const rows = Object.fromEntries((await agents(turns, turns.root)).map((row) => [row.name, row]));
  for (const [name, why] of [["claude", /^it is a link to a file that does not exist$/],
    ["loop", /leads to itself/], ["folder", /no plain file/], ["b\ufffd", /not text in UTF-8/],
    ["mine", /a project may not replace an agent of yours/]]) {
    assert.deepEqual([rows[name].state, rows[name].found], ["broken", false], name);
    assert.match(rows[name].why, why);
  }
  // A person sees the reason in the list, too.
  const list = (await turns.daemon.cli(["agent", "ls", "--root", turns.root])).stdout;
  assert.match(list, /^claude +cli +broken .* it is a link to a file that does not exist$/m);
  assert.match(list, /^pi +cli +missing .* may do what its user may, and does not ask$/m);
});

test("what can be no name of an agent gets the sentence of one that is not there", async (t) => {
  const turns = await open(t);
  for (const name of ["../x", "a/b", "a\\b", ".", "..", "", "x".repeat(9000)]) {
    for (const words of [["agent", "show", name], ["agent", "test", name], ["agent", "rm", name],
      ["agent", "run", name, "x"], ["ask", "--agent", name, "x"]]) {
      const { code, stderr } = await turns.daemon.cli(words);
      assert.equal(code, 3, `${words} ${stderr}`);
      assert.match(stderr, /there is no (stored )?agent '/, `${words}`);
    }
    const { code, stderr } = await turns.daemon.cli(["agent", "set", name, "--program", "pi"]);
    assert.equal(code, 3);
    assert.match(stderr, /is no name of an agent: /);
  }
  const { json } = await turns.ask("POST", "/agents", { ...plain(), name: "a\\b" });
  assert.match(json.detail, /no backslash/);
  const session = await turns.ask("POST", "/sessions", { agent: "nobody", root: turns.root });
  assert.equal(session.json.code, "no_model"); // A mere name, of an agent of models.
  assert.match(session.json.detail, /^there is no program 'nobody' \('drover agent ls'\), and no /);
});

test("a root that is a file is refused before anything is made", async (t) => {
  const turns = await open(t);
  program(path.join(turns.bin, "pi"), "echo");
  const file = write(path.join(turns.folder, "file"), "");
  for (const words of [["agent", "run", "pi", "x"], ["agent", "test", "pi"], ["agent", "ls"],
    ["agent", "show", "pi"], ["ask", "--agent", "pi", "x"]]) {
    const { code, stderr } = await turns.daemon.cli([...words, "--root", file]);
    assert.deepEqual([code, stderr.includes(`${file} is no folder`)], [2, true], stderr);
  }
  for (const [more, why] of [[{ root: file }, `root: there is no folder ${file}`],
    [{ root: `${file}/x` }, `root: there is no folder ${file}/x`],
    [{ root: turns.root, model: "--yes" }, "\"model\": '--yes' begins with a dash, as an option " +
      "of the program does"]]) {
    const { status, json } = await turns.ask("POST", "/sessions", { agent: "pi", ...more });
    assert.deepEqual([status, json.code, json.detail], [400, "bad_field", why]);
  }
  assert.deepEqual((await turns.get("/sessions")).items, []);
});

test("agents of models are listed beside programs, each name by its first file", async (t) => {
  const turns = await open(t);
  write(path.join(turns.root, ".claude/agents/x.md"),
    "---\nname: reviewer\ndescription: Reviews.\nmodel: opus\n---\nReview.");
  write(path.join(turns.root, ".claude/agents/bad.md"), "---\nname: bad\n? odd\n---\nBad.");
  definition(turns.root, "helper.md", "---\nprogram: plain\ncommand: echo\n---\nHelp.");
  const rows = await agents(turns, turns.root);
  const native = rows.filter(({ kind }) => kind === "native");
  assert.deepEqual(native.map(({ name, state }) => [name, state]).sort(), [["Explore", "ready"],
    ["Plan", "ready"], ["bad", "broken"], ["general-purpose", "ready"], ["reviewer", "ready"]]);
  const { description, model } = await agent(turns, "reviewer", turns.root);
  assert.deepEqual([description, model], ["Reviews.", "opus"]);
  assert.deepEqual(rows.filter(({ kind }) => kind === "cli").map(({ name }) => name),
    [...BUILT_IN, "helper"].sort());
});

test("a file that is broken is listed once, as a program where it may be one", async (t) => {
  const turns = await open(t);
  definition(turns.root, "odd.md", "---\nprogram: plain\ncommand: echo\n? odd\n---\n");
  definition(turns.root, "open.md", "---\nprogram: plain\ncommand: echo\n");
  definition(turns.root, "wrong.md", "---\nname: other\nprogram: nothing\n---\n");
  definition(turns.root, "bytes.md", "---\nname: b\n---\n");
  writeFileSync(path.join(turns.root, ".drover/agents/bytes.md"), Buffer.from([0x2d, 0xff, 0xfe]));
  definition(turns.root, "long.md", `---\nname: long\n---\n${"x".repeat(300 << 10)}`);
  definition(turns.root, "longer.md", `---\nprogram: pi\n---\n${"x".repeat(300 << 10)}`);
  mkdirSync(path.join(turns.root, ".drover/agents/folder.md"));
  write(path.join(turns.folder, "secret.md"), "---\nname: s\n---\n");
  symlinkSync(path.join(turns.folder, "secret.md"),
    path.join(turns.root, ".drover/agents/away.md"));
  const broken = (await agents(turns, `${turns.root}/`)).filter(({ state }) => state === "broken");
  assert.deepEqual(broken.map(({ name, kind }) => `${name} ${kind}`).sort(), ["away cli",
    "bytes native", "folder cli", "long cli", "longer cli", "odd cli", "open native",
    "wrong cli"]);
});

test("a folder says that it has more files than are listed", async (t) => {
  const turns = await open(t);
  for (let i = 0; i < 510; i++) {
    definition(turns.root, `a${i}.json`, plain());
    write(path.join(turns.root, `.claude/agents/b${i}.md`), `---\nname: b${i}\n---\nB.`);
  }
  const rows = await agents(turns, turns.root);
  const told = rows.filter(({ name }) => name.startsWith("."));
  assert.deepEqual(told.map(({ name, kind, state, from }) => [name, kind, state, from]),
    [".drover/agents cli", ".claude/agents native"].map((one) => [...one.split(" "), "broken",
      path.join(turns.root, one.split(" ")[0])]));
  for (const { why } of told) assert.match(why, /more than 500 files.* are not listed/);
  assert.ok(rows.length > 900, `${rows.length}`);
  const { stdout } = await turns.daemon.cli(["agent", "ls", "--json", "--root", turns.root]);
  assert.equal(stdout.trim().split("\n").length, rows.length);
  const [hidden] = [...Array(510).keys()].map((i) => `a${i}`)
    .filter((name) => !rows.some((row) => row.name === name));
  assert.equal((await agent(turns, hidden, turns.root)).state, "ready"); // By its name it is found.
});

test("programs are found in PATH, in ~/.local/bin and in the newest Node of nvm", async (t) => {
  const turns = await open(t);
  const command = async (name) => (await agent(turns, name)).command;
  assert.equal(await command("codex"), null);
  const nvm = (version) =>
    program(path.join(turns.home, `.nvm/versions/node/${version}/bin/codex`),
      'echo "$(command -v codex) $2"');
  nvm("v9.11.2");
  const newest = nvm("v20.1.0");
  assert.equal(await command("codex"), newest);
  // A program of Node finds its own Node.
  assert.match((await turns.get("/agents/codex/start")).env.join(), /PATH/);
  const local = program(path.join(turns.home, ".local/bin/codex"));
  assert.equal(await command("codex"), local);
  const found = program(path.join(turns.bin, "codex"));
  assert.equal(await command("codex"), found);
  const away = path.join(turns.folder, "away");
  const client = program(path.join(away, "codex"));
  const shown = await turns.daemon.cli(["agent", "show", "codex", "--json"],
    { env: { PATH: away } });
  assert.equal(JSON.parse(shown.stdout).command, client);
});

test("a version is asked once, within two seconds, and never of a project's program", async (t) => {
  const turns = await open(t);
  const count = (name) => {
    const file = path.join(turns.folder, `${name}.asked`);
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
  };
  const asked = (name, ...lines) => program(path.join(turns.bin, name),
    `echo x >>${turns.folder}/${name}.asked`, ...lines);
  asked("codex", 'echo "codex-cli 0.169.0"');
  asked("pi", "exec sleep 600");
  asked("opencode", "echo nothing to see", "exit 3");
  const version = async (name) => (await agent(turns, name)).version;
  for (const round of [1, 2]) {
    const rows = await agents(turns);
    const versions = Object.fromEntries(rows.map((row) => [row.name, row.version]));
    assert.deepEqual([versions.codex, versions.pi, versions.opencode], ["0.169.0", null, null]);
    assert.deepEqual(["codex", "pi", "opencode"].map(count), [1, 1, 1], `round ${round}`);
  }
  asked("codex", 'echo "codex-cli 0.170.0-beta.1 of a longer file"');
  assert.equal(await version("codex"), "0.170.0-beta.1");
  assert.equal(count("codex"), 2);
  const file = path.join(turns.bin, "codex"), { atime, mtime } = statSync(file);
  utimesSync(file, atime, mtime); // As precise as the next time, which npm sets to a fixed one.
  assert.equal(await version("codex"), "0.170.0-beta.1");
  asked("codex", 'echo "codex-cli 0.171.0-beta.1 of a longer file"');
  utimesSync(file, atime, mtime);
  assert.equal(await version("codex"), "0.171.0-beta.1");
  const own = program(path.join(turns.root, "claude"), `echo x >>${turns.folder}/claude.asked`);
  definition(turns.root, "theirs.json", { program: "claude", command: own });
  assert.equal((await agent(turns, "theirs", turns.root)).command, own);
  assert.equal(count("claude"), 0);
});

test("a login that nobody sees is named, and refuses nothing", async (t) => {
  const turns = await open(t);
  program(path.join(turns.bin, "claude"));
  program(path.join(turns.bin, "codex"));
  const states = async () => [(await agent(turns, "claude")).state,
    (await agent(turns, "codex")).state];
  assert.deepEqual(await states(), ["not_logged_in", "not_logged_in"]);
  assert.match((await agent(turns, "claude")).why, /run 'claude' once in a terminal and log in/);
  assert.equal((await agent(turns, "claude")).found, true);
  const doctor = await turns.daemon.cli(["doctor"], { env: turns.env });
  assert.match(doctor.stdout,
    / claude is not_logged_in: .*; it asks before it acts, but for hooks and rules of its own/m);
  assert.equal((await turns.ask("POST", "/sessions", { agent: "claude", title: "x" })).status, 201);
  // Presence counts: a file that nobody may read is one.
  write(path.join(turns.home, ".claude/.credentials.json"), "{}", 0);
  write(path.join(turns.home, ".codex/auth.json"), "", 0);
  assert.deepEqual(await states(), ["ready", "ready"]);
  rmSync(path.join(turns.home, ".codex"), { recursive: true });
  definition(turns.home, "codex.json", { program: "codex", env: { OPENAI_API_KEY: "x" } });
  assert.deepEqual(await states(), ["ready", "ready"]);
});

test("a stored agent outlives the daemon, and is changed by admins alone", async (t) => {
  const turns = await open(t);
  const made = await turns.ask("POST", "/agents", { name: "helper", ...plain("one") });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual([made.json.name, made.json.args], ["helper", ["one"]]);
  assert.equal((await turns.ask("POST", "/agents", { name: "helper", ...plain() })).status, 409);
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.deepEqual(await said(turns, "helper"), ["succeeded", "one hello"]);
  assert.equal((await turns.ask("PUT", "/agents/helper", plain("two"))).status, 200);
  assert.deepEqual(await said(turns, "helper"), ["succeeded", "two hello"]);
  for (const [target, body, code] of [
    ["/agents/helper", { name: "other", ...plain() }, "bad_field"],
    ["/agents/helper", { ...plain(), wrong: 1 }, "unknown_field"],
    ["/agents/helper", { program: "none" }, "bad_field"],
    ["/agents/helper", { program: "plain" }, "missing_field"],
    ["/agents/helper", { program: "plain", command: "./here" }, "bad_field"],
    ["/agents/helper", { ...plain(), env: { A: { from: "B/C" } } }, "bad_field"],
    ["/agents/.hidden", plain(), "not_found"],
  ]) {
    assert.equal((await turns.ask("PUT", target, body)).json.code, code, JSON.stringify(body));
  }
  const token = await turns.daemon.cli(["token", "create", "--scope", "read,run", "--json"]);
  turns.headers = { authorization: `Bearer ${JSON.parse(token.stdout).token}` };
  assert.equal((await turns.ask("PUT", "/agents/helper", plain())).status, 403);
  assert.equal((await turns.ask("DELETE", "/agents/helper")).status, 403);
  assert.equal((await agent(turns, "helper")).from, "stored");
  turns.headers = {};
  // Without the definition, whose variables may be secrets; a change keeps the time of the first.
  const events = async () => (await turns.get("/streams/system/events")).events
    .filter(({ type }) => type === "agent_changed").map(({ data }) => data);
  const before = await events();
  assert.deepEqual(before.map((data) => Object.keys(data)),
    [["name", "made_ms", "changed_ms"], ["name", "made_ms", "changed_ms"]]);
  assert.equal(before[1].made_ms, before[0].made_ms);
  assert.ok(before[1].changed_ms > before[1].made_ms);
  assert.equal((await turns.ask("DELETE", "/agents/helper")).status, 200);
  const again = await turns.ask("DELETE", "/agents/helper");
  assert.deepEqual([again.status, again.json.detail], [404,
    "there is no agent 'helper' that is stored; what a file defines is removed with it"]);
  assert.equal((await turns.ask("GET", "/agents/helper")).status, 404);
  const removed = { name: "helper", removed: true };
  assert.deepEqual(await events(), [removed, removed, removed]); // Its times are gone, too.
});

test("secrets reach the program, and no row, answer or log", async (t) => {
  const turns = await open(t, { HELPER_TOKEN: "of-the-daemon-77" });
  const command = program(path.join(turns.bin, "helper"),
    '[ "$A $B $C" = "plain of-the-daemon-77 of-the-file-88" ] && echo all are there');
  const env = { A: "plain", B: { from: "HELPER_TOKEN" }, C: { file: "helper" } };
  const stored = await turns.ask("PUT", "/agents/helper", { program: "plain", command, env });
  assert.equal(stored.status, 200, stored.text);
  const [state] = await said(turns, "helper");
  assert.equal(state, "failed"); // There is no key file.
  const keys = path.join(turns.daemon.data, "agent-keys");
  mkdirSync(keys, { recursive: true });
  execFileSync("mkfifo", ["-m", "600", path.join(keys, "helper")]);
  assert.equal((await said(turns, "helper"))[0], "failed"); // A pipe is read by nobody.
  rmSync(path.join(keys, "helper"));
  const key = write(path.join(keys, "helper"), "of-the-file-88\n", 0o644);
  assert.equal((await said(turns, "helper"))[0], "failed"); // Others may read it.
  chmodSync(key, 0o600);
  assert.deepEqual(await said(turns, "helper"), ["succeeded", "all are there"]);
  assert.deepEqual((await turns.get("/agents/helper/start")).env, ["A", "B", "C"]);
  const runs = await turns.ask("GET", "/runs?limit=100");
  for (const run of runs.json.items) {
    const { text } = await turns.ask("GET", `/runs/${run.id}`);
    assert.doesNotMatch(text, /of-the-(daemon|file)/);
  }
  await turns.daemon.stop();
  for (const file of readdirSync(turns.daemon.data).filter((name) => /^drover\.db/.test(name))) {
    assert.doesNotMatch(readFileSync(path.join(turns.daemon.data, file), "latin1"),
      /of-the-(daemon|file)-/);
  }
  assert.doesNotMatch(turns.daemon.log, /of-the-(daemon|file)-/);
});

test("the commands define, show, test and remove an agent", async (t) => {
  const turns = await open(t);
  const cli = (...args) => turns.daemon.cli(["agent", ...args], { env: turns.env });
  const ok = async (...args) => {
    const { code, stdout, stderr } = await cli(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await ok("add", "helper", "--program", "plain", "--command", "echo", "--arg", "I say",
    "--env", "A=b", "--env", "HOME", "--env", "K=@key", "--deadline", "5m");
  const lines = (await ok("ls", "--json")).trim().split("\n").map((line) => JSON.parse(line));
  for (const line of lines) {
    for (const name of ["name", "kind", "found", "version", "state"]) assert.ok(name in line, name);
  }
  assert.equal(lines.find(({ name }) => name === "helper").state, "ready");
  const shown = await ok("show", "helper");
  assert.match(shown, /may +may do what its user may, and does not ask/);
  const dry = JSON.parse(await ok("test", "helper", "--dry-run", "--prompt", "hi", "--json"));
  assert.deepEqual([dry.argv.slice(1), dry.env, dry.prompt], [["I say", "hi"], ["A", "HOME", "K"],
    "hi"]);
  assert.equal((await cli("test", "helper")).code, 1); // Its key is not there.
  await ok("set", "helper", "--program", "plain", "--command", "echo", "--arg", "I say");
  assert.match(await ok("test", "helper", "--prompt", "hi"), /I say hi/);
  assert.equal((await cli("test", "nobody")).code, 3);
  for (const program of ["claude", "pi"]) {
    await ok("set", "helper", "--program", program, "--command", "echo", "--tool", "Read",
      "--tool", "Grep");
    const { argv } = JSON.parse(await ok("test", "helper", "--dry-run", "--json"));
    assert.equal(argv[argv.indexOf("--tools") + 1], "Read,Grep");
  }
  await ok("set", "helper", "--program", "plain", "--command", "echo", "--arg", "I say");
  const doctor = await turns.daemon.cli(["doctor"], { env: turns.env });
  assert.match(doctor.stdout, /agent +helper, \/\S+echo: may do what its user may/);
  await ok("rm", "helper");
  assert.notEqual((await cli("show", "helper")).code, 0);
});
