// session.test.mjs: sessions and a session in a browser: by mouse, by keyboard alone, on a phone,
// through cuts, with hostile text, and with 10,000 messages.
//
// runs-with: web
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Daemon, scratch } from "../integration/lib.mjs";
import { until } from "../integration/providers.mjs";
import { Proxy } from "../integration/stream-client.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE } from "./browser.mjs";

const MANY = 10_000;
const file = fileOf({ after, afterEach });
let browser, desk, long;

async function keyOf(daemon, scopes) {
  const { stdout } = await daemon.cli(["token", "create", "--scope", scopes]);
  return stdout.trim().split("\n")[0];
}

/** Messages behind the daemon's back, while it is down. */
function fill(daemon, session) {
  const python = "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);" +
    " db.executescript(sys.argv[2]); db.commit(); os._exit(0)";
  const numbers = "WITH RECURSIVE n(i) AS " +
    `(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MANY})`;
  const name = "'msg_' || printf('%026d', i)";
  const text = "'Message number ' || i || substr(' with more words, and then more', 1, i % 37)" +
    " || CASE WHEN i % 3 = 0 THEN char(10, 10) || '    let code = ' || i || ';' ELSE '' END";
  execFileSync("python3", ["-c", python, path.join(daemon.data, "drover.db"), `
    ${numbers} INSERT INTO messages (id, message, session, role, status, run, reply_to, variant,
      active, made_ms, changed_ms, client_id, client_digest, cause, error, metadata)
    SELECT 1000000 + i, ${name}, (SELECT id FROM sessions WHERE session = '${session}'), 'user',
      'completed', 0, 0, 0, 1, 1700000000000 + i, 1700000000000 + i, '', '', '', '', '{}' FROM n;
    ${numbers} INSERT INTO parts (message, number, step, kind, state, cause, name, call, run, bytes,
      data_bytes, data, text)
    SELECT 1000000 + i, 1, 0, 'text', '', '', '', '', 0, length(${text}), 2, '{}', ${text}
    FROM n`]);
}

const messageOf = (number) => `msg_${String(number).padStart(26, "0")}`;

before(async () => {
  browser = await browserOf(file);
  const data = scratch(file), root = scratch(file);
  const daemon = await new Daemon({ data }).start();
  file.after(() => daemon.kill());
  const key = await keyOf(daemon, "read,run,approve");
  writeFileSync(path.join(root, "a.c"), "int a;\nint b;\n");
  desk = { daemon, key, root };
  long = await session({ title: "Long" });
  await daemon.stop();
  fill(daemon, long);
  await daemon.start();
});

async function ask(method, target, body) {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}
const session = async (body = {}) => (await ask("POST", "/sessions", body)).id;
const send = (id, text, wait = 0) =>
  ask("POST", `/sessions/${id}/messages${wait ? `?wait=${wait}` : ""}`, { text });
const messages = async (id) =>
  (await ask("GET", `/sessions/${id}/messages?order=oldest&limit=200`)).items;
const plain = ({ parts }) => parts.filter(({ kind }) => kind === "text")
  .map(({ text }) => text).join("\n\n").trim();

const composer = (page) => page.getByRole("textbox", { name: "Message" });
const rows = (page, kind) => page.locator(`.talk.is-${kind}`);
const said = (page, text) => rows(page, "text").getByText(text, { exact: true });
const status = (page, word) => page.locator(".top .state").getByText(word).waitFor();

