// first.mjs: bytes of the pages, and how soon Home is there.
import { filesOf } from "../files.mjs";
import { idleServer, median, memory, pageOf, shownAfter, MB } from "./measure.mjs";

const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const sumOf = (sizes) => sizes.reduce((sum, size) => sum + size, 0);

export async function bundle({ desk, row }) {
  const { files, first } = await filesOf(desk.daemon);
  const view = sumOf([...first].map((name) => files.get(name)));
  const all = sumOf([...files.values()]);
  row("bundle: first view, gzip", kB(view), "", "≤ 60 kB", view <= 60_000);
  row("bundle: all files, gzip", kB(all), "", "≤ 420 kB", all <= 420_000);
}

const NETS = {
  loopback: null,
  "1.6 Mbit/s, 150 ms, CPU ÷ 4": { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8,
    uploadThroughput: 0.75e6 / 8 },
};

export async function firstView({ t, browser, desk, times, row }) {
  const idle = await idleServer(t);
  for (const [name, net] of Object.entries(NETS)) {
    const figures = { idle: [], home: [] };
    for (let n = 0; n < times; n++) {
      for (const [what, url, text] of [["idle", idle, "idle baseline"],
        ["home", desk.daemon.url, "nightly"]]) {
        const page = await pageOf(browser, { url, key: desk.key });
        if (net !== null) {
          await page.cdp.send("Network.enable");
          await page.cdp.send("Network.emulateNetworkConditions", net);
          await page.cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
        }
        figures[what].push(await shownAfter(page, "/", text));
        await page.context().close();
      }
    }
    const [home, base] = [median(figures.home), median(figures.idle)];
    const most = net === null ? 400 : 2500;
    row(`first view: Home has its rows, ${name}`, `${home.toFixed(0)} ms`,
      `${base.toFixed(0)} ms`, `≤ ${most} ms`, home <= most);
  }
}

export async function homeMemory({ browser, desk, row }) {
  const page = await pageOf(browser, { url: desk.daemon.url, key: desk.key });
  await shownAfter(page, "/", "nightly");
  const { heap, nodes, listeners } = await memory(page);
  row(`memory: Home (${nodes} nodes, ${listeners} listeners)`, `${(heap / MB).toFixed(1)} MB`, "",
    "≤ 25 MB", heap <= 25 * MB);
  for (let n = 0; n < 100; n++) {
    for (const [place, name] of [["/settings/page", "Settings"], ["/", "Home"]]) {
      await page.evaluate((to) => {
        const link = Object.assign(document.createElement("a"), { href: to });
        document.body.append(link);
        link.click();
        link.remove();
      }, place);
      await page.getByRole("heading", { level: 1, name }).waitFor({ state: "attached" });
    }
  }
  const more = (await memory(page)).heap - heap;
  row("memory: after 100 changes of the view", `${(more / MB).toFixed(1)} MB more`, "",
    "≤ 5 MB", more <= 5 * MB);
  await page.context().close();
}
