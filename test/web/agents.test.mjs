// agents.test.mjs: agents in a browser: programs and agents of models, how one is started, and its
// definition.
//
// runs-with: web
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { ask } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";
import { compiled } from "./parts.mjs";

const file = fileOf({ after, afterEach });
let browser;
before(async () => (browser = await browserOf(file)));

const ADMIN = "read,run,approve,admin";
const row = (page, name) => page.locator(`.row.agent[data-row="${name}"]`);
const detail = (page) => page.getByRole("complementary", { name: /^Agent/ });
const dialog = (page) => page.getByRole("dialog");
const stored = (desk, body) => ask(desk.daemon, "POST", "/agents", body, 201);
const ECHO = { name: "mine", program: "plain", command: "echo", args: ["a b", "--"] };

test("by mouse: an agent is opened, copied, replaced and removed; faults stand at their field",
  async (t) => {
    const desk = await serving(t, ADMIN);
    await stored(desk, ECHO);
    const page = await opened(browser, desk);
    await page.getByRole("link", { name: "Agents" }).click();
    await row(page, "claude").waitFor();
    await row(page, "general-purpose").getByText("what its run allows").waitFor();
    await page.locator(".row.agent", { hasText: "scripted" }).getByText("at once").waitFor();
    await row(page, "mine").getByRole("button").click();
    assert.match(page.url(), /agent=mine/);
    await detail(page).getByText("echo 'a b' --").waitFor();
    await detail(page).getByText("stored").waitFor();

    await row(page, "claude").getByRole("button").click();
    await detail(page).getByText("built in").waitFor();
    assert.equal(await detail(page).getByRole("button", { name: "Edit" }).count(), 0);
    await detail(page).getByRole("button", { name: "Copy under a new name" }).click();
    await dialog(page).getByLabel("Name", { exact: true }).fill("mine");
    await dialog(page).getByLabel(/^Command/).fill("./claude");
    const store = dialog(page).getByRole("button", { name: "Store" });
    await store.click();
    await dialog(page).getByText("must be an absolute path").waitFor();
    const bad = dialog(page).locator("[aria-invalid]");
    assert.equal(await bad.getAttribute("name"), "command");
    await bad.fill("/bin/echo");
    await store.click();
    await dialog(page).getByText("there is a stored agent").waitFor();
    assert.equal(await bad.getAttribute("name"), "name");
    await bad.fill("careful");
    const json = dialog(page).getByLabel(/^Other fields/);
    await json.fill("[1]");
    await store.click();
    await dialog(page).getByText("This is no JSON object.").waitFor();
    await json.fill("{\"foo\": 1}");
    await store.click();
    await dialog(page).getByText("\"foo\" is unknown").waitFor();
    await json.fill("{\"env\": {\"A\": \"secret\"}}");
    await dialog(page).getByLabel("May, without a question").selectOption("read");
    await store.click();
    await detail(page).getByRole("heading", { name: "careful" }).waitFor();
    await detail(page).getByText("Variables: A").waitFor();
    assert.equal(await page.getByText("secret").count(), 0);

    await detail(page).getByRole("button", { name: "Edit" }).click();
    assert.equal(await dialog(page).getByLabel(/^Command/).inputValue(), "/bin/echo");
    assert.equal(await dialog(page).getByLabel("May, without a question").inputValue(), "read");
    await dialog(page).getByLabel("For", { exact: true }).fill("reads only");
    await dialog(page).getByLabel("At once, at most").fill("x");
    await store.click();
    await dialog(page).locator("[aria-invalid][name=at_once]").fill("2");
    await store.click();
    await detail(page).getByText("reads only").waitFor();
    const { definition } = await ask(desk.daemon, "GET", "/agents/careful");
    assert.deepEqual([definition.env, definition.access, definition.at_once],
      [{ A: "secret" }, "read", 2]); // What the form did not show as a field stays.
    await detail(page).getByRole("button", { name: "Remove careful" }).click();
    await page.getByRole("button", { name: "Remove the definition" }).click();
    await row(page, "careful").waitFor({ state: "detached" });
    await detail(page).waitFor({ state: "detached" });
    page.clean();
  });

