#!/usr/bin/env node
// make.mjs: writes the small database of a schema version, by a build of that version.
//
//   DROVER_BIN=build/drover node test/upgrade/make.mjs              databases/N.sqlite.tar.gz
//   DROVER_DATABASE=postgres://… DROVER_BIN=… node test/upgrade/make.mjs    N.postgres.tar.gz
//
// It holds a bit of everything, as a kill of the daemon leaves it; world.mjs lists it. Nothing in
// it names the machine that made it: folders are /tmp, and the database is at home wherever it is
// opened first.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { Daemon, run } from "../integration/lib.mjs";
import { killLeft } from "../integration/processes.mjs";
import { sql } from "../integration/sql.mjs";
import { FLOW, SCHEMA, WORKFLOW, folder, schemaOf, version } from "./world.mjs";

const home = path.join(tmpdir(), `drover-upgrade-${process.pid}`);
const data = path.join(home, "d");
const KEPT = ["drover.db", "drover.mark", "spool", "blobs", "scripts", "dump.sql"];
const WEBHOOK = "http://127.0.0.1:9/hook"; // Nobody listens there.

mkdirSync(data, { recursive: true });
const env = { PATH: "/usr/bin:/bin", HOME: "/tmp", USER: "drover", LOGNAME: "drover" };
const args = ["--insecure-loopback", "--webhook-allow", "127.0.0.1:9"];
const daemon = new Daemon({ data, args, env });

async function ask(method, target, body) {
  const answer = await daemon.request(method, `/api/v1${target}`, { body });
  if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.text}`);
  return answer.json;
}

async function until(what, holds) {
  for (let tries = 0; tries < 600; tries++, await pause(50)) if (await holds()) return;
  throw new Error(`never: ${what}`);
}

const stateOf = async (run) => (await ask("GET", `/runs/${run}`)).state;
const waits = async (run) =>
  (await ask("GET", "/approvals")).items.some((one) => one.run === run);

async function sessions() {
  const session = (title) =>
    ask("POST", "/sessions", { title, root: "/tmp", model: "scripted/demo" });
  const talk = await session("A finished talk");
  const said = await ask("POST", `/sessions/${talk.id}/messages`, { text: "say: Twelve sheep." });
  await until("the talk", async () => (await stateOf(said.run)) === "succeeded");
  const open = await session("An open question");
  const asked = await ask("POST", `/sessions/${open.id}/messages`,
    { text: 'call: run_command {"command": "echo allowed"}\nsay: It is done.' });
  await until("the question", () => waits(asked.run));
}

async function jobs() {
  const job = (label, shell, more) =>
    ask("POST", "/jobs", { label, shell, cwd: "/", ...more });
  const done = await job("finished", "echo finished", { notify: [{ webhook: WEBHOOK }] });
  await until("a job", async () => (await stateOf(done.id)) === "succeeded");
  const survivor = await job("survivor", "sleep 4; echo survived");
  const lost = await job("lost", "sleep 600", { key: "one" });
  await job("queued", "echo queued", { key: "one" });
  await until("jobs run", async () =>
    (await stateOf(survivor.id)) === "running" && (await stateOf(lost.id)) === "running");
  return survivor;
}

async function board() {
  await ask("POST", "/projects", { name: "shop", root: "/tmp", board: { agents: [] } });
  const at = "/projects/shop/tasks";
  for (const title of ["Done", "In review", "Behind it"]) {
    const blocked_by = title === "Behind it" ? ["T-2"] : [];
    await ask("POST", at, { title, description: "By hand.", depends_on: blocked_by });
  }
  for (const task of ["T-1", "T-2"]) {
    await ask("POST", `${at}/${task}/claim`, { agent: "ann" });
    await ask("POST", `${at}/${task}/outputs`,
      { agent: "ann", type: "document", title: "it", content: `text of ${task}`, summary: "made" });
    await ask("POST", `${at}/${task}/status`, { agent: "ann", status: "review" });
  }
  const { attempt } = await ask("GET", `${at}/T-1`);
  await ask("POST", `${at}/T-1/review`, { attempt, accept: true });
}

async function rest() {
  await ask("POST", "/mail",
    { to: "local", title: "Hello", text: "An older one.", project: "shop" });
  await ask("POST", "/memory", { topic: "farm", title: "dogs", content: "three" });
  await ask("PATCH", "/budgets/project:shop", { cost_micros: 2500000 });
  await ask("POST", "/streams/notes/events", { type: "note", data: { text: "kept" } });
}

async function halves() {
  const script = await ask("POST", "/workflows",
    { script: WORKFLOW, root: "/tmp", model: "scripted/demo", label: "half" });
  mkdirSync("/tmp/.drover/flows", { recursive: true });
  writeFileSync("/tmp/.drover/flows/upgrade.js", FLOW);
  const flow = await ask("POST", "/flows",
    { name: "upgrade", root: "/tmp", model: "scripted/demo", input: { question: "sheep" } });
  rmSync("/tmp/.drover/flows/upgrade.js");
  await until("the flow asks", () => waits(flow.id));
  await until("half a workflow", async () =>
    (await ask("GET", `/runs/${script.runId}/agents`)).items
      .some((one) => one.state === "succeeded"));
}

const ended = () => readdirSync(path.join(data, "spool"))
  .filter((name) => existsSync(path.join(data, "spool", name, "exit.json"))).length;

async function store() {
  const kind = daemon.env.DROVER_DATABASE ? "postgres" : "sqlite";
  const url = daemon.env.DROVER_DATABASE;
  const number = version(daemon);
  if (url) {
    const dump = execFileSync("pg_dump", ["--no-owner", "--no-privileges", "--rows-per-insert=100",
      `--schema=${schemaOf(url)}`, url], { encoding: "utf8", maxBuffer: 64 << 20 });
    const plain = dump.replaceAll(schemaOf(url), SCHEMA).replace(/^\\.*\n/gm, "");
    writeFileSync(path.join(data, "dump.sql"), plain);
  } else { // One file, without the log's earlier versions of its pages.
    const copy = path.join(home, "copy.db");
    const { code, stderr } = await run(["backup", "--data", data, copy]);
    if (code !== 0) throw new Error(stderr);
    for (const ending of ["", "-wal", "-shm"]) {
      rmSync(path.join(data, `drover.db${ending}`), { force: true });
    }
    renameSync(copy, path.join(data, "drover.db"));
  }
  const file = path.join(folder, `${number}.${kind}.tar.gz`);
  const names = KEPT.filter((name) => existsSync(path.join(data, name)));
  execFileSync("tar", ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--exclude=sock",
    "-I", "gzip -9n", "-C", data, "-cf", file, ...names]);
  console.log(file);
}

try {
  await daemon.start();
  await sessions();
  await board();
  await rest();
  await halves();
  const before = ended();
  await jobs();
  await daemon.kill();
  await until("the survivor's end", () => ended() > before + 1);
  killLeft(data);
  sql(daemon, "UPDATE nodes SET home = ''",
    ...["runs", "spans"].map((table) => `UPDATE ${table} SET host = ''`));
  await store();
} finally {
  await daemon.kill();
  killLeft(data);
  rmSync(home, { recursive: true, force: true });
}
