// terminal.mjs: a terminal that writes 10 MB at once.
import { hasPlace, forget, pageOf, probed } from "./measure.mjs";

const BURST = "head -c 7500000 /dev/urandom | base64; echo the-burst-is-over; cat";

export async function terminal({ browser, desk, row, skip }) {
  const { daemon, key } = desk;
  const page = await pageOf(browser, { url: daemon.url, key });
  if (!await hasPlace(page, "Jobs")) {
    skip("terminal: 10 MB", "there is no view of a job yet");
    return;
  }
  const job = await daemon.request("POST", "/api/v1/jobs", { local: true,
    body: { argv: ["sh", "-c", `read go; ${BURST}`], pty: true } });
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
  row("the same: longest task", `${longest.toFixed(0)} ms`, "", "≤ 100 ms", longest <= 100);
  await daemon.request("POST", `/api/v1/runs/${job.json.id}/stop`, { local: true, body: {} });
  await page.context().close();
}
