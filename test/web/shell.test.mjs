// shell.test.mjs: what all views have: the palette, shortcuts, the first run, settings, banners.
//
// runs-with: web
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Daemon, scratch } from "../integration/lib.mjs";
import { Provider, until } from "../integration/providers.mjs";
import { Proxy } from "../integration/stream-client.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { filesOf } from "./files.mjs";

const ALL = "read,run,approve,admin";
const HOSTILE = "<img src=x onerror=alert(1)>";
const file = fileOf({ after, afterEach });
let browser, desk, provider, reader;
const keyOf = async (daemon, scopes) =>
  (await daemon.cli(["token", "create", "--scope", scopes])).stdout.trim().split("\n")[0];

/** A daemon without a model, and one server of models that is not connected yet. */
before(async () => {
  browser = await browserOf(file);
  provider = await new Provider().start(file);
  const daemon = await new Daemon({ data: scratch(file), env: { DROVER_MODEL: "" } }).start();
  file.after(() => daemon.kill());
  desk = { daemon, key: await keyOf(daemon, ALL) };
  reader = { daemon, key: await keyOf(daemon, "read") };
  const job = await daemon.cli(["job", "run", "--label", HOSTILE, "--", "true"]);
  assert.equal(job.code, 0, job.stderr);
});

const palette = (page) => page.getByRole("dialog", { name: "Find or go to…" });
const option = (page, name) => page.getByRole("option", { name });
const heading = (page, name) => page.getByRole("heading", { level: 1, name });
const focused = (page) => page.evaluate(() => document.activeElement.textContent);

async function openPalette(page, text) {
  await page.keyboard.press("Control+k");
  await palette(page).getByRole("combobox").waitFor();
  if (text !== undefined) await page.keyboard.type(text);
}

test("the palette goes to places, does actions, and gives the focus back", async () => {
  const page = await opened(browser, desk);
  const find = page.getByRole("button", { name: "Find" });
  await find.focus();
  await openPalette(page, "stt"); // Letters of a name in their order.
  await option(page, "Settings").waitFor();
  await page.keyboard.press("Enter");
  await heading(page, "Settings").waitFor();
  await page.waitForFunction(() => document.activeElement.tagName === "H1");
  assert.equal(await page.title(), "Settings · drover");
  await page.goBack();
  await page.getByText("Unread", { exact: true }).waitFor();
  assert.equal(await page.title(), "drover");

  await find.focus();
  await openPalette(page, "no such thing anywhere");
  await palette(page).getByText("Nothing found.").waitFor();
  await page.keyboard.press("Escape");
  await palette(page).waitFor({ state: "detached" });
  assert.match(await focused(page), /^Find/);

  await find.click();
  await option(page, "Colours: dark").click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  await openPalette(page);
  await option(page, HOSTILE).waitFor();
  await page.keyboard.press("ArrowUp"); // From the first to the last.
  const last = palette(page).getByRole("option").last();
  assert.equal(await last.getAttribute("aria-selected"), "true");
  await page.keyboard.press("ArrowDown");
  assert.match(await page.locator('[aria-selected="true"]').innerText(), /^Home/);
  page.clean();
});

test("an id that is pasted opens its view; one that is not there says so", async () => {
  const page = await opened(browser, desk);
  const jobs = await desk.daemon.request("GET", "/api/v1/jobs", { local: true });
  const [{ id }] = jobs.json.items;
  const made = await desk.daemon.request("POST", "/api/v1/sessions", {
    local: true, body: { model: "scripted/demo" } });
  const session = made.json.id;
  const { json: { message } } = await desk.daemon.request("POST",
    `/api/v1/sessions/${session}/messages`, { local: true, body: { text: "say: so" } });
  const places = [[id, `/j/${id}`], [session, `/s/${session}`],
    [message, `/s/${session}#${message}`], ["apr_0123", "/inbox/apr_0123"]];
  for (const [pasted, where] of places) {
    await openPalette(page);
    await page.keyboard.insertText(` ${pasted} `);
    await page.keyboard.press("Enter"); // At once: nothing has been found yet.
    await page.waitForURL(desk.daemon.url + where);
    await palette(page).waitFor({ state: "detached" });
  }
  await openPalette(page, "run_0123456789");
  await page.keyboard.press("Enter");
  await palette(page).getByText(/not_found/).waitFor();
  page.clean();
});

