// agent-order.test.mjs: boards, flows and mail find the agent that a name means as sessions do:
// with its instructions, model and tools, in the PATH of its session or project, or not at all.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, open, script as program, STANDIN } from "./agents.mjs";
import { ended, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, toolsOf } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const UNKNOWN = /there is no agent 'cluade': did you mean 'claude'\?/;

/** A daemon whose own PATH has no program that is an agent. `codex` of the folder `bin` writes its
 *  words to the file `argv`. */
async function house(t, project = { model: "scripted/demo" }) {
  const turns = await open(t, [], {}, { DROVER_MODEL: "scripted/demo" });
  const argv = path.join(turns.folder, "argv");
  program(turns, "codex", `printf '%s\\n' "$@" >>${argv}\n` +
    `exec ${process.execPath} ${STANDIN} codex "$@"`);
  const PATH = `${turns.bin}:/usr/bin:/bin`;
  const headers = { "drover-environment":
    Buffer.from(JSON.stringify({ PATH })).toString("base64") };
  /** As a command in a terminal with that PATH. */
  turns.inTerminal = async (method, at, body) => {
    const answer = await turns.daemon.request(method, `/api/v1${at}`,
      { body, headers, local: true });
    assert.ok(answer.status < 300, answer.text);
    return answer.json;
  };
  turns.argv = () => existsSync(argv) ? readFileSync(argv, "utf8").trim().split("\n") : [];
  await turns.inTerminal("POST", "/projects", { name: "shop", root: turns.root, ...project });
  return turns;
}

