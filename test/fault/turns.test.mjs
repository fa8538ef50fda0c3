// 100 sessions, each told several scripted messages (text, thinking, broken streams, tools, a
// command whose every begin is counted in a file, a long job), with clients that come and go, while
// the daemon is killed again and again. At the end every turn has ended, every message has one
// answer, each command began once, no session ever had two turns at a time, and what each listener
// put together is what is stored.
//
// runs-with: release, postgres, each
//
// DROVER_TURNS_SESSIONS  how many sessions (30; DROVER_TEST_ALL=1: 100)
// DROVER_TURNS_KILLS     how many kills (12; DROVER_TEST_ALL=1: 40)
// DROVER_SEED            repeats a run's messages and kill times
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Random } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { call, Heard, say } from "../integration/turns.mjs";
import { Custody, until } from "./custody.mjs";
import { ways } from "./visits.mjs";

const all = Boolean(process.env.DROVER_TEST_ALL);
const SESSIONS = Number(process.env.DROVER_TURNS_SESSIONS ?? (all ? 100 : 30));
const KILLS = Number(process.env.DROVER_TURNS_KILLS ?? (all ? 40 : 12));
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const MESSAGES = 3;
const LISTENERS = 2;
const ENDED = ["succeeded", "degraded", "failed", "cancelled"];
/** How often who listened was there, and what he heard. */
const visits = Object.fromEntries(Object.keys(ways).map((way) => [way, { count: 0, events: 0 }]));

// --- What is said --------------------------------------------------------------------------------

/** Appends a line to the file that counts begins, and is not told whether it ran before. */
const counted = (tool, name) =>
  call(tool, { command: "sh", args: ["-c", `echo ${name} >> counter; sleep 0.0${name.length}`] });

function planStep(random, name) {
  switch (random.below(7)) {
    case 0:
      return ["think: let me see", say(`a thought of ${name}`)];
    case 1:
      return [`tokens: ${20 + random.below(60)} at 200/s`];
    case 2:
      return [say("half an answer"), "tokens: 10 at 200/s", "fail: cut x1", say("the rest")];
    case 3:
      return [call("list_files", { path: "." }), call("read_file", { path: "counter" })];
    case 4:
      return [call("write_file", { path: name, content: `${name}\n` })];
    case 5:
      return [say("one moment"), call("ask_user", { question: `what of ${name}?` })];
    default:
      return [`delay: ${random.below(150)}ms`, say("late")];
  }
}

/** Message `number` of a session: among other things a command is counted. What stands behind a
 *  call is the model's next step. */
function planMessage(random, session, number) {
  const name = `s${session}m${number}`;
  const tool = random.below(5) === 0 ? "run_job" : "run_command";
  const steps = Array.from({ length: 1 + random.below(2) }, () => planStep(random, name));
  steps.splice(random.below(steps.length + 1), 0, [say("now it counts"), counted(tool, name)]);
  const text = [...steps, [say(`that was ${name}`)]].flat().join("\n");
  const policy = random.below(12) === 0 ? "interrupt" : "enqueue";
  return { name, text, policy };
}

// --- Clients -------------------------------------------------------------------------------------

/** Asks until it is answered: the daemon dies now and then. */
function insist(custody, method, target, body) {
  return until(`${method} ${target}`, async () => {
    const answer = await custody.ask(method, `/api/v1${target}`, { body }).catch(() => null);
    if (answer === null || answer.status === 503) return false;
    return answer;
  });
}

async function makeSession(custody, number) {
  const root = path.join(custody.folder, "roots", `s${number}`);
  mkdirSync(root, { recursive: true });
  const permissions = [{ permission: "allow" }, { tool: "write_file", permission: "ask" }];
  const body = { model: "scripted/demo", root, settings: { permissions } };
  const answer = await insist(custody, "POST", "/sessions", body);
  assert.equal(answer.status, 201, answer.text);
  return { number, root, id: answer.json.id, messages: [], heard: [] };
}

