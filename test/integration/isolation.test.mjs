// isolation.test.mjs: a failure stays where it is (P10): it blocks, slows or stops no other run.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { say, textOf, Turns } from "./turns.mjs";

test("sessions that are deleted while their text streams stop no other chat", async (t) => {
  const turns = await Turns.open(t);
  for (let i = 0; i < 5; i++) {
    const doomed = await turns.listen();
    const { run } = await turns.send(doomed.session, "tokens: 4000 at 2000/s");
    await doomed.until("delta", (data) => data.run === run);
    assert.equal((await turns.ask("DELETE", `/sessions/${doomed.session}`)).status, 200);
  }
  const listener = await turns.listen();
  const { end, message } = await turns.turn(listener, say("still here"));
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "still here"]);
});
