// updates.mjs: Home while 1,000 events a second come for its owner.
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { forget, idleServer, keyText, memory, MB, p95, pageOf, probed, shownAfter,
  taskText } from "./measure.mjs";

const LOAD = fileURLToPath(new URL("load.mjs", import.meta.url));
const KEY_MS = 250;
const max = (values) => Math.max(0, ...values);

/** Presses a key every 250 ms, and calls `each` now and then. */
async function pressing(page, seconds, each = async () => {}) {
  const ends = performance.now() + seconds * 1000;
  for (let n = 0; performance.now() < ends; n++) {
    await page.keyboard.press(n % 2 === 0 ? "j" : "k");
    if (n % 4 === 0) await each();
    await pause(KEY_MS);
  }
}

export async function updates({ t, browser, desk, seconds, row }) {
  const { daemon, key } = desk;
  const ids = [];
  for (let n = 0; n < 50; n++) {
    ids.push((await daemon.request("POST", "/api/v1/sessions", { local: true, body: {} })).json.id);
  }
  const idle = await pageOf(browser, { url: await idleServer(t), key });
  await shownAfter(idle, "/", "idle baseline");
  await idle.locator("input").focus();
  await pressing(idle, Math.min(10, seconds));
  const base = await probed(idle);
  await idle.context().close();

  const page = await pageOf(browser, { url: daemon.url, key });
  await shownAfter(page, "/", "nightly");
  const before = await memory(page);
  await forget(page);
  const load = spawn(process.execPath, [LOAD, daemon.socket, "1000", String(seconds), ...ids]);
  let rate = "";
  load.stdout.on("data", (piece) => (rate += piece));
  const ended = once(load, "close");
  const whole = () => page.evaluate(() =>
    window.__drover.report().streams["owner:local"]?.whole ?? 0);
  const head = async () => (await daemon.request("GET", "/api/v1/streams/owner:local", {
    local: true })).json.head;
  const behind = [];
  await pressing(page, seconds, async () => behind.push(Math.max(0, await head() - await whole())));
  const found = await probed(page);
  await ended;
  const last = await head();
  await pause(1000); // The promise: caught up a second later.
  const left = last - await whole();
  const more = (await memory(page)).heap - before.heap;
  const said = `${rate.trim()} events/s for ${seconds} s`;
  const keys = p95(found.keys), pictures = found.pictures / seconds;
  row(`${said}: key to picture, p95`, keyText(keys), keyText(p95(base.keys)),
    "≤ 80 ms (200)", keys <= 80);
  row("the same: longest task", taskText(max(found.tasks)), taskText(max(base.tasks)), "≤ 100 ms",
    max(found.tasks) <= 100);
  row("the same: pictures that differ, per second", pictures.toFixed(1), "", "≤ 60",
    pictures <= 60);
  row("the same: events behind when looked at, p95", String(p95(behind)), "", "≤ 250",
    p95(behind) <= 250);
  row("the same: events behind a second after the end", String(left), "", "0", left === 0);
  row("memory: after these events", `${(more / MB).toFixed(1)} MB more`, "", "≤ 20 MB",
    more <= 20 * MB);
  await page.context().close();
}
