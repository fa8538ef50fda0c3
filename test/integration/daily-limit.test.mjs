// daily-limit.test.mjs: the limit of spending per day that a terminal is asked for, once.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";

import { bin, plainEnv } from "./lib.mjs";
import { add, api, Provider, start } from "./providers.mjs";
import { scaled } from "./scale.mjs";

const QUESTION = /Spending limit per day for paid models\? \[\$10 \/ a number \/ none\] /;
const budgets = "/api/v1/budgets";

/** A daemon with a priced model and one without a price. */
async function setting(t) {
  const provider = await new Provider().start(t);
  const daemon = await start(t, { args: ["--insecure-loopback"] });
  await add(daemon, { name: "shop", kind: "openai", base_url: provider.url, key: "k" });
  return daemon;
}

/** Types a command at a terminal, and answers the question each time that it is asked. The screen:
 *  all that the command printed. */
function atTerminal(daemon, words, { answers = [], env = {} } = {}) {
  const quoted = [bin, ...words].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", quoted, "/dev/null"], {
    env: { ...plainEnv, DROVER_DATA: daemon.data, TERM: "xterm", CI: "", ...env },
    stdio: ["pipe", "pipe", "inherit"],
    timeout: scaled(20_000),
  });
  let screen = "", asked = 0;
  child.stdout.on("data", (piece) => {
    screen += piece;
    const questions = screen.split(QUESTION).length - 1;
    for (; asked < questions; asked++) {
      const answer = answers[asked] ?? "\x03";
      if (typeof answer === "string") child.stdin.write(`${answer}\n`);
      else answer().then((late) => child.stdin.write(`${late}\n`));
    }
  });
  return new Promise((resolve) => child.on("close", (code) => {
    child.stdin.end();
    resolve({ code, screen, asked });
  }));
}

const ask = (model) => ["ask", "--model", model, "hello"];
const PAID = "shop/gpt-5-mini-x";

test("the limit is asked for once, and is a budget", async (t) => {
  const daemon = await setting(t);
  const first = await atTerminal(daemon, ask(PAID), { answers: ["2,50", " $2.50"] });
  assert.deepEqual([first.code, first.asked], [0, 2], first.screen);
  assert.match(first.screen, /Please type an amount of dollars like 2\.50, or none\./);
  assert.match(first.screen, /Limit: \$2\.5000 a day\. 'drover budget set global --cost /);
  const budget = (await api(daemon, "GET", `${budgets}/global`)).json;
  assert.deepEqual([budget.per, budget.limits.cost_micros], ["day", 2500000]);
  const second = await atTerminal(daemon, ask(PAID));
  assert.deepEqual([second.code, second.asked], [0, 0], second.screen);
});

test("Enter is the usual limit, none is remembered, and Ctrl-C ends the command", async (t) => {
  const daemon = await setting(t);
  const commands = [ask(PAID), ["chat", "--model", PAID],
    ["run", "--model", PAID, "deep-research", "Why?"]];
  for (const words of commands) {
    const cut = await atTerminal(daemon, words);
    assert.deepEqual([cut.code, cut.asked], [130, 1], cut.screen);
  }
  assert.deepEqual((await api(daemon, "GET", "/api/v1/runs")).json.items, []);
  assert.equal((await api(daemon, "GET", `${budgets}/global`)).status, 404);
  assert.equal((await atTerminal(daemon, ask(PAID), { answers: [""] })).asked, 1);
  const usual = (await api(daemon, "GET", `${budgets}/global`)).json;
  assert.deepEqual([usual.per, usual.limits.cost_micros], ["day", 10000000]);
  assert.equal((await api(daemon, "DELETE", `${budgets}/global`)).status, 200);
  const none = await atTerminal(daemon, ask(PAID), { answers: ["none"] });
  assert.match(none.screen, /No limit\. 'drover budget set global --cost DOLLARS' sets one\./);
  assert.equal((await api(daemon, "GET", `${budgets}/global`)).json.limits.cost_micros, null);
  assert.equal((await atTerminal(daemon, ask(PAID))).asked, 0);
});

test("where two terminals ask at once, the first answer stays", async (t) => {
  const daemon = await setting(t);
  let other;
  const slow = async () => {
    other = await atTerminal(daemon, ask(PAID), { answers: ["3"] });
    return "";
  };
  const first = await atTerminal(daemon, ask(PAID), { answers: [slow] });
  assert.deepEqual([first.code, other.code], [0, 0], first.screen + other.screen);
  assert.match(first.screen, /A limit was set meanwhile, and stays: 'drover budget ls' shows it\./);
  assert.equal((await api(daemon, "GET", `${budgets}/global`)).json.limits.cost_micros, 3000000);
});

test("nobody is asked in a pipe, in CI, in a run, and about models without a price", async (t) => {
  const daemon = await setting(t);
  for (const env of [{ CI: "true" }, { DROVER_RUN: "run_x" }]) {
    assert.equal((await atTerminal(daemon, ask(PAID), { env })).asked, 0);
  }
  for (const model of ["shop/small", "scripted/test"]) {
    assert.equal((await atTerminal(daemon, ask(model))).asked, 0, model);
  }
  assert.equal((await atTerminal(daemon, [...ask(PAID), "--json"])).asked, 0);
  const piped = await daemon.cli(ask(PAID));
  assert.equal(piped.code, 0, piped.stderr);
  assert.doesNotMatch(piped.stderr, QUESTION);
  assert.equal((await api(daemon, "GET", `${budgets}/global`)).status, 404);
});

test("the model of a session and the one of an alias are those that are judged", async (t) => {
  const daemon = await setting(t);
  const model_aliases = { sonnet: PAID, haiku: "shop/small" };
  assert.equal((await api(daemon, "PATCH", "/api/v1/settings", { model_aliases })).status, 200);
  const made = async (model) => (await api(daemon, "POST", "/api/v1/sessions", { model })).json.id;
  const paid = await made(PAID), free = await made("shop/small");
  const env = { DROVER_MODEL: PAID };
  const asked = async (...words) => (await atTerminal(daemon, words, { env })).asked;
  assert.equal(await asked("ask", "--session", paid, "hello"), 1);
  assert.equal(await asked("chat", "--session", paid), 1);
  assert.equal(await asked("ask", "--session", free, "--model", "sonnet", "hello"), 1);
  assert.equal(await asked("ask", "--session", free, "hello"), 0);
  assert.equal(await asked("ask", "--model", "haiku", "hello"), 0);
});