async function speak(custody, random, session) {
  for (let number = 0; number < MESSAGES; number++) {
    const message = planMessage(random, session.number, number);
    const { text, policy, name } = message;
    const target = `/sessions/${session.id}/messages`;
    const body = { text, policy, client_id: name };
    for (let times = 1 + random.below(2); times > 0; times--) {
      const answer = await insist(custody, "POST", target, body);
      assert.equal(answer.status, 201, answer.text);
      assert.ok(message.run === undefined || message.run === answer.json.run, "it is said once");
      message.run = answer.json.run;
    }
    session.messages.push(message);
    await pause(random.below(1500));
  }
}

/** Whoever listens answers what is asked; two may do so at once, and the first one counts. */
async function answerAsked(custody, event) {
  const question = event.type === "question_asked";
  const body = question ? { answer: "go on" } : { decision: "allow" };
  const { status, text } = await insist(custody, "POST", `/approvals/${event.data.id}`, body);
  assert.ok(status === 200 || status === 409, text);
}

/** Follows the session, now in one way and now in another, and goes away now and then, until all is
 *  settled and heard. */
async function listen(custody, random, session, settled) {
  const heard = new Heard();
  session.heard.push(heard);
  for (let over = false; !over; ) {
    const last = settled.all; // Then the head that it sees is the last one.
    const way = last ? "poll" : Object.keys(ways)[random.below(3)];
    const answers = [];
    const hear = (event) => {
      assert.equal(event.seq, heard.after + 1, `of session ${session.number}, by ${way}`);
      heard.take(event);
      visits[way].events++;
      if (event.type.endsWith("_asked")) answers.push(answerAsked(custody, event));
    };
    const look = { stream: `session:${session.id}`, after: heard.after, hear };
    const bounds = { limit: 1 + random.below(40), ms: 50 + random.below(1500) };
    const { head } = await ways[way](custody, { ...look, ...bounds });
    await Promise.all(answers);
    visits[way].count++;
    over = last && heard.after === head;
    if (!custody.daemon.running || random.below(4) === 0) await pause(20 + random.below(300));
  }
}

/** A step that ten ends of the daemon cut off in a row is not begun again, and a slow machine may
 *  need that long for a step: now and then the turns that run come to their end. */
async function settleLive(custody) {
  const { json } = await insist(custody, "GET", "/runs?live=1&limit=200");
  for (const { id } of json.items.filter(({ state }) => state !== "queued")) {
    await until(`${id} ends`, async () =>
      (await insist(custody, "GET", `/runs/${id}`)).json.ended_ms !== null);
  }
}

async function killOften(custody, random) {
  for (let killed = 0; killed < KILLS; killed++) {
    if (killed % 8 >= 6) await settleLive(custody);
    await pause(200 + random.below(1500));
    await custody.daemon.kill();
    if (killed + 1 < KILLS && random.below(4) === 0) {
      await custody.daemon.startAndKillWithin(random.below(60));
      killed++;
    }
    await custody.daemon.start();
  }
}

/** No run of any kind is open, and no delivery waits for its session. */
async function quiet(custody) {
  const runs = await insist(custody, "GET", "/runs?live=1&limit=1");
  const inbox = await insist(custody, "GET", "/inbox?limit=1");
  return runs.json.items.length === 0 && inbox.json.items.length === 0;
}

// --- The end -------------------------------------------------------------------------------------

function checkOneAtATime(session, heard) {
  let open = null;
  const ended = new Set();
  for (const { type, data } of heard.events) {
    if (type === "turn_started") {
      assert.ok(open === null || open === data.run, `${data.run} began while ${open} ran`);
      open = data.run;
    }
    if (type !== "turn_finished") continue;
    assert.ok(!ended.has(data.run), `${data.run} ended once`);
    assert.ok(ENDED.includes(data.state), JSON.stringify(data));
    ended.add(data.run);
    if (open === data.run) open = null;
  }
  assert.equal(open, null, `a turn of session ${session.number} is open`);
}