test("a key that comes before the browser says that the palette has closed opens it again",
  async () => {
    const page = await opened(browser, desk);
    await openPalette(page);
    for (const end of ["Enter", "Escape"]) {
      await option(page, "Settings").waitFor();
      await page.evaluate(async (how) => { // In one task of the browser, so it has said nothing.
        const key = (name, held) => document.activeElement.dispatchEvent(new KeyboardEvent(
          "keydown", { key: name, ctrlKey: held, bubbles: true, cancelable: true }));
        if (how === "Enter") key("Enter", false);
        else document.querySelector("dialog").requestClose(); // As the key does.
        for (let n = 0; n < 20; n++) await null; // The page draws what it knows.
        if (document.querySelector("dialog[open]")) throw new Error(`${how} does not close it`);
        key("k", true);
      }, end);
      await palette(page).getByRole("combobox").waitFor();
    }
    page.clean();
  });

test("keys lead to places, and do nothing in a field, nor switched off", async () => {
  const page = await opened(browser, desk);
  await page.getByText("Unread", { exact: true }).waitFor();
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await help.getByText("Go to Settings").waitFor();
  await help.getByLabel("Keys without Ctrl do something").uncheck();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.keyboard.type("g,");
  await openPalette(page, "keyboard"); // Keys with Ctrl stay.
  await page.keyboard.press("Enter");
  assert.equal(page.url(), `${desk.daemon.url}/`);
  await help.getByLabel("Keys without Ctrl do something").check();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" }); // And the focus is out of it.
  await page.evaluate(() => {
    const field = document.createElement("input");
    field.dataset.filter = "";
    document.querySelector("main .view").append(field);
  });
  await page.keyboard.press("/");
  await page.keyboard.type("g,");
  assert.equal(await page.locator("[data-filter]").inputValue(), "g,");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.type("g,");
  await heading(page, "Settings").waitFor();
  page.clean();
});

test("a shortcut is changed by pressing its key; a taken one is refused, and all tabs follow",
  async () => {
    const other = await opened(browser, desk);
    const page = await other.context().newPage(); // The tab that is seen.
    await page.goto(`${desk.daemon.url}/settings/page`);
    const row = (name) => page.locator(".shortcut").filter({ hasText: name });
    const press = async (name, ...keys) => {
      await row(name).getByRole("button").last().press("Enter");
      await row(name).getByText("Press a key").waitFor();
      for (const key of keys) await page.keyboard.press(key);
    };
    await press("Go to Jobs", "g", "i");
    await row("Go to Jobs").getByText("g i is “Go to Inbox”. Change that one first.").waitFor();
    await press("Go to Jobs", "Control+t");
    await row("Go to Jobs").getByText("Ctrl T belongs to the browser.").waitFor();
    await press("Go to Jobs", "g", "Shift+O");
    await press("Find or go to", "Control+b");
    await row("Find or go to").getByRole("button", { name: "Ctrl B: Find or go to…" }).waitFor();

    const cap = (text) => other.locator(`.find [data-cap="${text}"]`).waitFor();
    await cap("Ctrl B");
    await other.keyboard.press("?");
    const help = other.getByRole("dialog", { name: "Keyboard shortcuts" });
    const caps = help.locator(".keys > div").filter({ hasText: "Go to Jobs" }).locator("kbd");
    await caps.first().waitFor();
    assert.equal((await caps.allInnerTexts()).join(" "), "g ⇧O");
    await other.keyboard.press("Escape");
    await other.locator("dialog").waitFor({ state: "detached" });
    await other.keyboard.type("gjg"); // What was changed leads nowhere.
    await other.keyboard.press("Shift+O");
    await heading(other, "Jobs").waitFor();
    await other.keyboard.press("Control+b");
    await palette(other).waitFor();

    await row("Go to Jobs").getByRole("button", { name: "Reset" }).click();
    await row("Go to Jobs").getByRole("button", { name: "g j: Go to Jobs" }).waitFor();
    await page.getByRole("button", { name: "Reset all" }).click();
    await page.getByText("All keys are as they were at first.").waitFor();
    await cap("Ctrl K");
    assert.equal(await page.evaluate(() => localStorage.getItem("drover.shortcuts")), null);
    other.clean();
  });

