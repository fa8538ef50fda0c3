// session.mjs: a session of 10,000 messages; one whose answers are the worst cases of the parsers.
import { writeFileSync } from "node:fs";

import { Daemon, scratch } from "../../integration/lib.mjs";
import { HOSTILE } from "../hostile.mjs";
import { hasPlace, forget, keysIn, keyText, median, memory, MB, p95, pageOf, probed, shownAfter,
  taskText } from "./measure.mjs";

const CODE = "```js\\n" + "const a = [1, 2, 3].map((x) => x * 2);\\n".repeat(8) + "```";
const PREPENDS = 20;
const WORST_LENGTH = 400_000;
/** A message takes at most 512 kB, so long answers stand in a file of at most 4 MB. */
const LONG = { middle: `in the middle ${"word ".repeat(210_000)}` };
for (const [name, text] of Object.entries(HOSTILE)) LONG[name] = text.slice(0, WORST_LENGTH);

function scriptOf(file) {
  const turns = Object.entries(LONG).map(([name, text]) => ({ when: `play ${name}`,
    steps: [[`say: ${text.replace(/[\\\n\t]/g, (one) =>
      ({ "\\": "\\\\", "\n": "\\n", "\t": "\\t" })[one])}`]] }));
  writeFileSync(file, JSON.stringify({ models: { demo: { turns } } }));
}

/** A daemon whose model says what is long, too. */
export async function deskOf(t) {
  const data = scratch(t), file = `${scratch(t)}/script.json`;
  scriptOf(file);
  const daemon = await new Daemon({ data, env: { DROVER_SCRIPT: file } }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  await daemon.cli(["job", "run", "--label", "nightly", "--", "sh", "-c", "exit 3"]);
  return { daemon, key: stdout.trim().split("\n")[0] };
}

async function post({ daemon }, path, body) {
  const answer = await daemon.request("POST", `/api/v1${path}`, { local: true, body });
  if (answer.status >= 300) throw new Error(answer.text);
  return answer.json;
}

async function newest({ daemon }, id) {
  const { json } = await daemon.request("GET", `/api/v1/sessions/${id}/messages?limit=1`,
    { local: true });
  return json.items[0].id;
}

/** Every third answer is code, one has 1 MB; the last says where the end is. */
export async function longSession(desk, count) {
  const title = `${count} messages`;
  const { id } = await post(desk, "/sessions", { model: "scripted/demo", title });
  const turns = count / 2, half = Math.floor(turns / 2);
  let middle = null;
  for (let n = 1; n <= turns; n++) {
    const text = n === turns ? "say: this is the end" : n === half ? "play middle"
      : n % 3 === 0 ? `say: ${CODE}` : `say: answer ${n} is a line of text`;
    await post(desk, `/sessions/${id}/messages?wait=60`, { text });
    if (n === half) middle = await newest(desk, id);
  }
  return { id, middle };
}

/** Runs in the page: the row in the middle of the view may not move while older rows come. */
function prepended() {
  return new Promise((resolve) => {
    const box = document.querySelector(".long-list"), height = box.scrollHeight;
    box.scrollTop = Math.min(box.scrollTop, 700);
    let row = null, top = 0, moved = 0, frames = 0;
    requestAnimationFrame(function look() {
      if (row === null) {
        const { left, top: above, height: view } = box.getBoundingClientRect();
        row = document.elementFromPoint(left + 200, above + view / 2).closest(".long-row");
        top = row?.getBoundingClientRect().top ?? 0;
      }
      if (row !== null) moved = Math.max(moved, Math.abs(row.getBoundingClientRect().top - top));
      frames += Number(box.scrollHeight > height);
      if (frames < 20) requestAnimationFrame(look);
      else resolve(moved);
    });
  });
}

/** Up to the first message, as a wheel would; the number of pictures that it took. */
function toTop() {
  return new Promise((resolve) => {
    const box = document.querySelector(".long-list");
    let pictures = 0, still = 0;
    requestAnimationFrame(function look() {
      pictures++;
      still = box.scrollTop === 0 ? still + 1 : 0;
      box.scrollTop -= 1500;
      if (still < 60) requestAnimationFrame(look);
      else resolve(pictures);
    });
  });
}

async function scrolled(page, desk, { id }, { messages, row }) {
  await shownAfter(page, `/s/${id}`, "this is the end");
  await page.mouse.move(640, 400);
  await page.mouse.wheel(0, -2000);
  const moves = [];
  for (let n = 0; n < PREPENDS && n < messages / 100 - 2; n++) {
    moves.push(await page.evaluate(prepended));
  }
  const most = Math.max(...moves);
  row(`the same: movement of the line that is read, ${moves.length} times older ones come`,
    `${most.toFixed(1)} px`, "", "0 px", most < 1);
  await forget(page);
  const pictures = await page.evaluate(toTop);
  const { tasks } = await probed(page), longest = Math.max(0, ...tasks);
  row(`the same: longest task while scrolling back to the first (${pictures} pictures)`,
    taskText(longest), "", "≤ 50 ms (100)", longest <= 50);
  const elements = await page.evaluate(() => document.querySelectorAll("*").length);
  row("the same: elements then", String(elements), "", "≤ 2,500", elements <= 2500);
  const { heap } = await memory(page);
  row("memory: all of this session read", `${(heap / MB).toFixed(1)} MB`, "", "≤ 60 MB",
    heap <= 60 * MB);
}

export async function session({ t, browser, times, messages, row, skip }) {
  const desk = await deskOf(t);
  const page = await pageOf(browser, { url: desk.daemon.url, key: desk.key });
  if (!await hasPlace(page, "Sessions")) {
    skip(`${messages} messages`, "there is no view of a session yet");
    return;
  }
  const long = await longSession(desk, messages);
  const tails = [], middles = [];
  for (let n = 0; n < times; n++) {
    tails.push(await shownAfter(page, `/s/${long.id}`, "this is the end"));
    await page.goto("about:blank");
    middles.push(await shownAfter(page, `/s/${long.id}#${long.middle}`, "in the middle"));
    await page.goto("about:blank");
  }
  row(`${messages} messages: the newest is there`, `${median(tails).toFixed(0)} ms`, "",
    "≤ 400 ms (1 s)", median(tails) <= 400);
  row("the same: one of 1 MB in the middle, by its address", `${median(middles).toFixed(0)} ms`,
    "", "≤ 600 ms", median(middles) <= 600);
  await scrolled(page, desk, long, { messages, row });
  await page.context().close();
  await worst(desk, { browser, row });
}

/** Keys are typed while a page reads the worst cases. */
async function worst(desk, { browser, row }) {
  const { id } = await post(desk, "/sessions", { model: "scripted/demo", title: "Worst cases" });
  for (const name of Object.keys(HOSTILE)) {
    await post(desk, `/sessions/${id}/messages?wait=60`, { text: `play ${name}` });
  }
  const page = await pageOf(browser, { url: desk.daemon.url, key: desk.key });
  await page.goto(`${desk.daemon.url}/s/${id}`);
  const field = page.getByRole("textbox", { name: "Message" });
  await field.waitFor();
  await field.focus();
  await forget(page);
  for (let n = 0; n < 10; n++) {
    await keysIn(page, 10);
    await page.mouse.move(640, 400);
    await page.mouse.wheel(0, -3000);
  }
  const found = await probed(page), longest = Math.max(0, ...found.tasks);
  row("the worst cases of the parsers are shown: key to picture, p95",
    keyText(p95(found.keys)), "", "≤ 200 ms", p95(found.keys) <= 200);
  row("the same: longest task", taskText(longest), "", "", true);
  await page.context().close();
}
