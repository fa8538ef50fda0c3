// flow.test.mjs: flows in a browser: the catalog and a start, the graph of a run while it goes on,
// its questions and their forms, its report, and /NAME in a session.
//
// runs-with: web
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Daemon, scratch } from "../integration/lib.mjs";
import { Proxy } from "../integration/stream-client.mjs";
import { until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser, desk, root;
before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  root = scratch(file);
  for (const [name, source] of Object.entries(FLOWS)) written(name, source);
});

/** Every kind of mark that the graph has; `gate` is a file that a command waits for. */
const FLOWS = {
  whole: `export default {
  name: "whole", description: "Counts **sheep**.", batchConfig: { maxConcurrent: 1 },
  steps: [
    { id: "count", kind: "code", run: (ctx) => "two of " + ctx.input.question },
    { id: "which", kind: "switch", deps: ["count"], defaultBranch: ["never"],
      cases: [{ label: "many", condition: (ctx) => ctx.results.count.startsWith("two"),
        stepIds: ["left", "right"] }] },
    { id: "never", kind: "code", run: () => "no" },
    { id: "left", kind: "command", batch: "pair", run: (ctx) =>
      "while [ ! -e '" + ctx.input.gate + "' ]; do sleep 0.05; done; echo left" },
    { id: "right", kind: "command", batch: "pair", run: () => "echo right" },
    { id: "out", kind: "code", when: () => false, run: () => "no" },
    { id: "draft", kind: "agent", deps: ["batch:pair", "out"],
      run: (ctx) => "say: a **draft**, " + (ctx.rejected ?? "first") },
    { id: "good", kind: "approval", deps: ["draft"], rewind_to: "draft",
      run: (ctx) => "Is it good?\\n\\n" + ctx.results.draft,
      schema: { type: "object", required: ["tag", "kind"], properties: {
        tag: { type: "string", minLength: 2, title: "Name of the tag" },
        kind: { enum: ["major", "minor"] }, count: { type: "integer", minimum: 1 },
        push: { type: "boolean", title: "Push it now" } } } },
    { id: "last", kind: "code", deps: ["good", "count"], run: (ctx) => ctx.results.good },
  ],
  render: (ctx) => "# Sheep\\n\\n- draft: " + ctx.results.draft + "\\n- answer: \`" +
    JSON.stringify(JSON.parse(ctx.results.last).fields) + "\`\\n",
};\n`,
  fails: `export default { name: "fails", description: "ends badly", steps: [
    { id: "bad", kind: "code", run: () => { throw new Error("no ${"sheep"} here"); } },
    { id: "then", kind: "code", deps: ["bad"], run: () => "x" }], render: () => "nothing" };\n`,
  asks: `export default { name: "asks", description: "waits", steps: [
    { id: "may", kind: "approval", prompt: "May it go on?" }], render: () => "done" };\n`,
  talks: `export default { name: "talks", description: "says something", steps: [
    { id: "one", kind: "code", run: (ctx) => "of " + ctx.input.question }],
    render: (ctx) => "a report " + ctx.results.one };\n`,
  large: `export default { name: "large", description: "500 steps", steps: [
    { id: "may", kind: "approval", prompt: "Begin?" },
    ...Array.from({ length: 499 }, (_, at) => ({ id: "step-" + at, kind: "code",
      deps: [at < 20 ? "may" : "step-" + (at - 20)], run: () => "x" }))],
    render: () => "done" };\n`,
  parts: `export default { name: "parts", description: "runs again", steps: [
    { id: "one", kind: "command", command: "echo x >>count; wc -l <count" },
    { id: "which", kind: "switch", deps: ["one"], cases: [
      { label: "go", condition: () => true, stepIds: ["two"] }], defaultBranch: ["other"] },
    { id: "two", kind: "code", run: (ctx) => "two after " + ctx.results.one },
    { id: "other", kind: "code", run: () => "no" },
    { id: "three", kind: "command", deps: ["two"],
      run: (ctx) => "test -e '" + ctx.input.gate + "'" }],
    output: (ctx) => ctx.input.file ?? null, render: (ctx) => "counted " + ctx.results.one };\n`,
  deep: `export default { name: "deep", description: "asks from below", steps: [
    { id: "below", kind: "workflow", workflow: "asker", run: () => ({}) },
    { id: "beside", kind: "command", command: "sleep 600" }], render: () => "done" };\n`,
  broken: "export default { name: 'broken', steps: [{ id: 'a', kind: 'code', deps: ['b'] }] };\n",
};

