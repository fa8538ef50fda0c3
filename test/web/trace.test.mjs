// trace.test.mjs: the trace of a session and of a run: by mouse, by keyboard alone, on a phone,
// while it runs, with hostile text, and with 10,000 steps.
//
// runs-with: web
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { ask, turn, until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";
import { manySpans } from "./spans.mjs";

const file = fileOf({ after, afterEach });
const usage = (words) => `usage: ${words}`;
let browser, desk, fix;

async function session(title, root = scratch(file)) {
  const { id } = await ask(desk.daemon, "POST", "/sessions",
    { title, root, model: "scripted/demo", settings: { edits: "allow" } }, 201);
  return { ...desk, session: id };
}

const spansOf = async ({ daemon, session: id }) =>
  (await ask(daemon, "GET", `/sessions/${id}/spans?limit=200`)).items;
const open = (one, rest = "", options = {}) =>
  opened(browser, one, { target: `/s/${one.session}/trace${rest}`, ...options });

/** Turn 2 fails. In turn 3 a file is not there, and a command waits for leave. */
async function fixed() {
  const root = scratch(file);
  writeFileSync(path.join(root, "lead.c"), "int a;\n");
  const one = await session("Fix the build", root);
  await turn(one, script(call("list_files", { path: "." }), "step:", say("so"),
    usage("fresh=600 cache_read=1400 output=5")));
  await turn(one, "fail: 400");
  const shell = "seq 1000; echo the end; exit 2";
  const sent = turn(one, script(call("read_file", { path: "none" }),
    call("run_command", { command: "sh", args: ["-c", shell] }), "step:", say("done")));
  const { items: [question] } = await until(one, `/approvals?session=${one.session}`,
    ({ items }) => items.length > 0);
  await ask(one.daemon, "POST", `/approvals/${question.id}`, { decision: "allow" });
  await sent;
  return one;
}

before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  fix = await fixed();
});

const tree = (page) => page.getByRole("tree", { name: "Trace" });
const lines = (page) => tree(page).getByRole("treeitem");
const line = (page, text) => lines(page).filter({ hasText: text });
const side = (page) => page.getByRole("complementary", { name: "Step" });
/** The bar of a line; that of the third turn. */
const BAR = ".trace-track i", THIRD = `[data-row="turn 3"] ${BAR}`;
const shown = (page) => lines(page).locator("b").allInnerTexts();
const query = (page, name) => new URL(page.url()).searchParams.get(name);
const queryIs = (page, name, value) => page.waitForURL((url) =>
  url.searchParams.get(name) === value);

const WHOLE = ["model demo", "read_file", "turn 3", "model demo", "read_file", "run_command",
  "model demo", "turn 2", "model demo", "turn 1", "model demo", "list_files", "model demo"];

test("failed steps stand first, then the turns; a step says why, when, by whose leave, with what",
  async () => {
    const page = await open(fix);
    await line(page, "turn 1").waitFor();
    assert.deepEqual(await shown(page), WHOLE);
    assert.match(await page.locator("header.trace-top").innerText(),
      /Fix the build[\s\S]*8 spans[\s\S]*✕ 2[\s\S]*tokens[\s\S]*cache[\s\S]*\d+ %/);
    await line(page, "run_command").click();
    const span = (await spansOf(fix)).find(({ name }) => name === "run_command");
    await queryIs(page, "span", span.id);
    await side(page).getByText("allowed by local").waitFor();
    const facts = await side(page).locator("dl").innerText();
    assert.match(facts, /state\s+succeeded[\s\S]*started\s+\d\d:\d\d:\d\d\s+in turn\s+3, step 3/);
    const [input, output] = [side(page).locator("pre").first(), side(page).locator("pre").nth(1)];
    assert.match(await input.innerText(), /"command": "sh"/);
    await side(page).getByText(/last 2,000 of [\d,]+/).waitFor();
    assert.match(await output.innerText(), /999\n1000\nthe end/);
    assert.equal((await output.innerText()).includes("\n500\n"), false);
    await side(page).getByRole("button", { name: "All of output" }).click();
    await output.getByText(/\n500\n/).waitFor();
    await line(page, "none").first().click();
    await side(page).getByText("not found").waitFor();
    await side(page).getByRole("button", { name: "Copy input" }).click();
    await side(page).getByText("Copied").waitFor();
    await side(page).getByRole("link", { name: "To the message" }).click();
    await page.waitForURL((url) => url.pathname === `/s/${fix.session}` &&
      url.hash === `#${span.message}`);
    page.clean();
  });

