// usage.test.mjs: usage and budgets in a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Provider } from "../integration/providers.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
const ALL = "read,run,approve,admin";
let browser, provider;
before(async () => {
  browser = await browserOf(file);
  provider = await new Provider().start(file);
});

async function ask(daemon, method, path, body) {
  const answer = await daemon.request(method, `/api/v1${path}`, { local: true, body });
  assert.ok(answer.status < 300, `${path}: ${answer.text}`);
  return answer.json;
}

/** One message to a model, and its end. */
async function turn(daemon, { title, text, ...more }) {
  const { id } = await ask(daemon, "POST", "/sessions", { title, ...more });
  await ask(daemon, "POST", `/sessions/${id}/messages`, { text });
  for (let state = "running"; state === "running";) {
    ({ state } = await ask(daemon, "GET", `/sessions/${id}`));
  }
  return id;
}

/** A daemon whose models took something: one is free, one has a price, of one nobody knows it. */
async function spent(t, scopes = ALL) {
  const desk = await serving(t, scopes), { daemon } = desk;
  await ask(daemon, "POST", "/providers", { name: "p", kind: "openai", base_url: provider.url });
  const session = await turn(daemon, { title: "Fix <b>it</b>", project: "web",
    model: "scripted/demo", text: "usage: fresh=100 cache_read=300 output=40\n" +
      "call: read_file {\"path\": \"nowhere\"}\nsay: so" });
  await turn(daemon, { title: "Strange", project: "docs", model: "p/strange", text: "hi" });
  await turn(daemon, { title: "Priced", project: "web", model: "p/gpt-5", text: "hi" });
  return { ...desk, session };
}
const budget = (page, scope) => page.locator(".budget", { hasText: scope });
const scopes = (page) => page.locator(".budget .what > .mono").allInnerTexts();
const cells = (page, name) =>
  page.locator("tr", { has: page.getByRole("rowheader", { name }) }).locator("td").allInnerTexts();
const dialog = (page) => page.getByRole("dialog");
const figure = (page, name) =>
  page.locator(".figures > div", { hasText: name }).locator("dd").innerText();