test("by mouse: a new session, an answer, tools, a question, the queue, a fork", async () => {
  const page = await opened(browser, desk, { target: "/sessions?q=nothing-has-this" });
  await page.getByText("No session fits.").waitFor();
  await page.getByRole("button", { name: "New session" }).click();
  await page.getByLabel("First message").fill(script(say("I look."),
    call("read_file", { path: "a.c" }), call("run_command", { command: "false" }), say("Done.")));
  await page.getByLabel("Folder").fill(desk.root);
  await page.getByLabel("Title").fill("By mouse");
  await page.getByRole("button", { name: "Begin" }).click();
  await said(page, "I look.").waitFor();
  const id = new URL(page.url()).pathname.slice(3);
  await status(page, "waits for you");
  await composer(page).fill(say("one"));
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const queue = page.getByRole("region", { name: "Waiting to be answered" });
  await queue.getByText(say("one")).waitFor();
  await composer(page).fill(say("two"));
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await queue.getByText(say("two")).waitFor();
  await queue.getByRole("listitem").filter({ hasText: "one" })
    .getByRole("button", { name: "Remove" }).click();
  await queue.getByText(say("one")).waitFor({ state: "detached" });
  await queue.getByRole("button", { name: "Edit" }).click();
  await composer(page).fill(say("two and more"));
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await queue.getByText(say("two and more")).waitFor();
  await page.getByRole("button", { name: /^Allow/ }).click();
  await said(page, "two and more").waitFor();
  await page.getByRole("button", { name: "2 calls" }).waitFor();
  await page.getByRole("button", { name: /read_file/ }).click();
  await page.getByText("a.c, lines 1 to 2 of 2").waitFor();
  assert.equal(await queue.count(), 0);
  const stored = await messages(id);
  assert.deepEqual(stored.filter(({ role }) => role === "assistant").map(plain),
    ["I look.\n\nDone.", "two and more"]);

  const first = rows(page, "user").first();
  await page.locator(".long-list").hover();
  await page.mouse.wheel(0, -5_000);
  await first.hover();
  await first.getByRole("button", { name: "Fork from here" }).click();
  await page.waitForURL((url) => url.pathname !== `/s/${id}`);
  await rows(page, "user").first().waitFor();
  assert.equal(await rows(page, "user").count(), 1);
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("link", { name: "By mouse" }).first().waitFor();
  page.clean();
});

test("another agent answers from the next message on; answers keep their names", async () => {
  await ask("POST", "/agents", { name: "parrot", program: "plain", command: "/bin/echo" });
  const id = await session({ title: "Two of them", root: desk.root });
  await send(id, "say: by a model", 20);
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await page.getByLabel("Agent").fill("par");
  await page.keyboard.press("Enter");
  await page.getByLabel("Model").waitFor({ state: "detached" });
  await composer(page).fill("heard");
  await page.keyboard.press("Enter");
  const names = page.locator(".who h2");
  await names.getByText("parrot").waitFor();
  assert.deepEqual(await names.allInnerTexts(), ["You", "demo", "You", "parrot"]);
  await ask("DELETE", "/agents/parrot");
  page.clean();
});