test("a timer of a script has its name, its kind among the filters, and when it is due",
  async () => {
    const { runId } = await ask(desk.daemon, "POST", "/workflows", { root: scratch(file),
      model: "scripted/demo", script: "export const meta = { name: 'naps', description: 'x', " +
        "timers: true };\nawait sleep(1);\nawait agent('say: a');\nawait sleep(600000);" }, 201);
    const page = await opened(browser, desk, { target: `/r/${runId}/trace` });
    const naps = lines(page).filter({ has: page.getByText("timer sleep", { exact: true }) });
    await naps.nth(1).waitFor();
    const filters = page.getByRole("group", { name: "Filters" });
    await filters.getByRole("button", { name: "timers" }).click();
    await line(page, "model demo").waitFor({ state: "detached" });
    await naps.nth(1).click();
    assert.match(await side(page).locator("dl").innerText(),
      /state\s+running[\s\S]*due\s+(\w+ \d+ )?\d\d:\d\d/);
    assert.equal(await side(page).getByRole("heading", { name: "Input" }).count(), 0);
    await page.goto(`${desk.daemon.url}/r/${runId}`);
    await page.locator(".run-why", { hasText: /waits for its timer, until/ }).waitFor();
    await ask(desk.daemon, "POST", `/runs/${runId}/stop`, {});
    page.clean();
  });

test("filters stand in the address, and Back leads to the place before all of them", async () => {
  const page = await opened(browser, fix, { target: `/s/${fix.session}` });
  await page.getByRole("link", { name: "Trace" }).click();
  await line(page, "turn 1").waitFor();
  const filters = page.getByRole("group", { name: "Filters" });
  await filters.getByRole("button", { name: /errors 2/ }).click();
  await queryIs(page, "errors", "1");
  await line(page, "turn 1").waitFor({ state: "detached" });
  assert.deepEqual(await shown(page), ["turn 3", "read_file", "turn 2", "model demo"]);
  await filters.getByRole("button", { name: "tools" }).click();
  await line(page, "model").waitFor({ state: "detached" });
  assert.deepEqual(await shown(page), ["turn 3", "read_file"]);
  await page.reload();
  await line(page, "turn 3").waitFor();
  assert.deepEqual(await shown(page), ["turn 3", "read_file"]);
  await filters.getByRole("searchbox").fill("nowhere");
  await page.getByText("No step fits these filters.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await line(page, "turn 1").waitFor();
  await filters.getByRole("button", { name: "by tool" }).click();
  await line(page, "× 5").waitFor();
  await filters.getByRole("button", { name: "by tool" }).click();
  await line(page, "turn 2").locator("b").click();
  await side(page).getByRole("button", { name: "Only turn 2" }).click();
  await queryIs(page, "turn", "2");
  await line(page, "turn 3").waitFor({ state: "detached" });
  await line(page, "turn 2").waitFor();
  assert.deepEqual(await shown(page), ["model demo", "turn 2", "model demo"]);
  await page.goBack();
  await page.waitForURL((url) => url.pathname === `/s/${fix.session}`);
  page.clean();
});

test("by keyboard alone: along failed steps, open and close, zoom, copy the link", async () => {
  const page = await opened(browser, fix, { target: `/s/${fix.session}` });
  const press = (key) => page.keyboard.press(key);
  await page.getByRole("link", { name: "Trace" }).waitFor();
  await press("v");
  await line(page, "turn 1").waitFor();
  const spans = await spansOf(fix);
  const [first, second] = spans.filter(({ state }) => state === "failed").map(({ id }) => id);
  await press("n");
  await queryIs(page, "span", first);
  await press("n");
  await queryIs(page, "span", second);
  await press("N");
  await queryIs(page, "span", first);
  await side(page).getByText("HTTP 400").first().waitFor();
  await press("Escape");
  await queryIs(page, "span", null);
  await press("E");
  await line(page, "list_files").waitFor({ state: "detached" });
  assert.deepEqual(await shown(page), ["model demo", "read_file", "turn 3", "turn 2", "turn 1"]);
  assert.equal(await tree(page).evaluate((element) => element === document.activeElement), true);
  for (const key of ["j", "ArrowDown"]) await press(key);
  const active = () => tree(page).evaluate((element) =>
    document.getElementById(element.getAttribute("aria-activedescendant"))?.textContent);
  await page.waitForFunction(() => document.querySelector(".trace-line.sel b") !== null);
  await press("k");
  await press("1");
  await line(page, "list_files").waitFor();
  assert.ok((await active()).length > 0);
  const { width } = await line(page, "turn 3").locator(BAR).boundingBox();
  await press("+");
  await page.waitForFunction(([bar, before]) => document.querySelector(bar)
    .getBoundingClientRect().width > before * 1.4, [THIRD, width]);
  await press("z");
  await page.waitForFunction(([bar, before]) => Math.abs(document.querySelector(bar)
    .getBoundingClientRect().width - before) < 1, [THIRD, width]);
  await press("Enter");
  await side(page).waitFor();
  await press("y");
  await page.getByText(/The link was copied|could not be copied/).waitFor();
  await press("Escape");
  await press("]");
  await queryIs(page, "turn", "1");
  await press("/");
  await page.keyboard.type("list");
  await queryIs(page, "q", "list");
  page.clean();
});

test("a wheel with Ctrl enlarges the time under the pointer", async () => {
  const page = await open(fix);
  const track = line(page, "turn 3").locator(".trace-track");
  await track.waitFor();
  const box = await track.boundingBox();
  const bar = async () => line(page, "turn 3").locator(BAR).evaluate((one) =>
    one.getBoundingClientRect().toJSON());
  const before = await bar();
  await page.mouse.move(box.x + box.width / 4, box.y + 4);
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -200);
  await page.keyboard.up("Control");
  await page.waitForFunction(([one, was]) => document.querySelector(one)
    .getBoundingClientRect().width > was * 1.5, [THIRD, before.width]);
  const { left, width } = await bar(), grown = width / before.width;
  assert.ok(Math.abs(box.x + box.width / 4 - (left + (box.width / 4) * grown)) < 2);
  page.clean();
});

