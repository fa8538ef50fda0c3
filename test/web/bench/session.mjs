// session.mjs: a session of 10,000 messages.
import { hasPlace, forget, median, memory, MB, pageOf, probed, shownAfter } from "./measure.mjs";

const CODE = "```js\\n" + "const a = [1, 2, 3].map((x) => x * 2);\\n".repeat(8) + "```";

/** Every third answer is code, one is long; the last says where the end is. */
async function longSession({ daemon }, count, longest) {
  const post = async (path, body) => {
    const answer = await daemon.request("POST", `/api/v1${path}`, { local: true, body });
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.json;
  };
  const { id } = await post("/sessions", { model: "scripted/demo", title: "10,000 messages" });
  const turns = count / 2;
  for (let n = 1; n <= turns; n++) {
    const words = n === turns ? "this is the end"
      : n === Math.floor(turns / 2) ? `in the middle ${"word ".repeat(longest / 5)}`
        : n % 3 === 0 ? CODE : `answer ${n} is a line of text`;
    await post(`/sessions/${id}/messages?wait=60`, { text: `say: ${words}` });
  }
  const { items } = (await daemon.request("GET",
    `/api/v1/sessions/${id}/messages?q=in%20the%20middle&role=assistant`, { local: true })).json;
  return { id, middle: items[0]?.id };
}

export async function session({ browser, desk, times, messages, row, skip }) {
  const page = await pageOf(browser, { url: desk.daemon.url, key: desk.key });
  if (!await hasPlace(page, "Sessions")) {
    skip(`${messages} messages`, "there is no view of a session yet");
    return;
  }
  const { id, middle } = await longSession(desk, messages, 200_000);
  const tails = [], middles = [];
  for (let n = 0; n < times; n++) {
    tails.push(await shownAfter(page, `/s/${id}`, "this is the end"));
    await page.goto("about:blank");
    if (middle !== undefined) {
      middles.push(await shownAfter(page, `/s/${id}#${middle}`, "in the middle"));
      await page.goto("about:blank");
    }
  }
  row(`${messages} messages: the newest is there`, `${median(tails).toFixed(0)} ms`, "",
    "≤ 400 ms (1 s)", median(tails) <= 400);
  if (middles.length > 0) {
    row("the same: a message in the middle, by its address", `${median(middles).toFixed(0)} ms`,
      "", "≤ 600 ms", median(middles) <= 600);
  }
  await shownAfter(page, `/s/${id}`, "this is the end");
  await forget(page);
  const { width, height } = page.viewportSize();
  await page.mouse.move(width / 2, height / 2);
  for (let n = 0; n < 200; n++) await page.mouse.wheel(0, -2000);
  const elements = await page.evaluate(() => document.querySelectorAll("*").length);
  const { tasks } = await probed(page), longest = Math.max(0, ...tasks);
  row("the same: elements after scrolling back", String(elements), "", "≤ 2,500",
    elements <= 2500);
  row("the same: longest task while scrolling", `${longest.toFixed(0)} ms`, "", "≤ 50 ms (100)",
    longest <= 50);
  const { heap } = await memory(page);
  row("memory: this session", `${(heap / MB).toFixed(1)} MB`, "", "≤ 60 MB", heap <= 60 * MB);
  await page.context().close();
}