function checkCounts(session, stored) {
  const file = path.join(session.root, "counter");
  const begun = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  for (const { name, run } of session.messages) {
    const times = begun.filter((line) => line === name).length;
    assert.ok(times <= 1, `the command of ${name} began ${times} times`);
    const cards = stored.filter((one) => one.run === run).flatMap((one) => one.parts);
    const ours = cards.filter((part) => part.name === "run_command" || part.name === "run_job");
    const good = ours.some((part) => part.state === "succeeded");
    if (good) assert.equal(times, 1, `the command of ${name} is said to have succeeded`);
  }
}

async function checkSession(custody, session) {
  const target = `/sessions/${session.id}/messages?order=oldest&limit=200`;
  const list = await insist(custody, "GET", target);
  const stored = list.json.items;
  for (const { name, run, text } of session.messages) {
    const questions = stored.filter((one) => one.client_id === name);
    assert.equal(questions.length, 1, `${name} is stored once`);
    assert.equal(questions[0].parts[0].text, text);
    const answers = stored.filter((one) => one.reply_to === questions[0].id);
    const { json } = await insist(custody, "GET", `/runs/${run}`);
    assert.ok(ENDED.includes(json.state), `${name}: ${JSON.stringify(json)}`);
    const unbegun = json.state === "cancelled" && questions[0].status === "interrupted";
    assert.equal(answers.length, unbegun ? 0 : 1, `${name} has one answer`);
    if (json.state === "cancelled") continue;
    const shown = (answers[0]?.parts ?? []).map(({ data, ...part }) => JSON.stringify(part));
    const about = `${name}: ${json.cause}\n${text}\n${shown.join("\n")}`;
    assert.equal(json.state, "succeeded", about);
    const last = answers[0].parts.at(-1).text;
    assert.ok(last.endsWith(`that was ${name}`), JSON.stringify(answers[0]));
  }
  for (const message of stored.filter((one) => one.role === "assistant")) {
    assert.notEqual(message.status, "running");
    session.heard.forEach((heard) => heard.agreesWith(message));
  }
  checkCounts(session, stored);
  session.heard.forEach((heard) => checkOneAtATime(session, heard));
}

async function checkSpool(custody) {
  const spool = path.join(custody.data, "spool");
  const names = existsSync(spool) ? readdirSync(spool) : [];
  const runs = names.filter((name) => name.startsWith("run_")).map((name) => name.split(".")[0]);
  for (const name of new Set(runs)) {
    const { status, json } = await insist(custody, "GET", `/runs/${name}`);
    assert.equal(status, 200, `${name} in the spool is a run`);
    assert.equal(json.kind, "job");
  }
}

const title = `${KILLS} kills under ${SESSIONS} sessions: each answer comes once (seed ${seed})`;
test(title, { timeout: scaled(900_000) }, async (t) => {
  const random = new Random(seed);
  const custody = new Custody(t);
  await custody.daemon.start();
  const sessions = [];
  for (let i = 0; i < SESSIONS; i++) sessions.push(await makeSession(custody, i));
  const settled = { all: false };
  const speaking = sessions.map((session) => {
    return speak(custody, new Random(seed + 1 + session.number), session);
  });
  const listening = sessions.flatMap((session) =>
    Array.from({ length: LISTENERS }, (_, i) => {
      const own = new Random(seed + 1000 * (i + 1) + session.number);
      return listen(custody, own, session, settled);
    }),
  );
  const ending = Promise.all([...speaking, killOften(custody, random)]).then(async () => {
    await until("all is quiet", () => quiet(custody), 120_000);
    settled.all = true;
  });
  await Promise.all([ending, ...listening]);
  for (const session of sessions) await checkSession(custody, session);
  await checkSpool(custody);
  await custody.nobodyIsLeft();
  const heard = sessions.flatMap((session) => session.heard);
  const discarded = heard.reduce((sum, one) => sum + one.discarded, 0);
  t.diagnostic(`seed ${seed}: ${KILLS} kills, ${discarded} times something was taken back`);
  for (const [way, { count, events }] of Object.entries(visits)) {
    assert.ok(events > 0, `somebody heard something by ${way}`);
    t.diagnostic(`${way}: ${count} visits, ${events} events`);
  }
});