test("a running step grows, ends by itself, and moves nothing that is pointed at", async () => {
  const one = await session("Live");
  await turn(one, "say: first");
  await turn(one, "fail: 400");
  const { run } = await ask(one.daemon, "POST", `/sessions/${one.session}/messages`,
    { text: "delay: 600s\nsay: late" }, 201);
  const page = await open(one);
  const row = page.locator('[data-row="turn 3"]');
  await row.locator(".tone-run").waitFor();
  const { width } = await row.locator(BAR).boundingBox();
  const time = await row.locator(".num").first().innerText();
  await page.waitForFunction(([text, was]) => {
    const line = document.querySelector('[data-row="turn 3"]');
    // Wider, or narrower on an axis that has become longer.
    return line.querySelector(".num").textContent !== text &&
      line.querySelector(".trace-track i").getBoundingClientRect().width !== was;
  }, [time, width]);
  const still = page.locator('[data-row="turn 1"]');
  await still.hover();
  const { y } = await still.boundingBox();
  await ask(one.daemon, "POST", `/runs/${run}/stop`, {});
  await row.locator(".tone-run").waitFor({ state: "detached" });
  await turn(one, "fail: 400");
  await page.locator('[data-row="turn 4"]').waitFor({ state: "attached" });
  assert.deepEqual((await still.boundingBox()).y, y);
  page.clean();
});

const FLOW = `export const meta = { name: 'flock', description: 'counts' };
phase('Count');
await agent('say: seven', { label: 'plain', phase: 'Count', model: 'scripted/demo', tools: [] });
return await agent('fail: bad_request no',
  { label: 'broken', model: 'scripted/demo', tools: [] });`;

