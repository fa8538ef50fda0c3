// isolation.test.mjs: a failure stays where it is (P10): it blocks, slows or stops no other run.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { run } from "./lib.mjs";
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

test("doctor says why a daemon makes no progress", async (t) => {
  const data = mkdtempSync(path.join(tmpdir(), "drv-"));
  const detail = "2 steps of runs made no progress for a minute; the oldest, store a step";
  const stands_in = http.createServer((request, answer) => {
    const stuck = request.url === "/readyz";
    const type = stuck ? "application/problem+json" : "application/json";
    answer.writeHead(stuck ? 503 : 200, { "content-type": type });
    answer.end(
      JSON.stringify(
        stuck
          ? { title: "Work of the daemon makes no progress", status: 503, detail, code: "stalled" }
          : { name: "drover", version: "0.2.0", database: "sqlite" },
      ),
    );
  });
  await new Promise((done) => stands_in.listen(path.join(data, "drover.sock"), done));
  t.after(() => {
    stands_in.closeAllConnections();
    stands_in.close();
    rmSync(data, { recursive: true, force: true });
  });
  const { code, stdout } = await run(["doctor", "--json", "--data", data]);
  const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const row = rows.find((one) => one.check === "progress");
  assert.deepEqual([row.verdict, row.detail], ["fail", detail]);
  assert.equal(code, 1);
});
