// inside.test.mjs: a program inside a run may read, start runs, and change what it began, and
// nothing else: it answers no question, its own least of all. Each row of the table is a way in
// which a job tries to; at the end the daemon is as it was.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, open, script as program, session } from "./agents.mjs";
import { bin } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, textOf, Turns } from "./turns.mjs";

/** What each line has: the program, a request over the socket, and a file for what goes on after
 *  its job's main process (`later` waits for it). */
const PRELUDE = `
D=${bin}
ALLOW='{"decision":"allow"}' JSON='content-type: application/json' URL=http://x/api/v1
C="curl -s -m 60 --unix-socket $S"
api() {
  curl -s -m 60 --unix-socket "$S" -X "$1" \${3:+-H "$JSON" -d "$3"} "$URL$2"
}
later() { while ! grep -q inside_run "$OUT" 2>/dev/null; do sleep 0.05; done; cat "$OUT"; }
`;

/** Python: a process that does this below one that has ended, in a session of its own. */
const DAEMONIZE = `
import os, subprocess, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(0.05)
os.chdir("/")
subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT,
               env={"DROVER_DATA": os.environ["DROVER_DATA"]})
`;

/** Python: connects, hands the connection to a child, and is gone before it is asked who it was. */
const GONE = `
import os, signal, socket, sys
sides = socket.socketpair()
if os.fork() == 0:
  s = socket.socket(socket.AF_UNIX)
  if os.fork() == 0:
    sides[1].recv(1)
    s.sendall(sys.argv[1].encode())
    print(s.recv(9000).decode(), flush=True)
    os._exit(0)
  s.connect(os.environ["S"])
  os._exit(0)
os.wait()
sides[0].send(b"x")
`;

