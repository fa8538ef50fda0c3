// approved.test.mjs: what somebody allowed is one change to one state of a file. Where nobody can
// tell any more which state that was, nothing is done.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { call, say, script, toolsOf, Turns } from "./turns.mjs";

/** Changes rows behind the daemon's back, while it is down; leaves the log behind (sql.mjs). */
function alter(turns, sql) {
  const python = "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);" +
    " print(db.execute(sys.argv[2]).rowcount, flush=True); db.commit(); os._exit(0)";
  const file = path.join(turns.daemon.data, "drover.db");
  return Number(execFileSync("python3", ["-c", python, file, sql]));
}

const poisons = {
  "is no object": `json_set(data, '$.about', 'bytes that nobody wrote')`,
  "has lost the state of the file": `json_remove(data, '$.about.before')`,
  "is gone": `json_remove(data, '$.about')`,
};
for (const [what, poison] of Object.entries(poisons)) {
  test(`an allowed change whose description ${what} is not made`, async (t) => {
    const turns = await Turns.open(t);
    const file = path.join(turns.root, "a.txt");
    writeFileSync(file, "old\n");
    const listener = await turns.listen({ root: turns.root });
    const write = call("write_file", { path: "a.txt", content: "new\n" });
    const { run } = await turns.send(listener.session, script(write, "step:", say("so")));
    const asked = await listener.until("approval_asked");
    await turns.daemon.stop();
    const sql = `UPDATE parts SET data = ${poison}, data_bytes = length(${poison})` +
      ` WHERE name = 'write_file'`;
    assert.equal(alter(turns, sql), 1);
    writeFileSync(file, "somebody else's\n");
    await turns.daemon.start();
    await listener.open();
    assert.equal((await turns.approve(asked.id)).status, 200);
    await listener.ended(run);
    assert.equal(readFileSync(file, "utf8"), "somebody else's\n");
    const [tool] = toolsOf((await turns.messages(listener.session)).at(-1));
    assert.equal(tool.state, "failed");
    assert.match(tool.text, /Read it again/);
  });
}
