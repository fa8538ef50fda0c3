// deletion.test.mjs: a session that was deleted leaves nothing in the files of the data directory.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { sideBySide } from "./lib.mjs";
import { leftOf } from "./planted.mjs";
import { scaled } from "./scale.mjs";
import { change } from "./sql.mjs";
import { call, Listener, say, script, toolsOf, Turns } from "./turns.mjs";

const test = sideBySide(8);
const MARK = "Quokka7Marker";
const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.from(MARK)]);

const left = (turns) => leftOf(turns, MARK);
/** The promise is a minute; what is left then is the failure's text. */
async function becomesClean(turns) {
  const until = Date.now() + scaled(60_000);
  while (left(turns).length > 0 && Date.now() < until) await pause(500);
  assert.deepEqual(left(turns), []);
}

async function ended(turns, run) {
  for (let after = 0; ; ) {
    const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=20`);
    if (page.events.some((event) => event.type.endsWith("_finished"))) return;
    assert.ok(page.events.length > 0, `${run} has not ended`);
    after = page.events.at(-1).seq;
  }
}

/** A session with the marker in each field that takes a text. */
async function marked(turns) {
  const root = path.join(turns.folder, MARK);
  mkdirSync(root, { recursive: true });
  const body = {
    title: `title ${MARK}`, model: "scripted/demo", agent: MARK, root,
    instructions: `instructions ${MARK}`, metadata: { of: MARK },
    settings: { permissions: [{ permission: "allow" }] },
  };
  const make = () => turns.daemon.request("POST", "/api/v1/sessions", {
    headers: { "idempotency-key": "once" }, body,
  });
  const answer = await make();
  assert.equal(answer.status, 201, answer.text);
  const listener = await new Listener(turns, answer.json.id).open();
  return { listener, make };
}

const sums = async (turns) => (await turns.get("/usage?by=day")).items;
const calls = async (turns) => (await sums(turns)).reduce((sum, day) => sum + day.usage.calls, 0);

test("no file holds what a deleted session, its jobs and its workflows held", {
  timeout: scaled(120_000),
}, async (t) => {
  const turns = await Turns.open(t);
  const { listener, make } = await marked(turns);
  const { session } = listener;
  const target = `/api/v1/sessions/${session}`;
  const sent = await fetch(`${turns.daemon.url}${target}/attachments`, {
    method: "POST", body: png, headers: { "content-type": "image/png" },
  });
  assert.equal(sent.status, 201);
  const { id: attachment } = await sent.json();

  // Messages, their ids and metadata; tools, their arguments and results; a question that is open.
  await turns.turn(listener, script(
    `think: thought ${MARK}`,
    call("write_file", { path: `${MARK}.txt`, content: `written ${MARK}` }),
    call("run_command", { command: "sh", args: ["-c", `echo out ${MARK}; echo err ${MARK} >&2`] }),
    "step:", say(`answer ${MARK}`)),
  { client_id: MARK, attachments: [attachment] });
  const flow = `export const meta = {name: "sums", description: "${MARK}"};
phase("${MARK}"); log("${MARK}");
const one = await agent("say: agent ${MARK}", {label: "${MARK}"});
const two = await agent(${JSON.stringify(script(call("run_command",
    { command: "echo", args: [MARK] }), say(`tools ${MARK}`)))}, {label: "two"});
return {one, two, of: args.of};`;
  const work = script(
    call("run_job", { command: "sh", args: ["-c", `echo job ${MARK}`], label: MARK }),
    call("spawn_subagent", { input: `say: below ${MARK}`, label: MARK }),
    call("run_workflow", { script: flow, args: { of: MARK } }),
    "step:", say(`they run ${MARK}`));
  const { message } = await turns.turn(listener, work);
  for (const { run } of message.parts.filter((part) => part.run)) await ended(turns, run);
  const hangs = script(call("run_job", { command: "sh", args: ["-c", `echo ${MARK}; sleep 600`] }),
    "step:", say("it runs"));
  await turns.turn(listener, hangs);
  await turns.send(session, script(call("ask_user", { question: `which ${MARK}?` }), say("well")));
  await listener.until("question_asked");
  await turns.ask("PATCH", `/sessions/${session}`, { title: `another ${MARK}` });

  const before = await calls(turns);
  assert.ok(left(turns).length > 20);
  const gone = await turns.ask("DELETE", `/sessions/${session}?stop_jobs=1`);
  assert.equal(gone.status, 200, gone.text);
  await becomesClean(turns);
  assert.ok(await calls(turns) >= before); // A turn that was stopped may have made one more.
  const { items } = await turns.get("/runs");
  assert.deepEqual(items, []);

  // What was made under a key is not made again, and not shown.
  const again = await make();
  assert.deepEqual([again.status, again.json.code], [410, "gone"]);
});

test("pages that were rebuilt among others' rows keep nothing", {
  timeout: scaled(240_000),
}, async (t) => {
  const turns = await Turns.open(t);
  const listeners = [];
  for (let n = 0; n < 16; n++) listeners.push(await turns.listen({ title: `one of ${n}` }));
  for (let round = 0; round < 6; round++) {
    for (const [n, listener] of listeners.entries()) {
      const word = n % 2 === 0 ? MARK : "Wombat";
      const text = Array(20 + ((n * 7 + round * 31) % 90)).fill(`${word} ${n}`).join(" ");
      await turns.turn(listener, script(say(text), call("list_files", { path: "." }),
        "step:", say(text)));
      await turns.ask("PATCH", `/sessions/${listener.session}`, { instructions: text });
    }
  }
  const before = await sums(turns);
  for (const [n, { session }] of listeners.entries()) {
    if (n % 2 === 0) assert.equal((await turns.ask("DELETE", `/sessions/${session}`)).status, 200);
  }
  await becomesClean(turns);
  assert.equal((await turns.get("/sessions")).items.length, 8);
  assert.deepEqual(await sums(turns), before);
  assert.equal((await turns.get("/usage?by=session")).items.length, 9, "eight, and those without");
});

test("a kill behind the delete changes nothing", { timeout: scaled(240_000) }, async (t) => {
  const turns = await Turns.open(t);
  const { listener } = await marked(turns);
  await turns.turn(listener, script(
    call("run_command", { command: "echo", args: [MARK] }), "step:", say(`answer ${MARK}`)));
  assert.equal((await turns.ask("DELETE", `/sessions/${listener.session}`)).status, 200);
  for (let n = 0; n < 3; n++) {
    await turns.daemon.kill();
    await turns.daemon.start();
  }
  await becomesClean(turns);
});

test("a session that the database does not let go of keeps no other", {
  timeout: scaled(240_000),
  skip: process.env.DROVER_DATABASE ? "the trigger is SQLite's" : false,
}, async (t) => {
  const turns = await Turns.open(t);
  const stays = await turns.listen();
  await turns.turn(stays, say("it stays"));
  const { listener } = await marked(turns);
  await turns.turn(listener, say(`answer ${MARK}`));
  await change(turns,
    `CREATE TRIGGER stays BEFORE DELETE ON messages WHEN old.session =
     (SELECT id FROM sessions WHERE session = '${stays.session}')
     BEGIN SELECT RAISE(ABORT, 'it stays'); END`);
  for (const { session } of [stays, listener]) {
    assert.equal((await turns.ask("DELETE", `/sessions/${session}`)).status, 200);
  }
  await becomesClean(turns);
  for (let n = 0; n < 3; n++) { // Each deletion tries the first again.
    const { session } = await turns.listen();
    await turns.ask("DELETE", `/sessions/${session}`);
  }
  const lines = () => turns.daemon.log.match(/a deleted session could not be removed/g) ?? [];
  assert.equal(lines().length, 1, turns.daemon.log);
});

test("sessions that stay keep no other, also when they are many", {
  timeout: scaled(240_000),
  skip: process.env.DROVER_DATABASE ? "the trigger is SQLite's" : false,
}, async (t) => {
  const turns = await Turns.open(t);
  const stay = [];
  for (let n = 0; n < 20; n++) stay.push(await turns.session());
  const { listener } = await marked(turns);
  await turns.turn(listener, say(`answer ${MARK}`));
  await change(turns,
    `CREATE TRIGGER stays BEFORE UPDATE OF hidden ON sessions WHEN new.hidden = -2 AND
     old.session IN ('${stay.join("', '")}') BEGIN SELECT RAISE(ABORT, 'it stays'); END`);
  for (const session of [...stay, listener.session]) {
    assert.equal((await turns.ask("DELETE", `/sessions/${session}`)).status, 200);
  }
  const until = Date.now() + scaled(60_000);
  while (left(turns).length > 0 && Date.now() < until) {
    await turns.ask("DELETE", `/sessions/${await turns.session()}`); // A round begins.
    await pause(500);
  }
  assert.deepEqual(left(turns), []);
});

test("answers to regenerate and resend under a key go with the session", {
  timeout: scaled(120_000),
}, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { message } = await turns.turn(listener, say("one"));
  const [question] = await turns.messages(listener.session);
  const keyed = (id, what, key, body) => turns.daemon.request("POST",
    `/api/v1/messages/${id}/${what}`, { headers: { "idempotency-key": key }, body });
  const requests = [
    () => keyed(message.id, "regenerate", "k1"), () => keyed(question.id, "resend", "k2", {}),
  ];
  for (const send of requests) {
    const answer = await send();
    assert.equal(answer.status, 201, answer.text);
    await listener.ended(answer.json.run);
    assert.equal((await send()).text, answer.text);
  }
  assert.equal((await turns.ask("DELETE", `/sessions/${listener.session}`)).status, 200);
  for (const send of requests) {
    const until = Date.now() + scaled(60_000);
    let answer = await send();
    for (; answer.status === 201 && Date.now() < until; answer = await send()) await pause(200);
    assert.deepEqual([answer.status, answer.json.code], [410, "gone"]);
  }
});

test("scripts that were refused go, too", { timeout: scaled(120_000) }, async (t) => {
  const turns = await Turns.open(t);
  const { listener } = await marked(turns);
  const started = async (args) => {
    const { message } = await turns.turn(listener,
      script(call("run_workflow", args), "step:", say("well")));
    return toolsOf(message)[0];
  };
  const flow = (name, rest) =>
    `export const meta = {name: "${name}", description: "${MARK}"${rest}};
     await agent("delay: 600s");`;
  const { run } = await started({ script: flow("lives", "") });
  const saved = () => readdirSync(path.join(turns.daemon.data, "scripts")).length;
  assert.equal(saved(), 1);
  const schema = `, args: {type: "object", required: ["x"]}`;
  const misfit = await started({ script: flow("misfit", schema), args: {} });
  assert.equal(saved(), 1, JSON.stringify(misfit));
  const refused = await started({ script: flow("refused", ""), resumeFromRunId: run });
  assert.match(JSON.stringify(refused), /has not ended/);
  const faulty = await started({ script: `${flow("faulty", "")} return (` });
  assert.match(JSON.stringify(faulty), /scriptPath/); // It can be looked at, as long as it is told.
  const gone = await turns.ask("DELETE", `/sessions/${listener.session}?stop_jobs=1`);
  assert.equal(gone.status, 200, gone.text);
  await becomesClean(turns);
});