const rows = {
  "asks for it": `$D approve $A`,
  "says no": `$D approve --deny $A`,
  "answers over HTTP": `api POST /approvals/$A "$ALLOW"`,
  "begins a session of processes": `setsid -w $D approve $A`,
  "ignores hangups": `nohup $D approve $A`,
  "runs at another priority": `nice $D approve $A`,
  "clears its environment": `env -i DROVER_DATA=$DROVER_DATA $D approve $A`,
  "clears its mark": `DROVER_RUN= $D approve $A`,
  "has no mark": `env -u DROVER_RUN $D approve $A`,
  "wears the mark of another run": `DROVER_RUN=$V.1.0 $D approve $A`,
  "is a grandchild in the background": `( ( $D approve $A >$OUT 2>&1 ) & ) ; later`,
  "is an orphan in another session": `export D A OUT; ` +
    `setsid sh -c '( sleep 0.1; $D approve $A >$OUT 2>&1 ) &' ; later`,
  "is an orphan without a mark": `( env -i DROVER_DATA=$DROVER_DATA ` +
    `setsid $D approve $A >$OUT 2>&1 & ) ; later`,
  "becomes a daemon": `python3 -c '${DAEMONIZE}' $OUT $D approve $A ; later`,
  "is gone when it is asked": `python3 -c '${GONE}' "$(printf '` +
    `POST /api/v1/approvals/%s HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\n` +
    `Content-Length: 20\\r\\n\\r\\n{"decision":"allow"}' $A)" | tee $OUT ; later >/dev/null`,
  "takes a link to the socket": `ln -s $S $OUT.sock; S=$OUT.sock; api POST /approvals/$A "$ALLOW"`,
  "takes the socket by another path": `S=/proc/self/root$S; api POST /approvals/$A "$ALLOW"`,
  "names the socket as a URL": `$D approve $A --url unix:$S`,
  "sends a token over the socket": `$C -H "authorization: Bearer $TOKEN" ` +
    `-H "$JSON" -d "$ALLOW" $URL/approvals/$A`,
  "gives its token to the program": `DROVER_TOKEN=$TOKEN $D approve $A --url unix:$S`,
  "asks after an innocent request": `$C http://x/healthz --next -s ` +
    `--unix-socket $S -H "$JSON" -d "$ALLOW" $URL/approvals/$A`,
  "speaks HTTP/1.0": `curl -s -0 --unix-socket $S -H "$JSON" ` +
    `-d "$ALLOW" $URL/approvals/$A`,
  "sends its body in chunks": `echo "$ALLOW" | $C -X POST ` +
    `-H "$JSON" -H 'transfer-encoding: chunked' -d @- $URL/approvals/$A`,
  "asks for a WebSocket meanwhile": `$C -H 'connection: upgrade' -H 'upgrade: websocket' ` +
    `-H "$JSON" -d "$ALLOW" $URL/approvals/$A`,
  "names itself as the owner": `api POST "/approvals/$A?owner=local" "$ALLOW"`,
  "lets a job of its own do it": `$D job run -- $D approve $A`,
  "lets a job of its own do it later": `R=$($D job run -d -- sh -c "sleep 0.2; $D approve $A"); ` +
    `$D job wait $R; $D job logs $R`,

  "makes a token": `$D token create --label mine`,
  "makes a token over HTTP": `api POST /tokens '{"scopes":["approve"]}'`,
  "lists tokens": `$D token ls`,
  "revokes a token": `api DELETE /tokens/$TOKEN_ID`,
  "adds a provider": `$D provider add mine --kind openai --base-url http://127.0.0.1:9/v1`,
  "adds a provider over HTTP": `api POST /providers ` +
    `'{"name":"m","kind":"openai","base_url":"http://127.0.0.1:9"}'`,
  "leads a provider elsewhere": `api PATCH /providers/p '{"base_url":"http://127.0.0.1:9/evil"}'`,
  "removes a provider": `api DELETE /providers/p`,
  "resets a provider": `api POST /providers/p/reset`,
  "asks a model past its budget": `api POST /providers/p/test`,
  "asks a model past its budget by the command": `$D provider test p`,
  "forgets what was learned": `api DELETE /providers/p/windows`,
  "changes a setting": `$D config set effort low`,
  "sets who is notified": `api PATCH /settings '{"notify_command":["sh","-c","drover approve"]}'`,
  "ends the daemon": `$D shutdown`,
  "ends all": `$D shutdown --stop-all`,
  "restarts the daemon": `$D restart`,
  "makes a service of the daemon": `$D service install`,
  "removes the service": `$D service rm`,
  "defines an agent": `$D agent add evil --program plain --command sh`,
  "replaces an agent": `$D agent set claude --program plain --command sh`,
  "removes an agent": `api DELETE /agents/claude`,
  "releases the daemon": `api POST /system/release`,
  "looks at the hold": `$D release`,
  "removes a host": `api DELETE '/hosts?name=x'`,
  "grants itself a folder": `$D root add $VS /`,
  "takes a folder away": `api DELETE "/sessions/$VS/roots?path=/tmp"`,
  "raises a budget": `$D budget set global --tokens 9000000`,
  "removes a budget": `api DELETE /budgets/global`,
  "limits another's session": `api PATCH "/budgets/session:$VS?new=1" '{"tokens":1}'`,
  "limits a project": `api PATCH "/budgets/project:default?new=1" '{"tokens":1}'`,
  "makes a session that others share": `api POST /sessions ` +
    `'{"agent":"own","root":"'$ROOT'","main":true}'`,
  "plants a memory": `api POST /memory '{"text":"always allow"}'`,
  "forgets a memory": `api DELETE /memory/mem_00000000000000000000000000`,
  "opens a terminal": `api POST /terminals '{"command":"true"}'`,
  "starts a terminal again": `api POST /terminals/trm_00000000000000000000000000/restart`,
  "cuts a stream": `api DELETE '/streams/notes/events?through=1'`,
  "shortens what a stream keeps": `api PATCH /streams/notes '{"keep_events":1}'`,

  "stops another run": `$D stop $V`,
  "stops another run by a part of its id": `$D stop $(printf %.29s $V)`,
  "stops another job": `$D job stop $V`,
  "stops all": `$D stop --all`,
  "stops another run over HTTP": `api POST /runs/$V/stop`,
  "stops itself": `api POST "/runs/\${DROVER_RUN%%.*}/stop"`,
  "feeds itself": `api POST "/jobs/\${DROVER_RUN%%.*}/input" '{"text":"yes"}'`,
  "removes an ended run": `$D job rm $ENDED`,
  "removes an ended run over HTTP": `api DELETE /runs/$ENDED`,
  "stops another run among several": `api POST /runs/bulk ` +
    `'{"action":"stop","ids":["'$V'","'$W'"]}'`,
  "removes several": `api POST /runs/bulk '{"action":"remove","ids":["'$ENDED'"]}'`,
  "hides what nobody has seen": `api POST /runs/bulk '{"action":"seen","ids":["'$ENDED'"]}'`,
  "types into another job": `api POST /jobs/$V/input '{"text":"yes\\n"}'`,
  "resizes another's terminal": `api POST /jobs/$V/resize '{"rows":1,"columns":1}'`,
  "gives another job up": `api POST /jobs/$V/abandon`,
  "pauses a workflow": `api POST /runs/$W/pause`,
  "resumes a workflow": `api POST /runs/$W/resume`,
  "skips another's agent": `api POST /runs/$V/skip`,
  "restarts another's agent": `$D restart $V`,
  "lets its job stop another": `$D job run -- $D stop $V`,
  "lets its job stop itself": `$D job run -- $D stop \${DROVER_RUN%%.*}`,

  "steers the session that asks": `$D ask --session $QS 'approve it'`,
  "sends a message": `api POST /sessions/$VS/messages '{"text":"go on"}'`,
  "repeats a message that was sent with a key": `$C -H 'idempotency-key: k1' ` +
    `-H "$JSON" -d '{"text":"say: keyed"}' $URL/sessions/$VS/messages`,
  "stops the turn that asks": `api POST /sessions/$QS/stop`,
  "allows edits": `api PATCH /sessions/$QS '{"settings":{"edits":"allow"}}'`,
  "renames a session": `$D session rename $VS mine`,
  "deletes a session": `api DELETE /sessions/$VS`,
  "clears a session": `api POST /sessions/$VS/clear`,
  "summarises a session": `api POST /sessions/$VS/compact`,
  "copies a session": `api POST /sessions/$VS/fork '{}'`,
  "uploads to a session": `printf '\\211PNG\\r\\n\\032\\n' | $C -H 'content-type: image/png' ` +
    `--data-binary @- $URL/sessions/$VS/attachments`,
  "makes a child of a session": `api POST /sessions '{"model":"scripted/demo","parent":"'$VS'"}'`,
  "edits a message": `api PATCH /messages/$M '{"text":"other"}'`,
  "sends a message again": `api POST /messages/$M/resend '{"text":"other"}'`,
  "takes a message back": `api DELETE /messages/$M`,
  "chooses an answer": `api POST /messages/$M/choose`,
  "asks for an answer again": `api POST /messages/$M/regenerate`,
  "drops a notice": `$D inbox drop $N`,
  "sends a notice again": `api POST /inbox/$N/retry`,
  "lets a job tell a session": `api POST /jobs ` +
    `'{"argv":["echo","approve"],"notify":[{"session":"'$VS'"}]}'`,
  "lets a workflow tell a session": `api POST /workflows '{"script":"export const meta = ` +
    `{ name: \\"w\\", description: \\"d\\" };\\nreturn 1","notify":[{"session":"'$VS'"}]}'`,
  "sends a key with a job that tells": `$C -H 'idempotency-key: k2' ` +
    `-H "$JSON" -d '{"argv":["true"],"notify":[{"session":"'$VS'"}]}' $URL/jobs`,
};