test("by keyboard alone: there, a message, a question, its edit, a stop", async () => {
  const page = await opened(browser, desk, { target: "/" });
  const id = await session({ title: "By keyboard", root: desk.root });
  await page.getByRole("link", { name: "Sessions" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "By keyboard" }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/s/${id}`);
  await page.getByText("Nothing was said yet.").waitFor();
  await composer(page).focus();
  await page.keyboard.type("say: from a key");
  await page.keyboard.press("Enter");
  await said(page, "from a key").waitFor();
  assert.equal(await composer(page).inputValue(), "");
  await page.keyboard.press("ArrowUp");
  await page.getByText("You edit a message that was sent.").waitFor();
  await page.waitForFunction(() => document.activeElement.value === "say: from a key");
  await page.keyboard.press("End");
  await page.keyboard.type(" again");
  await page.getByRole("button", { name: "Send again" }).focus();
  await page.keyboard.press("Enter");
  await said(page, "from a key again").waitFor();
  await composer(page).focus();
  await page.keyboard.type(script(call("run_command", { command: "true" })).trim());
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("tokens: 100000 at 100/s");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("button", { name: /^Allow/ }).waitFor();
  // The box is empty: its keys answer. One counts once the question has stood for a moment: it
  // is pressed until it does.
  const allowed = page.getByRole("button", { name: /^Allow/ }).waitFor({ state: "detached" })
    .then(() => true);
  for (let gone = false; !gone;) {
    await page.keyboard.press("a");
    gone = await Promise.race([allowed, page.waitForTimeout(100)]) === true;
  }
  await rows(page, "text").nth(1).waitFor();
  // Escape destroys nothing: it leaves the box, and only the second press in a row stops.
  await composer(page).fill(""); // Presses that came too late wrote.
  await page.keyboard.type("a draft");
  await page.keyboard.press("Escape");
  await page.getByText("Press Escape again to stop.").waitFor({ state: "attached" });
  assert.equal(await composer(page).inputValue(), "a draft");
  assert.equal(await page.evaluate(() => document.activeElement.tagName === "TEXTAREA"), false);
  assert.equal(await rows(page, "end").count(), 0);
  await page.keyboard.press("Escape");
  await rows(page, "end").getByText("Stopped").waitFor();
  await composer(page).fill("");
  await page.getByRole("button", { name: "Continue" }).click();
  await rows(page, "user").getByText("Continue.").waitFor();
  page.clean();
});

test("Enter sends an edited message again, and lines with a slash are commands", async () => {
  const id = await session({ title: "Commands", root: desk.root });
  await send(id, say("before"), 20);
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await said(page, "before").waitFor();
  await composer(page).press("ArrowUp");
  await composer(page).fill(say("after"));
  await composer(page).press("Enter");
  await said(page, "after").waitFor();
  await said(page, "before").waitFor({ state: "detached" });
  const answers = async () => (await messages(id)).filter(({ role }) => role === "assistant");
  const another = async (old) => (await answers()).find(
    ({ id: one, active, status }) => active && !old.includes(one) && status === "completed")?.id;
  const old = (await answers()).map((one) => one.id);
  await composer(page).fill("/retry");
  await composer(page).press("Enter");
  await until("another answer", () => another(old));
  old.push(await another(old));
  await rows(page, "head").hover();
  await page.getByRole("button", { name: "Answer again" }).click();
  await until("one more", () => another(old));
  await composer(page).fill("/model");
  await composer(page).press("Enter");
  await page.getByText("Which model? /model CONNECTION/MODEL").waitFor({ state: "attached" });
  await composer(page).fill("/nothing of that name");
  await composer(page).press("Enter");
  await page.getByText("There is no command, no flow and no workflow /nothing.")
    .waitFor({ state: "attached" });
  assert.equal(await composer(page).inputValue(), "/nothing of that name");
  await composer(page).fill("/c");
  await page.getByRole("option", { name: "/clear" }).click();
  await composer(page).press("Enter");
  await page.getByText("Nothing was said yet.").waitFor();
  assert.deepEqual(await messages(id), []);
  page.clean();
});

test("a session gets another title, a place in the archive, is exported and deleted", async () => {
  const id = await session({ title: "Once", root: desk.root });
  await send(id, say("words"), 20);
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const dialog = page.getByRole("dialog");
  const press = async (name) => {
    await page.getByRole("button", { name: "More about this session" }).click();
    await dialog.getByRole("button", { name }).click();
  };
  await page.getByRole("button", { name: "More about this session" }).click();
  await page.getByLabel("Title").fill("Then");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.locator("h1", { hasText: "Then" }).waitFor();
  await press("Archive");
  await page.locator(".top").getByText("archived", { exact: true }).waitFor();
  await press("Take out of the archive");
  await page.locator(".top").getByText("archived", { exact: true }).waitFor({ state: "detached" });
  const saved = page.waitForEvent("download");
  await press("Export as Markdown");
  assert.match(readFileSync(await (await saved).path(), "utf8"), /words/);
  await press("Delete");
  await page.getByText(/^Deleted\. It is removed for good \w+ \d+ /).waitFor();
  assert.equal(await composer(page).count(), 0, "it takes no message");
  await page.getByRole("button", { name: "Restore" }).click();
  await composer(page).waitFor();
  await press("Delete");
  await page.getByText(/^Deleted\./).waitFor();
  await press("Delete for good …");
  await dialog.locator('button.bad[aria-disabled="false"]').click();
  await page.getByText("This session was deleted.").waitFor();
  page.clean();
});

test("on a phone nothing is wider than the screen, and buttons are large enough", async () => {
  const id = await session({ title: "x".repeat(199), root: desk.root });
  await send(id, script(say("A long word: " + "w".repeat(300)), call("read_file", { path: "a.c" }),
    say("Done.")), 20);
  const page = await opened(browser, desk, { target: "/sessions", ...PHONE });
  await page.getByRole("link", { name: /^xxx/ }).waitFor();
  assert.equal(await overflow(page), 0);
  await page.getByRole("link", { name: /^xxx/ }).tap();
  await said(page, "Done.").waitFor();
  assert.equal(await overflow(page), 0);
  await composer(page).fill("delay: 60s");
  await rows(page, "head").getByRole("button", { name: "Actions" }).tap();
  for (const name of ["Send", "Add images and text files", "Fork from here: message of demo"]) {
    const { width, height } = await page.getByRole("button", { name, exact: true }).boundingBox();
    assert.ok(width >= 44 && height >= 44, `${name}: ${width} x ${height}`);
  }
  await page.getByRole("button", { name: "Send", exact: true }).tap();
  await status(page, "running");
  assert.equal(await overflow(page), 0);
  await page.getByRole("button", { name: "Stop" }).tap();
  await rows(page, "end").getByText("Stopped").waitFor();
  await page.getByRole("button", { name: "Timeline" }).tap();
  assert.equal(new URL(page.url()).searchParams.get("panel"), "timeline");
  await page.getByRole("button", { name: "Close" }).tap();
  await page.getByRole("complementary").waitFor({ state: "detached" });
  page.clean();
});

test("three cuts, one of them silent, and a kill -9 in a turn leave the page whole", async (t) => {
  const args = ["--allow-host", "127.0.0.1"]; // With the port of the proxy.
  const daemon = await new Daemon({ data: scratch(t), args }).start();
  t.after(() => daemon.kill());
  const key = await keyOf(daemon, "read,run");
  const proxy = await Proxy.open(t, daemon.port);
  const { json } = await daemon.request("POST", "/api/v1/sessions", { local: true, body: {} });
  const id = json.id, name = `session:${id}`;
  const page = await opened(browser, { daemon: { url: `http://127.0.0.1:${proxy.port}` }, key },
    { target: `/s/${id}` });
  await page.getByText("Nothing was said yet.").waitFor();
  // A word of the status line for an outage that is younger than 2 s.
  await page.evaluate(() => {
    window.early = [];
    new MutationObserver(() => {
      const { phase, since_ms } = window.__drover.report().link;
      const text = document.querySelector(".status").textContent;
      const age = Date.now() - since_ms;
      if (/connect/.test(text) && (phase === "open" || age < 2_000)) window.early.push([text, age]);
    }).observe(document.querySelector(".status"),
      { subtree: true, childList: true, characterData: true });
  });
  await composer(page).fill("tokens: 170 at 25/s");
  await page.keyboard.press("Enter");
  const length = () => page.evaluate(() => [...document.querySelectorAll(".is-text")]
    .reduce((sum, row) => sum + row.textContent.length, 0));
  const more = async () => {
    const now = await length();
    await page.waitForFunction((before) => [...document.querySelectorAll(".is-text")]
      .reduce((sum, row) => sum + row.textContent.length, 0) > before, now);
  };
  const cuts = (count) => page.waitForFunction((wanted) => {
    const { link } = window.__drover.report();
    return link.cuts === wanted && link.phase === "open";
  }, count);
  await more();
  proxy.cut();
  await cuts(1);
  await more();
  await daemon.kill();
  await daemon.start();
  proxy.target = daemon.port;
  await cuts(2);
  await more();
  proxy.drop(); // Nobody is notified; the page is looked at again, and asks.
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await cuts(3);
  await more();
  proxy.cut();
  await cuts(4);
  await status(page, "idle");
  const stored = await daemon.request("GET", `/api/v1/sessions/${id}/messages`, { local: true });
  const answer = stored.json.items.find(({ role }) => role === "assistant");
  assert.equal(answer.status, "completed");
  assert.equal((await rows(page, "text").allInnerTexts()).join("\n\n").trim(), plain(answer));
  const { link, streams } = await page.evaluate(() => window.__drover.report());
  const { gaps, missing, repeats, rereads, below_floor } = streams[name];
  assert.deepEqual({ gaps, missing, repeats, rereads, below_floor },
    { gaps: 0, missing: 0, repeats: 0, rereads: 0, below_floor: 0 });
  assert.equal(link.silent_cuts, 1);
  assert.deepEqual(await page.evaluate(() => window.early), []);
});