test("the first run by mouse: a wrong key, the right one, a model, a message", async () => {
  const page = await opened(browser, desk);
  await page.getByRole("link", { name: "Connect a model" }).click();
  await page.getByText("Another server").click();
  await page.getByLabel("Address").fill(provider.url);
  const key = page.getByLabel(/^Key/);
  const connect = page.getByRole("button", { name: "Connect and test" });
  provider.status = 401;
  await key.fill("sk-wrong-key");
  await connect.click();
  await page.getByRole("alert").filter({ hasText: "It does not answer: auth" }).waitFor();
  assert.equal(await page.getByText("2. A model").count(), 0);
  provider.status = 200;
  await key.fill("sk-right-key");
  await connect.click();
  await page.getByText(/answered in \d+ ms/).waitFor();
  assert.equal(provider.last.headers.authorization, "Bearer sk-right-key");
  const kept = await page.evaluate(() => [document.documentElement.outerHTML,
    ...[...document.querySelectorAll("input")].map(({ value }) => value),
    JSON.stringify({ ...localStorage })].join());
  assert.doesNotMatch(kept, /sk-right-key|sk-wrong-key/);
  await page.getByRole("combobox", { name: "Model" }).fill("local/small");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Use this model" }).click();
  await page.getByText("New sessions use local/small now.").waitFor();
  await page.getByLabel("Message").fill("Are you there?");
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForURL(/\/s\/ses_\w+$/);
  const id = page.url().split("/").at(-1);
  let messages;
  await until("an answer", async () => {
    const { json } = await desk.daemon.request("GET", `/api/v1/sessions/${id}/messages`, {
      local: true });
    messages = json.items;
    return messages.some(({ role, status }) => role === "assistant" && status === "completed");
  });
  assert.deepEqual(messages.map(({ parts }) => parts[0].text), ["ok", "Are you there?"]);
  page.clean();
});

test("the first run by keyboard alone, and at 360 px", async () => {
  const { daemon } = desk;
  await daemon.cli(["config", "set", "default_model", "--reset"]);
  await daemon.cli(["provider", "rm", "local"]);
  const page = await opened(browser, desk, { target: "/welcome", ...PHONE });
  const first = page.getByRole("radio").first();
  await first.focus();
  await page.keyboard.press("ArrowUp"); // The last: the demo, then the one before.
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.getByLabel("Another server").isChecked(), true);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type(provider.url);
  await page.keyboard.press("Enter");
  await page.getByText(/answered in \d+ ms/).waitFor();
  assert.equal(await overflow(page), 0);
  for (const button of await page.getByRole("button").all()) {
    const { width, height } = await button.boundingBox() ?? { width: 44, height: 44 };
    assert.ok(height >= 44 && width >= 44, await button.innerText());
  }
  page.clean();
});

test("settings are changed, and say what is wrong; a connection and a key end", async () => {
  const page = await opened(browser, desk, { target: "/settings/defaults" });
  const field = page.getByRole("textbox", { name: "Longest prompt" });
  await field.fill("many");
  await page.getByRole("button", { name: "Save Longest prompt" }).click();
  await page.getByRole("alert").filter({ hasText: "window" }).waitFor();
  await field.fill("9000");
  await field.press("Enter");
  await page.getByText("✓ saved").waitFor();
  await page.getByRole("textbox", { name: "Short names of models" })
    .fill("haiku = scripted/demo\nsonnet=scripted/x");
  await page.getByRole("button", { name: "Save Short names of models" }).click();
  await until("both are stored", async () => {
    const { json } = await desk.daemon.request("GET", "/api/v1/settings", { local: true });
    return json.window === 9000 && json.model_aliases?.sonnet === "scripted/x";
  });
  // Of another client, live.
  await desk.daemon.cli(["config", "set", "window", "--reset"]);
  await page.waitForFunction(() =>
    [...document.querySelectorAll("input")].every(({ value }) => value !== "9000"));

  await page.getByRole("link", { name: "Models" }).click();
  const made = await desk.daemon.request("POST", "/api/v1/providers", { local: true,
    body: { name: "spare", kind: "openai", base_url: provider.url } });
  assert.equal(made.status, 201, made.text);
  await page.getByRole("button", { name: "Test spare" }).click();
  await page.getByText(/answers in \d+ ms/).waitFor();
  const removeButton = page.getByRole("button", { name: "Remove spare" });
  await removeButton.click();
  await page.keyboard.press("Escape");
  await removeButton.click();
  await page.getByRole("button", { name: "Remove for good" }).click();
  await removeButton.waitFor({ state: "detached" });

  const { json } = await desk.daemon.request("POST", "/api/v1/tokens", { local: true,
    body: { scopes: ["read"], label: "a reader" } });
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByRole("button", { name: "Revoke a reader" }).click();
  await page.getByRole("button", { name: "Revoke for good" }).click();
  await page.getByText("a reader").waitFor({ state: "detached" });
  const refused = await desk.daemon.request("GET", "/api/v1/version", {
    headers: { authorization: `Bearer ${json.token}` } });
  assert.equal(refused.status, 401);
  page.clean();
});

