// board.mjs: a board of five thousand tasks.
import { Daemon, scratch } from "../../integration/lib.mjs";
import { manyTasks } from "../tasks.mjs";
import {
  forget, median, memory, MB, p95, pageOf, probed, shownAfter, taskText,
} from "./measure.mjs";

const NOTCHES = 120;

/** Runs in the page: scrolls a column through, once for each picture. */
function scrolled(notches) {
  return new Promise((resolve) => {
    const list = document.querySelector('[data-col="done"] .windowed'), deltas = [];
    const step = (list.scrollHeight - list.clientHeight) / notches;
    let before = 0, most = 0;
    requestAnimationFrame(function picture(now) {
      if (before !== 0) deltas.push(now - before);
      before = now;
      most = Math.max(most, document.querySelectorAll(".board-card").length);
      if (deltas.length === notches) return resolve({ deltas, most });
      list.scrollTop += step;
      return requestAnimationFrame(picture);
    });
  });
}

export async function board({ t, browser, times, tasks, row }) {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  const desk = { daemon, key: stdout.trim().split("\n")[0] };
  const ask = async (method, path, body) => {
    const answer = await daemon.request(method, `/api/v1${path}`, { local: true, body });
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.json;
  };
  await manyTasks(desk, ask, tasks);
  const page = await pageOf(browser, { url: daemon.url, key: desk.key });
  const firsts = [], alls = [];
  for (let n = 0; n < times; n++) {
    firsts.push(await shownAfter(page, "/board/engine", "Task of many"));
    await page.goto("about:blank");
    alls.push(await shownAfter(page, "/board/engine", `${tasks.toLocaleString("en")} tasks`));
    if (n < times - 1) await page.goto("about:blank");
  }
  row(`${tasks} tasks: the first are drawn`, `${median(firsts).toFixed(0)} ms`, "", "≤ 500 ms",
    median(firsts) <= 500);
  row("the same: all of them are read", `${median(alls).toFixed(0)} ms`, "", "", true);
  await forget(page);
  const { deltas, most } = await page.evaluate(scrolled, NOTCHES);
  row("the same: from picture to picture while a column is scrolled, p95",
    `${p95(deltas).toFixed(1)} ms`, "", "≤ 17 ms (33)", p95(deltas) <= 17);
  row("the same: cards that are mounted at most", String(most), "", "≤ 60", most <= 60);
  const { tasks: long } = await probed(page);
  row("the same: longest task", taskText(Math.max(0, ...long)), "", "≤ 100 ms",
    Math.max(0, ...long) <= 100);
  const { heap } = await memory(page);
  row("memory: all of these tasks read", `${(heap / MB).toFixed(1)} MB`, "", "", true);
  await page.context().close();
}
