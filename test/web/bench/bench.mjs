// bench.mjs: measures the web pages in Chromium, and prints a table in Markdown. Nothing fails
// when a mark is missed: the table says so.
//
// BENCH_ONLY="bundle first" runs these parts: bundle, first, memory, updates, session,
// terminal, run, trace, board, why.
// BENCH_TIMES=5, of which the median is shown; BENCH_SECONDS=60 of 1,000 events a second;
// BENCH_MESSAGES=10000. BENCH_SPANS=10000. BENCH_TASKS=5000.
import os from "node:os";
import process from "node:process";

import { Daemon, scratch } from "../../integration/lib.mjs";
import { browserOf } from "../browser.mjs";
import { board } from "./board.mjs";
import { bundle, firstView, homeMemory } from "./first.mjs";
import { releases } from "./measure.mjs";
import { run } from "./run.mjs";
import { session } from "./session.mjs";
import { terminal } from "./terminal.mjs";
import { trace } from "./trace.mjs";
import { updates } from "./updates.mjs";
import { why } from "./why.mjs";

const PARTS = { bundle, first: firstView, memory: homeMemory, updates, session,
  terminal, run, trace, board, why };
const { BENCH_ONLY = Object.keys(PARTS).join(" "), BENCH_TIMES = 5, BENCH_SECONDS = 60,
  BENCH_MESSAGES = 10_000, BENCH_SPANS = 10_000, BENCH_TASKS = 5_000 } = process.env;

const t = releases();
const line = (...cells) => process.stdout.write(`| ${cells.join(" | ")} |\n`);

async function main() {
  const browser = await browserOf(t);
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  await daemon.cli(["job", "run", "--label", "nightly", "--", "sh", "-c", "exit 3"]);
  const desk = { daemon, key: stdout.trim().split("\n")[0] };
  const skipped = [];
  const given = {
    t, browser, desk, times: Number(BENCH_TIMES), seconds: Number(BENCH_SECONDS),
    messages: Number(BENCH_MESSAGES), spans: Number(BENCH_SPANS), tasks: Number(BENCH_TASKS),
    row: (what, measured, baseline, mark, holds) =>
      line(what, measured, baseline, mark, mark === "" ? "" : holds ? "yes" : "no"),
    skip: (what, why) => skipped.push(`${what} was not measured: ${why}.`),
  };
  line("what", "measured", "idle baseline", "mark", "pass");
  line("---", "---:", "---:", "---:", "---");
  for (const name of BENCH_ONLY.split(" ")) {
    if (PARTS[name] === undefined) throw new Error(`bench: there is no part ${name}`);
    await PARTS[name](given);
  }
  for (const text of skipped) process.stdout.write(`\n${text}\n`);
  process.stdout.write(`\n${os.cpus().length} processors, load ${os.loadavg()[0].toFixed(1)} at ` +
    `the end; ${browser.version()} of Chromium, Node ${process.version}.\n`);
}

try {
  await main();
} finally {
  await t.end();
}
