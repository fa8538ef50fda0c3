// restored.test.mjs: a session that was deleted can be restored: it takes nothing until then, and
// loses nothing that it is owed.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { call, say, script, Turns } from "./turns.mjs";

test("a deleted session takes nothing, what it is owed waits, and it comes back", async (t) => {
  const turns = await Turns.open(t);
  const settings = { permissions: [{ permission: "allow" }] };
  const id = await turns.session({ root: turns.root, title: "Kept", settings });
  const change = async (body) => {
    const answer = await turns.ask("PATCH", `/sessions/${id}`, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const isIn = async (state) => (await turns.get(`/sessions/${id}`)).state === state;
  const lists = async () => {
    const titles = [];
    for (const query of ["", "archived=1", "deleted=1"]) {
      titles.push((await turns.get(`/sessions?${query}`)).items.map(({ title }) => title));
    }
    return titles;
  };
  const gate = path.join(turns.root, "gate");
  const job = { command: "sh", args: ["-c", `until [ -e ${gate} ]; do sleep 0.05; done`] };
  await turns.send(id, script(call("run_job", job), say("It runs.")));
  await until("the job runs alone", async () => await isIn("idle") &&
    (await turns.get(`/sessions/${id}/background`)).items.length === 1);
  await turns.send(id, "delay: 60s");
  await until("a turn runs", () => isIn("running"));
  const gone = await change({ deleted: true });
  assert.equal(gone.archived, true);
  assert.ok(gone.deleted_ms > 0);
  await until("its turn is stopped", () => isIn("idle"));
  assert.deepEqual(await lists(), [[], [], ["Kept"]]);
  const refused = await turns.post(id, { text: "say: no" });
  assert.equal(`${refused.status} ${refused.json.code}`, "409 conflict");
  assert.match(refused.json.detail, /was deleted; restore it first/);
  const last = (await turns.messages(id)).findLast(({ role }) => role === "assistant");
  assert.equal((await turns.ask("POST", `/messages/${last.id}/regenerate`)).status, 409);

  writeFileSync(gate, "");
  const owed = async () => (await turns.get("/inbox")).items
    .filter(({ address }) => address === id).map(({ state }) => state);
  await until("the job has ended", async () => (await owed()).length === 1);
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.deepEqual(await owed(), ["pending"]);
  const back = await change({ deleted: false });
  assert.deepEqual([back.archived, back.deleted_ms], [false, null]);
  await until("it hears of its job", async () => (await turns.messages(id))
    .some(({ role, status }) => role === "notice" && status === "completed"));
  assert.deepEqual(await lists(), [["Kept"], [], []]);

  await change({ archived: true });
  await change({ deleted: true });
  await change({ deleted: false });
  assert.deepEqual(await lists(), [[], ["Kept"], []], "what was archived is archived again");
});