test("a read that is refused for a moment is repeated, whatever it is for", async () => {
  const page = await opened(browser, desk, { target: "/settings/page" });
  const seen = new Map();
  await page.route("**/api/v1/**", (route) => {
    const at = route.request().url(), times = seen.get(at) ?? 0;
    seen.set(at, times + 1);
    return times < 2 ? route.fulfill({ status: 429, json: { status: 429, code: "too_many" } })
      : route.continue();
  });
  await page.reload();
  await page.getByText(/^● live$/).waitFor();
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.locator("[data-row]", { hasText: HOSTILE }).waitFor();
  await page.getByRole("link", { name: "Workflows" }).click();
  await page.locator(".row.flow", { hasText: "find-issues" }).waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
  page.clean();
});

test("a read-only key sees no button that it may not press", async () => {
  const page = await opened(browser, reader);
  await page.getByText("Running", { exact: true }).waitFor();
  const allowed = /^(Find|Sign out|More)/;
  const forbidden = async () => {
    const names = await page.getByRole("button").evaluateAll((all) =>
      all.map((one) => one.getAttribute("aria-label") ?? one.textContent));
    return names.filter((name) => !allowed.test(name));
  };
  assert.deepEqual(await forbidden(), []);
  for (const [at, shown] of [["models", "Connections"], ["defaults", "Default model"]]) {
    await page.goto(`${reader.daemon.url}/settings/${at}`);
    await page.getByText(shown, { exact: true }).waitFor();
    assert.deepEqual(await forbidden(), [], at);
    assert.equal(await page.locator("input, textarea, main select").count(), 0, at);
  }
  assert.equal(await page.getByRole("link", { name: "Keys" }).count(), 0);
  await page.goto(`${reader.daemon.url}/welcome`);
  await page.getByText("drover open").waitFor();
  assert.equal(await page.locator("main input, main button").count(), 0);
  page.clean();
});

test("a daemon that holds says what would start; only an admin can release it", async (t) => {
  const held = new Daemon({ data: scratch(t), args: ["--hold"] });
  await held.start();
  t.after(() => held.kill());
  const looking = await opened(browser, { daemon: held, key: await keyOf(held, "read") });
  await looking.getByText("The daemon holds: nothing starts.").waitFor();
  await held.cli(["job", "run", "--detach", "--", "true"]);
  const page = await opened(browser, { daemon: held, key: await keyOf(held, ALL) });
  await page.getByText("A release would start 1 queued.").waitFor();
  assert.equal(await looking.getByRole("button", { name: "Release" }).count(), 0);
  await page.getByRole("button", { name: "Release" }).click();
  for (const one of [page, looking]) {
    await one.getByText("The daemon holds").waitFor({ state: "detached" });
    one.clean();
  }
});

test("an answer that a release has overtaken does not hold again", async (t) => {
  const held = new Daemon({ data: scratch(t), args: ["--hold"] });
  await held.start();
  t.after(() => held.kill());
  const page = await opened(browser, { daemon: held, key: await keyOf(held, "read") },
    { target: "/settings/page" });
  const late = [];
  let isBefore = true;
  await page.route("**/api/v1/version", async (route) => (isBefore
    ? late.push([route, await route.fetch()]) : route.continue()));
  await page.reload();
  await until("a first answer", () => late.length > 0);
  isBefore = false;
  await page.getByText(/^● live$/).waitFor();
  const later = page.waitForResponse(async (answer) =>
    answer.url().endsWith("/version") && (await answer.json()).held === false);
  await held.request("POST", "/api/v1/system/release", { local: true, body: {} });
  await later;
  for (const [route, response] of late) await route.fulfill({ response });
  await page.evaluate(async () => { // Whatever it changes is drawn.
    await fetch("/readyz");
    for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame);
  });
  assert.equal(await page.getByText("The daemon holds").count(), 0);
  page.clean();
});