/** An agent of models, by its file in the project. */
function typed(turns, name, text) {
  const folder = path.join(turns.root, ".drover/agents");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.md`), text);
}

async function task(turns, status, description, agent) {
  let found;
  await turns.inTerminal("PATCH", "/projects/shop", { board: { agents: [{ name: agent }] } });
  await turns.inTerminal("POST", "/projects/shop/tasks", { title: "It", description });
  await until(`T-1 is ${status}`, async () => {
    found = await turns.get("/projects/shop/tasks/T-1?expand=all");
    return found.status === status;
  });
  return found;
}

async function flow(turns, step, more = {}) {
  written(turns, "one", `export default { steps: [{ id: "it", kind: "agent", ` +
    `run: () => "say: hello", ...${JSON.stringify(step)} }] };\n`);
  const { id } = await turns.inTerminal("POST", "/flows",
    { name: "one", root: turns.root, model: "scripted/demo", ...more });
  return { run: id, step: stepOf(await ended(turns, id), "it") };
}

const READER = "---\nmodel: scripted/reader\ntools: [Read]\n---\nYou only look.\n";

test("an agent of models on a board has the instructions, the model and the tools of its file",
  LIMIT, async (t) => {
    const turns = await house(t);
    typed(turns, "reader", READER);
    const { session } = await task(turns, "review", script(
      call("write_file", { path: "made", content: "x" }), "step:",
      call("task_output", { type: "document", title: "it", content: "seen" }), "step:",
      call("task_status", { status: "review" }), "step:", say("so it is")), "reader");
    const { instructions, model, settings } = await turns.get(`/sessions/${session}`);
    assert.deepEqual([instructions, model], ["You only look.", "scripted/reader"]);
    assert.deepEqual(settings.tools.filter((name) => !name.startsWith("task_")), ["read_file"]);
    const cards = (await turns.messages(session)).flatMap(toolsOf);
    assert.deepEqual(cards.map(({ name, state }) => [name, state]), [["write_file", "failed"],
      ["task_output", "succeeded"], ["task_status", "succeeded"]]);
    assert.ok(!existsSync(path.join(turns.root, "made")));
  });

test("a misspelt agent of a board begins nothing, and its task says which was meant", LIMIT,
  async (t) => {
    const turns = await house(t);
    const { attempts: [attempt], session } = await task(turns, "blocked", say("hello"), "cluade");
    assert.equal(attempt.outcome, "spawn_failed");
    assert.match(attempt.note, UNKNOWN);
    assert.equal(session, null);
  });

test("without a model of its project a name that nothing defines is unknown, too", LIMIT,
  async (t) => {
    const turns = await house(t, {});
    const { attempts: [{ note }] } = await task(turns, "blocked", say("hello"), "smith");
    assert.match(note, /^there is no agent 'smith'; 'drover agent ls' lists all/);
  });

test("a misspelt agent of a flow fails its step, with the name that was meant", LIMIT,
  async (t) => {
    const turns = await house(t);
    const { step } = await flow(turns, { agent: "cluade" });
    assert.equal(step.status, "failed");
    assert.match(step.note, UNKNOWN);
  });

test("a misspelt agent gets no mail, and the refusal says which was meant", LIMIT, async (t) => {
  const turns = await house(t, { model: "scripted/demo", board: { hold: true,
    agents: [{ name: "cluade" }] } });
  const { status, json } = await turns.ask("POST", "/mail",
    { to: "cluade", project: "shop", title: "Hello", text: "say: hello" });
  assert.deepEqual([status, json.code], [404, "not_found"]);
  assert.match(json.detail, UNKNOWN);
  assert.equal((await turns.get("/mail")).items.length, 0);
});

test("mail to an agent of models makes a session with what its file says", LIMIT, async (t) => {
  const turns = await house(t);
  typed(turns, "reader", READER);
  const { id } = await turns.inTerminal("POST", "/mail",
    { to: "reader", project: "shop", title: "Hello", text: "say: hello", type: "inform" });
  const { session } = await turns.get(`/mail/${id}`);
  const { instructions, model, settings } = await turns.get(`/sessions/${session}`);
  assert.deepEqual([instructions, model, settings.tools],
    ["You only look.", "scripted/reader", ["read_file"]]);
});

test("a program in a flow has the model of its step, and only reads", LIMIT, async (t) => {
  const turns = await house(t);
  define(turns, "writer", { program: "codex", command: "codex", access: "all" });
  const { step } = await flow(turns, { agent: "writer", model: "gpt-small" });
  assert.equal(step.status, "completed", step.note);
  const argv = turns.argv(), after = (word) => argv[argv.indexOf(word) + 1];
  assert.deepEqual([after("--model"), after("--sandbox")], ["gpt-small", "read-only"]);
});

test("a program that cannot be kept from writing fails its step, unless it says that it reads",
  LIMIT, async (t) => {
    const turns = await house(t);
    const command = program(turns, "hello", "echo hello");
    define(turns, "free", { program: "plain", command });
    define(turns, "bound", { program: "plain", command, access: "read" });
    const { step } = await flow(turns, { agent: "free" });
    assert.equal(step.status, "failed");
    assert.match(step.note, /'free' cannot be kept from writing/);
    assert.equal((await flow(turns, { agent: "bound" })).step.status, "completed");
  });

test("a step's model goes before that of the agent's file", LIMIT, async (t) => {
  const turns = await house(t);
  typed(turns, "reader", READER);
  const model = async (more) => {
    const { step } = await flow(turns, { agent: "reader", ...more });
    return (await turns.get(`/sessions/${step.session}`)).model;
  };
  assert.equal(await model({}), "scripted/reader");
  assert.equal(await model({ model: "scripted/demo" }), "scripted/demo");
});

test("programs of boards, flows and mail are found in the PATH of the terminal that asked", LIMIT,
  async (t) => {
    const turns = await house(t);
    const { step } = await flow(turns, { agent: "codex" });
    assert.equal(step.status, "completed", step.note);
    const { id } = await turns.inTerminal("POST", "/mail",
      { to: "codex", project: "shop", title: "Hello", text: "Look.", type: "inform" });
    await until("the mail is read", async () => (await turns.get(`/mail/${id}`)).status === "done");
    const { attempts: [{ outcome }] } = await task(turns, "blocked",
      'RUN curl -s --unix-socket "$DROVER_DATA/drover.sock" -H "content-type: application/json" ' +
      `-d '${JSON.stringify({ status: "blocked", agent: "codex", question: "Why?" })}' ` +
      "http://drover/api/projects/_/tasks/_/status", "codex");
    assert.notEqual(outcome, "spawn_failed");
  });
