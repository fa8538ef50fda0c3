// panes.test.mjs: places side by side: by mouse, by keyboard alone, and on a phone.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
const LONG = Array.from({ length: 80 }, (_, line) => `line ${line}`).join("\n\n");
let browser, desk, fix, job;

async function ask(target, body) {
  const answer = await desk.daemon.request("POST", `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}
const session = (title) => ask("/sessions", { title, root: scratch(file), model: "scripted/demo" });
/** A session that asks whether it may. */
async function asking(title) {
  const { id } = await session(title);
  await ask(`/sessions/${id}/messages`, { text: script(
    call("run_command", { command: "true" }), "step:", say("it ran")) });
  return id;
}

before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  fix = (await session("Fix the build")).id;
  await ask(`/sessions/${fix}/messages?wait=60`, { text: LONG });
  job = (await ask("/jobs", { shell: "echo done", label: "sweep" })).id;
});

const e = encodeURIComponent;
const pane = (page, number) => page.getByRole("region", { name: new RegExp(`^Pane ${number}: `) });
const button = (where, name) => where.getByRole("button", { name, exact: true });
const composer = (where) => where.getByRole("textbox", { name: "Message" });
const names = (page, wanted) => page.waitForFunction((list) => {
  const heads = [...document.querySelectorAll(".pane-head > .clip")];
  return heads.map((one) => one.textContent).join() === list;
}, wanted);
const query = (page, fits) => page.waitForURL((url) => fits(url.searchParams));
const middle = async (locator) => {
  const { x, y, width, height } = await locator.boundingBox();
  return [x + width / 2, y + height / 2];
};
/** A question can be answered once it was in sight for a while. */
async function inSight(page) {
  await page.locator(".first-ask").waitFor();
  const since = await page.evaluate(() => performance.now());
  await page.waitForFunction((from) => performance.now() - from > 450, since);
}
async function drag(page, from, [x, y]) {
  await page.mouse.move(...await middle(from));
  await page.mouse.down();
  await page.mouse.move(x, y, { steps: 4 });
  await page.mouse.up();
}

test("by mouse: opened beside, answered there, dragged, resized, kept by the address, closed",
  async () => {
    const release = await asking("Release");
    const page = await opened(browser, desk, { target: "/sessions" });
    const link = (name) => page.locator("a.session-link", { hasText: name });
    const [tab] = await Promise.all([page.context().waitForEvent("page"),
      link("Release").click({ modifiers: ["Control"] })]); // The browser's own.
    await tab.close();
    assert.equal(await page.locator(".pane-head").count(), 0);
    await link("Release").click({ modifiers: ["Alt"] });
    await names(page, "Sessions,Release");
    await query(page, (given) => given.get("beside") === `/s/${release}`);
    await pane(page, 1).locator("a.session-link", { hasText: "Fix the build" }).click();
    await names(page, "Fix the build,Release");
    assert.equal(await page.title(), "(1) Fix the build · drover");

    await pane(page, 2).getByText("1 question waits for you").waitFor({ state: "attached" });
    await inSight(page);
    await pane(page, 2).locator(".first-ask").getByRole("button", { name: /^Allow/ }).click();
    await pane(page, 2).getByText("it ran", { exact: true }).waitFor();
    await page.locator(".pane-head .due").waitFor({ state: "detached" });

    await composer(pane(page, 1)).fill("for the first");
    await composer(pane(page, 2)).pressSequentially("aj");
    assert.equal(await composer(pane(page, 1)).inputValue(), "for the first");
    const list = page.locator(".long-list").first();
    await list.hover();
    await page.mouse.wheel(0, -300);
    await page.waitForFunction(() => document.querySelector(".below") !== null);
    const before = await list.evaluate((box) => box.scrollTop);
    await drag(page, pane(page, 1).locator(".pane-head"), await middle(pane(page, 2)));
    await names(page, "Fix the build,Release"); // Not further than the middle.
    await drag(page, pane(page, 1).locator(".pane-head"), [1270, 200]);
    await names(page, "Release,Fix the build");
    assert.equal(await composer(pane(page, 2)).inputValue(), "for the first");
    const now = await pane(page, 2).locator(".long-list").evaluate((box) => box.scrollTop);
    assert.equal(now, before);

    await drag(page, page.getByRole("separator"), [600, 400]);
    await query(page, (given) => /^3\d,6\d$/.test(given.get("wide")));
    const at = page.url();
    assert.equal(new URL(at).pathname, `/s/${release}`);
    await page.reload();
    await names(page, "Release,Fix the build");
    assert.equal(page.url(), at);
    const ratio = await page.evaluate(() => {
      const [one, two] = [...document.querySelectorAll(".pane")].map((box) => box.clientWidth);
      return one / (one + two);
    });
    assert.ok(ratio > 0.35 && ratio < 0.4, String(ratio));

    await button(pane(page, 2), "Open beside").click();
    await page.getByRole("dialog", { name: "Open beside…" })
      .getByRole("option", { name: "Jobs" }).click();
    await names(page, "Release,Fix the build,Jobs");
    await pane(page, 3).getByRole("link", { name: "sweep" }).click();
    await names(page, "Release,Fix the build,sweep");
    await page.goBack();
    await names(page, "Release,Fix the build,Jobs");
    await page.goBack();
    await names(page, "Release,Fix the build");
    await button(pane(page, 1), "Close this pane").click();
    await page.waitForURL(`${desk.daemon.url}/s/${fix}`);
    await page.getByRole("heading", { level: 1, name: "Fix the build" }).waitFor();
    assert.equal(await page.locator(".pane-head").count(), 0);
    assert.equal(await composer(page).inputValue(), "for the first");
    page.clean();
  });

test("by keyboard: keys are for the pane that has the focus", async () => {
  const release = await asking("Second");
  const page = await opened(browser, desk, { target: `/s/${fix}` });
  await page.getByText("line 79").last().waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").getByRole("combobox").waitFor();
  await page.keyboard.type("Second");
  await page.getByRole("option", { name: "Second", selected: true }).waitFor();
  await page.keyboard.press("Control+Enter");
  await names(page, "Fix the build,Second");
  const isFocused = (text) => page.waitForFunction((wanted) =>
    document.activeElement.textContent === wanted, text);
  await isFocused("Second");
  await page.keyboard.press("t");
  await query(page, (given) => given.get("beside") === `/s/${release}?panel=timeline`);
  await isFocused("Turns");
  await page.keyboard.press("Escape");
  await page.getByRole("tab", { name: "Turns" }).waitFor({ state: "detached" });
  await page.keyboard.press("F6");
  await isFocused("Fix the build");
  await page.keyboard.press("a"); // Nothing waits here.
  await page.keyboard.press("F6");
  await isFocused("Second");
  await inSight(page);
  await page.keyboard.press("a");
  await pane(page, 2).getByText("it ran", { exact: true }).waitFor();

  await page.getByRole("separator", { name: "Width of pane 1" }).focus();
  for (const key of ["ArrowRight", "PageUp"]) await page.keyboard.press(key);
  await query(page, (given) => given.get("wide") === "42,58");
  assert.equal(await page.getByRole("separator").getAttribute("aria-valuenow"), "42");
  await button(pane(page, 1), "Move to the right").focus();
  await page.keyboard.press("Enter");
  await names(page, "Second,Fix the build");
  await query(page, (given) => given.get("wide") === "58,42");
  await page.keyboard.press("Enter"); // It is at the edge, and the focus still there.
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await names(page, "Fix the build,Second");

  await page.keyboard.press("F6");
  for (const key of ["g", "j"]) await page.keyboard.press(key);
  await names(page, "Fix the build,Jobs");
  await page.getByRole("link", { name: "sweep" }).focus();
  await page.keyboard.press("b");
  await names(page, "Fix the build,Jobs,sweep");
  await page.waitForFunction(() => // Its link has the same word.
    document.activeElement.closest('[aria-label^="Pane 3"]') !== null);
  await pane(page, 2).getByRole("link", { name: "sweep" }).focus();
  await page.keyboard.press("Enter"); // A job twice: each reads its log.
  await names(page, "Fix the build,sweep,sweep");
  await page.locator(".log .drawn").filter({ hasText: "done" }).nth(1).waitFor();
  await page.goBack();
  await names(page, "Fix the build,Jobs,sweep");
  await button(pane(page, 3), "Close this pane").focus();
  await page.keyboard.press("Enter");
  await names(page, "Fix the build,Jobs");
  await isFocused("Jobs");
  page.clean();
});

test("on a phone panes are tabs", async () => {
  const id = await asking("Third");
  const target = `/s/${fix}?beside=${e(`/s/${id}`)}&beside=${e(`/j/${job}`)}`;
  const page = await opened(browser, desk, { ...PHONE, target });
  const tab = (name) => page.getByRole("tab", { name });
  await tab("Third 1 question waits for you").waitFor();
  await tab("sweep").waitFor();
  assert.equal(await page.locator(".pane").count(), 1);
  await tab("Third").tap();
  await inSight(page);
  await page.locator(".first-ask").getByRole("button", { name: /^Deny/ }).tap();
  await tab(/^Third$/).waitFor();
  assert.equal(await overflow(page), 0);
  assert.deepEqual(await axe(page), []);
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Third" }).waitFor(); // That which was shown.
  await button(page, "Close this pane").tap();
  await page.getByRole("heading", { level: 1, name: "sweep" }).waitFor();
  await query(page, (given) => given.getAll("beside").join() === `/j/${job}`);
  page.clean();
});

test("four panes: no name twice, foreign ones left out, and one that fails takes no other",
  async () => {
    const beside = ["//evil.example/", `/s/${fix}?panel=timeline`, "/", "/nowhere", "/", "/jobs"];
    const target = `/s/${fix}?panel=timeline&${beside.map((one) => `beside=${e(one)}`).join("&")}`;
    const all = await opened(browser, desk, { target, viewport: { width: 1900, height: 800 } });
    await names(all, "Fix the build,Fix the build,Home,Home");
    await all.getByText("sweep").last().waitFor();
    await all.getByRole("tab", { name: "Turns" }).last().waitFor();
    for (const colorScheme of ["light", "dark"]) {
      await all.emulateMedia({ colorScheme });
      await all.waitForFunction((name) => document.documentElement.dataset.theme === name,
        colorScheme);
      assert.deepEqual(await axe(all), []);
    }
    all.clean();
    const page = await opened(browser, desk);
    await page.route("**/assets/job-*.js", (route) => route.abort());
    await page.getByRole("link", { name: "sweep" }).click({ modifiers: ["Alt"] });
    await pane(page, 2).getByRole("heading", { name: /as soon as the daemon answers/ }).waitFor();
    await pane(page, 1).getByText("sweep").first().waitFor();
  });
