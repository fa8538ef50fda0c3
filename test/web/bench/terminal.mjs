// terminal.mjs: a terminal that writes 10 MB at once, its echo of keys, and the way back to it.
import { hasPlace, forget, keysIn, median, p95, pageOf, probed, taskText } from "./measure.mjs";

const BURST = "head -c 7500000 /dev/urandom | base64; echo the-burst-is-over; cat";
const KEYS = 60;

/** Runs in the page: milliseconds from each key to the picture that has what came back. */
function echoes() {
  const times = [];
  let pressed = null, before = "";
  const text = () => document.querySelector(".xterm-rows").textContent;
  addEventListener("keydown", () => {
    before = text();
    pressed = performance.now();
    requestAnimationFrame(function look() {
      if (text() === before) return void requestAnimationFrame(look);
      times.push(performance.now() - pressed);
    });
  }, true);
  window.__echoes = times;
}

export async function terminal({ browser, desk, row, times, skip }) {
  const { daemon, key } = desk;
  const page = await pageOf(browser, { url: daemon.url, key });
  if (!await hasPlace(page, "Jobs")) {
    skip("terminal: 10 MB", "there is no view of a job yet");
    return;
  }
  const job = await daemon.request("POST", "/api/v1/jobs", { local: true,
    body: { argv: ["sh", "-c", `read go; ${BURST}`], pty: true, label: "burst" } });
  await page.goto(`${daemon.url}/j/${job.json.id}`);
  const rows = page.locator(".xterm-rows");
  await rows.waitFor({ state: "attached" });
  await forget(page);
  const began = performance.now();
  await page.locator(".xterm").click();
  await page.keyboard.type("go\n");
  await rows.getByText("the-burst-is-over").waitFor();
  const took = performance.now() - began;
  const { tasks } = await probed(page), longest = Math.max(0, ...tasks);
  row("terminal: 10 MB at once, until the end is shown", `${took.toFixed(0)} ms`, "", "", true);
  row("the same: longest task", taskText(longest), "", "≤ 100 ms", longest <= 100);

  await page.evaluate(echoes);
  await keysIn(page, KEYS);
  await page.waitForFunction((count) => window.__echoes.length >= count, KEYS);
  const back = p95(await page.evaluate(() => window.__echoes));
  row("terminal: from a key to the picture with its echo, p95", `${back.toFixed(0)} ms`, "",
    "≤ 50 ms", back <= 50);

  const returns = [];
  for (let n = 0; n < times; n++) {
    await page.locator("main").getByRole("link", { name: "Jobs", exact: true }).click();
    await page.getByRole("link", { name: "burst" }).waitFor();
    await page.getByRole("link", { name: "burst" }).hover();
    returns.push(await page.evaluate(() => new Promise((resolve) => {
      const from = performance.now();
      history.back();
      requestAnimationFrame(function look() {
        const text = document.querySelector(".xterm-rows")?.textContent ?? "";
        if (text.includes("the-burst-is-over")) resolve(performance.now() - from);
        else requestAnimationFrame(look);
      });
    })));
  }
  const gone = median(returns);
  row("terminal: back to it, with its screen", `${gone.toFixed(0)} ms`, "", "≤ 300 ms",
    gone <= 300);
  await daemon.request("POST", `/api/v1/runs/${job.json.id}/stop`, { local: true, body: {} });
  await page.context().close();
}