test("a draft survives, and a message that was cut off is sent once", async () => {
  const id = await session({ title: "Drafts" });
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await composer(page).fill("say: kept");
  await page.reload();
  await page.waitForFunction(() => document.querySelector("textarea")?.value === "say: kept");
  // The daemon has it, and the page does not hear so.
  let posts = 0;
  await page.route("**/messages", async (route) => {
    if (route.request().method() !== "POST" || ++posts > 1) return route.continue();
    await route.fetch();
    return route.abort();
  });
  await composer(page).focus();
  await page.keyboard.press("Enter");
  await said(page, "kept").waitFor();
  await page.waitForFunction((name) =>
    !Object.keys(localStorage).some((one) => one.startsWith(name)), `drover.outbox.${id}`);
  assert.equal(posts, 2);
  // Nothing gets through, and the page is loaded again.
  await page.route("**/messages", (route) =>
    (route.request().method() === "POST" ? route.abort() : route.continue()));
  await composer(page).fill("say: later");
  await page.keyboard.press("Enter");
  await page.getByText("Not sent yet").waitFor();
  await page.unrouteAll();
  await page.reload();
  await said(page, "later").waitFor();
  const stored = await messages(id);
  assert.deepEqual(stored.filter(({ role }) => role === "user").map(plain),
    ["say: kept", "say: later"]);
});

