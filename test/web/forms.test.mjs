// forms.test.mjs: fields that search, folders that are browsed, and what Escape leaves of a form.
//
// runs-with: web
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after, afterEach, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
const browser = await browserOf(file);
const desk = await serving(file);
const top = scratch(file);
for (const name of ["api/source", "api/Test", ".api", "web"]) {
  mkdirSync(path.join(top, name), { recursive: true });
}

async function ask(method, target, body) {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}
for (const name of ["parrot", "pigeon"]) {
  await ask("POST", "/agents", { name, program: "plain", command: "/bin/echo" });
}
await ask("POST", "/providers", { name: "local", kind: "openai",
  base_url: "http://127.0.0.1:9/v1", models: ["large", "small"] });
await ask("PATCH", "/settings", { default_model: "local/small" });
for (const name of ["api", "web"]) {
  await ask("POST", "/sessions", { title: name, root: path.join(top, name) });
}

const dialog = (page) => page.getByRole("dialog");
const options = (page) => page.locator(".picks [role=option]");
const texts = (page, ...wanted) => page.waitForFunction((want) => JSON.stringify([
  ...document.querySelectorAll(".picks [role=option]")].map(({ textContent }) => textContent)) ===
  JSON.stringify(want), wanted);
async function form(page) {
  await page.getByRole("button", { name: "New session" }).click();
  await dialog(page).getByLabel("First message").waitFor();
}

test("a field that searches is worked by keys, and Escape closes its list alone", async () => {
  const page = await opened(browser, desk, { target: "/sessions?q=nothing-has-this" });
  await form(page);
  const field = dialog(page).getByRole("combobox", { name: "Program that answers" });
  await field.focus();
  assert.equal(await field.inputValue(), "none: the model answers");
  await page.keyboard.press("ArrowDown");
  await texts(page, "none: the model answers", "parrot", "pigeon");
  assert.equal(await field.getAttribute("aria-expanded"), "true");
  await page.keyboard.type("pi");
  await texts(page, "pigeon");
  const active = await field.getAttribute("aria-activedescendant");
  assert.equal(await page.locator(`[id="${active}"]`).innerText(), "pigeon");
  await page.keyboard.press("Escape");
  await options(page).first().waitFor({ state: "detached" });
  assert.equal(await field.inputValue(), "none: the model answers", "nothing was chosen");
  await page.keyboard.type("p");
  await texts(page, "parrot", "pigeon");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await field.inputValue(), "pigeon");
  await dialog(page).getByLabel("Title").fill("By keys");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/s\/ses_/);
  assert.equal((await ask("GET", `/sessions/${page.url().split("/").at(-1)}`)).agent, "pigeon");
  page.clean();
});

test("a model that is not listed may be typed, and the default is marked", async () => {
  const page = await opened(browser, desk, { target: "/sessions?q=nothing-has-this" });
  await form(page);
  const field = dialog(page).getByLabel("Model", { exact: false }).first();
  await field.click();
  await texts(page, "local/large", "local/smalldefault");
  assert.equal(await page.locator(".picks h2").textContent(), "local");
  await field.fill("other/large");
  await options(page).first().waitFor({ state: "detached" });
  await dialog(page).getByRole("button", { name: "Begin" }).click();
  await page.waitForURL(/\/s\/ses_/);
  const { model } = await ask("GET", `/sessions/${page.url().split("/").at(-1)}`);
  assert.equal(model, "other/large");
  page.clean();
});