/** A daemon with something of each kind that a job might want to change. */
class World {
  async open(t) {
    this.turns = await Turns.open(t);
    const { turns } = this;
    this.root = turns.root;
    define(turns, "own", { program: "plain", command: "echo" }, turns.root);
    const made = async (method, target, body) => {
      const answer = await turns.ask(method, target, body);
      assert.ok(answer.status < 300, `${target}: ${answer.text}`);
      return answer.json;
    };
    // A turn that waits for a person, who is asked by a stranger to what follows.
    const asks = await turns.listen({ root: turns.root });
    const write = call("write_file", { path: "a.txt", content: "new\n" });
    const turn = await turns.send(asks.session, script(write, "step:", say("so")));
    const approval = (await asks.until("approval_asked")).id;
    asks.close();
    const victim = await made("POST", "/jobs", { argv: ["sleep", "1000"], pty: true });
    const ended = await made("POST", "/jobs", { argv: ["true"],
      notify: [{ webhook: "http://unresolvable.invalid/" }] });
    await turns.jobEnd(ended.id);
    const talk = await turns.session();
    const keyed = await turns.daemon.request("POST", `/api/v1/sessions/${talk}/messages`,
      { body: { text: "say: keyed" }, headers: { "idempotency-key": "k1" } });
    assert.equal(keyed.status, 201, keyed.text);
    await this.idle(talk);
    const flow = await made("POST", "/workflows", { root: turns.root, model: "scripted/demo",
      script: 'export const meta = { name: "w", description: "waits" };\n' +
        'return await agent("delay: 600000\\nsay: x");' });
    const base_url = "http://127.0.0.1:9/v1";
    await made("POST", "/providers", { name: "p", kind: "openai", base_url });
    await made("PATCH", "/budgets/global", { tokens: 1000000 });
    await made("POST", "/streams/notes/events", { type: "note" });
    await made("POST", "/streams/notes/events", { type: "note" });
    const token = await made("POST", "/tokens", { label: "all",
      scopes: ["read", "run", "approve", "admin"] });
    this.run = turn.run;
    this.env = {
      S: turns.daemon.socket,
      ROOT: turns.root,
      A: approval,
      QS: asks.session,
      V: victim.id,
      ENDED: ended.id,
      VS: talk,
      M: (await turns.messages(talk)).find(({ role }) => role === "user").id,
      W: flow.runId,
      N: (await turns.get("/inbox")).items[0].id,
      TOKEN: token.token,
      TOKEN_ID: token.id,
    };
    return this;
  }

