// tasks-cli.test.mjs: a task through its whole life by commands alone: from a terminal, and from
// inside of an attempt, where its prompt shows the commands that stand here.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, Daemon, scratch } from "./lib.mjs";
import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

async function start(t) {
  const daemon = await new Daemon({ data: scratch(t), args: ["--insecure-loopback"] }).start();
  t.after(() => daemon.kill());
  /** `drover task WORDS`: its output; `code` is how it must end. */
  const task = async (words, { code = 0, cwd, input } = {}) => {
    const end = await daemon.cli(["task", ...words], { cwd, input });
    assert.equal(end.code, code, `${words.join(" ")}: ${end.stdout}${end.stderr}`);
    return code === 0 ? end.stdout : end.stderr;
  };
  const show = async (name, more) => JSON.parse(await task(["show", name, "--json"], more));
  return { daemon, task, show };
}

test("a task goes from its title to done, with a rejection on the way", async (t) => {
  const { daemon, task, show } = await start(t);
  const root = scratch(t);
  writeFileSync(path.join(root, "fix.patch"), "+ a line\n");
  await daemon.cli(["project", "add", "web", "--root", root]);
  const web = { cwd: root };
  assert.match(await task(["ls"], web), /^$/);
  const words = ["--type", "code", "-p", "7", "--must", "It is green", "--must-output", "code"];
  const described = ["--description", "-", "--capability", "c", "--link", "related=T-1"];
  assert.match(await task(["add", "Parser", ...words], web), /^T-1: pending/);
  const more = await task(["add", "Notes", "--after", "T-1", ...described],
    { ...web, input: "two\nlines" });
  assert.equal(more, "T-2: pending (waits for T-1, which is pending)\n");
  assert.deepEqual((await task(["ls", "--json"], web)).trim().split("\n")
    .map((line) => JSON.parse(line).title), ["Notes", "Parser"]);
  const completed = async (...line) =>
    (await daemon.cli(["__complete", "--", "task", ...line])).stdout;
  assert.equal(await completed("show", "--project", "web", "T-"), "T-2\tNotes\nT-1\tParser\n");
  assert.equal(await completed("status", "web/T-1", "w"), "working\n");
  const typo = await daemon.cli(["task", "add", "Lost", "--project", "wbe"]);
  assert.deepEqual([typo.code, typo.stdout, typo.stderr],
    [0, "T-1: pending (no agent of the board is there: 'drover project set wbe --board …' names " +
      "agents)\n", "drover: there was no project 'wbe': it was made\n"]);
  const second = await show("web/T-2");
  assert.deepEqual([second.description, second.depends_on, second.links, second.capability],
    ["two\nlines", ["T-1"], [{ kind: "related", task: "T-1" }], "c"]);

  await task(["claim", "T-1"], web);
  assert.match(await task(["claim", "T-1", "--agent", "bob"], { ...web, code: 5 }),
    /local has T-1; it is claimed \(task_held\)/);
  assert.match(await task(["claim", "T-2"], { ...web, code: 5 }), /T-2 waits for T-1/);
  await task(["status", "T-1", "working"], web);
  assert.match(await task(["status", "T-1", "review"], { ...web, code: 5 }), /\(no_output\)/);
  const read = { ...web, input: "int main;\n" };
  const first = (await task(["output", "T-1", "--type", "code", "--title", "A", "--summary", "S"],
    read)).trim();
  await task(["output", "web/T-1", "--type", "data", "--title", "B", "--path",
    path.join(root, "fix.patch")]);
  await task(["output", "T-1", "--type", "data", "--title", "C", "--path", "fix.patch"], web);
  await task(["comment", "T-1"], { ...web, input: "from stdin" });
  await task(["comment", "T-1", "from the line"], web);
  assert.equal(await task(["status", "T-1", "review"], web), "T-1: review\n");
  assert.match(await task(["review", "T-1"], { ...web, code: 2 }), /--accept and --reject/);
  await task(["review", "T-1", "--reject", "No test", "--reject", "Names"], web);

  const seen = await show("T-1", web);
  assert.equal(seen.status, "pending");
  assert.deepEqual(seen.reviews[0].reasons, ["No test", "Names"]);
  assert.deepEqual(seen.outputs.map(({ title, content }) => [title, content]),
    [["C", "+ a line\n"], ["B", "+ a line\n"], ["A", "int main;\n"]]);
  assert.equal(seen.outputs.at(-1).id, first);
  assert.deepEqual(seen.comments.map(({ body }) => body), ["from the line", "from stdin"]);
  const page = await task(["show", "T-1"], web);
  for (const part of [/^ {2}- It is green$/m, /local {2}rejected\n {4}No test\n {4}Names\n/,
    new RegExp(`${first}  code  10 bytes  A\n    S\n`), /review, from working$/m])
    assert.match(page, part);

  await task(["edit", "T-1", "--title", "A parser", "--must", "", "--not-before", "1h"], web);
  const edited = await show(seen.id);
  assert.deepEqual([edited.title, edited.must_haves, edited.priority], ["A parser", [], 7]);
  assert.match(await task(["show", "T-1"], web), /T-1 is pending: does not begin for another 3/);
  await task(["edit", "T-1", "--not-before", "0"], web);
  assert.match(await task(["edit", "T-1"], { ...web, code: 2 }), /say what is to change/);
  assert.match(await task(["edit", "T-1", "--after", "T-2"], { ...web, code: 5 }),
    /T-2 is after T-1.*\(task_cycle\)/);
  await task(["waive", "T-2", "T-1", "--because", "by hand"], web);
  assert.doesNotMatch(await task(["show", "T-2"], web), /waits for/);
  const ends = await task(["cancel", "T-1", "T-2", "T-9"], { ...web, code: 3 });
  assert.match(ends, /there is no task 'T-9' in project 'web'/);
  assert.match(await task(["retry", "T-1", "--answer", "Yes"], web), /^T-1: pending/);
  await task(["edit", "T-2", "--archive"], web);
  await task(["claim", "T-1", "--agent", "bob"], web);
  await task(["status", "T-1", "working", "--agent", "bob"], web);
  await task(["output", "T-1", "--type", "code", "--title", "D", "--agent", "bob"], read);
  await task(["status", "T-1", "review", "--agent", "bob"], web);
  assert.equal(await task(["review", "T-1", "--accept"], web), "T-1: done\n");
  assert.match(await task(["ls", "--archived"], web), /T-2 /);
  const board = (await daemon.cli(["board", "web"])).stdout;
  assert.equal(board, "DONE, FAILED 1\n  T-1 A parser  (p7 bob)\n");
  assert.match((await daemon.cli(["board", "web", "--json"])).stdout, /^\{"id":"tsk_[^\n]*\}\n$/);
});

test("a word that is no task, and a time that cannot be read, are refused by name", async (t) => {
  const { task } = await start(t);
  assert.match(await task(["show", "nonsense"], { code: 2 }), /'nonsense' is no task: name one as/);
  assert.match(await task(["show"], { code: 3 }), /not inside of an attempt/);
  const add = (...words) => task(["add", "A", ...words], { code: 2 });
  assert.match(await add("--not-before", "soon"), /--not-before: 'soon' is neither/);
  assert.match(await add("--after", "B"), /"depends_on"\[0\] must name/);
  assert.match(await add("--link", "B"), /--link: 'B' is not KIND=TASK/);
  assert.match(await task(["waive", "T-1", "T-2"], { code: 2 }), /say why: --because/);
});

test("inside of an attempt the commands of its prompt need no task", async (t) => {
  const turns = await Turns.open(t);
  const { daemon, root } = turns;
  mkdirSync(path.join(root, "src"));
  writeFileSync(path.join(root, "src", "fix.c"), "int fixed;\n");
  writeFileSync(path.join(root, "note"), "a note\n");
  await daemon.cli(["project", "add", "web", "--root", root]);
  for (const title of ["One", "Two"]) await daemon.cli(["task", "add", title, "--project", "web"]);
  const listener = await turns.listen({ root, project: "web",
    settings: { permissions: [{ tool: "run_command", permission: "allow" }] } });
  const run = async (line) => {
    const text = script(call("run_command", { command: "sh", args: ["-c", line] }), say("done"));
    const { message } = await turns.turn(listener, text);
    return JSON.stringify(toolsOf(message)) + textOf(message);
  };
  const lines = ["drover task claim web/T-2", "drover task status working",
    "drover task comment < note", "drover task output --type code --title 'The fix' < note",
    `drover task output --type code --title 'By path' --path ${root}/src/fix.c`,
    "drover task show T-1 | head -4", "drover task status blocked --question 'Which one?'"];
  const said = await run(`drover() { ${bin} "$@"; }; set -ex; ${lines.join("; ")}`);
  const shown = JSON.parse((await daemon.cli(["task", "show", "web/T-2", "--json"])).stdout);
  assert.deepEqual([shown.status, shown.question], ["blocked", "Which one?"], said);
  assert.deepEqual(shown.outputs.map(({ content }) => content), ["int fixed;\n", "a note\n"]);
  assert.deepEqual(shown.comments.map(({ body }) => body), ["a note\n"]);
  assert.match(said, /title +One/);
  const cancelled = await run(`${bin} task cancel web/T-1`);
  assert.match(cancelled, /task_edge/);
});