test("a folder is found by keys: known ones first, into one, up, hidden by its dot", async () => {
  const page = await opened(browser, desk, { target: "/sessions?q=nothing-has-this" });
  await form(page);
  const field = dialog(page).getByLabel("Folder");
  await dialog(page).getByRole("button", { name: "Browse" }).focus();
  await page.keyboard.press("Enter");
  await options(page).getByText(path.join(top, "api"), { exact: true }).waitFor();
  await field.pressSequentially("api");
  await texts(page, path.join(top, "api"));
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await texts(page, `↑ ${top}`, "source", "Test");
  assert.equal(await field.inputValue(), path.join(top, "api"));
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await texts(page, `↑ ${path.dirname(top)}`, "api", "web");
  assert.equal(await field.inputValue(), top);
  await field.pressSequentially("/.a");
  await texts(page, ".api");
  await field.fill("/no-such-folder/x");
  await dialog(page).getByRole("status").getByText("there is no folder").waitFor();
  await field.fill(path.join(top, "w"));
  await texts(page, "web");
  await options(page).first().click();
  assert.equal(await field.inputValue(), path.join(top, "web"));
  await page.keyboard.press("Escape");
  assert.equal(await dialog(page).count(), 1, "Escape closes the list alone");
  await dialog(page).getByRole("button", { name: "Begin" }).click();
  await page.waitForURL(/\/s\/ses_/);
  const { root } = await ask("GET", `/sessions/${page.url().split("/").at(-1)}`);
  assert.equal(root, path.join(top, "web"));
  page.clean();
});

test("what was typed survives Escape and a reload, until it is sent or cancelled", async () => {
  const page = await opened(browser, desk, { target: "/sessions?q=nothing-has-this" });
  await form(page);
  const typed = { "First message": "say: kept", Folder: path.join(top, "web"),
    "Program that answers": "parrot" };
  for (const [label, text] of Object.entries(typed)) {
    await dialog(page).getByLabel(label).fill(text);
    if (label === "Program that answers") await page.keyboard.press("Enter");
  }
  await dialog(page).getByLabel("Title").focus();
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  await page.reload();
  await form(page);
  await dialog(page).getByText("As you left it.").waitFor();
  for (const [label, text] of Object.entries(typed)) {
    assert.equal(await dialog(page).getByLabel(label).inputValue(), text, label);
  }
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await form(page);
  assert.equal(await dialog(page).getByLabel("First message").inputValue(), "");
  await dialog(page).getByLabel("Title").fill("Sent");
  await dialog(page).getByRole("button", { name: "Begin" }).click();
  await page.waitForURL(/\/s\/ses_/);
  assert.equal(await page.evaluate(() => Object.keys(sessionStorage)
    .filter((name) => name.startsWith("drover.form.")).length), 0);
  page.clean();
});

test("a key is never kept", async () => {
  const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read,run,admin"]);
  const admin = { ...desk, key: stdout.trim().split("\n")[0] };
  const page = await opened(browser, admin, { target: "/settings/models" });
  await page.getByRole("button", { name: "Add a connection" }).click();
  await dialog(page).getByLabel("Name").fill("local");
  await dialog(page).getByLabel("Key").first().fill("sk-secret");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Add a connection" }).click();
  assert.equal(await dialog(page).getByLabel("Name").inputValue(), "local");
  assert.equal(await dialog(page).getByLabel("Key").first().inputValue(), "");
  const stored = await page.evaluate(() => JSON.stringify({ ...sessionStorage }));
  assert.doesNotMatch(stored, /sk-secret/);
  page.clean();
});

test("axe finds nothing in open lists, and on a phone they fit and have rows for a finger",
  async () => {
    for (const more of [{}, { colorScheme: "dark" }, PHONE]) {
      const page = await opened(browser, desk, { ...more, target: "/sessions?q=nothing-has-this" });
      await form(page);
      await dialog(page).getByRole("button", { name: "Browse" }).click();
      await options(page).first().waitFor();
      assert.deepEqual(await axe(page), []);
      await dialog(page).getByLabel("Program that answers").click();
      await options(page).getByText("pigeon").waitFor();
      assert.deepEqual(await axe(page), []);
      assert.ok(await overflow(page) <= 0);
      const { height } = await options(page).first().boundingBox();
      assert.ok(height >= (more === PHONE ? 44 : 32), `${height} px`);
      await page.goto(`${desk.daemon.url}/`);
      await page.getByLabel("Who answers").click();
      await options(page).getByText("pigeon").waitFor();
      assert.deepEqual(await axe(page), []);
      assert.ok(await overflow(page) <= 0);
      page.clean();
    }
  });