function written(name, source) {
  mkdirSync(path.join(root, ".drover/flows"), { recursive: true });
  writeFileSync(path.join(root, `.drover/flows/${name}.js`), source);
}
async function api(method, target, body) {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, `${target}: ${answer.text}`);
  return answer.json;
}
const start = async (name, input = {}) =>
  (await api("POST", "/flows", { name, root, input, model: "scripted/demo" })).id;
const gate = () => path.join(scratch(file), "go");
/** It goes on until it asks. */
async function startWhole(open = true) {
  const go = gate(), id = await start("whole", { question: "sheep", gate: go });
  if (open) writeFileSync(go, "");
  return { id, go };
}
const flowUntil = (id, fits) => until(desk, `/runs/${id}/flow`, fits);
const isAt = (id, name, fits) => flowUntil(id, ({ steps }) =>
  fits(steps.find(({ step_id }) => step_id === name)));
const asks = (id, name = "good") => isAt(id, name, ({ phase }) => phase === "person");
const ended = (id) => flowUntil(id, ({ stage }) => stage === "over");

const node = (page, id) => page.locator(`[data-step="${id}"]`);
const says = (page, id, text) => node(page, id).filter({ hasText: text }).waitFor();
const details = (page) => page.getByRole("complementary", { name: /^Step/ });
const state = (page, text) => page.locator(".run-title .state", { hasText: text }).waitFor();
const focused = (page) => page.evaluate(() => document.activeElement?.dataset.step ?? null);
/** An answer is refused for a moment after its question has come: again, until it counts. */
async function answered(id, name, act) {
  const open = async () => (await api("GET", `/runs/${id}/flow`)).steps
    .some(({ step_id, phase }) => step_id === name && phase === "person");
  const before = (await api("GET", `/runs/${id}/flow`)).steps
    .find(({ step_id }) => step_id === name).approval;
  const same = async () => (await api("GET", `/approvals/${before}`)).state === "open";
  while (await open() && await same()) await act().catch(() => {});
}
const fill = async (box) => {
  await box.getByLabel("Name of the tag").fill("v1");
  await box.getByRole("combobox").selectOption("minor");
  await box.getByLabel("count").fill("3");
  await box.getByLabel("Push it now").check();
};
const FIELDS = { tag: "v1", kind: "minor", count: 3, push: true };

test("the graph follows a run: branch, batch, what is left out, a draft sent back, the report",
  async () => {
    const { id, go } = await startWhole(false);
    const page = await opened(browser, desk, { target: `/r/${id}` });
    await says(page, "which", "chose many");
    await says(page, "left", "many chosen");
    await says(page, "left", "batch pair");
    await says(page, "never", "left out");
    await says(page, "never", "default not chosen");
    await says(page, "out", "left out: not wanted");
    await says(page, "right", "waits for a place");
    await says(page, "good", "not begun");
    await page.getByText("2 of 7").waitFor();
    await page.getByText("2 not done").waitFor();
    assert.match(await node(page, "never").getAttribute("class"), /is-out/);
    for (const tone of ["chosen", "out", "done"]) {
      assert.notEqual(await page.locator(`.flow-line.is-${tone}`).getAttribute("d"), "", tone);
    }
    await page.locator(".flow-batch", { hasText: "batch pair" }).waitFor();
    await node(page, "left").click();
    await page.waitForURL("**step=left*");
    await details(page).getByRole("link", { name: "Its log" }).waitFor();

    writeFileSync(go, "");
    await page.getByText("Waits for you at step good").waitFor();
    await state(page, "waits for you");
    await page.locator(".run-why button").click();
    const box = details(page);
    await box.getByText("a **draft**, first").waitFor();
    await answered(id, "good", async () => {
      await box.getByLabel("Reason to deny, optional").fill("say more", { timeout: 1_000 });
      await box.getByRole("button", { name: "Deny" }).click({ timeout: 1_000 });
    });
    await page.getByText("sent back once").waitFor();
    await box.getByText("a **draft**, say more").waitFor();
    await answered(id, "good", async () => {
      await fill(box);
      await box.getByRole("button", { name: "Send" }).click({ timeout: 1_000 });
    });
    await state(page, "succeeded");
    await says(page, "last", "done");
    await box.getByText("Approved").waitFor();
    await node(page, "draft").click();
    await box.locator(".markdown strong", { hasText: "draft" }).waitFor();
    const session = await box.getByRole("link", { name: "Its session" }).getAttribute("href");
    assert.match(session, /^\/s\/ses_/);
    await page.getByRole("button", { name: "Report" }).click();
    await page.locator(".flow-report .markdown li", { hasText: "draft: a draft" }).waitFor();
    await page.locator(".flow-report code", { hasText: JSON.stringify(FIELDS) }).waitFor();
    await page.getByRole("button", { name: "Input" }).click();
    await page.getByText('"question": "sheep"').waitFor();
    page.clean();
  });

