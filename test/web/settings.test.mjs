// settings.test.mjs: connections, settings, rules, notices and tokens, edited in a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Provider } from "../integration/providers.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

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

const RULES = [
  { tool: "run_command", subject: "make *", permission: "allow" },
  { tool: "*_file", subject: ".env", permission: "deny" },
];
/** A daemon with a connection that has a key, and a project with rules. */
async function filled(t, scopes = ALL) {
  const desk = await serving(t, scopes), { daemon } = desk;
  await ask(daemon, "POST", "/providers",
    { name: "p", kind: "openai", base_url: provider.url, key: "sk-secret", window: 9000 });
  await ask(daemon, "POST", "/projects",
    { name: "web", settings: { permissions: RULES, edits: ["docs/**"] } });
  return desk;
}
const connection = (page, name) => page.locator(`[data-connection="${name}"]`);
const project = (page, name) => page.locator(`[data-project="${name}"]`);
const dialog = (page) => page.getByRole("dialog");
const button = (page, name) => page.getByRole("button", { name, exact: true });
const rulesOf = async (daemon) => (await ask(daemon, "GET", "/projects/web")).settings;
const isFocused = (locator) => locator.evaluate((one) => one === document.activeElement);

test("by mouse: a connection is added, refused beside its field, changed, tested, removed",
  async (t) => {
    const desk = await filled(t);
    const page = await opened(browser, desk, { target: "/settings" });
    await connection(page, "p").getByText("key: key file").waitFor();
    await button(page, "Add a connection").click();
    await dialog(page).getByLabel("Name", { exact: true }).fill("spare");
    await dialog(page).getByLabel("Address").fill(provider.url);
    await dialog(page).getByLabel("Key", { exact: true }).fill("sk-other");
    await dialog(page).getByLabel("Calls at a time").fill("many");
    await dialog(page).getByRole("button", { name: "Add a connection" }).click();
    await dialog(page).getByRole("alert").filter({ hasText: "max_concurrent" }).waitFor();
    const field = dialog(page).getByLabel("Calls at a time");
    assert.ok(await isFocused(field));
    assert.equal(await field.inputValue(), "many"); // What was typed stays,
    assert.equal((await desk.daemon.request("GET", "/api/v1/providers/spare",
      { local: true })).status, 404); // and nothing has changed.
    await field.fill("3");
    await dialog(page).getByLabel("Models").fill("one\ntwo");
    await dialog(page).getByLabel("Headers").fill("X-Team: web");
    await dialog(page).getByRole("button", { name: "Add a connection" }).click();
    await connection(page, "spare").getByText("3 calls at a time").waitFor();
    const made = await ask(desk.daemon, "GET", "/providers/spare");
    assert.deepEqual([made.models, made.headers, made.max_concurrent, made.key_set],
      [["one", "two"], { "X-Team": "web" }, 3, true]);

    await button(page, "Edit spare").click();
    assert.equal(await dialog(page).getByLabel("Key", { exact: true }).inputValue(), "");
    // Changed elsewhere while the form is open: only what was changed here is sent.
    await ask(desk.daemon, "PATCH", "/providers/spare", { window: 5000 });
    await dialog(page).getByLabel("Models").fill("");
    await dialog(page).getByLabel("Calls at a time").fill("");
    await dialog(page).getByRole("button", { name: "Save" }).click();
    await dialog(page).waitFor({ state: "detached" });
    await connection(page, "spare").getByText("prompts of 5,000 tokens").waitFor();
    const now = await ask(desk.daemon, "GET", "/providers/spare");
    assert.deepEqual([now.models, now.max_concurrent, now.window, now.key_set, now.headers],
      [[], 16, 5000, true, { "X-Team": "web" }]);

    await button(page, "Test spare").click();
    await connection(page, "spare").getByText(/answers in \d+ ms/).waitFor();
    assert.equal(provider.asked.at(-1).headers.authorization, "Bearer sk-other");
    await button(page, "Remove the key of spare").click();
    await button(page, "Remove the key for good").click();
    await connection(page, "spare").getByText("no key").waitFor();
    await button(page, "Remove spare").click();
    await button(page, "Remove for good").click();
    await connection(page, "spare").waitFor({ state: "detached" });
    assert.ok(!(await page.content()).includes("sk-"));
    page.clean();
  });

