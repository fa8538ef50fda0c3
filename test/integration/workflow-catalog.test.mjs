// workflow-catalog.test.mjs: which workflows there are: API and commands.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync,
  writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, plainEnv, run, scratch } from "./lib.mjs";
import { checkersOf, kill } from "./processes.mjs";

const script = (name, body = "return 1") =>
  `export const meta = { name: "${name}", description: "of ${name}" };\n${body}\n`;

/** A daemon, a home and a repository with a folder in it. */
async function start(t) {
  const top = scratch(t);
  const [home, repository] = ["home", "repo"].map((name) => path.join(top, name));
  const project = path.join(repository, "app");
  for (const folder of [home, project, path.join(repository, ".git")]) {
    mkdirSync(folder, { recursive: true });
  }
  const env = { HOME: home, CLAUDE_CONFIG_DIR: path.join(top, "config") };
  const daemon = await new Daemon({ data: path.join(top, "d"), env }).start();
  t.after(() => daemon.kill());
  const put = (folder, place, name, text) => {
    mkdirSync(path.join(folder, place), { recursive: true });
    writeFileSync(path.join(folder, place, name), text);
  };
  return { top, home, repository, project, daemon, put };
}

const api = "/api/v1/workflows";
const get = (daemon, target) => daemon.request("GET", target, { local: true });
const at = (project) => `?root=${encodeURIComponent(project)}`;
const named = (answer, name) => answer.json.workflows.filter((one) => one.name === name);
const drover = (daemon, args, cwd) =>
  run(["workflow", ...args], { cwd, env: { ...plainEnv, DROVER_DATA: daemon.data } });

test("the nearest of a name counts, the others are listed as shadowed", async (t) => {
  const { top, home, repository, project, daemon, put } = await start(t);
  put(project, ".boocode/workflows", "mine.js", script("same"));
  put(repository, ".claude/workflows", "theirs.js", script("same"));
  put(home, ".drover/workflows", "home.js", script("same"));
  put(home, ".drover/workflows", "own.js", script("deep-research"));
  put(top, "config/workflows", "configured.js", script("configured"));

  const answer = await get(daemon, api + at(project));
  assert.equal(answer.status, 200, answer.text);
  const same = named(answer, "same");
  assert.deepEqual(
    same.map((one) => [one.origin, one.shadowed]),
    [["project", false], ["project", true], ["home", true]],
  );
  assert.ok(same[0].file.endsWith("/repo/app/.boocode/workflows/mine.js"));
  assert.equal(same[1].shadowed_by, same[0].file);
  assert.deepEqual(
    named(answer, "deep-research").map((one) => [one.origin, one.shadowed]),
    [["home", false], ["built-in", true]],
  );
  assert.equal(named(answer, "configured").length, 1);
  const found = answer.json.places.filter((place) => place.found).map((place) => place.files);
  assert.deepEqual(found, [1, 1, 2, 1, 6]);

  const one = await get(daemon, `${api}/same${at(project)}`);
  assert.equal(one.json.source, script("same"));
  assert.equal(one.json.form, "body");
  assert.equal((await get(daemon, `${api}/deep-research${at(project)}`)).json.origin, "home");
  const bare = await get(daemon, api);
  assert.deepEqual(named(bare, "same").map((workflow) => workflow.origin), ["home"]);
});

test("an edited file counts at once, and a broken one is told where it is broken", async (t) => {
  const { project, daemon, put } = await start(t);
  put(project, ".drover/workflows", "a.js", script("first"));
  assert.equal(named(await get(daemon, api + at(project)), "first").length, 1);
  put(project, ".drover/workflows", "a.js", script("second"));
  assert.equal(named(await get(daemon, api + at(project)), "second").length, 1);
  put(project, ".drover/workflows", "a.js", "export const meta = {\n  name: f(),\n};\n");
  const [broken] = named(await get(daemon, api + at(project)), "a");
  assert.equal(broken.form, null);
  assert.deepEqual([broken.error.line, broken.error.column, broken.error.code], [2, 9, "bad_meta"]);
  assert.match(broken.error.detail, /literal: a call/);
  const one = await get(daemon, `${api}/a${at(project)}`);
  assert.equal(one.status, 200);
  assert.equal(one.json.error.line, 2);
});