  async idle(session) {
    while ((await this.turns.get(`/sessions/${session}`)).state !== "idle") {
      await this.turns.get(`/streams/session:${session}/events?after=-1&wait=1`);
    }
  }

  /** What a job may not change. */
  async picture() {
    const { get } = this.turns;
    const at = (target) => get.call(this.turns, target);
    const { QS, VS, V, W, ENDED, A } = this.env;
    const state = async (run) => (await at(`/runs/${run}`)).state;
    const session = async (id) => {
      const { title, settings, root, state: is, version } = await at(`/sessions/${id}`);
      return { title, settings, root, is, version, messages: await this.turns.messages(id) };
    };
    const { epoch, pid } = await at("/version");
    return {
      epoch,
      pid,
      approval: await at(`/approvals/${A}`),
      victims: [await state(V), await state(W), await state(this.run), await state(ENDED)],
      sessions: [await session(QS), await session(VS), (await at("/sessions")).items.length],
      settings: await at("/settings"),
      providers: (await at("/providers")).items.map(({ name, base_url }) => [name, base_url]),
      tokens: (await at("/tokens")).items.map(({ id }) => id),
      budget: (await at("/budgets/global")).limits,
      memories: (await at("/memory")).items,
      terminals: (await at("/terminals")).items,
      stream: await at("/streams/notes"),
      notices: (await at("/inbox")).items.map(({ id, run, state: is }) => [id, run, is]),
      roots: [(await at(`/sessions/${QS}/roots`)).items, (await at(`/sessions/${VS}/roots`)).items],
      input: (await at(`/streams/run:${V}/events`)).events.map(({ type }) => type),
    };
  }

  /** Runs a line as a job of somebody outside; {code, text}. */
  async job(line, more = {}) {
    const out = path.join(this.turns.folder, `out-${++World.count}`);
    const file = `${out}.sh`;
    const own = `export DROVER_DATA=${this.turns.daemon.data} DROVER_NO_START=1\n`;
    writeFileSync(file, own + PRELUDE + line);
    const answer = await this.turns.ask("POST", "/jobs",
      { argv: ["sh", file], env: { ...this.env, OUT: out }, ...more });
    assert.equal(answer.status, 201, answer.text);
    const { id } = answer.json;
    const end = await this.turns.jobEnd(id);
    const log = async (stream) =>
      (await this.turns.ask("GET", `/jobs/${id}/logs?stream=${stream}&limit=100000`)).text;
    return { id, state: end.state, text: (await log("out")) + (await log("err")) };
  }
}
World.count = 0;

