// home.test.mjs: the frame and Home in a browser: by mouse, by keyboard alone, and on a phone.
//
// runs-with: web
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { call, say, script, Turns } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving, read } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser;
before(async () => {
  browser = await browserOf(file);
});

/** A daemon where something waits, failed, finished and runs. */
async function busy(t) {
  const desk = await serving(t);
  const { daemon } = desk;
  const failed = await daemon.cli(["job", "run", "--label", "nightly", "--", "sh", "-c", "exit 3"]);
  assert.equal(failed.code, 3, failed.stderr);
  assert.equal((await daemon.cli(["job", "run", "--label", "sweep", "--", "true"])).code, 0);
  const long = "a-name-that-is-much-longer-than-any-column-of-a-phone-could-ever-show-to-anybody";
  const soak = await daemon.cli(["job", "run", "--detach", "--label", long, "--", "sleep", "600"]);
  const asked = await daemon.request("POST", "/api/v1/approvals", {
    local: true,
    body: { run: soak.stdout.trim(), step: "release", question: "Go on?" },
  });
  assert.equal(asked.status, 200, asked.text);
  return { ...desk, approval: asked.json.id };
}

const rows = (page, title) =>
  page.locator("section", { has: page.getByRole("heading", { name: title }) });
const failedRows = (page) => rows(page, "Failed, unread").locator(".row");
const finishedRows = (page) => rows(page, /^Unread$/).locator(".row");

test("Home shows what waits, failed, finished and runs; a seen row leaves by mouse", async (t) => {
  const desk = await busy(t);
  const page = await opened(browser, desk);
  await failedRows(page).getByText("nightly").waitFor();
  const waits = await rows(page, "Waiting for you").innerText();
  assert.match(waits, /release\s*Go on\?\s+a-name-.*asked/);
  assert.match(await failedRows(page).innerText(), /✕\s*failed the command ended with/);
  assert.match(await finishedRows(page).innerText(), /sweep\s+✓\s*succeeded/);
  assert.equal(await rows(page, "Running").locator(".row").count(), 1);
  assert.equal(await page.title(), "(1) drover");
  const stored = page.waitForResponse((answer) => answer.url().endsWith("/api/v1/seen"));
  await page.getByRole("button", { name: "Mark read: nightly" }).click();
  await failedRows(page).waitFor({ state: "detached" });
  await stored; // The row leaves before that.
  const overview = await desk.daemon.request("GET", "/api/v1/overview", { local: true });
  assert.deepEqual(overview.json.unseen.ended.map(({ label }) => label), ["sweep"]);
  page.clean();
});

test("by keyboard alone: to the content, all seen, the colours, and out", async (t) => {
  const page = await opened(browser, await busy(t));
  await finishedRows(page).waitFor();
  await page.getByRole("button", { name: "Mark all read" }).first().waitFor();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the content");
  for (let tabs = 0; !(await focused()).startsWith("Mark all read"); tabs++) {
    assert.ok(tabs < 60, await focused());
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await finishedRows(page).waitFor({ state: "detached" });
  await page.getByLabel("Colours").focus();
  await page.keyboard.press("d");
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  await page.getByRole("button", { name: "Sign out" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("You are not signed in.").waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem("drover.key")), null);
  page.clean();
});

test("Home lives: what begins, ends and waits comes by itself, and rows take orders", async (t) => {
  const turns = await Turns.open(t);
  const { daemon } = turns;
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  const page = await opened(browser, { daemon, key: stdout.trim().split("\n")[0] });
  await page.getByText("Nothing waits, nothing runs.").waitFor();
  const job = (label, script) => daemon.cli(["job", "run", "--detach", "--label", label, "--",
    "sh", "-c", script]);
  const go = path.join(turns.folder, "go");
  await job("nightly", `while [ ! -e '${go}' ]; do sleep 0.05; done; exit 3`);
  await rows(page, "Running").getByText("nightly").waitFor();
  writeFileSync(go, "");
  await failedRows(page).getByText("nightly").waitFor();
  await rows(page, "Running").getByText("Nothing runs.").waitFor();
  // By keys to the row, and to its page.
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/j/run_*");
  await page.goBack();
  await page.getByRole("button", { name: "Run again: nightly" }).click();
  await failedRows(page).nth(1).getByText("nightly").waitFor();
  // The notice of a job to its session, which an empty budget holds.
  const wait = `while [ ! -e '${go}2' ]; do sleep 0.05; done`;
  const listener = await turns.listen({ root: turns.root, title: "Talk",
    settings: { permissions: [{ permission: "allow" }] } });
  await turns.turn(listener, script(call("run_job", { command: "sh", args: ["-c", wait] }),
    say("it runs")));
  assert.equal((await turns.ask("PATCH", `/budgets/session:${listener.session}`, { tokens: 0 }))
    .status, 200);
  writeFileSync(`${go}2`, "");
  await rows(page, "Waiting for you").getByText("A result cannot be delivered").waitFor();
  const retried = page.waitForResponse((answer) => /inbox\/dlv_\w+\/retry$/.test(answer.url()));
  await page.getByRole("button", { name: /^Try now/ }).click();
  assert.equal((await retried).status(), 200);
  // Everything that finished is seen by one key.
  await job("sweep", "true");
  await finishedRows(page).getByText("sweep").waitFor();
  await page.keyboard.press("S");
  await rows(page, /^Unread$/).waitFor({ state: "detached" });
  page.clean();
});

test("somebody new runs the demo, which asks; Today says what a day may cost, and what runs",
  async (t) => {
    const turns = await Turns.open(t), { daemon } = turns;
    const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
    const page = await opened(browser, { daemon, key: stdout.trim().split("\n")[0] });
    const today = page.getByRole("complementary", { name: "Today" });
    await today.getByText(/^0 of \d+ jobs run$/).waitFor();
    await page.getByRole("link", { name: "Connect a model" }).waitFor();
    await page.getByRole("button", { name: "Run the demo" }).click();
    await page.waitForURL("**/s/ses_*");
    await page.getByText("Release it?").first().waitFor();
    await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: /^Home/ })
      .click();
    const ask = page.getByRole("article", { name: /Release it\?/ });
    await ask.waitFor();
    await read(page);
    await ask.getByRole("button", { name: /today/ }).click();
    await ask.getByText(/answered by/).waitFor();
    await today.getByRole("heading", { name: "14 days" }).waitFor();
    assert.equal(await today.locator(".fortnight rect").count(), 14);
    assert.equal((await turns.ask("PATCH", "/budgets/global",
      { per: "day", cost_micros: 10_000_000 })).status, 200);
    await today.getByText("of $10.00 a day").waitFor();
    assert.deepEqual(await axe(page), []);
    page.clean();
  });

