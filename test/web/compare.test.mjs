// compare.test.mjs: two runs of one script side by side, in a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser, desk, root, first, second;

const api = async (method, target, body) => {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, `${target}: ${answer.text}`);
  return answer.json;
};
/** Asks each of `args`: [label, prompt]. */
const SCRIPT = "export const meta = {name: 'review', description: 'reads files'};\n" +
  "return await parallel(args.map(([label, prompt]) => () => agent(prompt, {label})));";
const begun = async (label, args, more = {}) => (await api("POST", "/workflows",
  { script: SCRIPT, args, model: "scripted/demo", root, label, ...more })).runId;
const ended = (id) => until(desk, `/runs/${id}`, ({ ended_ms }) => ended_ms !== null);
const run = async (...of) => {
  const id = await begun(...of);
  await ended(id);
  return id;
};

const FILES = Array.from({ length: 25 }, (_, at) => [`file ${at}`, `say: found ${at}`]);
/** Of 25 agents one says something else, one fails, one is gone, and one is new. */
const LATER = FILES.map(([label, prompt], at) => [label,
  at === 3 ? "say: found three\nusage: fresh=10 output=4" : at === 5 ? "fail: 400" : prompt])
  .filter((_, at) => at !== 9).concat([["extra", "say: more"]]);

before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  root = scratch(file);
  first = await run("review before", FILES);
  second = await run("review after", LATER);
});

const place = (a = first, b = second) => `/compare?a=${a}&b=${b}`;
const row = (page, name) =>
  page.locator(".compare-row", { has: page.getByText(name, { exact: true }) });
const names = (page) => page.locator(".compare-row .name").allInnerTexts();
const inspector = (page) => page.getByRole("complementary", { name: /^Agent/ });
const sums = (page, name) =>
  page.getByRole("row", { name: new RegExp(`^${name}`) }).locator("td");
const query = (page, name) => new URL(page.url()).searchParams.get(name);
const CHANGED = ["file 3", "file 5", "file 9", "extra"];