test("two tabs: no message and no draft of one is lost by what the other does", async () => {
  const id = await session({ title: "Two tabs" });
  const first = await opened(browser, desk, { target: `/s/${id}` });
  const second = await first.context().newPage();
  await second.goto(`${desk.daemon.url}/s/${id}`);
  const isPost = (route) => route.request().method() === "POST";
  await first.context().route("**/messages", (route) =>
    (isPost(route) ? route.abort() : route.continue()));
  const unsent = (page) => page.getByText("Not sent yet");
  await composer(first).fill("say: one");
  await composer(first).press("Enter");
  await unsent(second).waitFor();
  await composer(first).fill("say: typed here");
  await composer(second).fill("say: two");
  await composer(second).press("Enter");
  for (const page of [first, second]) await unsent(page).nth(1).waitFor();
  assert.equal(await composer(first).inputValue(), "say: typed here");
  await first.reload();
  await unsent(first).nth(1).waitFor();
  assert.equal(await composer(first).inputValue(), "say: typed here");
  await second.close();
  await first.context().unrouteAll();
  await first.reload();
  await said(first, "two").waitFor();
  const stored = await messages(id);
  assert.deepEqual(stored.filter(({ role }) => role === "user").map(plain),
    ["say: one", "say: two"]);
  assert.equal(await unsent(first).count(), 0);
});

test("the end is followed; a reader further up stays, and sees how many are new", async () => {
  const id = await session({ title: "Follow" });
  for (let i = 0; i < 8; i++) await send(id, say(`line ${i}\\n\\n`.repeat(6)), 20);
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const atEnd = () => page.waitForFunction(() => {
    const list = document.querySelector(".long-list");
    return list.scrollHeight - list.clientHeight - list.scrollTop <= 1;
  });
  /** Where the view is, once it does not move any more. */
  const top = () => page.evaluate(() => new Promise((resolve) => {
    const list = document.querySelector(".long-list");
    const look = (before, frames) => {
      if (frames === 10) return resolve(before);
      const now = list.scrollTop;
      return requestAnimationFrame(() => look(now, now === before ? frames + 1 : 0));
    };
    look(list.scrollTop, 0);
  }));
  await rows(page, "user").last().waitFor();
  await send(id, "tokens: 400", 20);
  await page.waitForFunction(() => /tokens/.test(document.querySelector(".long-list").innerText));
  await rows(page, "live").waitFor({ state: "detached" });
  await atEnd(); // It stayed there while the answer grew.
  await page.locator(".long-list").hover();
  await page.mouse.wheel(0, -300);
  await page.getByRole("button", { name: "To the newest" }).waitFor();
  const read = await top();
  await send(id, "tokens: 300", 20);
  await send(id, say("last"), 20);
  await page.getByRole("button", { name: "4 new below" }).waitFor();
  assert.equal(await top(), read, "the reader stays");
  await page.getByRole("button", { name: "4 new below" }).click();
  await said(page, "last").waitFor();
  await page.getByRole("button", { name: /below/ }).waitFor({ state: "detached" });
  await atEnd();
  page.clean();
});