test("a board is on the desk: what it asks comes by itself, and stays when it is settled elsewhere",
  async (t) => {
    const turns = await Turns.open(t), { daemon } = turns;
    const made = async (method, at, body) => {
      const answer = await turns.ask(method, at, body);
      assert.ok(answer.status < 300, answer.text);
    };
    const status = (to, more) => call("task_status", { status: to, ...more });
    await made("POST", "/projects", { name: "shop", root: turns.root, model: "scripted/demo",
      board: { agents: [{ name: "smith" }] } });
    const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
    const page = await opened(browser, { daemon, key: stdout.trim().split("\n")[0] });
    await page.getByText("Nothing waits, nothing runs.").waitFor();
    await made("POST", "/projects/shop/tasks", { title: "Sign it", description: script(
      status("working"), "step:", status("blocked", { question: "Which key?" }), "step:",
      say("so")) });
    const asked = page.getByRole("article", { name: "Which key?" });
    await asked.getByRole("link", { name: "Answer: Which key?" }).waitFor();
    await rows(page, "Waiting for you").getByRole("heading", { name: "shop" }).waitFor();
    await made("POST", "/projects/shop/tasks", { title: "Try it", description: script(
      status("working"), "step:", status("failed", { detail: "no luck" }), "step:", say("so")) });
    await page.getByRole("article", { name: "Failed: Try it" }).getByText("no luck").waitFor();
    await page.getByRole("navigation", { name: "Places" })
      .getByRole("link", { name: "Inbox 2", exact: true }).waitFor();
    const { y } = await page.getByRole("article", { name: "Failed: Try it" }).boundingBox();
    await made("PATCH", "/projects/shop/tasks/T-1", { archived: true });
    await asked.getByText("no longer waits").waitFor();
    const after = await page.getByRole("article", { name: "Failed: Try it" }).boundingBox();
    assert.equal(after.y, y, "the row below stands where it stood");
    await asked.getByRole("link", { name: "Which key?", exact: true }).click();
    await page.waitForURL("**/t/tsk_*");
    page.clean();
  });

test("on a phone nothing is wider than the screen, and buttons are large enough", async (t) => {
  const page = await opened(browser, await busy(t), PHONE);
  await failedRows(page).waitFor();
  assert.equal(await overflow(page), 0);
  const button = await page.getByRole("button", { name: "Mark read: nightly" }).boundingBox();
  assert.ok(button.height >= 44 && button.width >= 44, JSON.stringify(button));
  const rail = await page.getByRole("navigation", { name: "Places" }).boundingBox();
  assert.ok(rail.y > 600 && rail.y + rail.height <= 740, JSON.stringify(rail));
  await page.getByRole("button", { name: "Mark read: nightly" }).tap();
  await failedRows(page).waitFor({ state: "detached" });
  page.clean();
});

test("axe finds nothing: full, empty and signed out, light and dark", async (t) => {
  const full = await busy(t), empty = await serving(t);
  for (const colorScheme of ["light", "dark"]) {
    for (const [desk, ready] of [[full, "nightly"], [empty, "Nothing waits, nothing runs."],
      [{ daemon: empty.daemon }, "You are not signed in."]]) {
      const page = await opened(browser, desk, { colorScheme });
      await page.getByText(ready, { exact: true }).first().waitFor();
      await page.keyboard.press("w"); // A question that is selected has hints.
      assert.deepEqual(await axe(page), [], `${colorScheme}: ${ready}`);
      page.clean();
    }
  }
});

test("a key that ended is forgotten, and the page says what to run", async (t) => {
  const { daemon, key } = await serving(t);
  const page = await opened(browser, { daemon, key: `${key.slice(0, -4)}0000` });
  await page.getByText("You are not signed in.").waitFor();
  await page.getByText("drover open", { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem("drover.key")), null);
  page.clean();
});

test("the secret of a link leaves the address before it is used", async (t) => {
  const { daemon } = await serving(t);
  const page = await opened(browser, { daemon }, { target: "/#link=not-a-link-of-ours" });
  await page.getByRole("alert").waitFor();
  assert.equal(page.url(), `${daemon.url}/`);
});

test("an address that is no place says so, and leads Home without loading again", async (t) => {
  const page = await opened(browser, await serving(t), { target: "/nowhere?x=1" });
  await page.evaluate(() => (window.same = true));
  await page.getByRole("link", { name: "Go to Home" }).click();
  await page.getByText("Nothing waits, nothing runs.").waitFor();
  assert.equal(await page.evaluate(() => window.same), true);
  await page.goBack();
  await page.getByText("There is no such page.").waitFor();
  page.clean();
});