test("the form is answered in the Inbox, checked before, and leads to its step", async () => {
  const { id } = await startWhole();
  await asks(id);
  const page = await opened(browser, desk, { target: "/inbox" });
  await page.locator(".row.ask", { hasText: "Is it good?" }).getByRole("link").first().click();
  const box = page.locator(".ask-whole");
  await fill(box);
  await box.getByLabel("Name of the tag").fill("v");
  await page.waitForTimeout(500); // The grace of a question.
  await box.getByRole("button", { name: "Send" }).click();
  assert.equal((await asks(id)).stage, "steps"); // Too short: nothing was sent.
  await page.getByRole("link", { name: "Run", exact: true }).click();
  await page.waitForURL(`**/r/${id}?step=good`);
  await details(page).getByRole("heading", { name: "good", exact: true }).waitFor();
  await page.goBack();
  await answered(id, "good", async () => {
    await fill(box);
    await box.getByRole("button", { name: "Send" }).click({ timeout: 1_000 });
  });
  const flow = await ended(id);
  assert.deepEqual(JSON.parse(flow.steps.at(-1).result).fields, FIELDS);
  page.clean();
});

test("after a cut, and a restart of the daemon, the page is right, and goes on", async (t) => {
  const args = ["--allow-host", "127.0.0.1"];
  const daemon = await new Daemon({ data: scratch(t), args }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  const proxy = await Proxy.open(t, daemon.port), had = desk;
  const url = `http://127.0.0.1:${proxy.port}`;
  desk = { daemon, key: stdout.split("\n")[0] };
  try {
    const { id, go } = await startWhole(false);
    const page = await opened(browser, { daemon: { url }, key: desk.key }, { target: `/r/${id}` });
    await says(page, "left", "running");
    proxy.cut();
    await daemon.kill();
    writeFileSync(go, "");
    await daemon.start();
    proxy.target = daemon.port;
    await asks(id);
    await says(page, "good", "waits for you");
    await says(page, "right", "done");
    const { approval } = (await api("GET", `/runs/${id}/flow`)).steps.find((step) =>
      step.step_id === "good");
    await api("POST", `/approvals/${approval}`, { fields: FIELDS });
    await state(page, "succeeded");
  } finally {
    desk = had;
  }
});

test("by keyboard alone: from the runs to a step, along the edges, its question, the stop",
  async () => {
    const { id } = await startWhole();
    await asks(id);
    const page = await opened(browser, desk);
    await page.getByText(/^● live$/).waitFor();
    await page.keyboard.type("gr");
    const row = page.locator(`[data-row="${id}"]`);
    await row.waitFor();
    for (let n = 0; !(await row.evaluate((one) => one.classList.contains("sel"))); n++) {
      assert.ok(n < 30);
      await page.keyboard.press("j");
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/r/${id}`);
    await node(page, "count").waitFor();
    await page.keyboard.press("j");
    assert.equal(await focused(page), "out");
    for (const [key, at] of [["j", "count"], ["ArrowRight", "which"], ["ArrowLeft", "count"],
      ["ArrowUp", "out"], ["ArrowDown", "count"]]) {
      await page.keyboard.press(key);
      assert.equal(await focused(page), at, key);
    }
    await page.keyboard.press("Enter");
    await details(page).getByRole("heading", { name: "count" }).waitFor();
    await page.keyboard.press("Escape");
    await details(page).waitFor({ state: "detached" });
    assert.equal(await focused(page), "count");
    await page.keyboard.press("w");
    await details(page).getByLabel("Name of the tag").waitFor();
    await answered(id, "good", () => page.keyboard.press("d"));
    await isAt(id, "good", ({ phase }) => phase === "person");
    await page.getByText("sent back once").waitFor();
    await page.keyboard.press("x");
    await state(page, "cancelled");
    page.clean();
  });

test("a failed step is named with its words, and a rejection of a plain approval ends the run",
  async () => {
    const bad = await start("fails");
    await ended(bad);
    const page = await opened(browser, desk, { target: `/r/${bad}` });
    await state(page, "failed");
    await page.getByText("Failed at step bad").waitFor();
    await says(page, "bad", "its function threw");
    await page.getByText("Failed at step").getByRole("button").click();
    await details(page).getByText(/no sheep here/).waitFor();
    const id = await start("asks");
    await asks(id, "may");
    await page.goto(`${desk.daemon.url}/r/${id}?step=may`);
    await answered(id, "may", async () => {
      await details(page).getByLabel(/^Reason to deny/).fill("not today", { timeout: 1_000 });
      await details(page).getByRole("button", { name: "Deny" }).click({ timeout: 1_000 });
    });
    await state(page, "failed");
    await details(page).getByText("not today").first().waitFor();
    page.clean();
  });

/** The page of another run than that of `id`; its id. */
async function elsewhere(page, id) {
  await page.waitForURL((url) => /^\/r\/run_\w+$/.test(url.pathname) &&
    url.pathname !== `/r/${id}`);
  return new URL(page.url()).pathname.split("/").pop();
}
const again = (page) => page.getByRole("button", { name: /^Run (this|again)/ });

test("an ended run goes on where it failed, and steps of it run again, alone or with all after it",
  async () => {
    const go = gate(), first = await start("parts", { gate: go });
    await ended(first);
    writeFileSync(go, "");
    const page = await opened(browser, desk, { target: `/r/${first}` });
    await state(page, "failed");
    await page.getByRole("button", { name: "Run again from here" }).click();
    const second = await elsewhere(page, first);
    await state(page, "succeeded");
    assert.equal((await api("GET", `/runs/${second}`)).retry_of, first);
    for (const id of ["one", "which", "two"]) await says(page, id, "cached");
    await says(page, "three", "done");
    await says(page, "which", "chose go");
    await page.getByText("3 cached").waitFor();
    assert.equal(await again(page).count(), 0, "it has all that it can have");
    const before = page.getByRole("link", { name: "begun from another run" });
    assert.equal(await before.getAttribute("href"), `/r/${first}`);
    await node(page, "one").click();
    const ran = details(page).getByRole("link", { name: first });
    assert.equal(await ran.getAttribute("href"), `/r/${first}?step=one`);
    assert.deepEqual(await again(page).allInnerTexts(),
      ["Run this step again", "Run this and all after it"]);

    await again(page).first().click();
    const third = await elsewhere(page, second);
    await state(page, "succeeded");
    await says(page, "one", "done");
    for (const id of ["which", "two", "three"]) await says(page, id, "cached");
    assert.equal((await api("GET", `/runs/${third}/flow`)).resumed_from, second);
    await node(page, "one").click();
    await details(page).locator("pre", { hasText: /^2\s*$/ }).waitFor();
    await node(page, "which").click();
    await details(page).getByRole("heading", { name: "which" }).waitFor();
    assert.deepEqual(await again(page).allInnerTexts(), ["Run this and all after it"]);
    await node(page, "other").click();
    await details(page).getByRole("heading", { name: "other" }).waitFor();
    assert.equal(await again(page).count(), 0, "it was left out, and would be so again");
    await node(page, "which").click();
    await again(page).click();
    await elsewhere(page, third);
    await state(page, "succeeded");
    await says(page, "one", "cached");
    for (const id of ["which", "two", "three"]) await says(page, id, "done");
    await page.goBack();
    await page.waitForURL(`**/r/${third}?step=which`);
    await again(page).waitFor();

    await api("DELETE", `/runs/${third}`);
    await again(page).click();
    await details(page).getByRole("alert").filter({ hasText: "not_found" }).waitFor();
    assert.equal(new URL(page.url()).pathname, `/r/${third}`);
    page.clean();
  });

test("a flow that failed is tried again from Home", async () => {
  const { id } = await api("POST", "/flows", { name: "fails", root, label: "of the night" });
  await ended(id);
  const page = await opened(browser, desk);
  await page.locator(`[data-row="${id}"]`).getByRole("button", { name: /^Run again/ }).click();
  const { items } = await until(desk, "/runs?kind=flow&limit=5", ({ items: found }) =>
    found[0].id !== id);
  assert.equal((await api("GET", `/runs/${items[0].id}`)).retry_of, id);
  page.clean();
});

test("a run that lives, and a key that may not start anything, have no button to run again",
  async () => {
    const { id } = await startWhole();
    await asks(id);
    const page = await opened(browser, desk, { target: `/r/${id}?step=count` });
    await details(page).getByRole("heading", { name: "count" }).waitFor();
    assert.equal(await again(page).count(), 0);
    await page.getByRole("button", { name: /^Stop/ }).click();
    await again(page).first().waitFor();
    const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
    const reader = { ...desk, key: stdout.trim().split("\n")[0] };
    const other = await opened(browser, reader, { target: `/r/${id}?step=count` });
    await details(other).getByRole("heading", { name: "count" }).waitFor();
    assert.equal(await again(other).count(), 0);
    page.clean();
  });

test("the file of the report is named, and one that was refused with its reason", async () => {
  const go = gate();
  writeFileSync(go, "");
  for (const [name, text] of [["docs/report.md", "Report written to docs/report.md"],
    ["../report.md", /^✕ Report not written to \.\.\/report\.md .{10,}/]]) {
    const id = await start("parts", { gate: go, file: name });
    await ended(id);
    const page = await opened(browser, desk, { target: `/r/${id}` });
    await state(page, "succeeded");
    await page.locator(".flow-file", { hasText: text }).waitFor();
    assert.equal(await overflow(page), 0);
    page.clean();
  }
});

test("a step is marked where an agent of its workflow asks, and the question is answered there",
  async () => {
    mkdirSync(path.join(root, ".drover/workflows"), { recursive: true });
    writeFileSync(path.join(root, ".drover/workflows/asker.js"),
      "export const meta = { name: 'asker', description: 'asks' };\n" +
      "return await agent('call: run_command {\"command\": \"true\"}\\nsay: done');\n");
    const id = await start("deep");
    const page = await opened(browser, desk, { target: "/settings/page" });
    let refused = 0; // Of what is above the question, longer than a single read is repeated.
    await page.route(new RegExp(`/api/v1/runs/(?!${id})\\w+$`), (route) => (refused++ < 4
      ? route.fulfill({ status: 429, json: { status: 429, code: "too_many" } })
      : route.continue()));
    await page.goto(`${desk.daemon.url}/r/${id}`);
    await page.getByText("Waits for you at step below").waitFor();
    assert.ok(refused > 4);
    await says(page, "below", "waits for you");
    await state(page, "waits for you");
    await page.getByText("1 waits for you").waitFor();
    assert.match(await node(page, "below").getAttribute("class"), /is-wait/);
    assert.doesNotMatch(await node(page, "beside").getAttribute("class"), /is-wait/);
    await node(page, "below").click();
    await details(page).getByRole("button", { name: /^Allow/ }).first().waitFor();
    const { items } = await api("GET", "/approvals?limit=200");
    const { id: question } = items.find(({ root_run }) => root_run === id);
    await api("POST", `/approvals/${question}`, { decision: "allow" });
    await says(page, "below", "done");
    await state(page, "running");
    await page.getByRole("button", { name: /^Stop/ }).click();
    await state(page, "cancelled");
    page.clean();
  });

test("on a phone the name of a run gives way, and its state is never cut", async () => {
  const label = "a name that is much longer than the screen of a phone is wide, and says little";
  const { id } = await api("POST", "/flows", { name: "fails", root, label });
  await ended(id);
  const done = (await api("POST", "/flows", { name: "talks", root, label })).id;
  await ended(done);
  for (const [run, text] of [[id, "failed"], [done, "succeeded"]]) {
    const page = await opened(browser, desk, { target: `/r/${run}`, ...PHONE });
    await state(page, text);
    const [name, said] = await page.evaluate(() =>
      [".run-title h1", ".run-title .state > .clip"].map((one) => {
        const { scrollWidth, clientWidth } = document.querySelector(one);
        const { top, right } = document.querySelector(one).getBoundingClientRect();
        return { cut: scrollWidth > clientWidth, clientWidth, top, right };
      }));
    assert.ok(name.cut && name.clientWidth >= 60, JSON.stringify(name));
    assert.ok(!said.cut && said.right <= PHONE.viewport.width, JSON.stringify(said));
    assert.equal(await overflow(page), 0);
    page.clean();
  }
});

test("on a phone the graph is a list, a step a sheet with an address, and nothing overflows",
  async () => {
    const { id } = await startWhole();
    await asks(id);
    const page = await opened(browser, desk, { target: `/r/${id}`, ...PHONE });
    await says(page, "good", "after draft");
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), []);
    const { height, width } = await node(page, "draft").boundingBox();
    assert.ok(height >= 44 && width >= 350, `${width} × ${height}`);
    await node(page, "good").tap();
    await page.waitForURL("**step=good");
    await details(page).getByLabel("Name of the tag").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), []);
    await answered(id, "good", async () => {
      await fill(details(page));
      await details(page).getByRole("button", { name: "Send" }).tap({ timeout: 1_000 });
    });
    await details(page).getByText("Approved").waitFor();
    await page.goBack();
    await details(page).waitFor({ state: "detached" });
    await state(page, "succeeded");
    page.clean();
  });

test("the graph, its details and the start have no fault of accessibility, light and dark",
  async () => {
    const { id } = await startWhole();
    await asks(id);
    for (const colorScheme of ["light", "dark"]) {
      for (const target of [`/r/${id}?step=good`, `/r/${id}?step=never`, `/r/${id}?view=report`,
        `/flows/whole?root=${encodeURIComponent(root)}`]) {
        const page = await opened(browser, desk, { target, colorScheme, reducedMotion: "reduce" });
        await page.locator("[data-step], .run-none").first().waitFor();
        assert.deepEqual(await axe(page), [], `${target} ${colorScheme}`);
        page.clean();
        await page.context().close();
      }
    }
  });

test("500 steps are drawn and followed", async () => {
  const id = await start("large");
  await asks(id, "may");
  const page = await opened(browser, desk, { target: `/r/${id}` });
  await page.getByText("0 of 500").waitFor();
  assert.equal(await page.locator("[data-step]").count(), 500);
  const { approval } = (await api("GET", `/runs/${id}/flow`)).steps[0];
  await api("POST", `/approvals/${approval}`, { decision: "allow" });
  await page.locator(".run-done", { hasText: /^[1-9]\d* of 500/ }).waitFor();
  await page.getByRole("button", { name: "Report" }).click();
  await page.getByRole("button", { name: "Steps" }).click();
  await node(page, "step-498").click();
  await details(page).getByRole("heading", { name: "step-498" }).waitFor();
  await page.keyboard.press("x");
  await page.locator(".run-title .state", { hasText: /cancelled|succeeded/ }).waitFor();
  page.clean();
});

test("from the catalog: what it does, a plan that follows the input, the start", async () => {
  const page = await opened(browser, desk,
    { target: `/workflows?root=${encodeURIComponent(root)}&q=whole` });
  const row = page.locator(".row.flow", { hasText: "whole" });
  await row.getByText("flow", { exact: true }).waitFor();
  await row.getByRole("link", { name: "whole", exact: true }).click();
  await page.waitForURL("**/flows/whole?root=**");
  await page.getByText("9 steps in 6 waves. Nothing has begun. 1 step would be left out").waitFor();
  await says(page, "out", "left out");
  await page.getByLabel(/^Input/).fill('{"gate"');
  await page.getByText("This is no JSON object.").waitFor();
  const button = page.getByRole("button", { name: "Start" });
  assert.ok(await button.isDisabled());
  await page.keyboard.press("Control+Enter");
  const go = gate();
  writeFileSync(go, "");
  await page.getByLabel(/^Input/).fill(JSON.stringify({ gate: go }));
  await page.getByLabel(/^Question/).fill("goats");
  await page.getByLabel(/^Model/).fill("scripted/demo");
  await page.reload(); // What was typed is kept.
  assert.equal(await page.getByLabel(/^Question/).inputValue(), "goats");
  await page.locator("button.main:not([disabled])").click();
  await page.waitForURL(/\/r\/run_\w+$/);
  const id = new URL(page.url()).pathname.split("/").pop();
  assert.deepEqual((await asks(id)).input, { gate: go, question: "goats" });
  await page.getByRole("button", { name: /^Stop/ }).click();
  await page.getByRole("link", { name: "Start again" }).click();
  await page.waitForURL("**/flows/whole?root=**");
  assert.equal(await page.getByLabel(/^Question/).inputValue(), "");
  await page.goto(`${desk.daemon.url}/flows/broken?root=${encodeURIComponent(root)}`);
  await page.getByRole("alert").filter({ hasText: "It cannot start:" }).waitFor();
  assert.ok(await button.isDisabled());
  page.clean();
});

test("a plan is made also where the page learns only after the file what its key may do",
  async () => {
    const page = await opened(browser, desk, { target: "/settings/page" });
    let told;
    const shown = new Promise((resolve) => (told = resolve));
    await page.route("**/api/v1/login", (route) => shown.then(() => route.continue()));
    await page.goto(`${desk.daemon.url}/flows/talks?root=${encodeURIComponent(root)}`);
    await page.getByText("says something", { exact: true }).waitFor();
    told();
    await node(page, "one").waitFor();
    page.clean();
  });

test("a key that may only read sees the flow and its run, and starts and answers nothing",
  async () => {
    const { id } = await startWhole();
    await asks(id);
    const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
    const reader = { ...desk, key: stdout.trim().split("\n")[0] };
    const page = await opened(browser, reader, { target: `/r/${id}?step=good` });
    await details(page).getByText("Is it good?").waitFor();
    assert.equal(await details(page).getByRole("button", { name: /Send|Deny/ }).count(), 0);
    assert.equal(await page.getByRole("button", { name: /^Stop/ }).count(), 0);
    await page.goto(`${desk.daemon.url}/flows/talks?root=${encodeURIComponent(root)}`);
    await page.getByText("To start a flow it needs the scope run.").waitFor();
    page.clean();
  });

test("what a file says is inert and visible", async () => {
  const text = JSON.stringify(`${HOSTILE.html}\n${HOSTILE.turned}\n${HOSTILE.escapes}`);
  written("hostile", `const text = ${text};
export default { name: "hostile", description: text, steps: [
  { id: "a", kind: "switch", cases: [{ label: "<img src=x onerror=alert(1)>",
    condition: () => true, stepIds: ["c"] }] },
  { id: "c", kind: "code", run: () => text },
  { id: "b", kind: "approval", deps: ["c"], prompt: text }],
  render: () => text };\n`);
  const id = await start("hostile");
  await asks(id, "b");
  const page = await opened(browser, desk, { target: `/r/${id}?step=b` });
  await details(page).getByRole("button", { name: /^Allow/ }).waitFor();
  await page.getByText("<img src=x onerror=alert(1)>").first().waitFor();
  await page.goto(`${desk.daemon.url}/flows/hostile?root=${encodeURIComponent(root)}`);
  await node(page, "b").waitFor();
  page.clean();
});

test("/NAME words in a session starts the flow, links to its run, and tells of its end",
  async () => {
    const { id } = await api("POST", "/sessions",
      { title: "Talk", root, model: "scripted/demo" });
    const page = await opened(browser, desk, { target: `/s/${id}` });
    const box = page.getByRole("textbox", { name: "Message" });
    await box.fill("/ta");
    await page.getByRole("option", { name: "/talks" }).click();
    assert.equal(await box.inputValue(), "/talks ");
    await box.pressSequentially("of goats");
    await box.press("Enter");
    const row = page.locator(".started li");
    await row.getByText("succeeded").waitFor();
    assert.equal(await box.inputValue(), "");
    const notice = page.locator(".notice", { hasText: "talks" });
    await notice.getByRole("link", { name: "Open" }).waitFor();
    assert.equal((await api("GET", `/sessions/${id}/messages`)).items
      .filter(({ role, parts }) => role === "user" && /^\/talks/.test(parts[0]?.text)).length, 0);
    await row.getByRole("link", { name: "talks" }).click();
    await page.waitForURL("**/r/run_**");
    await page.getByRole("button", { name: "Report" }).click();
    await page.getByText("a report of of goats").waitFor();
    await page.goBack();
    await row.getByRole("button", { name: /^Dismiss/ }).click();
    await row.waitFor({ state: "detached" });

    await box.fill("/nobody knows it");
    await box.press("Enter");
    await page.locator(".said-now", { hasText: "no workflow /nobody" }).waitFor();
    assert.equal(await box.inputValue(), "/nobody knows it");
    await box.fill("/broken now");
    await box.press("Enter");
    await page.locator(".said-now", { hasText: /./ }).waitFor();
    assert.equal(await box.inputValue(), "/broken now");
    assert.equal(await overflow(page), 0);
    page.clean();
  });