test("images are added, shown, and refused with a reason", async () => {
  const id = await session({ title: "Images" });
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9aw" +
    "AAAABJRU5ErkJggg==";
  const buffer = Buffer.from(pixel, "base64");
  await page.locator("input[type=file]").setInputFiles([
    { name: "a.png", mimeType: "image/png", buffer },
    { name: "a.bmp", mimeType: "image/bmp", buffer: Buffer.from("BM\0\0") },
  ]);
  await page.getByText("a.bmp is no text, and no PNG, JPEG, GIF or WebP image.").waitFor();
  await page.locator(".thumb:not(.busy)").waitFor();
  await composer(page).fill("say: seen");
  await page.keyboard.press("Enter");
  await said(page, "seen").waitFor();
  await page.locator("button.image img").waitFor();
  const [question] = await messages(id);
  assert.equal(question.parts.filter(({ kind }) => kind === "image").length, 1);
  page.clean();
});

const HOSTILE = "<img src=x onerror=alert(1)> [l](javascript:alert(1)) \u202egnp.exe \u001b[31m";

test("hostile text is inert wherever it stands", async () => {
  const id = await session({ title: HOSTILE.slice(0, HOSTILE.indexOf("\u001b")), root: desk.root });
  writeFileSync(path.join(desk.root, "h.txt"), HOSTILE);
  await send(id, script(`think: ${HOSTILE}`, say(HOSTILE), call("read_file", { path: "h.txt" }),
    call("read_file", { path: HOSTILE }), call("run_command", { command: HOSTILE })));
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await page.getByRole("button", { name: /^Allow/ }).waitFor();
  await send(id, HOSTILE);
  await page.getByRole("region", { name: "Waiting to be answered" }).waitFor();
  await page.getByRole("button", { name: "Thought" }).click();
  for (const button of await page.locator(".call > button").all()) await button.click();
  const text = await page.locator(".session").innerText();
  assert.ok(text.includes("⟦RLO⟧") && text.includes("⟦ESC⟧"), "marks are shown");
  assert.ok(!/[\u202e\u001b]/.test(text), "nothing turns the text around");
  assert.equal(await page.locator(".session img, .session a[href^='javascript']").count(), 0);
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("link", { name: /<img src=x/ }).waitFor();
  await page.getByRole("button", { name: "New session" }).click();
  await page.getByLabel("Folder").fill(`/no/${HOSTILE}`);
  await page.getByLabel("Model").fill(HOSTILE);
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  page.clean();
});

test("axe finds nothing: a list, and a session where much goes on, light and dark", async () => {
  const id = await session({ title: "For axe", root: desk.root });
  await send(id, script("think: so", say("Text, `code` and\\n\\n- a list"),
    call("read_file", { path: "a.c" }), call("read_file", { path: "none" }), say("Done.")), 20);
  await send(id, "fail: auth", 20);
  await send(id, script(call("run_command", { command: "true" })));
  await send(id, "say: waits");
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: `/s/${id}` });
    await page.getByRole("region", { name: "Waiting to be answered" }).waitFor();
    await page.getByRole("button", { name: /^Allow/ }).waitFor();
    // The answer ended before the page was there.
    await page.getByRole("button", { name: /2 calls · \d+ ms/ }).waitFor();
    assert.deepEqual(await axe(page), [], colorScheme);
    await page.goto(`${desk.daemon.url}/sessions`);
    await page.getByRole("link", { name: "For axe" }).waitFor();
    if (colorScheme === "dark") await page.getByRole("button", { name: "New session" }).click();
    assert.deepEqual(await axe(page), [], `${colorScheme}: list`);
    page.clean();
  }
});

test("a key that may only read sees no composer, and no button that it may not press", async () => {
  const key = await keyOf(desk.daemon, "read");
  const id = await session({ title: "To read" });
  await send(id, "say: hello", 20);
  const page = await opened(browser, { ...desk, key }, { target: `/s/${id}` });
  await said(page, "hello").waitFor();
  await page.getByText("This key may read, and not write.").waitFor();
  assert.equal(await page.getByRole("textbox").count(), 0);
  assert.equal(await page.getByRole("button", { name: /Edit|Fork|Send|Stop/ }).count(), 0);
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("link", { name: "To read" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "New session" }).count(), 0);
  page.clean();
});

