// run.mjs: a run of 1,000 agents: until it is drawn, zoomed, and taken back to its past.
import { idleServer, median, p95, pageOf, shownAfter } from "./measure.mjs";

const AGENTS = 1000, FRAMES = 180;
const SCRIPT = `export const meta = { name: 'thousand', description: 'many agents',
  phases: [{ title: 'Find' }, { title: 'Fix' }, { title: 'Check' }] };
const all = Array.from({ length: ${AGENTS} }, (_, n) => n);
await parallel(all.map((n) => () => agent(n % 97 === 5 ? 'fail: 400' : 'say: ' + n,
  { label: 'agent ' + n, phase: ['Find', 'Fix', 'Check'][n % 3] })));
return 'done';`;

/** Runs in the page: milliseconds between pictures, while `move` says what changes in each. */
function pictures([count, move]) {
  const act = new Function("n", "count", `return (${move})(n, count)`);
  return new Promise((resolve) => {
    const times = [];
    let last = null, n = 0;
    requestAnimationFrame(function look(now) {
      if (last !== null) times.push(now - last);
      last = now;
      if (n === count) return void resolve(times);
      act(n++, count);
      requestAnimationFrame(look);
    });
  });
}

const nothing = () => {};
/** In for half of the time, then out again, around a place that moves. */
function zoom(n, count) {
  const track = document.querySelector(".axis .track").getBoundingClientRect();
  track.x += track.width * (0.2 + (0.6 * n) / count);
  document.querySelector(".run-list .windowed").dispatchEvent(new WheelEvent("wheel", {
    bubbles: true, cancelable: true, ctrlKey: true, clientX: track.x, clientY: track.y + 100,
    deltaY: n < count / 2 ? -30 : 30,
  }));
}
function scrub(n, count) {
  const slider = document.querySelector(".scrub-box input");
  slider.value = String(Math.round(Number(slider.max) * (0.5 + 0.45 * Math.sin((9 * n) / count))));
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Such a run, once it has ended. */
export async function thousand({ daemon }) {
  const body = { script: SCRIPT, model: "scripted/demo", concurrency: 64, label: "thousand" };
  const { json } = await daemon.request("POST", "/api/v1/workflows", { local: true, body });
  for (let ended = null; ended === null;) {
    const wait = `/api/v1/streams/run:${json.runId}/events?limit=1&after=-1&wait=5`;
    await daemon.request("GET", wait, { local: true });
    const row = await daemon.request("GET", `/api/v1/runs/${json.runId}`, { local: true });
    ended = row.json.ended_ms;
  }
  return json.runId;
}

export async function run({ t, browser, desk, times, row }) {
  const { daemon, key } = desk, id = await thousand(desk);
  const idle = await pageOf(browser, { url: await idleServer(t), key });
  const idles = [];
  for (let n = 0; n < times; n++) idles.push(await shownAfter(idle, "/", "idle baseline"));
  const still = await idle.evaluate(pictures, [FRAMES, String(nothing)]);
  await idle.context().close();

  const page = await pageOf(browser, { url: daemon.url, key });
  const drawn = [];
  for (let n = 0; n < times; n++) {
    drawn.push(await shownAfter(page, `/r/${id}`, `${AGENTS.toLocaleString("en")} of`));
    await page.goto("about:blank");
  }
  row(`${AGENTS} agents: a run is drawn`, `${median(drawn).toFixed(0)} ms`,
    `${median(idles).toFixed(0)} ms`, "≤ 500 ms", median(drawn) <= 500);
  await shownAfter(page, `/r/${id}`, `${AGENTS.toLocaleString("en")} of`);
  const frames = async (what, move) => {
    const taken = p95(await page.evaluate(pictures, [FRAMES, String(move)]));
    row(`the same: between two pictures while it is ${what}, p95`, `${taken.toFixed(1)} ms`,
      `${p95(still).toFixed(1)} ms`, "≤ 17 ms (33)", taken <= 17);
  };
  const axisOf = () => page.locator(".axis .track").innerText();
  const before = await axisOf();
  await page.evaluate(([move]) => new Function("n", "count", `(${move})(n, count)`)(0, 2),
    [String(zoom)]);
  await page.waitForFunction((text) =>
    document.querySelector(".axis .track").innerText !== text, before);
  await page.keyboard.press("z");
  await frames("zoomed", zoom);
  await frames("taken back to its past", scrub);
  const rows = await page.locator(".run-row").count();
  row("the same: rows that are mounted", String(rows), "", "≤ 60", rows <= 60);
  await page.context().close();
}
