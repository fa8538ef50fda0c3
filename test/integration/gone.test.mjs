// gone.test.mjs: what is removed is gone: of each kind of thing a word is planted wherever the kind
// takes one, the thing is removed, and the raw files are searched.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { asked, ended, started, written } from "./flow-kit.mjs";
import { bin } from "./lib.mjs";
import { leftOf } from "./planted.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(240_000) };
const flow = (name, word, steps) => `export default { name: "${name}", description: "${word}",
  steps: [${steps}], render: (ctx) => "${word} " + JSON.stringify(ctx.results) };\n`;

let keys = 0; // An answer that is kept for a key goes, too.
async function ask(turns, method, target, body) {
  const headers = method === "POST" ? { "idempotency-key": `key-${++keys}` } : {};
  const answer = await turns.daemon.request(method, `/api/v1${target}`, { body, headers });
  assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
  return answer.json;
}

const remove = (turns, target) => ask(turns, "DELETE", target);
const over = (turns, run) => until(`${run} has ended`, async () =>
  (await turns.get(`/runs/${run}`)).ended_ms !== null);

async function tasks(turns, project, word) {
  const at = `/projects/${project}/tasks`;
  await ask(turns, "POST", at, { title: "stays", description: "" });
  const { name } = await ask(turns, "POST", at, { title: `title ${word}`, type: word,
    description: `do ${word}`, capability: word, lane: word, depends_on: ["T-1"] });
  await ask(turns, "POST", `${at}/${name}/waive`, { needs: "T-1", because: `as ${word}` });
  await ask(turns, "POST", `${at}/${name}/claim`, {});
  await ask(turns, "POST", `${at}/${name}/outputs`,
    { type: "code", title: word, summary: word, content: `content ${word}` });
  await ask(turns, "POST", `${at}/${name}/comments`, { body: `comment ${word}` });
  await ask(turns, "POST", `${at}/${name}/status`, { status: "failed", detail: `fails ${word}` });
  return `${at}/${name}`;
}

const mail = (turns, word, more = {}) => ask(turns, "POST", "/mail",
  { to: "local", type: "inform", title: `title ${word}`, text: `text ${word}`, ...more });

/** Plants the word, and removes what has it. */
const KINDS = {
  job: async (turns, word) => {
    const { id } = await ask(turns, "POST", "/jobs",
      { argv: ["sh", "-c", `echo ${word}`], label: word, env: { A: word } });
    await over(turns, id);
    await remove(turns, `/runs/${id}`);
  },
  workflow: async (turns, word) => {
    const { runId } = await ask(turns, "POST", "/workflows", { root: turns.root,
      args: { of: word }, script: `export const meta = {name: "sums", description: "${word}"};
        phase("${word}"); log("${word}");
        return await agent("say: agent ${word}", {label: "${word}"});` });
    await over(turns, runId);
    await remove(turns, `/runs/${runId}`);
  },
  flow: async (turns, word) => {
    written(turns, "deep", flow("deep", word,
      `{ id: "out", kind: "command", command: "echo deep ${word}" }`));
    written(turns, "outer", flow("outer", word, `
      { id: "out", kind: "command", command: "echo outer ${word}" },
      { id: "draft", kind: "agent", run: () => "say: drafts ${word}", model: "scripted/demo" },
      { id: "below", kind: "flow", flow: "deep", deps: ["out"] },
      { id: "good", kind: "approval", deps: ["below", "draft"], prompt: "Is ${word} good?" }`));
    const run = await started(turns, "outer", { of: word });
    const { id } = await asked(turns, run);
    await ask(turns, "POST", `/approvals/${id}`, { decision: "allow" });
    assert.equal((await ended(turns, run)).state, "succeeded");
    await over(turns, run);
    await remove(turns, `/runs/${run}`);
  },
  session: async (turns, word) => {
    written(turns, "asks", flow("asks", word,
      `{ id: "good", kind: "approval", prompt: "Is ${word} good?" }`));
    const listener = await turns.listen({ title: `title ${word}`, root: turns.root,
      settings: { permissions: [{ permission: "allow" }] } });
    const args = ["flow", "run", "asks", "--detach", word];
    await turns.turn(listener, script(
      call("run_command", { command: bin, args }), "step:", say(word)));
    await until("the flow asks", async () =>
      JSON.stringify((await turns.get("/approvals")).items).includes(word));
    await remove(turns, `/sessions/${listener.session}?stop_jobs=1`);
  },
  memory: async (turns, word) => {
    const { id } = await ask(turns, "POST", "/memory", { project: "web", topic: word,
      title: `title ${word}`, content: `content ${word}`, tags: [word.toLowerCase()] });
    await remove(turns, `/memory/${id}`);
  },
  terminal: async (turns, word) => {
    const { id, run } = await ask(turns, "POST", "/terminals",
      { command: `echo ${word}; sleep 600`, name: word });
    await remove(turns, `/terminals/${id}`);
    await over(turns, run);
    await remove(turns, `/runs/${run}`);
  },
  task: async (turns, word) => remove(turns, await tasks(turns, "shop", word)),
  mail: async (turns, word) => {
    const first = await mail(turns, word, { project: "shop" });
    const { id } = await mail(turns, word, { in_reply_to: first.id });
    for (const one of [id, first.id]) await remove(turns, `/mail/${one}`);
  },
  project: async (turns, word) => {
    await tasks(turns, "past", word);
    await mail(turns, word, { project: "past" });
    await remove(turns, "/projects/past/texts");
    await remove(turns, "/projects/past");
  },
};

test("no file holds a word of what was removed, of any kind", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const words = {};
  for (const [kind, plant] of Object.entries(KINDS)) {
    words[kind] = `Quokka${kind[0].toUpperCase()}${kind.slice(1)}Word`;
    await plant(turns, words[kind]);
  }
  const left = () => Object.entries(words).flatMap(([kind, word]) =>
    leftOf(turns, word).map((where) => `${kind}: ${where}`));
  const last = Date.now() + scaled(60_000); // The promise is a minute.
  while (left().length > 0 && Date.now() < last) await pause(500);
  assert.deepEqual(left(), []);
  assert.equal((await turns.get("/projects/shop/tasks")).items.length, 1);
});