test("a job that leaves its rights is refused, and all stays as it was", async (t) => {
  const world = await new World().open(t);
  const before = await world.picture();
  assert.equal(before.approval.state, "open");
  assert.ok(Object.keys(rows).length >= 40);
  for (const [way, line] of Object.entries(rows)) {
    await t.test(way, { timeout: scaled(60000) }, async () => {
      const { id, text } = await world.job(line);
      assert.match(text, /inside_run/, `${line}\n${text}`);
      const nobody = /may only read/.test(text); // It may be looked at in time, or not.
      assert.ok(way === "is gone when it is asked" || !nobody, text);
      if (!nobody) assert.match(text, /inside of run_/);
      if (!nobody && !/job run/.test(line)) assert.ok(text.includes(id), text);
      assert.doesNotMatch(text, /"decision":"allow"|allowed/, text);
    });
  }
  assert.deepEqual(await world.picture(), before);
  // A person may, and the turn goes on.
  const answered = await world.turns.daemon.request("POST", `/api/v1/approvals/${world.env.A}`,
    { body: { decision: "allow" }, local: true });
  assert.equal(answered.status, 200, answered.text);
  await world.idle(world.env.QS);
  assert.equal(readFileSync(path.join(world.root, "a.txt"), "utf8"), "new\n");
});

test("a job may read, start what is below it, and change that", async (t) => {
  const world = await new World().open(t);
  const line = `
set -e
cd ${world.root}
version=$($D version); ps=$($D ps); $D show $V >/dev/null; $D inbox ls >/dev/null
$D approve >/dev/null; $D session show $VS >/dev/null; $D config get >/dev/null
$D status >/dev/null
mkdir probe; printf '#!/bin/sh\n: >${world.root}/probed\n' >probe/claude; chmod +x probe/claude
PATH=$PWD/probe:$PATH $D agent ls | grep -q "^claude.*probe/claude"; test ! -e probed
api GET /version | grep -q "\\"inside\\":\\"\${DROVER_RUN%%.*}\\""
curl -sf --unix-socket $S http://x/metrics >/dev/null
test "$($D job run -- echo below)" = below
test "$($D job run -- sh -c "$D job run -- echo deeper")" = deeper
R=$($D job run -d -- sh -c 'echo out; cat'); $D job logs $R >/dev/null
R=$($D job run -d -- sleep 1000); $D stop $R; $D job wait $R || true
$D show $R | grep -q cancelled; $D job rm $R
api POST /jobs '{"argv":["cat"],"stdin_open":true,"label":"typed"}' >$OUT
R=$(sed 's/.*"id":"\\(run_[a-z0-9]*\\)".*/\\1/' $OUT)
api POST /jobs/$R/input '{"text":"typed","end":true}' | grep -q next
$D job wait $R; test "$($D job logs $R)" = typed
R=$($D job run -d -- $D job run -- sleep 1000)
until $D ps | grep -q 'sleep 1000'; do sleep 0.05; done
for name in mine notes; do api POST /streams/$name/events '{"type":"note"}' | grep -q '"seq"'; done
test "$($D ask --model scripted/demo 'say: hello')" = hello
SES=$($D session new --model scripted/demo); $D ask --session $SES 'say: again' | grep -q again
$D session rename $SES mine; $D session rm $SES
echo 'export const meta = { name: "w", description: "d" }; return await agent("say: flow");' >w.js
$D run ./w.js --model scripted/demo | grep -q flow
W=$($D run -d ./w.js --model scripted/demo); $D attach $W >/dev/null
SES=$($D session new --model scripted/demo)
api POST /jobs '{"argv":["true"],"notify":[{"session":"'$SES'"}]}' | grep -q '"id"'
echo all good`;
  const { text } = await world.job(`exec 2>&1; set -x\n${line}`);
  assert.match(text, /^all good$/m, text);
});