test("a setting that is changed elsewhere appears, and takes nothing that was typed", async (t) => {
  const desk = await filled(t);
  const page = await opened(browser, desk, { target: "/settings/defaults" });
  const window = page.getByRole("textbox", { name: "Longest prompt" });
  await window.fill("many");
  await button(page, "Save Longest prompt").click();
  await page.getByRole("alert").filter({ hasText: "window" }).waitFor();
  assert.equal(await window.inputValue(), "many");
  assert.equal((await ask(desk.daemon, "GET", "/settings")).window, null);
  await ask(desk.daemon, "PATCH", "/settings", { window: 7000, instructions: "Be short." });
  await page.getByText("Changed elsewhere meanwhile, to: 7000").waitFor();
  assert.equal(await window.inputValue(), "many");
  await page.waitForFunction(() => document.querySelector("textarea")?.value === "Be short.");
  await button(page, "Discard the change of Longest prompt").click();
  assert.equal(await window.inputValue(), "7000");
  assert.ok(await isFocused(window));
  await page.getByLabel("Effort").selectOption("high");
  await button(page, "Save Effort").click();
  await page.getByText("✓ saved").waitFor();

  await page.getByRole("link", { name: "Notices" }).click();
  await page.getByRole("checkbox", { name: "failed" }).check();
  await page.getByRole("checkbox", { name: "asked" }).check();
  await button(page, "Save Notify of").click();
  await page.getByText("✓ saved").waitFor();
  await page.getByLabel("Webhook").fill("nowhere");
  await button(page, "Save Webhook").click();
  await page.getByRole("alert").filter({ hasText: "notify_webhook" }).waitFor();
  const stored = await ask(desk.daemon, "GET", "/settings");
  assert.deepEqual([stored.notify_on, stored.notify_webhook, stored.effort],
    [["asked", "failed"], null, "high"]);
  page.clean();
});

test("by mouse: rules are added, moved, refused, removed; a change elsewhere is not overwritten",
  async (t) => {
    const desk = await filled(t);
    const page = await opened(browser, desk, { target: "/settings/permissions" });
    await page.getByText("a deny that matches is final").waitFor();
    const web = project(page, "web");
    await web.locator("summary").click();
    await button(page, "Move rule 2 up").click();
    await button(page, "Add a rule").click();
    await page.getByLabel("Permission of rule 3").selectOption("review");
    await page.getByLabel("Tool of rule 3").fill("web_fetch");
    await page.getByLabel("Edits without a question").fill("docs/**\ntest/**");
    await button(page, "Save the rules of web").click();
    await page.getByText("✓ saved").waitFor();
    assert.deepEqual(await rulesOf(desk.daemon), {
      permissions: [RULES[1], RULES[0], { tool: "web_fetch", permission: "review" }],
      edits: ["docs/**", "test/**"],
    });

    await page.getByLabel("Subject of rule 3").fill("x".repeat(20_000));
    await button(page, "Save the rules of web").click();
    await web.getByRole("alert").waitFor(); // In the daemon's words.
    assert.equal((await page.getByLabel("Subject of rule 3").inputValue()).length, 20_000);
    assert.equal((await rulesOf(desk.daemon)).permissions[2].subject, undefined);
    await page.getByLabel("Subject of rule 3").fill("https://example.org/*");
    await ask(desk.daemon, "PATCH", "/projects/web", { settings: { edits: "allow" } });
    await web.locator("summary").getByText("edits: allow").waitFor(); // It lives.
    await button(page, "Save the rules of web").click();
    await web.getByText("These rules were changed elsewhere meanwhile.").waitFor();
    assert.deepEqual(await rulesOf(desk.daemon), { edits: "allow" });
    await button(page, "Save mine over it").click();
    await web.getByText("✓ saved").waitFor();
    assert.equal((await rulesOf(desk.daemon)).permissions[2].subject, "https://example.org/*");
    await button(page, "Remove rule 1").click();
    assert.ok(await isFocused(button(page, "Add a rule")));
    await button(page, "Save the rules of web").click();
    await web.locator("summary").getByText("2 rules").waitFor();

    await page.getByLabel("Name of a new project").fill("docs");
    await button(page, "Add the project").click();
    await project(page, "docs").getByText("0 rules").waitFor();
    page.clean();
  });

