// board.mjs: what pictures show of agents that work together: a board, and mail. They are tokens,
// whose labels are their names; the one that reads mail plays a script.
import path from "node:path";
import { mkdirSync } from "node:fs";

import { scratch } from "../../integration/lib.mjs";
import { serving } from "../browser.mjs";
import { rowsChange } from "../tasks.mjs";

const DAY_MS = 24 * 3600_000;
const AGENTS = [{ name: "builder" }];
const DONE = ["Refuse what is no port", "One clock for all timers", "Name lanes in the log",
  "Keep the cursor over a cut", "Count tokens of the cache apart", "Sign what is exported",
  "Say why a task waits", "Journal: one write a commit"];
/** Title, agent, and how far it is. */
const TASKS = [
  ...DONE.map((title, at) => ({ title, to: "done", by: ["coder", "reviewer", "tester"][at % 3] })),
  { title: "Take the leader's lock once", to: "review", by: "coder", priority: 8,
    summary: "The second path goes through lead_take; the test holds the lock for 60 s." },
  { title: "Fuzz the parser of schedules", to: "review", by: "tester", priority: 6,
    summary: "Two hours, no crash; the corpus has 412 inputs." },
  { title: "Which index first: by name or by time?", to: "blocked", by: "coder", priority: 7,
    question: "Both lists are slow without one. Which shall I make today?" },
  { title: "Drop the port of the old agent", to: "blocked", by: "reviewer", priority: 2,
    question: "Two notebooks still use it. May they break?" },
  { title: "Read the log of a host that is gone", to: "review", by: "reviewer", priority: 4,
    summary: "It ends where the host was lost." },
  { title: "Resume a run whose folder was moved", to: "working", by: "coder", priority: 7,
    comment: "The folder is found by its id now." },
  { title: "Soak: a week without a leak", to: "working", by: "tester", priority: 5,
    comment: "Cycle 4,812, 0 errors." },
  { title: "Describe the hub in ARCHITECTURE.md", to: "working", by: "reviewer", priority: 3,
    comment: "Three of five parts are written." },
  { title: "Measure indexes of the list of runs", after: [10], priority: 7 },
  { title: "Back off when a provider says when", priority: 6 },
  { title: "Release 1.5", after: [8], priority: 5 },
  { title: "Translate errors of PostgreSQL into ours", priority: 4 },
  { title: "A page of the log that is older than the day", priority: 3 },
  { title: "Clean the branches of the last month", priority: 2, later: true },
];

async function made(t) {
  const desk = await serving(t, "read,run,approve,admin"), { daemon } = desk;
  const root = path.join(scratch(t), "engine");
  mkdirSync(root);
  const ask = async (method, target, body, more = { local: true }) => {
    const answer = await daemon.request(method, `/api/v1${target}`, { body, ...more });
    if (answer.status >= 300) throw new Error(`${target}: ${answer.text}`);
    return answer.json;
  };
  await ask("POST", "/projects", { name: "engine", root, model: "scripted/demo",
    board: { hold: true, agents: AGENTS } });
  const keys = {};
  for (const label of ["coder", "reviewer", "tester"]) {
    const { token } = await ask("POST", "/tokens", { label, scopes: ["read", "run"] });
    keys[label] = { headers: { authorization: `Bearer ${token}` } };
  }
  return { desk, ask, keys };
}

async function tasksOf({ ask, keys }) {
  const names = [];
  for (const { to, by, after = [], later, summary, question, comment, ...more } of TASKS) {
    const { name } = await ask("POST", "/projects/engine/tasks", { ...more,
      depends_on: after.map((at) => names[at]), not_before_ms: later ? Date.now() + DAY_MS : 0 });
    names.push(name);
    const at = `/projects/engine/tasks/${name}`;
    if (to === undefined) continue;
    await ask("POST", `${at}/claim`, {}, keys[by]);
    await ask("POST", `${at}/comments`, { body: comment ?? "I begin." }, keys[by]);
    if (to === "done" || to === "review") {
      await ask("POST", `${at}/outputs`, { type: "code", title: "the change", content: "+1 -1",
        summary: summary ?? "It is done." }, keys[by]);
      await ask("POST", `${at}/status`, { status: "review" }, keys[by]);
    }
    if (to === "done") {
      const { attempt } = await ask("GET", at);
      await ask("POST", `${at}/review`, { attempt, accept: true });
    }
    if (to === "blocked") await ask("POST", `${at}/status`, { status: to, question }, keys[by]);
  }
  await ask("PATCH", "/projects/engine", { board: { agents: AGENTS } });
  await ask("POST", "/projects/engine/tasks",
    { title: "Paint a thousand rows within a frame", priority: 9, description: "delay: 900s" });
  for (let agent = null; agent === null;) {
    ({ items: [{ agent }] } = await ask("GET", "/projects/engine/tasks?q=Paint"));
  }
  return names;
}

async function mailOf({ ask, keys }, names) {
  const from = (by, title, text, more = {}) => ask("POST", "/mail",
    { to: "local", project: "engine", title, text, type: "inform", ...more }, keys[by]);
  const send = (title, text, more = {}) => ask("POST", "/mail",
    { to: "builder", project: "engine", title, text, ...more });
  await from("tester", "The soak has run for a week", "No error in 4,812 cycles.",
    { about: names[14] });
  await from("reviewer", "One clock: what I looked at", "All timers, and both tests.",
    { about: names[1] });
  await send("Leave the schema alone until both branches are merged", "Nothing else changes.",
    { type: "inform", urgent: true });
  await from("reviewer", "Two tests have become slow",
    "| test | before | now |\n|---|---:|---:|\n| takeover | 4 s | 61 s |\n" +
    "| resume | 2 s | 19 s |\n\nBoth wait for the lock of the leader.");
  await send("Cut the release once the lock is in", "The notes are in `docs/`.",
    { type: "inform", about: names[18] });
  const asked = await from("coder", "Which index first?", "Both lists are slow without one:\n\n" +
    "- by **name**, which the palette asks for at each key: 240 ms of 10,000 rows\n" +
    "- by **time**, which the list of runs shows: 90 ms\n\nI can make one of them today, and the " +
    "other one after `1.5`. Which shall it be?",
  { type: "request", urgent: true, about: names[10] });
  return asked.id;
}

/** It was not all made within one second. */
async function aged({ desk }) {
  const { daemon } = desk, minutes = (of, each) => `(${of}) * ${each * 60_000}`;
  await daemon.stop();
  rowsChange(daemon, `
    UPDATE tasks SET made_ms = made_ms - ${minutes("26 - place", 83)},
      changed_ms = changed_ms - ${minutes("26 - place", 7)},
      completed_ms = completed_ms - ${minutes("26 - place", 7)};
    UPDATE mail SET made_ms = made_ms - ${minutes("SELECT max(id) FROM mail", 34)} +
      ${minutes("id", 34)}`);
  await daemon.start();
}

/** Views of `pictures.mjs`: made once, when the first of them is taken. */
export function boardOf(t) {
  let world = null;
  const once = async () => {
    const all = await made(t), names = await tasksOf(all), mail = await mailOf(all, names);
    await aged(all);
    return { desk: all.desk, mail };
  };
  const at = (place) => async () => {
    const { desk, mail } = await (world ??= once());
    return { desk, at: place(mail) };
  };
  return {
    board: { shows: "Back off when a provider", make: at(() => "/board/engine") },
    mail: { shows: "Which shall it be?", make: at((id) => `/inbox/mail/${id}`) },
  };
}
