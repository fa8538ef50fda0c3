// run.test.mjs: drover run of a workflow whose agent asks, on terminals of 40, 80 and 120 columns.
//
// runs-with: screens
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Workflows } from "../integration/workflows.mjs";
import { golden, Tmux } from "./tmux.mjs";

const LIMIT = { timeout: scaled(60_000) };
const FLOW = `export const meta = { name: "release", description: "Three agents that ask." };
const ask = (word) => agent(\`call: run_command {"command": "printf", "args": ["%s", "\${word}"]}
say: \${word} ist fertig 😀\`, { label: "建てる " + word });
log("日本語 und 😀: " + await ask("eins"));
log(await ask("zwei"));
return await ask("drei");
`;

/** Ids are as long as before, so that lines break where they did; how long it took differs. */
const hide = (text) =>
  text.replaceAll(/(?<=apr_)\w{4,26}/g, (id) => id.replaceAll(/\w/g, "0"))
    .replaceAll(/ +\d+(?:ms|s)$/gm, " TIME");
/** The question of this agent, whose line for the answer is empty. */
const asks = (word) => (all) =>
  new RegExp(`asks:\\s+run_command:[^]*${word}[^]*\\n>$`).test(all.trimEnd());

for (const columns of [40, 80, 120]) {
  test(`a workflow at ${columns} columns: y, a reason, an answer from elsewhere`, LIMIT,
    async (t) => {
      const flows = await Workflows.open(t);
      const file = path.join(scratch(t), "release.js");
      writeFileSync(file, FLOW);
      const env = { DROVER_DATA: flows.daemon.data };
      const screen = new Tmux(t, `'${bin}' run release.js --model scripted/demo`,
        { columns, cwd: path.dirname(file), env });
      golden(`run-${columns}`, await screen.when(asks("eins")), hide);
      screen.resize(columns - 10);
      screen.type("y 日本");
      const typed = (all) => all.trimEnd().endsWith("\n> y 日本");
      golden(`run-${columns}-resized`, await screen.when(typed), hide);
      screen.keys("BSpace", "BSpace", "Enter");
      await screen.when(asks("zwei"));
      screen.type("n 日本語 is missing");
      screen.keys("Enter");
      await screen.when(asks("drei"));
      screen.type("n hal");
      await screen.when((all) => all.trimEnd().endsWith("> n hal"));
      const [{ id }] = (await flows.get("/approvals")).items;
      await flows.ask("POST", `/approvals/${id}`, { decision: "allow" });
      const ended = await screen.when((all) => /^drei ist fertig/m.test(all));
      golden(`run-${columns}-ended`, ended, hide);
    });
}