test("10,000 messages: few elements, the read line stays, a link to the middle", async () => {
  const page = await opened(browser, desk, { target: `/s/${long}` });
  const row = (number) => page.locator(`[data-message="${messageOf(number)}"]`);
  const elements = () => page.evaluate(() => document.querySelectorAll("*").length);
  await row(MANY).waitFor();
  let most = await elements();
  // Up, over pages that are read meanwhile: the row in the middle of the view stays there.
  const before = page.waitForResponse((answer) => /\/messages\?limit/.test(answer.url()));
  await page.evaluate(() => {
    const list = document.querySelector(".long-list");
    list.dispatchEvent(new WheelEvent("wheel", { deltaY: -1 }));
    list.scrollTop = 900;
  });
  // Once rows are drawn there.
  const held = await page.waitForFunction(() => {
    const box = document.querySelector(".long-list").getBoundingClientRect();
    return document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)
      ?.closest("[data-message]");
  });
  const moved = await held.evaluate((row) => new Promise((resolve) => {
    const list = document.querySelector(".long-list");
    const { scrollHeight: height } = list, { top } = row.getBoundingClientRect();
    const watch = () => {
      if (list.scrollHeight < height + 1000) return requestAnimationFrame(watch);
      return requestAnimationFrame(() => resolve(row.getBoundingClientRect().top - top));
    };
    list.scrollTop -= 200;
    watch();
  }));
  await before;
  assert.equal(Math.round(moved), 200, "the read line went as far as it was scrolled");
  await page.getByRole("button", { name: "To the newest" }).waitFor();
  for (let pages = 0; pages < 5; pages++) {
    const read = page.waitForResponse((answer) => /\/messages\?limit/.test(answer.url()))
      .then(() => true);
    // Again, where the rows of the page before this one have moved it.
    for (let come = false; !come;) {
      await page.evaluate(() => (document.querySelector(".long-list").scrollTop = 0));
      come = await Promise.race([read, page.waitForTimeout(50)]) === true;
    }
    most = Math.max(most, await elements());
  }
  await page.getByRole("button", { name: "To the newest" }).click();
  await row(MANY).waitFor();

  await page.goto(`${desk.daemon.url}/s/${long}#${messageOf(5000)}`);
  const middle = row(5000);
  await middle.waitFor();
  await page.waitForFunction((id) => {
    const at = document.querySelector(`[data-message="${id}"]`)?.getBoundingClientRect();
    const box = document.querySelector(".long-list").getBoundingClientRect();
    return at !== undefined && at.top >= box.top && at.bottom <= box.bottom;
  }, messageOf(5000));
  assert.match(await middle.getAttribute("class"), /marked/);
  most = Math.max(most, await elements());
  await page.getByRole("button", { name: "To the newest" }).click();
  await row(MANY).waitFor();
  assert.ok(most <= 2_500, `${most} elements`);
  page.clean();
});

test("a message beyond a hundred on their way stays in the composer", async () => {
  const id = await session({ title: "Full" });
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await page.evaluate((name) => {
    for (let at = 0; at < 100; at++) {
      localStorage.setItem(`${name}.web_${at}`, JSON.stringify({
        client_id: `web_${at}`, text: `${at}`, attachments: [], policy: "enqueue", made_ms: at,
        refused: { status: 409, title: "No", detail: "no", code: "conflict" },
      }));
    }
    localStorage.setItem(`${name}.damaged`, "{");
  }, `drover.outbox.${id}`);
  await page.reload();
  const field = page.getByRole("textbox", { name: /^Message/ });
  await field.fill("one more");
  await field.press("Enter");
  await page.getByText("100 messages are on their way.").waitFor();
  assert.equal(await field.inputValue(), "one more");
  page.clean();
});

test("a session that is not there says so", async () => {
  const page = await opened(browser, desk, { target: "/s/ses_00000000000000000000000000" });
  await page.getByRole("alert").getByText("not_found").waitFor();
});
