// drover.mjs: runs real agents under drover against provider.mjs: from a message to what is stored
// of its answer, and judges that.
//
//   node drover.mjs FOLDER_OF_BINARIES [--write-docs] [PROGRAM[:CASE] …]
//
// Each case has a daemon, a home and a provider of its own. The outcomes are compared with the
// table of docs/agents.md, which --write-docs writes; text, usage and tools are judged here.
// scripts/test-agents gives it an environment without settings, and a network without other hosts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { define, killProgram } from "../integration/agents.mjs";
import { processesOf, read } from "../integration/processes.mjs";
import { textOf, toolsOf, Turns } from "../integration/turns.mjs";
import { hasBegun, programs } from "./programs.mjs";
import { command, Provider, usage, words } from "./provider.mjs";

const DOCS = fileURLToPath(new URL("../../docs/agents.md", import.meta.url));
const [BEGIN, END] = ["<!-- real-programs -->\n", "<!-- /real-programs -->\n"];
const AT_ONCE = 4;
const LIMIT_MS = 15 * 60_000; // Ends a case that hangs; it is no measure.
const ENDLESS_MS = 30_000;

const [binaries, ...rest] = process.argv.slice(2);
const writes = rest.includes("--write-docs");
const only = rest.filter((word) => word !== "--write-docs");

const whole = words.join("");
/** A piece that broke off may stand before the answer of the next attempt. */
const AFTER_PIECES = new RegExp(`^(${words[0]})*${whole.replaceAll(".", "\\.")}$`);

/** These repeat their requests until they are ended, so their agents get a deadline. */
const ENDLESS = ["codex:refused", "opencode:refused", "kilo:refused"];

/** These print the wait that their provider names, and drover keeps it; with others it waits for a
 *  minute. */
const NAMES_WAIT = ["claude", "opencode", "kilo"], NAMED_MS = 7000;
const NAMED_MAX_MS = NAMED_MS * 1.25; // claude adds up to a quarter by chance.

const CASES = new Map([
  ["turn", { title: "a turn", play: say }],
  ["resumed", { title: "a second turn, in the same session", play: sayTwice }],
  ["tool", { title: "a tool is called", play: useTool, provider: "tool" }],
  ["allowed", { title: "a question, allowed after a kill of the daemon", provider: "tool",
                play: (stage) => askPerson(stage, "allow"), of: ["claude"] }],
  ["denied", { title: "a question, denied after a kill of the daemon", provider: "tool",
               play: (stage) => askPerson(stage, "deny"), of: ["claude"] }],
  ["steered", { title: "a message while a question is open", provider: "tool", play: steerAsked,
                of: ["claude"] }],
  ["overlapped", { title: "a message during its last words", provider: "held", answers: 2,
                   play: steerLate, of: ["claude"] }],
  ["401", { title: "its provider answers 401", play: say, provider: "401" }],
  ["429", { title: "its provider answers 429, then well", play: say, provider: "429" }],
  ["500", { title: "its provider answers 500, then well", play: say, provider: "500" }],
  ["truncated", { title: "a stream breaks off", play: say, provider: "truncated" }],
  ["refused", { title: "the connection is refused, then not", play: say }],
  ["killed", { title: "the program is killed in mid-turn", play: killTheProgram,
               provider: "hang" }],
  ["lost", { title: "its own session is deleted before the second turn", play: loseItsSession }],
  ["restarted", { title: "the daemon is killed in mid-turn", play: killTheDaemon,
                  provider: "held" }],
]);

/* --- One case --------------------------------------------------------------------------------- */

