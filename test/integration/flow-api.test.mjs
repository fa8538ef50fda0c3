// flow-api.test.mjs: clients of flows over HTTP: starts and refusals, who approves, long reports,
// and what a run leaves behind.
//
// runs-with: release, postgres/4
import assert from "node:assert/strict";
import path from "node:path";

import { asked, ended, flowOf, started, stepOf, written } from "./flows.mjs";
import { sideBySide } from "./lib.mjs";
import { until } from "./providers.mjs";
import { Turns } from "./turns.mjs";

const test = sideBySide(4);

const flow = (...steps) => `export default { steps: [${steps.join(",\n")}] };\n`;
const code = (id, more = "") => `{ id: "${id}", kind: "code", run: () => "x"${more} }`;

async function tokenOf(turns, owner, ...scopes) {
  const made = await turns.ask("POST", "/tokens", { owner, scopes });
  assert.equal(made.status, 201, made.text);
  return { authorization: `Bearer ${made.json.token}` };
}

const request = (turns, method, target, body, headers) =>
  turns.daemon.request(method, `/api/v1${target}`, { body, headers });
/** The answer to an answer, of the owner of the token. */
const answer = (turns, question, decision, token) =>
  request(turns, "POST", `/approvals/${question.id}`, { decision }, token);

test("only a listed approver approves; the owner of the run may deny", async (t) => {
  const turns = await Turns.open(t);
  written(turns, "asks", `export default { steps: [
    { id: "ok", kind: "approval", prompt: "Well?", approvers: ["ana", "local"] }],
    render: (ctx) => JSON.parse(ctx.results.ok).by };\n`);
  const [ana, bob, eve] = [await tokenOf(turns, "ana", "approve", "read"),
    await tokenOf(turns, "bob", "approve"), await tokenOf(turns, "eve", "approve", "admin")];
  const run = await started(turns, "asks");
  const question = await asked(turns, run);

  const own = await answer(turns, question, "allow");
  assert.deepEqual([own.status, own.json.code], [403, "not_approver"], own.text);
  assert.equal(own.json.detail,
    "the flow names its approvers, and local, the owner of the run, may only deny");
  assert.equal((await answer(turns, question, "allow", bob)).status, 404);
  const admin = await request(turns, "POST", `/approvals/${question.id}?owner=local`,
    { decision: "deny" }, eve);
  assert.deepEqual([admin.status, admin.json.code], [403, "not_approver"], admin.text);
  assert.equal(admin.json.detail, "eve is not among the approvers that the flow names");
  assert.equal(stepOf(await flowOf(turns, run), "ok").phase, "person");

  const shown = await request(turns, "GET", `/approvals/${question.id}`, undefined, ana);
  assert.equal(shown.json.shown, question.shown);
  const yes = await answer(turns, question, "allow", ana);
  assert.deepEqual([yes.status, yes.json.by], [200, "ana"], yes.text);
  assert.equal((await ended(turns, run)).report, "ana");

  const second = await started(turns, "asks");
  const no = await answer(turns, await asked(turns, second), "deny");
  assert.equal(no.status, 200, no.text);
  assert.equal(stepOf(await ended(turns, second), "ok").cause, "rejected");
});
