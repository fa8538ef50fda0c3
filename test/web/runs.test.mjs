// runs.test.mjs: the list of runs in a browser: filters, what lives, and several at once.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser, desk;
before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
});

async function ask(path, body, { daemon } = desk) {
  const answer = await daemon.request("POST", `/api/v1${path}`, { local: true, body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}
const job = async (label, shell, on) => (await ask("/jobs", { label, shell }, on)).id;
const script = (name, body) =>
  `export const meta = { name: "${name}", description: "A test." };\n${body}`;
const workflow = async (name, body, on) => (await ask("/workflows",
  { script: script(name, body), model: "scripted/demo" }, on)).runId;
async function stopped(on) {
  const { json } = await on.daemon.request("GET", "/api/v1/runs?live=1&top=1", { local: true });
  for (const { id } of json.items) await ask(`/runs/${id}/stop`, { grace_ms: 0 }, on);
}
const row = (page, name) => page.locator(".row.run", { hasText: name });
const names = (page) => page.locator(".row.run .name").allInnerTexts();
const dialog = (page) => page.getByRole("dialog");
/** The list holds newcomers back while the pointer is in it. */
const away = (page) => page.mouse.move(5, 5);

test("by mouse: what runs and ended is listed, lives, and is filtered", async (t) => {
  const own = await serving(t);
  const page = await opened(browser, own, { target: "/" });
  await page.getByRole("link", { name: "Runs" }).first().click();
  await page.getByText("There are no runs.").waitFor();
  assert.equal(await page.getByRole("link", { name: "Choose a workflow" }).getAttribute("href"),
    "/workflows");
  await job("nightly", "exit 3", own);
  await row(page, "nightly").getByText("exit 3").waitFor();
  const agents = "Array.from({ length: 3 }, (_, i) => () => agent(i ? 'delay: 600s' : 'say: hi', " +
    "{ label: 'find ' + i }))";
  const run = await workflow("review", `return await parallel(${agents});`, own);
  await row(page, "review").getByText("1 of 3").waitFor();
  assert.equal(await row(page, "review").getByRole("link").getAttribute("href"), `/r/${run}`);
  const session = await ask("/sessions", { model: "scripted/demo", project: "web" }, own);
  await ask(`/sessions/${session.id}/messages`, { text: "say: so" }, own);
  await row(page, "say: so").getByText("succeeded").waitFor();
  assert.equal(await row(page, "say: so").getByRole("link").getAttribute("href"),
    `/s/${session.id}`);
  assert.deepEqual(await names(page), ["say: so", "review", "nightly"]);

  await page.getByLabel("State").selectOption("live");
  await page.waitForURL("**/runs?state=live");
  await row(page, "nightly").waitFor({ state: "detached" });
  await page.getByLabel("Include children").check();
  await page.waitForURL("**/runs?state=live&inside=1");
  await row(page, "find 2").waitFor();
  const agent = await row(page, "find 2").getByRole("link").getAttribute("href");
  assert.match(agent, new RegExp(`^/r/${run}\\?agent=run_`));
  await stopped(own);
  await page.getByText("No run matches the filter.").waitFor(); // No event tells of agents.
  await page.getByRole("button", { name: "Show all" }).click();
  await page.waitForURL("**/runs");
  await page.getByLabel("Kind").selectOption("turn");
  await page.getByLabel("Begun").selectOption("1h");
  await page.getByLabel("Filter").fill("SO");
  await page.waitForURL("**/runs?kind=turn&since=1h&q=SO");
  await row(page, "say: so").waitFor();
  assert.deepEqual(await names(page), ["say: so"]);
  await page.goBack();
  await page.waitForURL("**/"); // Choices replace the address, places push.
  page.clean();
});

test("by mouse: several are stopped, removed and seen; each row says how it went", async (t) => {
  const own = await serving(t);
  const long = await job("soak", "sleep 600", own);
  await job("done", "true", own);
  await workflow("flow", "return await agent('delay: 600s');", own);
  const page = await opened(browser, own, { target: "/runs" });
  for (const name of ["soak", "done", "flow"]) await page.getByLabel(`Select ${name}`).check();
  await page.getByText("3 selected").waitFor();
  await page.getByRole("button", { name: "Stop", exact: false }).click();
  await dialog(page).getByRole("heading", { name: "Stop 2 runs?" }).waitFor();
  await dialog(page).getByText("1 run of those that are selected ended already.").waitFor();
  await ask(`/runs/${long}/stop`, { grace_ms: 0 }, own); // Somebody else was faster.
  await row(page, "soak").getByText("cancelled").waitFor();
  await page.getByRole("button", { name: "Stop 2" }).click();
  await dialog(page).getByText("the run has ended: it is cancelled").waitFor();
  await dialog(page).getByText("✓ stopped").waitFor();
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.getByText("1 of 2 runs: stopped; the others say why not.").waitFor();
  await row(page, "flow").getByText("cancelled").waitFor();

  for (const name of ["soak", "done"]) await page.getByLabel(`Select ${name}`).check();
  await page.getByRole("button", { name: "Mark as read" }).click();
  await page.getByRole("button", { name: "Mark as read 2" }).click();
  await page.getByText("2 runs: seen.").waitFor();
  const { json } = await own.daemon.request("GET", "/api/v1/overview", { local: true });
  assert.deepEqual(json.unseen.ended.map(({ label }) => label), ["flow"]);

  await page.getByLabel("Select done").check();
  await page.getByRole("button", { name: "Remove", exact: false }).click();
  await dialog(page).getByText("This cannot be taken back.", { exact: false }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await row(page, "done").waitFor();
  await page.getByRole("button", { name: "Remove", exact: false }).click();
  await page.getByRole("button", { name: "Remove 1" }).click();
  await row(page, "done").waitFor({ state: "detached" });
  page.clean();
});

test("by keyboard alone: to a row, into it and back, all stopped and removed", async (t) => {
  const own = await serving(t);
  const first = await job("one", "exit 1", own);
  await job("two", "sleep 600", own);
  await job("three", "sleep 600", own);
  const page = await opened(browser, own, { target: "/" });
  await page.locator(".row.running").first().waitFor();
  await page.keyboard.type("gr");
  await row(page, "one").waitFor();
  await page.keyboard.press("n"); // The first failure.
  await page.locator('.row.run[aria-current="true"]', { hasText: "one" }).waitFor();
  await page.keyboard.press("o");
  await page.waitForURL(`**/j/${first}`);
  await page.goBack();
  await row(page, "one").waitFor();
  await page.keyboard.type("jj ");
  await page.getByText("1 selected").waitFor();
  await page.locator('.row.run[aria-current="true"]', { hasText: "two" }).waitFor();
  await page.keyboard.press("A");
  await page.getByText("3 selected").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("selected").waitFor({ state: "detached" });
  await page.keyboard.press("A");
  await page.keyboard.press("x");
  await dialog(page).getByText("Stop 2 runs?").waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("2 runs: stopped.").waitFor();
  await row(page, "two").getByText("cancelled").waitFor();
  await page.keyboard.press("A");
  await page.keyboard.press("Delete");
  await dialog(page).getByText("Remove 3 runs?").waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("3 runs: removed.").waitFor(); // The stream may say so before the answer.
  await page.getByText("There are no runs.").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("ab");
  await page.waitForURL("**/runs?q=ab");
  page.clean();
});

test("what comes while somebody points at a row moves nothing under the pointer", async (t) => {
  const own = await serving(t);
  await job("old", "sleep 600", own);
  const page = await opened(browser, own, { target: "/runs" });
  await row(page, "old").hover();
  const before = await row(page, "old").boundingBox();
  await job("fresh", "true", own);
  const show = page.getByRole("button", { name: "Show 1 run that came since" });
  await show.waitFor();
  assert.deepEqual(await names(page), ["old"]);
  await away(page);
  await row(page, "fresh").waitFor();
  await show.waitFor({ state: "detached" });
  assert.ok((await row(page, "old").boundingBox()).y > before.y);
  await stopped(own);
  page.clean();
});

test("hostile names are inert, in the list and in the dialog", async (t) => {
  const own = await serving(t);
  await job(HOSTILE.html.replaceAll("\n", " ").slice(0, 100), "sleep 600", own);
  const session = await ask("/sessions", { model: "scripted/demo" }, own);
  await ask(`/sessions/${session.id}/messages`,
    { text: `${HOSTILE.turned}${HOSTILE.links}${HOSTILE.stars}` }, own);
  const page = await opened(browser, own, { target: "/runs" });
  await row(page, "<img src=x onerror=alert(1)>").waitFor();
  await page.getByRole("link", { name: "user ⟦RLO⟧gpj.exe" })
    .getByText("[a](javascript:alert(1))").waitFor();
  assert.equal(await page.locator(".row.run img, .row.run [href^=javascript]").count(), 0);
  await page.keyboard.press("A");
  await page.keyboard.press("x");
  await dialog(page).getByText("<img src=x").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await overflow(page), 0);
  await stopped(own);
  page.clean();
});

test("on a phone: a bar of five places, nothing too wide, and buttons are large", async () => {
  await job(`phone-${"x".repeat(120)}`, "sleep 600");
  const page = await opened(browser, desk, { target: "/runs", ...PHONE });
  await row(page, "phone").waitFor();
  assert.equal(await overflow(page), 0);
  const bar = page.locator(".rail > a:visible, .rail > button:visible");
  const places = await Promise.all((await bar.all()).map(async (one) =>
    [(await one.boundingBox()).x, (await one.innerText()).replace(/\W*\d*$/, "")]));
  places.sort((a, b) => a[0] - b[0]);
  assert.deepEqual(places.map(([, name]) => name), ["Home", "Inbox", "Runs", "Sessions", "More"]);
  await row(page, "phone").locator("label.pick").tap();
  await page.getByText("1 selected").waitFor();
  for (const button of await page.locator("main button:visible, main select, main .pick").all()) {
    const { height, width } = await button.boundingBox();
    assert.ok(height >= 44 && width >= 44, `${await button.innerText()}: ${width} × ${height}`);
  }
  await page.getByRole("button", { name: "Stop" }).tap();
  await page.getByRole("button", { name: "Stop 1" }).waitFor();
  assert.equal(await overflow(page), 0);
  await page.getByRole("button", { name: "Stop 1" }).tap();
  await page.getByText("1 run: stopped.").waitFor();
  page.clean();
});

test("axe finds nothing: rows, the dialog, and no row; 200 % of the size fits", async () => {
  await job("axe", "exit 3");
  await workflow("axe-flow", "return await agent('delay: 600s');");
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: "/runs",
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    await row(page, "axe-flow").waitFor();
    assert.equal(await overflow(page), 0);
    await page.getByLabel("Select axe-flow").check();
    assert.deepEqual(await axe(page), [], `${colorScheme}: rows`);
    await page.keyboard.press("x");
    await dialog(page).waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: dialog`);
    await page.goto(`${desk.daemon.url}/runs?q=zzz`);
    await page.getByText("No run matches the filter.").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: none`);
    page.clean();
    await page.context().close();
  }
  await stopped(desk);
});

test("a key that only reads selects nothing", async () => {
  const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
  await job("seen by all", "true");
  const page = await opened(browser, { ...desk, key: stdout.split("\n")[0] }, { target: "/runs" });
  await row(page, "seen by all").waitFor();
  await page.keyboard.type("jA xS");
  await page.keyboard.press("Delete");
  assert.equal(await page.locator(".pick, .picked, dialog").count(), 0);
  page.clean();
});
