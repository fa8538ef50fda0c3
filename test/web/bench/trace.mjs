// trace.mjs: the trace of a session with ten thousand steps.
import { Daemon, scratch } from "../../integration/lib.mjs";
import { manySpans } from "../spans.mjs";
import { median, memory, MB, p95, pageOf, shownAfter } from "./measure.mjs";

const NOTCHES = 200;

/** Runs in the page: turns the wheel with Ctrl once for each picture, in and out again. */
function zoomed(notches) {
  return new Promise((resolve) => {
    const row = document.querySelector(".trace-track"), deltas = [];
    const { left, width, top } = row.getBoundingClientRect();
    let before = 0, turned = 0;
    requestAnimationFrame(function picture(now) {
      if (before !== 0) deltas.push(now - before);
      before = now;
      if (turned === notches) return resolve(deltas);
      row.dispatchEvent(new WheelEvent("wheel", { bubbles: true, cancelable: true, ctrlKey: true,
        deltaY: turned++ % 100 < 50 ? -100 : 100, clientX: left + width / 3, clientY: top + 4 }));
      return requestAnimationFrame(picture);
    });
  });
}

/** The same without a wheel: what pictures of this machine cost alone. */
function still(count) {
  return new Promise((resolve) => {
    const deltas = [];
    let before = 0;
    requestAnimationFrame(function picture(now) {
      if (before !== 0) deltas.push(now - before);
      before = now;
      if (deltas.length === count) resolve(deltas);
      else requestAnimationFrame(picture);
    });
  });
}

async function deskOf(t) {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  return { daemon, key: stdout.trim().split("\n")[0] };
}

export async function trace({ t, browser, times, spans, row }) {
  const desk = await deskOf(t);
  const ask = async (method, path, body) => {
    const answer = await desk.daemon.request(method, `/api/v1${path}`, { local: true, body });
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.json;
  };
  const id = await manySpans(desk, ask, spans);
  const page = await pageOf(browser, { url: desk.daemon.url, key: desk.key });
  const firsts = [], alls = [];
  for (let n = 0; n < times; n++) {
    firsts.push(await shownAfter(page, `/s/${id}/trace`, "read_file"));
    await page.goto("about:blank");
    alls.push(await shownAfter(page, `/s/${id}/trace`, `${(spans / 1000).toFixed(0)}K spans`));
    if (n < times - 1) await page.goto("about:blank");
  }
  row(`${spans} steps: the first are drawn`, `${median(firsts).toFixed(0)} ms`, "",
    "≤ 500 ms", median(firsts) <= 500);
  row("the same: all of them are read", `${median(alls).toFixed(0)} ms`, "", "", true);
  const baseline = p95(await page.evaluate(still, NOTCHES));
  await page.locator(".windowed").focus();
  await page.keyboard.press("E");
  const deltas = await page.evaluate(zoomed, NOTCHES);
  row("the same, all open: from picture to picture while zooming, p95",
    `${p95(deltas).toFixed(1)} ms`, `${baseline.toFixed(1)} ms`, "≤ 17 ms (33)",
    p95(deltas) <= 17);
  const mounted = await page.locator(".windowed [role=treeitem]").count();
  row("the same: rows that are mounted", String(mounted), "", "≤ 60", mounted <= 60);
  const { heap } = await memory(page);
  row("memory: all of these steps read", `${(heap / MB).toFixed(1)} MB`, "", "", true);
  await page.context().close();
}