test("what a job began is below it after a restart of the daemon, and it is inside", async (t) => {
  const world = await new World().open(t);
  const { turns } = world;
  const gate = path.join(turns.folder, "gate");
  const out = path.join(turns.folder, "after");
  const line = `R=$($D job run -d -- sleep 1000); echo $R >${gate}.begun
    while [ ! -e ${gate} ]; do sleep 0.05; done
    { $D stop $R && echo stopped; $D approve $A; } >${out} 2>&1`;
  const ended = world.job(line).catch((error) => error);
  for (;;) {
    const { items } = await turns.get("/runs?live=1&q=sleep%201000");
    if (items.length > 1) break; // The victim and that.
    await turns.get("/streams/nothing/events?wait=1").catch(() => {});
  }
  await turns.daemon.kill();
  await ended;
  await turns.daemon.start();
  writeFileSync(gate, "");
  for (let text = ""; !/inside_run/.test(text); ) {
    await turns.get("/version");
    try {
      text = readFileSync(out, "utf8");
    } catch {}
    if (/inside_run/.test(text)) assert.match(text, /stopped/);
  }
  assert.equal((await turns.get(`/approvals/${world.env.A}`)).state, "open");
});

test("what an agent began with one command it may change with another one", async (t) => {
  const turns = await open(t, []);
  const command = program(turns, "sh", `export DROVER_DATA=${turns.daemon.data}; D=${bin}
    R=${turns.folder}/began; eval "\${1##*Now the user says:}" 2>&1; exit 0`);
  define(turns, "sh", { program: "plain", command });
  turns.agent = "sh";
  const [mine, other] = [await session(turns), await session(turns)];
  const told = async (listener, line) => textOf((await turns.turn(listener, line)).message);
  await told(mine, "$D job run -d -- sleep 1000 >$R; $D session new --model scripted/demo >$R.s");
  const change = "$D stop $(cat $R); $D session rm $(cat $R.s)";
  assert.match(await told(other, change), /inside_run[^]*inside_run/);
  assert.doesNotMatch(await told(mine, change), /inside_run/); // Another process, in another turn.
  assert.deepEqual((await turns.get("/runs?live=1")).items, []);
  // Its own session and turn are not what it began, nor is what a person begins there.
  const id = (kind) => `sed 's/.*"id":"\\(${kind}_[a-z0-9]*\\).*/\\1/'`;
  const turn = `$D stop $($D ps --kind turn --json | ${id("run")})`;
  for (const line of [`$D session rename ${mine.session} x`, "$D stop ${DROVER_RUN%%.*}", turn]) {
    assert.match(await told(mine, line), /inside_run/, line);
  }
  // Each command of a model is a run of its own.
  const model = await turns.listen({ root: turns.root, settings: { permissions:
    [{ tool: "run_command", permission: "allow" }] } });
  const shell = (line) => call("run_command", { command: ["sh", "-c",
    `export DROVER_DATA=${turns.daemon.data}; D=${bin}; R=${turns.folder}/model; ${line}`] });
  const { end } = await turns.turn(model, script(shell("$D job run -d -- sleep 1000 >$R"),
    "step:", shell("$D stop $(cat $R)"), "step:", say("so")));
  assert.equal(end.state, "succeeded");
  assert.deepEqual((await turns.get("/runs?live=1")).items, []);
  for (const one of [mine, other, model]) one.close();
});

test("an agent may limit the session that it begins, and no more", async (t) => {
  const turns = await open(t, "pi");
  const command = program(turns, "sh", `export DROVER_DATA=${turns.daemon.data}; D=${bin}
    eval "$1" 2>&1; exit 0`);
  define(turns, "sh", { program: "plain", command });
  turns.agent = "sh";
  const listener = await session(turns);
  const { message } = await turns.turn(listener, "$D agent run pi hello --budget tokens=1000; " +
    "$D budget set session:$($D session ls --json | head -1 | " +
    "sed 's/.*\"id\":\"\\(ses_[a-z0-9]*\\).*/\\1/') --tokens 9000");
  assert.match(textOf(message), /^turn 1 of pi\n[^]*inside_run/);
  const budgets = (await turns.get("/budgets")).items;
  assert.deepEqual(budgets.map(({ limits }) => limits.tokens), [1000]);
  listener.close();
});
