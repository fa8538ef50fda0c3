// beside.mjs: a session that has turns, files, and work in the background.
import assert from "node:assert/strict";

import { scratch } from "../integration/lib.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { serving } from "./browser.mjs";

const usage = (words) => `usage: ${words}`;

export async function ask(daemon, method, target, body, status = 200) {
  const answer = await daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.equal(answer.status, status, answer.text);
  return answer.json;
}

/** Says it, and waits for the end of its turn. */
export const turn = ({ daemon, session }, text, more = {}) =>
  ask(daemon, "POST", `/sessions/${session}/messages?wait=60`, { text, ...more }, 201);

/** Until the API says so. */
export async function until({ daemon }, target, fits) {
  for (;;) {
    const found = await ask(daemon, "GET", target);
    if (fits(found)) return found;
  }
}

export async function talk(t, { scopes, title = "Fix the build" } = {}) {
  const desk = await serving(t, scopes);
  const body = {
    title, root: scratch(t), model: "scripted/demo",
    settings: { edits: "allow", permissions: [{ permission: "allow" }] },
  };
  const { id } = await ask(desk.daemon, "POST", "/sessions", body, 201);
  return { ...desk, session: id };
}

/** Turn 1 writes files, 2 has another model, 3 fails. */
export async function threeTurns(desk) {
  const writes = [
    call("write_file", { path: "new", content: "1\n2\n3\n" }),
    "step:",
    call("read_file", { path: "none" }),
    "step:",
    say("the first answer has a needle"),
    usage("fresh=600 cache_read=1400 output=5 reasoning=2"),
  ];
  const first = await turn(desk, script(...writes));
  const second = await turn(desk, script(say("the second answer"), usage("fresh=2000 output=9")),
    { model: "scripted/other" });
  const third = await turn(desk, "fail: 400");
  assert.deepEqual([first, second, third].map(({ state }) => state),
    ["succeeded", "succeeded", "failed"]);
}

/** A job that runs, one that failed, and a subagent that has ended and was heard of. */
export async function background(desk) {
  const starts = [
    call("run_job", { command: "sleep", args: ["600"], description: "make soak" }),
    "step:",
    call("run_job", { command: "sh", args: ["-c", "echo broken; exit 3"], description: "nightly" }),
    "step:",
    call("spawn_subagent", { input: say("from below") }),
    "step:",
    say("they run"),
  ];
  await turn(desk, script(...starts));
  await until(desk, `/sessions/${desk.session}/background`, ({ items }) =>
    items.filter(({ delivery }) => delivery === "delivered").length === 2);
}