test("an unknown name is answered with near ones and with the places", async (t) => {
  const { project, daemon } = await start(t);
  const answer = await get(daemon, `${api}/reviewcode${at(project)}`);
  assert.equal(answer.status, 404);
  assert.equal(answer.json.code, "workflow_not_found");
  assert.match(answer.json.detail, /'reviewcode'; did you mean review-code\?/);
  assert.match(answer.json.detail, /repo\/app\/\.\{drover,claude,boocode\}\/workflows/);
  assert.match(answer.json.detail, /built-in/);
  const nowhere = await get(daemon, `${api}?root=/there/is/nothing`);
  assert.equal(nowhere.json.code, "bad_query");
});

test("nothing is read through a link that leads out of its place", async (t) => {
  const { top, project, daemon, put } = await start(t);
  writeFileSync(path.join(top, "secret.js"), script("secret"));
  put(project, ".drover/workflows", "plain.js", script("plain"));
  symlinkSync("../../../../secret.js", path.join(project, ".drover/workflows/out.js"));
  mkdirSync(path.join(top, "elsewhere/workflows"), { recursive: true });
  writeFileSync(path.join(top, "elsewhere/workflows/far.js"), script("far"));
  symlinkSync("../../elsewhere", path.join(project, ".claude"));
  const answer = await get(daemon, api + at(project));
  assert.equal(named(answer, "secret").length + named(answer, "far").length, 0);
  assert.match(named(answer, "out")[0].error.detail, /leads out/);
  const place = answer.json.places.find((one) => one.path.endsWith("app/.claude/workflows"));
  assert.match(place.problem, /leads out/);
});

test("a script is judged without being run", async (t) => {
  const { daemon } = await start(t);
  const check = async (text, file) => {
    const body = file === undefined ? { script: text } : { script: text, file };
    return (await daemon.request("POST", "/api/v1/scripts/check", { body, local: true })).json;
  };
  const good = await check("export default async (args) => 1", "dir/good.js");
  assert.deepEqual(good, {
    valid: true,
    form: "main",
    meta: { name: "good", description: "" },
    problems: [],
    checked: true,
  });
  const bad = await check("export const meta = { name: 1 };");
  assert.equal(bad.valid, false);
  assert.deepEqual([bad.problems[0].line, bad.problems[0].column], [1, 29]);
  const risky = await check(script("x",
    "log(Date.now());\nawait agent('a', { lable: 'b' });\nfetch('x');"));
  assert.equal(risky.valid, false);
  assert.deepEqual(
    risky.problems.map((one) => [one.line, one.severity]),
    [[2, "warning"], [3, "warning"], [4, "error"]],
  );
  const long = await check(`${script("x")}//${"x".repeat(900_000)}`);
  assert.equal(long.valid, true);
});

/** Tokens in good order, and no JavaScript: what, where. */
const broken = [
  ["return 2 +", "1:73", "the script ends in the middle of a statement"],
  ["let a; let a;", "1:76", "redefin"],
];
const flat = (name, body) => `export const meta = { name: "${name}", description: "b" }; ${body}`;

test("a checker that hangs holds up no command", async (t) => {
  const { daemon, put, project } = await start(t);
  const ask = (path, body) => daemon.request("POST", path, { body, local: true });
  const check = (i) => ask("/api/v1/scripts/check", { script: script(`s${i}`, `return ${i}`) });
  put(project, ".drover/workflows", "shown.js", script("shown", "return 'shown'"));
  assert.equal((await check(0)).status, 200);
  const checkers = checkersOf(daemon);
  assert.equal(checkers.length, 1);
  kill(checkers[0], "SIGSTOP");
  const asked = [
    ...[1, 2, 3, 4].map(check),
    get(daemon, `${api}/shown${at(project)}`),
    ask("/api/v1/workflows", { script: script("begun", "return 'begun'"), root: project }),
  ];
  const job = await run(["job", "run", "--", "true"],
    { env: { ...plainEnv, DROVER_DATA: daemon.data } });
  assert.equal(job.code, 0, job.stderr);
  assert.deepEqual(checkersOf(daemon), checkers, "it has not been given up before");
  kill(checkers[0]);
  for (const { status, text } of await Promise.all(asked)) assert.ok(status < 300, text);
});