test("the trace of a workflow has its agents, and their steps below them", async () => {
  const { runId } = await ask(desk.daemon, "POST", "/workflows",
    { script: FLOW, root: scratch(file) }, 201);
  await until(desk, `/runs/${runId}`, ({ ended_ms }) => ended_ms !== null);
  const page = await opened(browser, desk, { target: `/r/${runId}/trace` });
  await line(page, "broken").first().waitFor();
  const names = await lines(page).locator(".trace-name").allInnerTexts();
  assert.equal(names.length, 6);
  await page.getByRole("heading", { level: 1, name: /flock/ }).waitFor();
  await page.keyboard.press("n");
  await side(page).getByText(/bad_request|HTTP|no/).first().waitFor();
  assert.match(query(page, "span"), /^run_.*\.1\.1$/);
  page.clean();
});

test("what has no steps says why", async () => {
  const one = await session("Empty");
  const page = await open(one);
  await page.getByText("Nothing ran in this session yet: it has no turn.").waitFor();
  await turn(one, "say: now");
  await line(page, "turn 1").waitFor(); // Without a reload.
  page.clean();
  const other = await open(one, "?turn=7");
  await other.getByText("Nothing ran in turn 7.").waitFor();
  other.clean();
});

test("360 px and 200 % in both colours: rows of 44 px, the step as a sheet, nothing for axe",
  async () => {
    const span = (await spansOf(fix)).find(({ name }) => name === "run_command").id;
    const zoom = { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 };
    for (const [colorScheme, size] of [["light", PHONE], ["dark", PHONE], ["dark", zoom]]) {
      const page = await open(fix, "", { colorScheme, ...size });
      await lines(page).first().waitFor();
      assert.equal(await overflow(page), 0);
      assert.equal((await lines(page).first().boundingBox()).height, 44);
      assert.deepEqual(await axe(page), []);
      page.clean();
      const sheet = await open(fix, `?span=${span}`, { colorScheme, ...size });
      await side(sheet).getByText(/last 2,000 of/).waitFor();
      assert.equal(await overflow(sheet), 0);
      assert.equal(await tree(sheet).isVisible(), false);
      assert.deepEqual(await axe(sheet), []);
      await side(sheet).getByRole("button", { name: "Close" }).click();
      await lines(sheet).first().waitFor();
      sheet.clean();
    }
    for (const colorScheme of ["light", "dark"]) {
      const wide = await open(fix, `?span=${span}&idle=collapsed`, { colorScheme });
      await side(wide).getByText(/last 2,000 of/).waitFor();
      assert.deepEqual(await axe(wide), []);
      wide.clean();
    }
  });

test("hostile names, arguments and results are text", async () => {
  const one = await session(HOSTILE.html.split("\n")[0]);
  for (const text of [HOSTILE.html, HOSTILE.turned, HOSTILE.escapes, HOSTILE.links]) {
    await turn(one, script(call("read_file", { path: text }), call("read_file", { path: 1 })));
  }
  const page = await open(one);
  await line(page, "turn 4").first().waitFor();
  for (let n = 0; n < 6; n++) {
    await page.keyboard.press("n");
    await side(page).locator("dl").waitFor();
  }
  assert.equal(await page.locator("main").getByText(/[\u202e\u2066\u001b]/).count(), 0);
  assert.equal(await page.locator("main img, main iframe, main script").count(), 0);
  page.clean();
});

test("10,000 steps: 60 rows at most, the last one is reached, and one by its address", async () => {
  const many = await serving(file);
  const id = await manySpans(many, (method, target, body) =>
    ask(many.daemon, method, target, body, target.includes("messages") || target === "/sessions"
      ? 201 : 200), 10_000);
  const one = { ...many, session: id };
  const page = await open(one);
  await page.getByText("10K spans").waitFor();
  await page.keyboard.press("E");
  const mounted = () => lines(page).count();
  assert.ok(await mounted() <= 60, `${await mounted()}`);
  await tree(page).evaluate((box) => (box.scrollTop = box.scrollHeight));
  await line(page, "src/file-998.c").waitFor();
  assert.ok(await mounted() <= 60);
  page.clean();
  const { items } = await ask(one.daemon, "GET", `/sessions/${id}/spans?turn=5&limit=200`);
  const far = await open(one, `?span=${items[150].id}`);
  await far.locator(`[data-row="${items[150].id}"]`).waitFor();
  assert.ok(await lines(far).count() <= 60);
  far.clean();
});
