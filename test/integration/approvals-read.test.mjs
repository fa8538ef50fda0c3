// approvals-read.test.mjs: a yes at a terminal is for what was read: where a question was cut, the
// first yes shows all of it, and the second one answers.
//
// runs-with: release
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { onTerminal } from "./jobs-cli.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LAST = "rm -rf everything";
const COMMAND = { command: "sh", args: ["-c", `${"echo one more line\n".repeat(60)}: ${LAST}`] };

test("a question that is longer than its picture, or than a line, is shown before a yes counts",
  async (t) => {
    const turns = await Turns.open(t), { daemon, root } = turns;
    const stateOf = async (id) => (await turns.get(`/approvals/${id}`)).state;
    const file = path.join(root, "flow.js");
    const asks = script(call("run_command", COMMAND), say("so"));
    writeFileSync(file, `export const meta = {name: "ask", description: "x"};
return agent(${JSON.stringify(asks)}, {label: "fix"});\n`);
    const picture = onTerminal(t, daemon, `run ${file} --root ${root} --model scripted/demo`,
      { rows: 24, columns: 80, typed: true });
    await picture.seen("… and more: drover approve");
    const [{ id }] = (await turns.get("/approvals")).items;
    picture.child.stdin.write("y\n");
    await picture.seen(LAST);
    await picture.seen("nothing was answered yet");
    assert.equal(await stateOf(id), "open");
    picture.child.stdin.write("y\n");
    assert.equal((await picture.ended).code, 0);
    assert.equal(await stateOf(id), "allowed");

    const listener = await turns.listen({ root });
    const asked = async (command) => {
      await turns.send(listener.session, script(call("run_command", command), say("so")));
      return (await listener.until("approval_asked")).id;
    };
    const approve = async (words, typed) => {
      const running = onTerminal(t, daemon, `approve ${words}`, { columns: 80, typed: true });
      if (typed !== undefined) {
        await running.seen("Allow it? [y/N] ");
        running.child.stdin.write(typed);
      }
      const { code, stdout } = await running.ended;
      assert.equal(code, 0, stdout);
      return stdout;
    };
    const long = await asked(COMMAND);
    assert.match(await approve(long, "n\n"), new RegExp(`${LAST}[^]*Nothing was answered`));
    assert.equal(await stateOf(long), "open");
    assert.match(await approve(long, "y\n"), /is allowed/);
    assert.equal(await stateOf(long), "allowed");
    // Who says so, or is no person at a terminal, is not asked; nor is anybody of a single line.
    assert.ok(!(await approve(`${await asked(COMMAND)} --yes`)).includes(LAST));
    const piped = await daemon.cli(["approve", await asked(COMMAND)]);
    assert.match(piped.stdout, /is allowed/);
    assert.match(await approve(await asked({ command: "true" })), /is allowed/);
    assert.match(await approve(`${await asked(COMMAND)} --deny`), /is denied/);
  });