test("by mouse: what was spent, by model, tool and session, and on which days", async (t) => {
  const desk = await spent(t);
  const page = await opened(browser, desk, { target: "/" });
  await page.getByRole("link", { name: "Today" }).click();
  await page.waitForURL("**/usage");
  await page.getByRole("rowheader", { name: "p/strange" }).waitFor();
  assert.equal(await figure(page, "Cost"), "< $0.01 + 1 call of unknown cost");
  assert.match(await figure(page, "Cache hit rate"), /^\d+ % \([\d,]+\/[\d,]+\)$/);
  assert.equal((await cells(page, "p/strange"))[0], "1 call of unknown cost");
  assert.deepEqual((await cells(page, "scripted/demo")).slice(0, 1), ["$0.00"]);
  const bars = page.getByRole("group", { name: /^Each day's cost, by model/ }).getByRole("img");
  assert.equal(await bars.count(), 14);
  const said = await bars.last().getAttribute("aria-label");
  assert.match(said, /: < \$0\.01 \+ 1 call of unknown cost; .*p\/strange 1 call of unknown cost/);
  await bars.first().hover();
  await page.locator(".said").getByText(/: \$0\.00$/).waitFor();
  await page.getByLabel("Bars show").selectOption("tokens");
  await page.waitForURL("**/usage?show=tokens");
  await page.getByRole("group", { name: /^Each day's tokens/ }).waitFor();
  await page.locator("summary").click();
  assert.equal(await page.locator("details tbody tr").count(), 14);

  await page.getByRole("button", { name: "Tool", exact: true }).click();
  await page.waitForURL("**/usage?show=tokens&by=tool");
  await page.getByRole("rowheader", { name: "read_file" }).waitFor();
  assert.deepEqual((await cells(page, "read_file")).slice(0, 2), ["1", "1"]);
  await page.getByRole("button", { name: "Session", exact: true }).click();
  const link = page.getByRole("link", { name: "Fix <b>it</b>" });
  await link.waitFor();
  assert.equal(await link.getAttribute("href"), `/s/${desk.session}`);
  await page.getByRole("button", { name: "Segment", exact: true }).click();
  await page.getByRole("rowheader", { name: "History" }).waitFor();
  assert.match((await cells(page, "History")).join(), /^[\d,.K]+,\d+ %$/);
  await page.getByLabel("From", { exact: true }).fill("2026-01-01");
  await page.getByLabel("To", { exact: true }).fill("2026-01-02");
  await page.waitForURL("**/usage?show=tokens&by=segment&from=2026-01-01&to=2026-01-02");
  await page.getByText("No model was called on these days.").first().waitFor();
  await page.getByRole("button", { name: "14 days" }).click();
  await page.waitForURL("**/usage?show=tokens&by=segment");
  await page.getByRole("button", { name: "Project", exact: true }).click();
  await page.getByRole("group", { name: /by project/ }).waitFor();
  await turn(desk.daemon, { title: "Live", project: "late", model: "scripted/demo", text: "hi" });
  await page.getByRole("rowheader", { name: "late" }).waitFor(); // It lives.
  page.clean();
});

test("by mouse: budgets are added, refused beside their field, edited, removed", async (t) => {
  const desk = await spent(t);
  const page = await opened(browser, desk, { target: "/usage" });
  await page.getByText("There are no budgets").waitFor();
  await page.getByRole("button", { name: "New budget" }).click();
  await dialog(page).getByLabel("For").selectOption("project");
  await dialog(page).getByLabel("Name").fill("web");
  await dialog(page).getByLabel("Cost, at most").fill("ten");
  await page.getByRole("button", { name: "Set the limits" }).click();
  const field = dialog(page).getByLabel("Cost, at most");
  await dialog(page).getByText("This is no such amount: dollars.").waitFor();
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.ok(await field.evaluate((input) => input === document.activeElement));
  await field.fill("1000000000000");
  await page.getByRole("button", { name: "Set the limits" }).click();
  await dialog(page).getByText("must be a whole number").waitFor(); // In the daemon's words.
  await field.fill("10");
  await dialog(page).getByLabel("Time of runs, at most").fill("1h 30m");
  await page.getByRole("button", { name: "Set the limits" }).click();
  await budget(page, "project:web").getByText("0 s of 1 h 30 min spent").waitFor();
  const made = await ask(desk.daemon, "GET", "/budgets/project:web");
  assert.deepEqual([made.limits.cost_micros, made.limits.wall_ms], [10_000_000, 5_400_000]);

  await page.getByRole("button", { name: "New budget" }).click();
  await dialog(page).getByLabel("For").selectOption("project");
  await dialog(page).getByLabel("Name").fill("web");
  await page.getByRole("button", { name: "Set the limits" }).click();
  await dialog(page).getByText("There is such a budget already.").waitFor();
  await page.keyboard.press("Escape");

  await ask(desk.daemon, "PATCH", "/budgets/global", { per: "day", agents: 2 });
  await turn(desk.daemon, { title: "Counted", project: "web", model: "p/strange", text: "hi" });
  await budget(page, "global").getByText("1 of 2 spent, 1 left").waitFor(); // It lives.
  await budget(page, "global").getByText("begins again at").waitFor();
  assert.deepEqual(await scopes(page), ["global", "project:web"]); // The nearest one first.
  await budget(page, "project:web").getByText("1 call of unknown cost of $10.00 spent").waitFor();
  const bar = budget(page, "global").getByRole("img");
  assert.equal(await bar.getAttribute("aria-label"),
    "Limit of agents: 1 spent, 0 reserved, 1 left");

  await page.getByRole("button", { name: "Edit the budget project:web" }).click();
  assert.equal(await dialog(page).getByLabel("Cost, at most").inputValue(), "10");
  await dialog(page).getByLabel("Cost, at most").fill("");
  await page.getByRole("button", { name: "Set the limits" }).click();
  await budget(page, "project:web").getByText("Cost: 1 call of unknown cost").waitFor();
  await page.goto(`${desk.daemon.url}/`);
  const today = page.getByRole("complementary", { name: "Today" });
  await today.getByText("1 of 2 spent, 1 left").waitFor(); // The nearest one, on Home.
  await today.getByRole("link", { name: "Today" }).click();
  await page.getByRole("button", { name: "Remove the budget project:web" }).click();
  await page.getByRole("button", { name: "Remove it with its count" }).click();
  await budget(page, "project:web").waitFor({ state: "detached" });
  page.clean();
});

test("by keyboard alone: from day to day, to a budget, its limit changed, a new one", async (t) => {
  const desk = await spent(t);
  await ask(desk.daemon, "PATCH", "/budgets/project:web", { agents: 10 });
  const page = await opened(browser, desk, { target: "/" });
  await page.getByText("0 of 10 spent").waitFor();
  await page.keyboard.type("gu");
  await page.getByRole("rowheader", { name: "p/strange" }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  const atBar = () => page.evaluate(() => document.activeElement.matches("[data-day]"));
  for (let at = 0; !(await atBar()); at++) {
    assert.ok(at < 40, "the bars can be reached");
    await page.keyboard.press("Tab");
  }
  assert.match(await focused(), /1 call of unknown cost/);
  await page.keyboard.press("ArrowLeft");
  assert.match(await focused(), /: \$0\.00$/);
  const label = await focused();
  await page.locator(".said").getByText(label).waitFor();
  await page.keyboard.press("j");
  await page.locator('.budget[aria-current="true"]').waitFor();
  await page.keyboard.press("Enter");
  await dialog(page).getByLabel("Agents, at most").focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("20");
  await page.keyboard.press("Enter");
  await page.getByText("0 of 20 spent").waitFor();
  await page.keyboard.press("c");
  await dialog(page).getByLabel(/^Tokens, at most/).focus();
  await page.keyboard.type("500K");
  await page.keyboard.press("Enter");
  await budget(page, "global").getByText("of 500K spent").waitFor();
  page.clean();
});

test("runs that wait stand by the budget that they wait for", async (t) => {
  const desk = await serving(t, ALL);
  await ask(desk.daemon, "PATCH", "/budgets/project:web", { wall_ms: 60_000 });
  const jobs = [];
  for (const label of ["first", "second"]) {
    jobs.push(await ask(desk.daemon, "POST", "/jobs",
      { label, shell: "sleep 600", project: "web" }));
  }
  const page = await opened(browser, desk, { target: "/usage" });
  const web = budget(page, "project:web");
  await web.getByText("1 run waits for it").waitFor();
  await web.getByText("reserved").first().waitFor();
  await web.getByRole("link", { name: "Runs that wait" }).click();
  await page.locator(".row.run", { hasText: "second" }).getByText("waits for room in a budget")
    .waitFor();
  for (const { id } of jobs) await ask(desk.daemon, "POST", `/runs/${id}/stop`, { grace_ms: 0 });
  page.clean();
});

test("on a phone nothing is too wide, and buttons are large", async (t) => {
  const desk = await spent(t);
  await ask(desk.daemon, "PATCH", "/budgets/global", { per: "day", cost_micros: 5e6, tokens: 1e4 });
  await ask(desk.daemon, "PATCH", `/budgets/project:${"long-".repeat(12)}`, { agents: 3 });
  const page = await opened(browser, desk, { target: "/usage", ...PHONE });
  await budget(page, "global").waitFor();
  await page.getByRole("rowheader", { name: "p/strange" }).waitFor();
  assert.equal(await overflow(page), 0);
  const fields = "main button:visible, main select, main input, main summary";
  for (const button of await page.locator(fields).all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  await page.getByRole("button", { name: "Edit the budget global" }).tap();
  await dialog(page).getByLabel("Cost, at most").waitFor();
  assert.equal(await overflow(page), 0);
  page.clean();
});

test("axe finds nothing: full, a form with a fault, empty; 200 % of the size fits", async (t) => {
  const desk = await spent(t), empty = await serving(t);
  await ask(desk.daemon, "PATCH", "/budgets/global", { per: "day", tokens: 100 });
  await ask(desk.daemon, "PATCH", "/budgets/project:web", { cost_micros: 5e6 });
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: "/usage",
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    await budget(page, "global").waitFor();
    await page.getByRole("rowheader", { name: "p/strange" }).waitFor();
    await page.locator("summary").click();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), [], `${colorScheme}: full`);
    await page.getByRole("button", { name: "Edit the budget project:web" }).click();
    await dialog(page).getByLabel("Agents, at most").fill("x");
    await page.getByRole("button", { name: "Set the limits" }).click();
    await dialog(page).getByText("This is no such amount").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: form`);
    page.clean();
    await page.context().close();
    const other = await opened(browser, empty, { colorScheme, target: "/usage" });
    await other.getByText("There are no budgets").waitFor();
    await other.getByText("No model was called on these days.").first().waitFor();
    assert.deepEqual(await axe(other), [], `${colorScheme}: empty`);
    await other.context().close();
  }
});

test("a key that only reads changes no budget", async (t) => {
  const desk = await spent(t, "read");
  await ask(desk.daemon, "PATCH", "/budgets/project:web", { agents: 10 });
  const page = await opened(browser, desk, { target: "/usage" });
  await budget(page, "project:web").waitFor();
  await page.keyboard.type("cj");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("dialog, .budget button").count(), 0);
  page.clean();
});