test("a token is created, its secret shown once, and revoked", async (t) => {
  const desk = await serving(t, ALL);
  const page = await opened(browser, desk, { target: "/settings/keys" });
  await button(page, "Create a token").click();
  await dialog(page).getByLabel("Label").fill("phone");
  await dialog(page).getByLabel("Owner").fill("NOT VALID");
  await dialog(page).getByRole("checkbox", { name: "run" }).uncheck();
  await dialog(page).getByRole("button", { name: "Create a token" }).click();
  await dialog(page).getByRole("alert").filter({ hasText: "owner" }).waitFor();
  await dialog(page).getByLabel("Owner").fill("");
  await dialog(page).getByRole("button", { name: "Create a token" }).click();
  const box = page.getByRole("status", { name: "The secret of phone" });
  const secret = await box.locator("code").innerText();
  await box.getByRole("button", { name: "Copy" }).waitFor();
  const mine = { headers: { authorization: `Bearer ${secret}` } };
  assert.deepEqual((await desk.daemon.request("GET", "/api/v1/login", mine)).json.scopes, ["read"]);
  await button(page, "Hide it").click();
  await page.reload();
  await button(page, "Revoke phone").click();
  assert.ok(!(await page.content()).includes(secret));
  await button(page, "Revoke for good").click();
  await page.getByText("phone").waitFor({ state: "detached" });
  assert.equal((await desk.daemon.request("GET", "/api/v1/login", mine)).status, 401);
  page.clean();
});

test("a connection that waits says until when, and the wait is ended", async (t) => {
  const desk = await filled(t);
  provider.status = 503;
  t.after(() => (provider.status = 200));
  const { id } = await ask(desk.daemon, "POST", "/sessions", { title: "Waits", model: "p/small" });
  await ask(desk.daemon, "POST", `/sessions/${id}/messages`, { text: "hi" });
  for (let cause = null; cause === null;) {
    ({ cause } = await ask(desk.daemon, "GET", "/providers/p"));
  }
  const page = await opened(browser, desk, { target: "/settings" });
  await connection(page, "p").getByText(/waiting until .*\d:/).waitFor();
  provider.status = 200;
  await button(page, "End the wait for p").click();
  await connection(page, "p").getByText("✓ set").waitFor();
  page.clean();
});

