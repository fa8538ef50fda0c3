// memory.test.mjs: what agents remember, in a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser;
before(async () => (browser = await browserOf(file)));

async function ask(daemon, method, path, body) {
  const answer = await daemon.request(method, `/api/v1${path}`, { local: true, body });
  assert.ok(answer.status < 300, `${path}: ${answer.text}`);
  return answer.json;
}
const keep = (daemon, title, topic, more) =>
  ask(daemon, "POST", "/memory", { title, topic, content: `The text of ${title}.`, ...more });

/** Three memories, of two topics. */
async function kept(t, scopes) {
  const desk = await serving(t, scopes), { daemon } = desk;
  const build = await keep(daemon, "How to build", "build",
    { project: "web", content: "Run ninja in build/san.\nThen the tests.", tags: ["ninja"] });
  await keep(daemon, "Other way", "build", { project: "docs", content: "Run make." });
  await keep(daemon, "Tabs", "taste", { content: "Never tabs." });
  return { ...desk, build };
}
const titles = (page) => page.locator(".row.memory .name").allInnerTexts();
const listed = (page, names) => page.waitForFunction((wanted) =>
  [...document.querySelectorAll(".row.memory .name")].map((one) => one.innerText)
    .join("|") === wanted, names.join("|"));
const article = (page, name) => page.getByRole("article", { name, exact: true });
const dialog = (page) => page.getByRole("dialog");

test("by mouse: filtered, found, opened, stored, deleted, and it lives", async (t) => {
  const desk = await kept(t);
  const page = await opened(browser, desk, { target: "/" });
  await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "Memory" })
    .click();
  await listed(page, ["Tabs", "Other way", "How to build"]);
  await page.getByRole("button", { name: "build 2" }).click();
  await page.waitForURL("**/memory?topic=build");
  await listed(page, ["Other way", "How to build"]);
  await page.getByLabel("Project").selectOption({ label: "web" });
  await page.waitForURL("**/memory?topic=build&project=web");
  await listed(page, ["How to build"]);
  await page.getByRole("button", { name: "build 1" }).click(); // Again: no topic.
  await listed(page, ["Tabs", "How to build"]);
  await page.getByLabel("Project").selectOption({ label: "Every project" });
  await page.getByLabel("Search what agents remember").fill("NINJA");
  await page.waitForURL("**/memory?q=NINJA");
  await listed(page, ["How to build"]);
  await page.getByRole("link", { name: "How to build" }).click();
  await page.waitForURL(`**/memory/${desk.build.id}?q=NINJA`);
  await page.getByText("Run ninja in build/san.\nThen the tests.").waitFor();
  await article(page, "How to build").locator(".tag").getByText("ninja").waitFor();
  assert.equal(await page.locator(".days tbody tr").count(), 1);
  await page.getByLabel("Search what agents remember").fill("nothing like it");
  await article(page, "How to build").waitFor(); // Open, though the search does not find it.
  await page.getByRole("link", { name: "How to build" }).click();
  await page.getByText("No memory fits.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await page.waitForURL("**/memory");

  await keep(desk.daemon, "From a model", "taste");
  await listed(page, ["From a model", "Tabs", "Other way", "How to build"]);
  await page.getByRole("button", { name: "taste 2" }).waitFor();
  await page.getByRole("button", { name: "Remember" }).click();
  await dialog(page).getByLabel("Topic").fill("x".repeat(65));
  await dialog(page).getByLabel("Title").fill("By hand");
  await dialog(page).getByLabel("Title").hover();
  await page.mouse.down(); // A selection that ends beside the dialog.
  await page.mouse.move(2, 2);
  await page.mouse.up();
  await page.mouse.click(2, 2);
  await dialog(page).getByLabel("Text").fill("A person stored it.");
  await dialog(page).getByLabel("Tags").fill("a, b");
  await page.getByRole("button", { name: "Store it" }).click();
  await dialog(page).getByRole("alert").waitFor(); // The daemon's words, beside the field.
  const field = dialog(page).getByLabel("Topic");
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  await field.fill("hand");
  await page.getByRole("button", { name: "Store it" }).click();
  await page.waitForURL("**/memory/mem_*");
  await article(page, "By hand").getByText("A person stored it.").waitFor();
  assert.deepEqual(await article(page, "By hand").locator(".tag").allInnerTexts(), ["a", "b"]);

  const remove = page.getByRole("button", { name: "Delete By hand" });
  const ready = page.getByRole("button", { name: "Delete for good", disabled: false });
  await remove.dblclick();
  await ready.waitFor();
  await page.getByLabel("Search what agents remember").focus();
  await remove.focus();
  await page.keyboard.down("Enter");
  await ready.waitFor();
  await page.keyboard.down("Enter"); // The key is held.
  await page.keyboard.up("Enter");
  assert.equal((await ask(desk.daemon, "GET", "/memory")).items.length, 5);
  await ready.click();
  await listed(page, ["From a model", "Tabs", "Other way", "How to build"]);
  await page.waitForURL("**/memory");
  assert.equal((await ask(desk.daemon, "GET", "/memory")).items.length, 4);
  await ask(desk.daemon, "DELETE", `/memory/${desk.build.id}`);
  await listed(page, ["From a model", "Tabs", "Other way"]);
  page.clean();
});