test("what only the engine finds is told by check, list and show, as a run would", async (t) => {
  const { project, daemon, put } = await start(t);
  for (const [i, [body, place, words]] of broken.entries()) {
    const name = i === 0 ? "review-code" : "abcdefghijk"; // The first stands before a built-in one.
    const text = flat(name, body);
    const answer = await daemon.request("POST", "/api/v1/scripts/check", {
      body: { script: text },
      local: true,
    });
    const { valid, checked, problems } = answer.json;
    assert.deepEqual([valid, checked, problems.length], [false, true, 1], answer.text);
    const [{ line, column, code, detail }] = problems;
    assert.deepEqual([`${line}:${column}`, code], [place, "syntax_error"], detail);
    assert.ok(detail.includes(words), detail);

    put(project, ".drover/workflows", `${name}.js`, text);
    const [row] = named(await get(daemon, api + at(project)), name);
    assert.deepEqual([row.form, row.checked, row.shadowed], [null, true, false]);
    assert.deepEqual([row.error.line, row.error.detail], [line, detail]);
    const shown = await get(daemon, `${api}/${name}${at(project)}`);
    assert.equal(shown.json.error.detail, detail);
    const began = await daemon.request("POST", api, { body: { script: text }, local: true });
    assert.equal(began.json.error, `${place}: ${detail}`);

    const told = await drover(daemon, ["check", `.drover/workflows/${name}.js`], project);
    assert.equal(told.code, 2);
    assert.ok(told.stdout.includes(`${name}.js:${place}: error: ${detail}`), told.stdout);
  }
  const list = await drover(daemon, ["ls"], project);
  assert.match(list.stdout, /^review-code +project +broken/m);
  assert.match(list.stdout, /review-code\.js:1:73: the script ends/);
});

test("check takes a name, names the nearest, and warns of undefined names", async (t) => {
  const { project, daemon, put } = await start(t);
  put(project, ".drover/workflows", "sums.js", script("sums", "return paralell([]);"));
  const warned = await drover(daemon, ["check", "sums"], project);
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(
    warned.stdout,
    /sums\.js:2:8: warning: "paralell" is not defined; did you mean "parallel"\?/,
  );
  const built = await drover(daemon, ["check", "deep-research"], project);
  assert.match(built.stdout, /^built-in\/deep-research\.js: ok: deep-research/);
  const unknown = await drover(daemon, ["check", "deep-reserch"], project);
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /did you mean deep-research\? Searched: /);
  const made = await drover(daemon, ["new", "mine"], project);
  const [, name] = /with: drover workflow check (\S+)$/m.exec(made.stdout);
  const checked = await drover(daemon, ["check", name], project);
  assert.match(checked.stdout, /mine\.js: ok: mine$/m);
});

test("a list asks the engine about so many, and the next one goes on", async (t) => {
  const { project, daemon, put } = await start(t);
  const count = 80;
  for (let i = 0; i < count; i++) put(project, ".drover/workflows", `w${i}.js`, script(`w${i}`));
  for (let i = 0; i < 9; i++) put(project, ".claude/workflows", `w${i}.js`, script(`w${i}`, "//"));
  const started = async () => {
    const { text } = await daemon.request("GET", "/metrics", { local: true });
    return Number(/^drover_script_workers_started_total (\d+)/m.exec(text)?.[1]);
  };
  const before = await started();
  let { workflows, unchecked } = (await get(daemon, api + at(project))).json;
  const first = (await started()) - before;
  assert.ok(first > 0 && first <= 64, `${first} workers`);
  assert.equal(unchecked, workflows.filter((one) => !one.checked).length);
  assert.equal(unchecked, count + 9 - first);
  for (let i = 0; unchecked > 0; i++) {
    assert.ok(i < count, "each list checks some of them");
    ({ unchecked, workflows } = (await get(daemon, api + at(project))).json);
  }
  assert.equal((await started()) - before, count + 9, "each text is read once");
  assert.ok(workflows.every((one) => one.checked && one.error === undefined));
  assert.match((await drover(daemon, ["ls"], project)).stderr, /^$/);
});