test("by mouse: two of the runs are selected and compared; an agent is opened, all are shown",
  async () => {
    const page = await opened(browser, desk, { target: "/runs" });
    await page.getByLabel("Select review after").check();
    assert.equal(await page.getByRole("link", { name: "Compare" }).count(), 0);
    await page.getByLabel("Select review before").check();
    await page.getByRole("link", { name: "Compare" }).click();
    await row(page, "file 3").waitFor();
    assert.deepEqual([query(page, "a"), query(page, "b")], [first, second]); // The older one first.
    assert.deepEqual(await names(page), CHANGED);
    await page.getByText("4 of 26 agents").waitFor();
    await page.getByText("They had other arguments.").waitFor();
    assert.deepEqual(await sums(page, "Agents").allInnerTexts(), ["25", "25", "±0"]);
    assert.deepEqual(await sums(page, "Failed").allInnerTexts(), ["0", "1", "+1"]);
    await row(page, "file 3").getByText("prompt, result, tokens").waitFor();
    await row(page, "file 5").getByText("prompt, state, result").waitFor();
    await row(page, "file 9").getByText("only before").waitFor();
    await row(page, "extra").getByText("only after").waitFor();

    await row(page, "file 3").click();
    await inspector(page).getByText("asked something else").waitFor();
    const result = inspector(page).locator("section", { hasText: "Result" }).first();
    await result.locator(".line.remove", { hasText: "found 3" }).waitFor();
    await result.locator(".line.add", { hasText: "found three" }).waitFor();
    await page.getByRole("button", { name: "Only what changed" }).click();
    await page.getByText("26 agents", { exact: true }).waitFor();
    assert.equal(query(page, "only"), "0");
    await row(page, "file 1").getByText("the same").waitFor();
    await row(page, "file 1").click();
    await inspector(page).getByText("It is the same in both runs.").first().waitFor();
    await page.reload();
    await inspector(page).getByText("found 1", { exact: true }).waitFor(); // All of it, again.
    await page.getByText("26 agents", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Swap" }).click();
    await row(page, "extra").getByText("only before").waitFor();
    await row(page, "extra").click();
    await inspector(page).getByRole("link", { name: "Open the agent: Run before" }).click();
    await page.waitForURL(`**/r/${second}?agent=run_*`);
    page.clean();
  });

test("by keyboard alone: from the list of runs to the next change, and to all", async () => {
  const page = await opened(browser, desk, { target: "/runs" });
  await page.getByLabel("Select review after").waitFor();
  await page.keyboard.type("j j ");
  await page.getByText("2 selected").waitFor();
  await page.keyboard.press("c");
  await row(page, "file 3").waitFor();
  const selected = (name) => page.locator(".compare-row.sel", { hasText: name }).waitFor();
  await page.keyboard.press("j");
  await selected("file 3");
  await page.keyboard.press("Enter");
  await inspector(page).locator(".line.add").first().waitFor();
  await page.keyboard.press("j"); // What is open follows.
  await inspector(page).getByText("failed").first().waitFor();
  await page.keyboard.press("Escape");
  await inspector(page).waitFor({ state: "detached" });
  await page.keyboard.press("f");
  await row(page, "file 0").waitFor();
  await page.keyboard.press("n");
  await selected("file 9");
  await page.keyboard.press("N");
  await selected("file 5");
  const list = page.getByRole("listbox");
  await list.focus();
  await page.keyboard.press("Home");
  await selected("file 0");
  const active = await list.getAttribute("aria-activedescendant");
  assert.equal(await page.locator(`[id="${active}"]`).getAttribute("aria-selected"), "true");
  page.clean();
});

test("a run that was resumed leads to the run before it; what was cached is no change",
  async () => {
    const { runId } = await api("POST", "/workflows", { resumeFromRunId: first, args: LATER });
    await ended(runId);
    const page = await opened(browser, desk, { target: `/r/${runId}` });
    await page.getByRole("link", { name: "Compare with the run before" }).click();
    await row(page, "file 3").waitFor();
    assert.deepEqual((await names(page)).sort(), [...CHANGED].sort());
    assert.deepEqual(await sums(page, "Cached").allInnerTexts(), ["0", "22", "+22"]);
    await page.goto(`${desk.daemon.url}/r/${first}`);
    await page.getByRole("link", { name: /^Trace/ }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Compare with the run before" }).count(), 0);
    page.clean();
  });

test("the palette leads there, and two runs are chosen; other kinds are refused", async () => {
  const page = await opened(browser, desk);
  await page.getByText(/^● live$/).waitFor(); // Keys do something by then.
  await page.keyboard.press("Control+k");
  await page.locator("input[role=combobox]:focus").waitFor();
  await page.keyboard.type("compare two");
  await page.getByRole("option", { name: "Compare two runs" }).click();
  await page.getByLabel("Run before").selectOption(first);
  await page.getByLabel("Run after").selectOption(second);
  await page.getByRole("button", { name: "Compare" }).click();
  await row(page, "file 3").waitFor();
  const job = await api("POST", "/jobs", { shell: "true" });
  await page.goto(desk.daemon.url + place(first, job.id));
  await page.getByText("Only runs of workflows can be compared.").waitFor();
  await page.goto(desk.daemon.url + place(first, "run_01m8ezb0wexvps9fah4tkj8czq"));
  await page.getByRole("alert").getByText("not_found").waitFor();
  await page.goto(desk.daemon.url + place(first, first));
  await page.getByText("Both sides are the same run.").waitFor();
  await page.getByText("Nothing changed").waitFor();
  await page.getByRole("button", { name: "Show all agents" }).click();
  await row(page, "file 0").waitFor();
  page.clean();
});

test("a run that goes on is followed", async () => {
  const id = await begun("goes on", [["file 0", "say: found 0"],
    ["slow", "call: run_command {\"command\": \"true\"}\nstep:\nsay: done"]]);
  const page = await opened(browser, desk, { target: place(first, id) });
  await page.getByText("One of them goes on").waitFor();
  await until(desk, "/approvals?limit=200", ({ items }) =>
    items.some(({ root_run }) => root_run === id));
  const { items } = await api("GET", "/approvals?limit=200");
  const ask = items.find(({ root_run }) => root_run === id);
  await api("POST", `/approvals/${ask.id}`, { decision: "allow" });
  await page.getByText("One of them goes on").waitFor({ state: "detached" });
  await page.getByRole("columnheader", { name: /goes on/ }).waitFor();
  assert.deepEqual(await sums(page, "Agents").allInnerTexts(), ["25", "2", "−23"]);
  page.clean();
});

test("of many agents some dozens are drawn", async () => {
  const many = Array.from({ length: 450 }, (_, at) => [`agent ${at}`, `say: ${at}`]);
  const a = await run("many before", many), b = await run("many after", [...many].reverse());
  const page = await opened(browser, desk, { target: `${place(a, b)}&only=0` });
  await page.getByText("450 agents", { exact: true }).waitFor();
  await page.getByRole("listbox").focus();
  await page.keyboard.press("End");
  await row(page, "agent 449").getByText("the same").waitFor();
  assert.ok(await page.locator(".compare-row").count() <= 60);
  await page.getByRole("button", { name: "Only what changed" }).click();
  await page.getByText("Nothing changed").waitFor();
  page.clean();
});

test("on a phone nothing is too wide, buttons are large, and an agent is a place of its own",
  async () => {
    const page = await opened(browser, desk, { target: place(), ...PHONE });
    await row(page, "file 3").waitFor();
    assert.equal(await overflow(page), 0);
    for (const one of await page.locator("main button:visible, .compare-row").all()) {
      const { height } = await one.boundingBox();
      assert.ok(height >= 44, `${await one.innerText()}: ${height}`);
    }
    await row(page, "file 3").tap();
    await inspector(page).locator(".line.add").first().waitFor();
    assert.equal(await overflow(page), 0);
    await inspector(page).locator("[aria-label=Close]:focus").waitFor();
    await page.goBack();
    await inspector(page).waitFor({ state: "detached" });
    await page.locator("[role=listbox]:focus").waitFor();
    await page.goto(`${desk.daemon.url}/compare`);
    await page.getByLabel("Run before").waitFor();
    assert.equal(await overflow(page), 0);
    page.clean();
  });

test("axe finds nothing: rows, an open agent, none, the choice; 200 % of the size fits",
  async () => {
    for (const colorScheme of ["light", "dark"]) {
      const page = await opened(browser, desk, { colorScheme, target: place(),
        viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
      await row(page, "file 3").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), [], `${colorScheme}: rows`);
      await page.setViewportSize({ width: 1280, height: 800 });
      await row(page, "file 5").click();
      await inspector(page).locator(".line").first().waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: agent`);
      await page.goto(`${desk.daemon.url}${place(first, first)}&only=1`);
      await page.getByText("Nothing changed").waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: none`);
      await page.goto(`${desk.daemon.url}/compare`);
      await page.getByLabel("Run before").waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: choice`);
      page.clean();
      await page.context().close();
    }
  });

test("hostile texts are shown as the texts that they are", async () => {
  const texts = ["html", "links", "escapes", "turned"].map((name) => HOSTILE[name]);
  const args = (end) => texts.map((text) =>
    [text.slice(0, 200), `say: ${text.replaceAll("\n", " ")}${end}`]);
  const a = await run("hostile", args("1"), { label: HOSTILE.turned });
  const b = await run("hostile", args("2"), { label: HOSTILE.html.slice(0, 100) });
  const page = await opened(browser, desk, { target: place(a, b) });
  for (let at = 0; at < texts.length; at++) {
    await page.locator(".compare-row").nth(at).click();
    await inspector(page).locator(".line.add").first().waitFor();
  }
  assert.equal(await page.locator("main img, main iframe, main script, main a[href*=script]")
    .count(), 0);
  assert.doesNotMatch(await page.locator("main").innerText(), /[\u202e\u2066\x1b]/);
  page.clean();
});