test("by keyboard alone: there, opened, stored, deleted; the next row has the focus", async (t) => {
  const desk = await kept(t);
  const page = await opened(browser, desk, { target: "/" });
  await page.getByText(/^● live$/).waitFor();
  await page.keyboard.type("gm");
  await listed(page, ["Tabs", "Other way", "How to build"]);
  await page.keyboard.type("jj");
  await page.keyboard.press("Enter");
  await article(page, "Other way").getByText("Run make.").waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL("**/memory");
  await page.keyboard.press("Enter");
  const second = page.getByRole("button", { name: "Delete for good", disabled: false });
  for (let at = 0; await page.evaluate(() =>
    document.activeElement.getAttribute("aria-label")) !== "Delete Other way"; at++) {
    assert.ok(at < 10, "the button can be reached");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await second.waitFor();
  await page.keyboard.press("Enter");
  await listed(page, ["Tabs", "How to build"]);
  await page.locator('.row.memory[aria-current="true"]').getByText("How to build").waitFor();
  assert.ok(await page.evaluate(() => document.activeElement.matches(".row.memory")));
  await page.keyboard.press("c");
  await dialog(page).getByLabel("Topic").focus();
  await page.keyboard.type("keys");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Typed");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Without a mouse.");
  await page.keyboard.press("Control+Enter");
  await article(page, "Typed").getByText("Without a mouse.").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("ninja");
  await listed(page, ["Typed", "How to build"]); // What is open stays.
  page.clean();
});

test("a key that only reads sees one sentence; an address of nothing says why", async (t) => {
  const desk = await kept(t, "read");
  const page = await opened(browser, desk, { target: `/memory/${desk.build.id}` });
  await article(page, "How to build").getByText("Run ninja").waitFor();
  await page.getByText("needs the scope run").waitFor();
  await page.keyboard.press("c");
  assert.equal(await page.locator("dialog").count(), 0);
  assert.equal(await page.getByRole("button", { name: /^Delete/ }).count(), 0);
  await page.goto(`${desk.daemon.url}/memory/mem_00000000000000000000000000`);
  await page.getByRole("alert").getByText("not_found").waitFor();
  assert.deepEqual(await titles(page), ["Tabs", "Other way", "How to build"]);
  page.clean();
});

test("on a phone nothing is too wide, buttons are large; hostile texts are inert", async (t) => {
  const desk = await kept(t), { daemon } = desk;
  await keep(daemon, HOSTILE.turned, "x".repeat(64), {
    content: `${HOSTILE.html}\n${HOSTILE.escapes}`, tags: ["<img src=x onerror=alert(1)>"],
    project: "p".repeat(64) });
  const long = await keep(daemon, "y".repeat(200), "long", { content: "z".repeat(8192) });
  const page = await opened(browser, desk, { target: "/memory", ...PHONE });
  await page.getByRole("link", { name: "user ⟦RLO⟧gpj.exe⟦PDF⟧" }).tap();
  await page.getByText("<script>alert(1)</script>").waitFor();
  await page.getByText("⟦ESC⟧[31mred").waitFor();
  assert.equal(await overflow(page), 0);
  for (const button of await page.locator("main button:visible, main select, main input").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  await page.goto(`${daemon.url}/memory/${long.id}`);
  await page.getByText("z".repeat(8192)).waitFor();
  assert.equal(await overflow(page), 0);
  await page.getByRole("button", { name: "Remember" }).tap();
  await dialog(page).getByLabel("Title").waitFor();
  assert.equal(await overflow(page), 0);
  page.clean();
});

test("axe finds nothing: full, open, a form, empty; 200 % of the size fits", async (t) => {
  const desk = await kept(t), empty = await serving(t);
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: `/memory/${desk.build.id}`,
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    await article(page, "How to build").getByText("Run ninja").waitFor();
    await page.getByRole("button", { name: "build 2" }).waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), [], `${colorScheme}: open`);
    await page.getByRole("button", { name: "Remember" }).click();
    await dialog(page).getByLabel("Title").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: form`);
    page.clean();
    await page.context().close();
    const other = await opened(browser, empty, { colorScheme, target: "/memory" });
    await other.getByText("Nothing is remembered yet.").waitFor();
    assert.deepEqual(await axe(other), [], `${colorScheme}: empty`);
    await other.context().close();
  }
});
