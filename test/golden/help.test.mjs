// help.test.mjs: the help of every command, the scripts for shells, and wrong uses of each command.
//
// runs-with: release
import assert from "node:assert/strict";
import path from "node:path";

import { plainEnv, run } from "../integration/lib.mjs";
import { alone, golden } from "./golden.mjs";

const AT_ONCE = 4;

/** The names of all commands, as `drover help` lists them. */
async function commands() {
  const { stdout } = await run(["help"]);
  const found = [...stdout.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}\S/gm)].map(([, name]) => name);
  assert.ok(found.length > 70, stdout);
  return found;
}

/** Runs each command line, a few at once. */
async function results(lines, options) {
  const found = [];
  let next = 0;
  const lane = async () => {
    for (let at; (at = next++) < lines.length; ) found[at] = await run(lines[at], options);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return found;
}

async function each(record, lines) {
  const found = await results(lines);
  for (const [i, line] of lines.entries()) record.command(line, found[i]);
  return found;
}

golden("help", async (record) => {
  await alone(record, []);
  await alone(record, ["help"]);
  await alone(record, ["--help"]);
  await alone(record, ["--version"]);
  await alone(record, ["version"]);
  const all = await commands();
  const groups = [...new Set(all.filter((name) => name.includes(" ")).map((n) => n.split(" ")[0]))];
  await each(record, groups.map((name) => [name]));
  await each(record, groups.map((name) => ["help", name]));
  const said = await each(record, all.map((name) => [...name.split(" "), "--help"]));
  for (const [i, { code }] of said.entries()) assert.equal(code, 0, all[i]);
});

golden("completion", async (record) => {
  for (const shell of ["bash", "zsh", "fish"]) await alone(record, ["completion", shell]);
  await alone(record, ["completion"]);
  await alone(record, ["completion", "tcsh"]);
});

/** The flags of a command that take a value, each with its line of the help. */
async function flagsOf(words) {
  const { stdout } = await run([...words, "--help"]);
  const rows = stdout.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+) (?:[A-Z]|[a-z]+\|).*$/gm);
  return [...rows].map(([line, name]) => ({ line, name }));
}

golden("wrong-use", async (record) => {
  // Where no daemon is, so that nothing is done by what is taken for right.
  const data = path.join(record.folder, "none");
  const env = { ...plainEnv, DROVER_DATA: data, HOME: record.home };
  const lines = [["nonsense"], ["jbo"], ["job", "nonsense"], ["job", "lss"], ["help", "nonsense"]];
  lines.push(["ps", "--nonsense"], ["ps", "--jsno"], ["ps", "--data"], ["ps", "--all=x"]);
  const names = (await commands()).map((name) => name.split(" "));
  for (const words of names) {
    if (words[0] !== "serve") lines.push([...words, "one", "two", "three", "four", "five"]);
  }
  const met = new Set();
  for (const words of names) {
    // No daemon starts, also where any text will do for the flag.
    const last = words[0] === "serve" ? ["--log", "loud"] : ["one"];
    for (const { line, name } of await flagsOf(words)) {
      if (!met.has(line)) lines.push([...words, `--${name}`, "!", ...last]);
      met.add(line); // Another command may have the same one.
    }
  }
  const found = await results(lines, { env, cwd: record.root });
  record.add(...found.map(({ code, stdout, stderr }, i) => {
    assert.equal(stdout, "", lines[i].join(" "));
    return record.names.text(`${lines[i].join(" ")} -> ${code}: ${stderr.trimEnd()}`);
  }));
});
