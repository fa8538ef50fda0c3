// measure.mjs: what the measurements of the pages share: a browser, probes inside a page, figures.
import { once } from "node:events";
import http from "node:http";

export const MB = 1024 * 1024;

export const sorted = (values) => [...values].sort((a, b) => a - b);
export const median = (values) => sorted(values)[Math.floor(values.length / 2)];
export const p95 = (values) => sorted(values)[Math.floor((values.length - 1) * 0.95)] ?? 0;

/** Browsers tell of tasks of 50 ms and more, and of keys that took 16 ms and more. */
export const taskText = (ms) => (ms === 0 ? "< 50 ms" : `${ms.toFixed(0)} ms`);
export const keyText = (ms) => (ms === 0 ? "< 16 ms" : `${ms.toFixed(0)} ms`);

/** What has to be released in the end; stands for the `t` of a test. */
export function releases() {
  const list = [];
  const after = (release) => void list.push(release);
  const end = async () => {
    for (const release of list.reverse()) await release();
  };
  return { after, end };
}

/** Runs in the page: long tasks, and the time from a key to the picture that shows it. */
function probe() {
  const found = { tasks: [], keys: [], pictures: 0 };
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) =>
    found.tasks.push(duration))).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach(({ name, duration }) =>
    name === "keydown" && found.keys.push(duration)))
    .observe({ type: "event", durationThreshold: 16, buffered: true });
  let isChanged = false;
  addEventListener("DOMContentLoaded", () => {
    new MutationObserver(() => (isChanged = true)).observe(document.body, {
      childList: true, subtree: true, characterData: true, attributes: true });
    requestAnimationFrame(function picture() {
      found.pictures += Number(isChanged);
      isChanged = false;
      requestAnimationFrame(picture);
    });
  });
  Object.assign(window, { __bench: found });
}

/** A page of the daemon, signed in, with the probes. */
export async function pageOf(browser, { url, key }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(120_000);
  await context.addInitScript(probe);
  await context.addInitScript((value) => localStorage.setItem("drover.key", value), key ?? "");
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  return Object.assign(page, { cdp, url_: url });
}

export const probed = (page) => page.evaluate(() => window.__bench);
export const forget = (page) => page.evaluate(() =>
  Object.assign(window.__bench, { tasks: [], keys: [], pictures: 0 }));

/** Milliseconds from the request of a page until one of its pictures has `text`. */
export async function shownAfter(page, target, text) {
  await page.goto(page.url_ + target, { waitUntil: "commit" });
  return page.evaluate((wanted) => new Promise((resolve) => {
    requestAnimationFrame(function look() {
      const main = document.querySelector("main") ?? document.body;
      if (main?.textContent.includes(wanted)) resolve(performance.now());
      else requestAnimationFrame(look);
    });
  }), text);
}

/** Bytes of the heap, elements and listeners, once the garbage is gone. */
export async function memory(page) {
  await page.cdp.send("HeapProfiler.collectGarbage");
  await page.cdp.send("Performance.enable");
  const { metrics } = await page.cdp.send("Performance.getMetrics");
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  return { heap: of("JSHeapUsedSize"), nodes: of("Nodes"), listeners: of("JSEventListeners") };
}

/** A page with a line of text and a field: what this machine and this browser cost alone. */
export async function idleServer(t) {
  const server = http.createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html" });
    answer.end("<!doctype html><main>idle baseline<input></main>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Whether the pages have a place of this name. */
export async function hasPlace(page, name) {
  await shownAfter(page, "/", "nightly");
  return (await page.getByRole("navigation", { name: "Places" })
    .getByRole("link", { name, exact: true }).count()) > 0;
}

/** Presses keys into what has the focus, one each 30 ms. */
export async function keysIn(page, count) {
  for (let n = 0; n < count; n++) {
    await page.keyboard.press("abcdefghij"[n % 10]);
    await page.waitForTimeout(30);
  }
}
