// board.test.mjs: drover board on terminals of 60 and 120 columns: it follows what others change,
// and its keys move tasks.
//
// runs-with: screens
import { test } from "node:test";

import { bin, Daemon, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { golden, Tmux } from "./tmux.mjs";

const LIMIT = { timeout: scaled(60_000) };
const TASKS = [["Fix the flaky test of the parser that fails"], ["Write notes", "-p", "8"],
  ["日本語 docs", "--for", "writer"], ["Ask the server 😀"]];

for (const columns of [60, 120]) {
  test(`a board at ${columns} columns: news, a rejection, a cancellation`, LIMIT, async (t) => {
    const daemon = await new Daemon({ data: scratch(t), args: ["--insecure-loopback"] }).start();
    t.after(() => daemon.kill());
    const task = (...words) => daemon.cli(["task", ...words], { input: "text" });
    for (const words of TASKS) await task("add", ...words);
    for (const name of ["T-1", "T-4"]) {
      await task("claim", name);
      await task("status", name, "working");
    }
    await task("output", "T-1", "--type", "code", "--title", "A");
    await task("status", "T-1", "review");
    await task("status", "T-4", "blocked", "--question", "Which?");
    const env = { DROVER_DATA: daemon.data };
    const screen = new Tmux(t, `'${bin}' board`, { columns, cwd: daemon.data, env });
    await screen.when((all) => all.includes("> T-2"));
    await task("add", "A late one", "-p", "9");
    golden(`board-${columns}`, await screen.when((all) => all.includes("A late one")));
    screen.keys("Right");
    await screen.when((all) => all.includes("> T-1"));
    screen.keys("r");
    await screen.when((all) => all.includes("better?"));
    screen.type("no test 日本");
    golden(`board-${columns}-reason`, await screen.when((all) => all.includes("no test 日本")));
    screen.keys("Enter");
    await screen.when((all) => all.includes("T-1: pending") && !/REVIEW [1-9]/.test(all));
    screen.type("a");
    golden(`board-${columns}-refused`, await screen.when((all) => all.includes("rejected this")));
    screen.type("x");
    await screen.when((all) => all.includes("cancel T-1? y/N"));
    screen.type("y");
    await screen.when((all) => all.includes("FAILED 1"));
    screen.resize(180 - columns);
    const wide = (all) => all.includes("PENDING 3  ") === (columns < 100);
    golden(`board-${columns}-resized`, await screen.when((all) => wide(all) && /> T-1/.test(all)));
    screen.keys("Enter");
    await screen.when((all) => all.includes("Any key goes back"));
    screen.keys("Escape");
    await screen.when((all) => all.includes("> T-1"));
    screen.type("q");
  });
}