test("a page that is older than its daemon says so everywhere, and loses no draft", async (t) => {
  const data = scratch(t), pages = scratch(t);
  const daemon = await new Daemon({ data }).start();
  t.after(() => daemon.kill());
  const { json: { id } } = await daemon.request("POST", "/api/v1/sessions", {
    local: true, body: { model: "scripted/demo" } });
  const key = await keyOf(daemon, ALL);
  const page = await opened(browser, { daemon, key }, { target: `/s/${id}` });
  await page.getByText(/^● live$/).waitFor();
  const composer = page.getByRole("textbox", { name: "Message" });
  await composer.fill("half a thought");
  // The next daemon has none of its files but those of a part that never changed.
  const text = await (await fetch(daemon.url)).text();
  const script = /assets\/main-\w+\.js/.exec(text)[0], newer = "assets/main-NEWER123.js";
  mkdirSync(path.join(pages, "assets"));
  for (const name of (await filesOf(daemon)).files.keys()) {
    if (name === "index.html" || name.startsWith("inbox-")) continue;
    const asset = await (await fetch(`${daemon.url}/assets/${name}`)).text();
    writeFileSync(path.join(pages, `assets/${name}`.replace(script, newer)), asset);
  }
  writeFileSync(path.join(pages, "index.html"), text.replace(script, newer));
  await daemon.stop();
  const next = await new Daemon({ data, args: ["--web-dir", pages],
    listen: `127.0.0.1:${daemon.port}` }).start();
  t.after(() => next.kill());
  const reload = page.getByRole("button", { name: "Load again" });
  await reload.waitFor();
  assert.equal(await composer.inputValue(), "half a thought");
  await page.getByRole("link", { name: "Inbox" }).click(); // A part that is not there any more.
  await heading(page, "This page is of another version than the daemon.").waitFor();
  await page.goBack();
  await reload.click();
  await page.locator('script[src*="NEWER123"]').waitFor({ state: "attached" });
  await page.getByText(/^● live$/).waitFor();
  assert.equal(await composer.inputValue(), "half a thought");
  assert.equal(await reload.count(), 0);
});

test("axe finds nothing; nothing is too wide on a phone, nor at twice the size", async () => {
  const sizes = [["light", PHONE], ["dark", { viewport: { width: 640, height: 400 },
    deviceScaleFactor: 2, reducedMotion: "reduce" }]]; // 1280 px, enlarged to 200 %.
  for (const [colorScheme, size] of sizes) {
    const page = await opened(browser, desk, { colorScheme, ...size });
    const check = async (what) => {
      assert.deepEqual(await axe(page), [], `${colorScheme}: ${what}`);
      assert.equal(await overflow(page), 0, `${colorScheme}: ${what}`);
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    };
    await page.getByText("Unread", { exact: true }).waitFor();
    await openPalette(page, "e");
    await option(page, "Settings").waitFor();
    await check("palette");
    await page.keyboard.press("Escape");
    await palette(page).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("link", { name: "Settings" }).waitFor();
    await check("more");
    await page.getByRole("link", { name: "Settings" }).click();
    await heading(page, "Settings").waitFor();
    await page.getByText("Connections").waitFor();
    for (const name of ["Models", "Defaults", "Keys", "This page"]) {
      await page.getByRole("link", { name, exact: true }).click();
      await page.getByRole("link", { name, exact: true, current: "page" }).waitFor();
      await check(name);
    }
    await page.goto(`${desk.daemon.url}/welcome`);
    await page.getByText("Another server").click();
    await check("welcome");
    page.clean();
  }
});

test("the daemon is away: one line says so, nothing moves or is lost, and views come with it",
  async (t) => {
    const args = ["--allow-host", "127.0.0.1"]; // With the port of the proxy.
    const daemon = await new Daemon({ data: scratch(t), args }).start();
    t.after(() => daemon.kill());
    const created = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
    const proxy = await Proxy.open(t, daemon.port);
    const { stdout } = await daemon.cli(["job", "run", "--detach", "--", "sleep", "600"]);
    for (let at = 0; at < 6; at++) {
      const { status } = await daemon.request("POST", "/api/v1/approvals", { local: true,
        body: { run: stdout.trim(), step: `step ${at}`, question: `Go on with ${at}?` } });
      assert.equal(status, 200);
    }
    const page = await opened(browser, { daemon: { url: `http://127.0.0.1:${proxy.port}` },
      key: created.stdout.trim().split("\n")[0] });
    const places = () => page.locator("[data-row]").evaluateAll((rows) =>
      rows.map((row) => row.getBoundingClientRect().top));
    await page.locator("[data-row^=apr_]").nth(5).waitFor();
    const before = await places();
    await daemon.kill();
    await page.getByText("The daemon does not answer; nothing is lost.").waitFor();
    assert.deepEqual(await places(), before);
    assert.equal(await page.getByRole("alert").count(), 0);
    const { retry_at_ms } = await page.evaluate(() => window.__drover.report().link);
    assert.ok(retry_at_ms === null || retry_at_ms - Date.now() <= 1_000, `${retry_at_ms}`);
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByText("This page is loaded as soon as the daemon answers.").waitFor();
    await page.evaluate(() => (window.same = true));
    await daemon.start();
    proxy.target = daemon.port;
    await page.getByText("The daemon does not answer").waitFor({ state: "detached" });
    await page.getByText("This page is loaded").waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => window.same), true); // The page itself stayed.
  });