/** Tab, until the focus is on this name. */
async function tabTo(page, name) {
  for (let at = 0; at < 80; at++) {
    const now = await page.evaluate(() => {
      const one = document.activeElement;
      return one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent;
    });
    if (now.trim() === name) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${name} cannot be reached`);
}

test("by keyboard alone: a setting, a rule that moves, a connection", async (t) => {
  const desk = await filled(t);
  const page = await opened(browser, desk, { target: "/" });
  await page.locator("h1").waitFor();
  await page.keyboard.type("g,");
  await connection(page, "p").waitFor();
  await tabTo(page, "Defaults");
  await page.keyboard.press("Enter");
  await page.getByLabel("Longest prompt").waitFor();
  await tabTo(page, "Longest prompt");
  await page.keyboard.type("8000");
  await page.keyboard.press("Enter");
  await page.getByText("✓ saved").waitFor();
  await page.goto(`${desk.daemon.url}/settings/permissions`);
  await project(page, "web").waitFor();
  await page.locator("summary").first().focus();
  await page.keyboard.press("Enter");
  await button(page, "Move rule 1 down").waitFor();
  await tabTo(page, "Move rule 1 down");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => // It goes with its rule.
    document.activeElement?.getAttribute("aria-label") === "Move rule 2 down");
  await tabTo(page, "Save the rules of web");
  await page.keyboard.press("Enter");
  await page.getByText("✓ saved").waitFor();
  assert.deepEqual((await rulesOf(desk.daemon)).permissions, [RULES[1], RULES[0]]);
  await page.goto(`${desk.daemon.url}/settings`);
  await connection(page, "p").waitFor();
  await tabTo(page, "Edit p");
  await page.keyboard.press("Enter");
  await tabTo(page, "Calls at a time");
  await page.keyboard.type("2");
  await page.keyboard.press("Enter");
  await connection(page, "p").getByText("2 calls at a time").waitFor();
  page.clean();
});

test("on a phone nothing is too wide, and buttons are large", async (t) => {
  const desk = await filled(t);
  const page = await opened(browser, desk, { target: "/settings", ...PHONE });
  for (const at of ["models", "defaults", "permissions", "notices", "keys"]) {
    await page.goto(`${desk.daemon.url}/settings/${at}`);
    await page.locator("main :is(.row, .setting, summary)").first().waitFor();
    if (at === "permissions") {
      await page.locator("summary").first().tap();
      await button(page, "Add a rule").waitFor();
    }
    assert.equal(await overflow(page), 0, at);
    for (const one of await page.locator("main button:visible, main summary").all()) {
      const { height } = await one.boundingBox();
      assert.ok(height >= 44, `${at}: ${await one.innerText()}: ${height}`);
    }
  }
  page.clean();
});

test("axe finds nothing, light and dark; 200 % of the size fits", async (t) => {
  const desk = await filled(t);
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: "/settings",
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    for (const at of ["models", "defaults", "permissions", "notices", "keys"]) {
      await page.goto(`${desk.daemon.url}/settings/${at}`);
      await page.locator("main :is(.row, .setting, summary)").first().waitFor();
      if (at === "permissions") {
        await page.locator("summary").first().click();
        await button(page, "Add a rule").waitFor();
      }
      if (at === "models") await button(page, "Edit p").click();
      if (at === "keys") await button(page, "Create a token").click();
      assert.equal(await overflow(page), 0, at);
      assert.deepEqual(await axe(page), [], `${colorScheme}: ${at}`);
    }
    page.clean();
    await page.context().close();
  }
});

test("texts of others stay texts", async (t) => {
  const desk = await serving(t, ALL), { daemon } = desk;
  const label = "<img src=x onerror=alert(1)>";
  await ask(daemon, "PATCH", "/settings", { instructions: HOSTILE.html });
  await ask(daemon, "POST", "/projects", { name: "web", settings: { permissions: [
    { tool: "run_command", subject: HOSTILE.html, permission: "deny" }], edits: ["\u202e<b>x</b>"],
  } });
  await ask(daemon, "POST", "/tokens", { label, scopes: ["read"] });
  const page = await opened(browser, desk, { target: "/settings/permissions" });
  await page.locator("summary").first().click();
  assert.equal(await page.getByLabel("Subject of rule 1").inputValue(),
    HOSTILE.html.replaceAll("\n", ""));
  assert.ok(!(await page.locator("summary").innerText()).includes("\u202e"));
  await page.goto(`${daemon.url}/settings/keys`);
  await page.getByText(label).waitFor();
  assert.equal(await page.locator("main :is(img, script, iframe, base)").count(), 0);
  await page.goto(`${daemon.url}/settings/defaults`);
  await page.getByLabel("Instructions").waitFor();
  assert.equal(await page.locator("main :is(img, script, iframe, base)").count(), 0);
  page.clean();
});

test("a key that only reads sees everything, and one sentence of why", async (t) => {
  const desk = await filled(t, "read");
  const page = await opened(browser, desk, { target: "/settings/permissions" });
  await page.getByText("Changing them needs the scope run.").waitFor();
  await page.locator("summary").first().click();
  await page.getByText("deny *_file .env").waitFor();
  assert.equal(await page.locator("main :is(input, button, select, textarea)").count(), 0);
  for (const [at, text] of [["models", "key: key file"], ["notices", "Webhook"]]) {
    await page.goto(`${desk.daemon.url}/settings/${at}`);
    await page.getByText("Changing them needs the scope admin.").waitFor();
    await page.getByText(text).first().waitFor();
    assert.equal(await page.locator("main :is(input, button, select, textarea)").count(), 0, at);
  }
  page.clean();
});