test("by keyboard alone: there, an agent opened and closed, a new one stored", async (t) => {
  const desk = await serving(t, ADMIN);
  await stored(desk, ECHO);
  const page = await opened(browser, desk);
  await page.getByText(/^● live$/).waitFor();
  await page.keyboard.type("ga");
  await row(page, "claude").waitFor();
  await page.keyboard.press("j");
  const first = await page.locator(".row.agent.sel").getAttribute("data-row");
  await page.keyboard.press("Enter");
  await detail(page).getByRole("heading", { name: first }).waitFor();
  await page.keyboard.press("Escape");
  await detail(page).waitFor({ state: "detached" });
  await page.keyboard.press("c");
  await dialog(page).getByLabel("Name", { exact: true }).focus();
  await page.keyboard.type("typed");
  await dialog(page).getByLabel(/^Command/).focus();
  await page.keyboard.type("echo");
  await page.keyboard.press("Enter");
  await detail(page).getByRole("heading", { name: "typed" }).waitFor();
  page.clean();
});

test("a key without admin shows all, and says why definitions stay as they are", async (t) => {
  const desk = await serving(t, "read");
  await stored(desk, ECHO);
  const page = await opened(browser, desk, { target: "/agents?agent=mine" });
  await detail(page).getByText("The scope admin is needed").waitFor();
  const target = "/api/v1/agents/mine", key = { authorization: `Bearer ${desk.key}` };
  const answer = await desk.daemon.request("GET", target, { headers: key });
  assert.equal(answer.json.definition, null); // Values of `env` may be secrets.
  await page.keyboard.press("c");
  assert.equal(await page.locator("dialog, aside .buttons").count(), 0);
  page.clean();
});

test("on a phone nothing is too wide, and buttons are large", async (t) => {
  const desk = await serving(t, ADMIN);
  await stored(desk, ECHO);
  const page = await opened(browser, desk, { target: "/agents", ...PHONE });
  await row(page, "claude").waitFor();
  assert.equal(await overflow(page), 0);
  for (const button of await page.locator("main button:visible").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  await row(page, "mine").getByRole("button").tap();
  await detail(page).getByText("echo 'a b' --").waitFor();
  assert.equal(await overflow(page), 0);
  await detail(page).locator("[aria-label=Close]:focus").waitFor(); // The sheet covers the list.
  await detail(page).getByRole("button", { name: "Close" }).tap();
  await page.locator("[data-row=mine]:focus").waitFor();
  page.clean();
});

test("axe finds nothing: the list, an agent, the form with a fault; 200 % of the size fits",
  async (t) => {
    const desk = await serving(t, ADMIN);
    await stored(desk, ECHO);
    for (const colorScheme of ["light", "dark"]) {
      const page = await opened(browser, desk, { colorScheme, target: "/agents",
        viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
      await row(page, "claude").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), [], `${colorScheme}: list`);
      await page.setViewportSize({ width: 1280, height: 800 });
      await row(page, "mine").getByRole("button").click();
      await detail(page).getByText("echo 'a b' --").waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: agent`);
      await detail(page).getByRole("button", { name: "Edit" }).click();
      await dialog(page).getByLabel("At once, at most").fill("x");
      await dialog(page).getByRole("button", { name: "Store" }).click();
      await dialog(page).locator("[aria-invalid]").waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: form`);
      page.clean();
      await page.context().close();
    }
  });