test("without a daemon, check says that the engine was not asked", async (t) => {
  const { project, daemon, put } = await start(t);
  put(project, ".", "a.js", flat("a", "return 2 +"));
  await daemon.stop();
  const told = await drover(daemon, ["check", "a.js"], project);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /^a\.js: not checked by the engine: a: no daemon answers/);
  const json = await drover(daemon, ["check", "--json", "a.js"], project);
  assert.equal(JSON.parse(json.stdout).checked, false);
});

test("commands list, show, check and write workflows", async (t) => {
  const { project, daemon, put } = await start(t);
  mkdirSync(path.join(project, ".claude"));
  mkdirSync(path.join(project, "src/deep"), { recursive: true });
  const wrote = await drover(daemon, ["new", "hello"], path.join(project, "src/deep"));
  assert.equal(wrote.code, 0, wrote.stderr);
  const file = path.join(project, ".drover/workflows/hello.js"); // Not below where we stood.
  assert.ok(existsSync(file));
  assert.ok(wrote.stdout.startsWith(`${file} is written`), wrote.stdout);
  const again = await drover(daemon, ["new", "hello"], project);
  assert.equal(again.code, 5);
  assert.match(again.stderr, /is there already/);
  assert.equal((await drover(daemon, ["new", "../x"], project)).code, 2);

  const fine = await drover(daemon, ["check", file], project);
  assert.equal(fine.code, 0);
  assert.match(fine.stdout, /: ok: hello$/m);
  put(project, ".drover/workflows", "bad.js",
    script("bad", "\nsetTimeout(f, 1);\nimport f from 'f';"));
  const bad = await drover(daemon, ["check", file, ".drover/workflows/bad.js"], project);
  assert.equal(bad.code, 2);
  assert.match(bad.stdout, /workflows\/bad\.js:4:1: error: import/);
  put(project, ".drover/workflows", "late.js", script("late", "\nsetTimeout(log, 1)"));
  const late = await drover(daemon, ["check", ".drover/workflows/late.js"], project);
  assert.equal(late.code, 2);
  assert.match(late.stdout, /late\.js:3:1: error: setTimeout: .* throws a ReferenceError/);

  const json = await drover(daemon, ["check", "--json", file], project);
  assert.equal(JSON.parse(json.stdout).meta.name, "hello");
  assert.equal((await drover(daemon, ["check", "none.js"], project)).code, 3);

  const list = await drover(daemon, ["ls"], project);
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /^hello +project/m);
  assert.match(list.stdout, /^bad +project +broken/m);
  assert.match(list.stdout, /^deep-research +built-in/m);
  const rows = (await drover(daemon, ["ls", "--json"], project)).stdout.trim().split("\n");
  assert.equal(rows.map((row) => JSON.parse(row)).filter((row) => row.name === "bad").length, 1);
  const shown = await drover(daemon, ["show", "--source", "hello"], project);
  assert.equal(shown.stdout, readFileSync(file, "utf8"));
  const unknown = await drover(daemon, ["show", "helo"], project);
  assert.equal(unknown.code, 3);
  assert.match(unknown.stderr, /did you mean hello/);
});

test("new writes where no project is into this folder, whatever the home has", async (t) => {
  const { home, daemon, put } = await start(t);
  put(home, ".claude/workflows", "own.js", script("own"));
  const plain = path.join(home, "notes");
  mkdirSync(plain);
  const env = { ...plainEnv, HOME: home, DROVER_DATA: daemon.data };
  const wrote = await run(["workflow", "new", "here", "--json"], { cwd: plain, env });
  assert.equal(wrote.code, 0, wrote.stderr);
  assert.equal(JSON.parse(wrote.stdout).file, path.join(plain, ".drover/workflows/here.js"));
});

/** The last event of a workflow. */
async function ended(daemon, id) {
  for (let after = 0; ; ) {
    const page = await get(daemon, `/api/v1/streams/run:${id}/events?after=${after}&wait=30`);
    const events = page.json.events;
    const last = events.find((event) => event.type === "workflow_finished");
    if (last) return last.data;
    after = events.at(-1)?.seq ?? after;
  }
}