async function until(what, holds) {
  for (const end = Date.now() + LIMIT_MS; !(await holds()); ) {
    assert.ok(Date.now() < end, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A program, its provider and a daemon; `undo` ends them all. */
async function open(name, what) {
  const undo = [];
  const t = { after: (step) => undo.unshift(step) };
  const home = mkdtempSync(path.join(tmpdir(), "drv-home-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const provider = await new Provider().start(what !== "refused");
  t.after(() => provider.stop());
  provider.case = CASES.get(what).provider ?? "turn";
  if (NAMES_WAIT.includes(name)) provider.retryAfter = NAMED_MS / 1000;
  programs[name].prepare(home, provider.port);
  const endless = ENDLESS.includes(`${name}:${what}`);
  define({ home }, name, { program: name, env: programs[name].env(provider.port),
                           ...(endless ? { deadline_ms: ENDLESS_MS } : {}) });
  const turns = await Turns.open(t, { env: {
    HOME: home, DROVER_MODEL: "", PATH: `${binaries}:${process.env.PATH}`,
    XDG_CONFIG_HOME: path.join(home, ".config"), XDG_DATA_HOME: path.join(home, ".local/share"),
  } });
  turns.home = home;
  const stage = { name, what, provider, turns };
  stage.undo = async () => { for (const step of undo) await step(); };
  return stage;
}

/** Says it in the session of the stage, which begins with the first words. */
async function send(stage, text, settings = {}) {
  const { turns, name } = stage;
  stage.session ??= await turns.session(
    { agent: name, model: "", root: turns.root, title: "A talk", ...settings });
  stage.run = (await turns.send(stage.session, text)).run;
}

/** Follows the turn to its end. A provider that failed is well again once drover waits for it. */
async function follow(stage) {
  const { name, turns, provider, session } = stage;
  for (let after = stage.after ?? 0; ; ) {
    const page = await turns.get(`/streams/session:${session}/events?after=${after}&wait=20`);
    for (const { seq, at_ms, type, data } of page.events) {
      assert.ok(seq > after, `event ${seq} comes after ${after}`);
      stage.after = after = seq;
      if (type === "turn_waiting" && data.gate === "provider") {
        const named = Number(provider.case) > 0 && NAMES_WAIT.includes(name);
        const short = data.resume_at_ms - at_ms <= NAMED_MAX_MS;
        assert.equal(short, named, "it waits as the header says");
        provider.case = "turn";
        if (!provider.server.listening) await provider.listen();
      }
      if (type === "turn_finished" && data.run === stage.run) {
        stage.end = data;
        stage.message = await turns.answer(session, data.run);
        return;
      }
    }
  }
}

/** Processes of the program, in the order of their begin. */
const jobs = async ({ turns }) => (await turns.get("/runs?kind=job&limit=100")).items
  .sort((a, b) => a.made_ms - b.made_ms);

/** How each of its attempts ended, as the trace of the turn has it. */
async function outcomesOf({ turns, run, end }) {
  const { items } = await turns.get(`/runs/${run}/spans`);
  const causes = items.filter(({ kind, cause }) => kind === "model" && cause !== "completed")
    .map(({ cause }) => cause);
  if (end.state === "succeeded") causes.push("completed");
  assert.equal(causes.at(-1), end.cause);
  return causes;
}

/** Whether the program's own session has the prompt. */
function isStored({ name, turns }) {
  const folders = programs[name].sessions.map((folder) => path.join(turns.home, folder));
  return folders.filter((folder) => existsSync(folder)).some((folder) =>
    readdirSync(folder, { recursive: true }).some((file) =>
      read(path.join(folder, file)).includes("say hello")));
}

/** In the middle of the turn: the provider has begun its answer, and the program its output. */
async function midway(stage) {
  const begun = new Promise((resolve) => (stage.provider.begun = resolve));
  await send(stage, "say hello");
  await begun;
  await until("it prints", async () => {
    const [job] = await jobs(stage);
    const { status, text } = await stage.turns.ask("GET", `/jobs/${job.id}/logs?stream=out`);
    return status === 200 && hasBegun(stage.name, text);
  });
  // Pi has no session before its first answer is whole.
  if (stage.name !== "pi") await until("it stores its session", () => isStored(stage));
}

/* --- What is played --------------------------------------------------------------------------- */

async function say(stage) {
  await send(stage, "say hello");
  await follow(stage);
}

async function sayTwice(stage) {
  await say(stage);
  assert.equal(stage.end.state, "succeeded");
  await send(stage, "and again");
  await follow(stage);
  const [first, second] = stage.provider.asked;
  assert.ok(!first.includes(whole));
  for (const heard of ["say hello", whole, "and again"])
    assert.ok(second.includes(heard), `its own session has '${heard}'`);
}

/** The next one begins with what was said in the session that is lost. */
async function loseItsSession(stage) {
  await say(stage);
  assert.equal(stage.end.state, "succeeded");
  for (const folder of programs[stage.name].sessions)
    rmSync(path.join(stage.turns.home, folder), { recursive: true });
  await send(stage, "and again");
  await follow(stage);
  const last = stage.provider.asked.at(-1);
  for (const heard of ["You are in the middle of a conversation", "say hello", whole, "and again"])
    assert.ok(last.includes(heard), `its prompt has '${heard}'`);
}

function judgeTool(stage, state) {
  const cards = toolsOf(stage.message);
  assert.deepEqual(cards.map((card) => card.state), [state]);
  const did = existsSync(path.join(stage.turns.root, "said"));
  assert.equal(did, state === "succeeded");
  if (did) assert.match(cards[0].text, /^from-the-tool\n?$/);
}

async function useTool(stage) {
  const permissions = [{ tool: "Bash", permission: "allow" }]; // claude alone asks.
  await send(stage, "say hello", { settings: { permissions } });
  await follow(stage);
  judgeTool(stage, "succeeded");
}

/** The daemon is killed while the question is open. */
async function askPerson(stage, decision) {
  const { turns } = stage;
  await send(stage, "say hello");
  const asked = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await asked()).length === 1);
  const [{ id, tool, arguments: words }] = await asked();
  assert.deepEqual([tool, words.command], ["Bash", command]);
  await turns.daemon.kill();
  await turns.daemon.start();
  const answer = await turns.approve(id, { decision });
  assert.equal(answer.status, 200, answer.text);
  await follow(stage);
  judgeTool(stage, decision === "allow" ? "succeeded" : "denied");
}

/** A message to the turn that runs; the daemon is killed once it is stored. */
async function steer(stage) {
  const { turns } = stage;
  const sent = await turns.send(stage.session, "and hurry", { policy: "steer" });
  assert.deepEqual([sent.run, sent.decision], [stage.run, "joined"]);
  await turns.daemon.kill();
  await turns.daemon.start();
  return sent.message;
}

async function judgeSteered(stage, message) {
  const { turns, provider } = stage;
  assert.equal((await turns.get(`/messages/${message}`)).status, "joined");
  assert.equal(provider.asked.length, 2);
  assert.deepEqual(provider.asked.map((body) => body.split("and hurry").length - 1), [0, 1]);
  const { kind, text } = stage.message.parts.find((part) => part.kind === "steer");
  assert.deepEqual([kind, text], ["steer", "and hurry"]);
}

async function steerAsked(stage) {
  const { turns } = stage;
  await send(stage, "say hello");
  const asked = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await asked()).length === 1);
  const message = await steer(stage);
  const [{ id }] = await asked();
  assert.equal((await turns.approve(id, { decision: "allow" })).status, 200);
  await follow(stage);
  judgeTool(stage, "succeeded");
  await judgeSteered(stage, message);
}

async function steerLate(stage) {
  await midway(stage);
  const message = await steer(stage);
  stage.provider.case = "turn";
  await stage.provider.release();
  await follow(stage);
  await judgeSteered(stage, message);
}

/** Another attempt goes on. */
async function killTheProgram(stage) {
  await midway(stage);
  stage.provider.case = "turn";
  assert.ok(killProgram(stage.turns) > 0);
  await follow(stage);
  // Pi has no session before its first answer is whole, so it begins another one.
  const again = stage.name === "pi" ? "say hello" : "You were interrupted";
  assert.ok(stage.provider.asked.at(-1).includes(again), `its prompt has '${again}'`);
}

/** The answer is complete before the daemon is back; nothing is asked a second time. */
async function killTheDaemon(stage) {
  await midway(stage);
  await stage.turns.daemon.kill();
  await stage.provider.release();
  await stage.turns.daemon.start();
  await follow(stage);
  assert.equal(stage.provider.asked.length, 1);
  assert.equal((await jobs(stage)).length, 1);
}

/* --- The verdict ------------------------------------------------------------------------------ */

/** What the provider counted: for answers that were whole, and those that had begun. */
function usageOf({ name, what, provider }) {
  const { whole: ended, asked } = provider, cached = 10;
  // Its provider counts input when an answer begins, and without the cache; others do at its end.
  const claude = name === "claude";
  const counted = claude ? asked.length : ended;
  // claude estimates the output of a stream that broke off.
  const guessed = claude && what === "truncated" ? 6 * (asked.length - ended) : 0;
  return [counted * (usage.input - (claude ? 0 : cached)), counted * cached,
          ended * usage.output + guessed];
}

function textFits({ name, what, outcomes }, text) {
  if (outcomes.at(-1) !== "completed") return text.replaceAll(words[0], "") === "";
  if (outcomes.length > 1) return AFTER_PIECES.test(text);
  return text === whole.repeat(CASES.get(what).answers ?? 1);
}

const tokens = ([fresh, cached, output]) => `${fresh}+${cached} in, ${output} out`;

/** A row of the table: what is stored of the turn, and what is wrong with that. */
async function play(name, what) {
  const stage = await open(name, what);
  const row = { name, what, outcome: "-", used: "", faults: [] };
  const limit = setTimeout(() => stage.turns.daemon.child.kill("SIGKILL"), LIMIT_MS);
  try {
    await CASES.get(what).play(stage);
    const { turns } = stage;
    stage.outcomes = await outcomesOf(stage);
    row.outcome = stage.outcomes.join(", ");
    await until("no process is left", () => processesOf(turns.daemon.data).length === 0);
    const { usage: said } = await turns.get(`/sessions/${stage.session}`);
    const used = tokens([said.fresh, said.cache_read, said.output]);
    const text = textOf(stage.message);
    row.used = used;
    if (used !== tokens(usageOf(stage))) row.faults.push(`usage is not ${tokens(usageOf(stage))}`);
    if (!textFits(stage, text)) row.faults.push(`text is '${text.slice(-200)}'`);
  } catch (error) {
    row.faults.push(`${error.message}\n${stage.turns.daemon.log.slice(-2000)}`);
  } finally {
    clearTimeout(limit);
    await stage.undo();
  }
  return row;
}

/* --- The table -------------------------------------------------------------------------------- */

function versionOf(name) {
  const { stdout, stderr } =
    spawnSync(path.join(binaries, name), ["--version"], { encoding: "utf8" });
  return `${stdout}${stderr}`.match(/\d+\.\d+\.\d+/)?.[0];
}

const names = Object.keys(programs);
const cellsOf = (line) => line.split("|").slice(1, -1).map((cell) => cell.trim());

/** The table of the docs: {versions: {name: version}, outcomes: {"name:case": outcome}}. */
function tableRead(page) {
  const [, text = ""] = page.split(BEGIN);
  const [head, , ...rows] = text.split(END)[0].split("\n").filter((line) => line.startsWith("|"));
  const versions = {}, outcomes = {};
  const columns = head ? cellsOf(head).slice(1).map((cell) => cell.split(" ")) : [];
  for (const [name, version] of columns) versions[name] = version;
  for (const [title, ...cells] of rows.map(cellsOf)) {
    const what = [...CASES.keys()].find((one) => CASES.get(one).title === title);
    columns.forEach(([name], i) => (outcomes[`${name}:${what}`] = cells[i].replaceAll("`", "")));
  }
  return { versions, outcomes };
}

function tableWrite({ versions, outcomes }) {
  const cell = (outcome) => outcome?.replace(/\w+/g, "`$&`") ?? "";
  const rows = [...CASES].map(([what, { title }]) =>
    [title, ...names.map((name) => cell(outcomes[`${name}:${what}`]))]);
  const all = [["case", ...names.map((name) => `${name} ${versions[name]}`)],
               ["case", ...names].map(() => "---"), ...rows];
  return all.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

const wanted = (name, what) => (CASES.get(what).of ?? names).includes(name) &&
  (only.length === 0 || only.includes(name) || only.includes(`${name}:${what}`));
const queue = names.flatMap((name) => [...CASES.keys()]
  .filter((what) => wanted(name, what)).map((what) => ({ name, what })));
const page = readFileSync(DOCS, "utf8");
const before = tableRead(page), now = tableRead(page);
for (const name of new Set(queue.map((one) => one.name))) now.versions[name] = versionOf(name);

let failed = 0;
async function work() {
  for (let next; (next = queue.shift()); ) {
    const { name, what, outcome, used, faults } = await play(next.name, next.what);
    const key = `${name}:${what}`, version = now.versions[name];
    now.outcomes[key] = outcome;
    if (!writes && outcome !== (before.outcomes[key] ?? "-"))
      faults.push(`outcome is not '${before.outcomes[key]}', as in docs/agents.md`);
    if (!writes && version !== before.versions[name])
      faults.push(`version is not ${before.versions[name]}, as in docs/agents.md`);
    console.log([name.padEnd(8), version.padEnd(8), what.padEnd(9), outcome.padEnd(40),
                 used.padEnd(20), faults.length === 0 ? "ok" : faults.join("; ")].join("  "));
    failed += faults.length > 0;
  }
}
const count = queue.length;
console.log(["program ", "version ", "case     ", "outcome".padEnd(40), "usage".padEnd(20),
             "text and usage"].join("  "));
await Promise.all(Array.from({ length: AT_ONCE }, work));
if (writes && failed === 0) {
  const [start, rest_] = page.split(BEGIN);
  writeFileSync(DOCS, start + BEGIN + tableWrite(now) + END + rest_.split(END)[1]);
}
console.log(`${count - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