test("hostile texts are shown as the texts that they are", async (t) => {
  const desk = await serving(t, ADMIN);
  await stored(desk, { ...ECHO, name: "<img src=x onerror=alert(1)>",
    args: [HOSTILE.html, HOSTILE.turned, HOSTILE.links],
    description: HOSTILE.html.replaceAll("\n", " ") });
  const page = await opened(browser, desk, { target: "/agents" });
  await page.getByRole("button", { name: "<img" }).click();
  await detail(page).getByText("<script>alert(1)").first().waitFor();
  await detail(page).getByRole("heading", { name: "How it is started" }).waitFor();
  assert.equal(await page.locator("main img, main iframe, main script").count(), 0);
  assert.doesNotMatch(await page.locator("main").innerText(), /[\u202e\u2066\x1b]/);
  page.clean();
});

test("slots in use and the cool-down of an agent stand in its row and its details", async (t) => {
  const desk = await serving(t, ADMIN);
  const failure = { type: "turn.failed",
    error: { message: "429 Too many requests. Please try again in 600s." } };
  const command = path.join(desk.daemon.data, "limited");
  const text = `#!/bin/sh\necho '${JSON.stringify(failure)}'; exit 1\n`;
  writeFileSync(command, text, { mode: 0o755 });
  await stored(desk, { name: "limited", program: "codex", command, at_once: 2 });
  const page = await opened(browser, desk, { target: "/agents" });
  await row(page, "limited").waitFor();
  const { id } = await ask(desk.daemon, "POST", "/sessions", { agent: "limited" }, 201);
  await ask(desk.daemon, "POST", `/sessions/${id}/messages`, { text: "hello" }, 201);
  await row(page, "limited").getByText(/^1 waiting · cools down until .* \(rate limited\) · /)
    .waitFor(); // The page reads it again by itself.
  await row(page, "limited").locator(".state", { hasText: "cools down" }).waitFor();
  await row(page, "limited").getByRole("button").click();
  await detail(page).getByText(/^1 waiting · cools down until/).waitFor();
  page.clean();
});

test("rules: what an agent has to do now, in words", async () => {
  const { nowOf } = await compiled("agents/rules.ts");
  const idle = { running: 0, waiting: 0, at_once: 2, cooling_until_ms: null, cooling_cause: null };
  assert.equal(nowOf(idle, 0), "");
  assert.equal(nowOf({ ...idle, running: 1 }, 0), "1 of 2 slots used");
  assert.equal(nowOf({ ...idle, running: 3, at_once: null, waiting: 1 }, 0),
    "3 running · 1 waiting");
  assert.match(nowOf({ ...idle, cooling_until_ms: 60_000, cooling_cause: "provider_error" }, 0),
    /^cools down until \d\d:\d\d.* \(provider error\)$/);
});

test("rules: a body of the form, the field of a fault, words as a shell needs them", async () => {
  const { bodyOf, fieldOf, givenOf, quoted } = await compiled("agents/rules.ts");
  assert.deepEqual(givenOf(null, { name: "a", program: "pi", at_once: 2, args: [] }),
    { program: "pi", at_once: "2", json: "{\n  \"args\": []\n}" });
  assert.deepEqual(givenOf({ program: "claude", model: null }, null), { program: "claude" });
  assert.deepEqual(bodyOf({ name: "a", at_once: "2", json: "{\"args\": []}" }),
    { name: "a", at_once: 2, args: [] });
  assert.deepEqual([bodyOf({ json: "{" }), bodyOf({ json: "[]" }), bodyOf({ json: "null" })],
    [null, null, null]);
  const of = (code, detail) => fieldOf({ status: 400, title: "", code, detail });
  assert.equal(of("bad_field", "\"command\" must be"), "command");
  assert.equal(of("bad_field", "\"args\": text"), "json");
  assert.equal(of("unknown_field", "the field \"foo\" is unknown: \"name\""), "json");
  assert.equal(of("conflict", "there is one"), "name");
  assert.equal(of("forbidden", "no"), null);
  assert.deepEqual(["a", "a b", "it's", ""].map(quoted), ["a", "'a b'", "'it'\\''s'", "''"]);
});