test("each workflow that is built in comes to a sensible end", async (t) => {
  const { daemon } = await start(t);
  const cases = [
    ["deep-research", { query: "why" }, 11, ["answer", "findings", "questions", "sources"]],
    ["review-code", { target: "." }, 4, ["counts", "findings", "report"]],
    ["multi-review", { target: "." }, 4, ["findings", "missing"]],
    ["find-issues", undefined, 9, ["issues", "rounds"]],
    ["plan-verify", { goal: "peace" }, 9, ["items", "plan", "verified"]],
    ["bounty-hunt", { target: "." }, 6, ["findings", "rejected"]],
  ];
  for (const [name, args, agents, members] of cases) {
    const body = args === undefined ? {} : { args };
    const begun = await daemon.request("POST", `${api}/${name}/runs`, { body, local: true });
    assert.equal(begun.status, 201, begun.text);
    const end = await ended(daemon, begun.json.runId);
    assert.equal(end.state, "succeeded", JSON.stringify(end));
    assert.equal(end.agents.succeeded, agents, name);
    for (const member of members) assert.ok(member in end.result, `${name}: ${member}`);
  }
  const none = { body: {}, local: true };
  const lacking = await daemon.request("POST", `${api}/plan-verify/runs`, none);
  assert.equal(lacking.status, 400);
  assert.match(lacking.json.detail, /goal/);
});

test("another source is saved whole into its file, or not at all", async (t) => {
  const { home, project, daemon, put } = await start(t);
  put(project, ".drover/workflows", "mine.js", script("mine"));
  put(project, ".drover/workflows", "linked.js", script("linked"));
  put(project, ".drover/workflows", "real.txt", script("linked"));
  const places = path.join(project, ".drover/workflows"), file = path.join(places, "mine.js");
  chmodSync(file, 0o640);
  rmSync(path.join(places, "linked.js"));
  symlinkSync("real.txt", path.join(places, "linked.js"));
  put(home, ".drover/workflows", "locked.js", script("locked"));
  chmodSync(path.join(home, ".drover/workflows/locked.js"), 0o444);

  const target = (name) => `${api}/${name}${at(project)}`;
  const save = (name, body) =>
    daemon.request("PUT", target(name), { local: true, body });
  const before = (await get(daemon, target("mine"))).json;
  const source = script("mine", "log('ü'); return 2");
  const saved = await save("mine", { source, hash: before.hash });
  assert.equal(saved.status, 200, saved.text);
  assert.deepEqual([saved.json.source, readFileSync(file, "utf8")], [source, source]);
  assert.notEqual(saved.json.hash, before.hash);
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual((await get(daemon, target("mine"))).json, saved.json);

  const hashOf = async (name) => (await get(daemon, target(name))).json.hash;
  const refused = [
    ["mine", { source, hash: before.hash }, "conflict", /has changed since it was read/],
    ["mine", { source: script("other"), hash: saved.json.hash }, "conflict", /would be "other"/],
    ["mine", { source: "export const meta = 1", hash: saved.json.hash }, "bad_script", /^line 1/],
    ["plan-verify", { source, hash: await hashOf("plan-verify") }, "conflict", /built in/],
    ["linked", { source: script("linked", "return 2"), hash: await hashOf("linked") }, "conflict",
      /is a link/],
    ["locked", { source: script("locked", "return 2"), hash: await hashOf("locked") }, "conflict",
      /read-only/],
    ["nowhere", { source, hash: before.hash }, "workflow_not_found", /nowhere/],
  ];
  for (const [name, body, code, detail] of refused) {
    const { status, json, text } = await save(name, body);
    assert.equal(json.code, code, text);
    assert.match(json.detail, detail);
    assert.ok(status >= 400 && status < 500);
  }
  assert.equal(readFileSync(file, "utf8"), source);
  assert.deepEqual(readdirSync(places).sort(), ["linked.js", "mine.js", "real.txt"]);
});

test("a broken file is mended under the name that its text has", async (t) => {
  const { project, daemon, put } = await start(t);
  put(project, ".drover/workflows", "stem.js", "export const meta = {");
  const target = `${api}/stem${at(project)}`, { hash, error } = (await get(daemon, target)).json;
  assert.equal(error.line, 1);
  const body = { source: script("another"), hash };
  const mended = await daemon.request("PUT", target, { local: true, body });
  const { name, error: left } = mended.json;
  assert.deepEqual([mended.status, name, left], [200, "another", undefined]);
});
