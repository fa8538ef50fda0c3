// rewind.test.mjs: what a session did is taken back in a browser: by mouse, by keyboard alone, and
// on a phone.
//
// runs-with: web
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Daemon, scratch } from "../integration/lib.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser, desk;

async function keyOf(daemon, scopes) {
  const { stdout } = await daemon.cli(["token", "create", "--scope", scopes]);
  return stdout.trim().split("\n")[0];
}

before(async () => {
  browser = await browserOf(file);
  const daemon = await new Daemon({ data: scratch(file) }).start();
  file.after(() => daemon.kill());
  desk = { daemon, key: await keyOf(daemon, "read,run,approve"), root: scratch(file) };
});

async function ask(method, target, body) {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}
const session = async (title, root) => (await ask("POST", "/sessions",
  { title, ...(root && { root }), settings: { permissions: [{ permission: "allow" }] } })).id;
const send = (id, ...lines) =>
  ask("POST", `/sessions/${id}/messages?wait=30`, { text: script(...lines) });
const write = (name, content) => call("write_file", { path: name, content });
const statuses = async (id) => (await ask("GET", `/sessions/${id}/messages?order=oldest`)).items
  .map(({ status }) => status);

/** A folder of its own, in which a session has answered twice. */
async function worked(title) {
  const root = path.join(desk.root, title);
  mkdirSync(root);
  writeFileSync(path.join(root, "a.txt"), "one\n");
  const id = await session(title, root);
  await send(id, write("a.txt", "two\n"), "step:", say("First."));
  await send(id, write("a.txt", "three\n"), "step:", write("new.txt", "new\n"), "step:",
    say("Second."));
  const read = (name) => readFileSync(path.join(root, name), "utf8");
  return { id, root, read, has: (name) => existsSync(path.join(root, name)) };
}

const composer = (page) => page.getByRole("textbox", { name: "Message" });
const users = (page) => page.locator(".talk.is-user");
const dialog = (page) => page.getByRole("dialog", { name: "Rewind to before this message" });
const rewind = { name: "Rewind to before this message" };
const both = { name: "Take back 2 files and the conversation" };
const said = (page, text) => page.locator(".said-now").getByText(text).waitFor();

test("by mouse: the conversation of a session without a folder, and its message", async () => {
  const id = await session("Talk");
  for (const text of ["One.", "Two."]) await send(id, say(text));
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await composer(page).fill("a draft");
  await users(page).last().hover();
  await users(page).last().getByRole("button", rewind).click();
  await dialog(page).getByText("The session has changed no file since then.").waitFor();
  assert.deepEqual(await axe(page), []);
  const also = dialog(page).getByRole("checkbox", { name: /^Also the conversation/ });
  await also.uncheck();
  assert.ok(await dialog(page).getByRole("button", { name: "Nothing to take back" }).isDisabled());
  await also.check();
  await dialog(page).getByRole("button", { name: "Take back the conversation" }).click();
  await said(page, "The conversation is taken back.");
  await dialog(page).waitFor({ state: "detached" });
  assert.equal(await composer(page).inputValue(), "say: Two.\n\na draft");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "TEXTAREA");
  await page.locator(".user.undone").waitFor();
  assert.equal(await users(page).last().getByRole("button", rewind).count(), 0);
  assert.deepEqual(await statuses(id), ["completed", "completed", "rolled_back", "rolled_back"]);
  page.clean();
});

test("by mouse: files and the conversation; the preview names the fate of each", async () => {
  const { id, read, has } = await worked("mouse");
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await users(page).last().hover();
  await users(page).last().getByRole("button", rewind).click();
  const files = dialog(page).getByRole("group", { name: "Files of the session" });
  for (const [name, fate] of [["a.txt", "changed back"], ["new.txt", "removed"]]) {
    await files.getByRole("listitem").filter({ hasText: name }).getByText(fate).waitFor();
  }
  assert.equal(read("a.txt"), "three\n");
  assert.deepEqual(await axe(page), []);
  await dialog(page).getByRole("button", both).click();
  await said(page, "2 files and the conversation taken back.");
  assert.deepEqual([read("a.txt"), has("new.txt")], ["two\n", false]);
  assert.match(await composer(page).inputValue(), /^call: write_file .*three/);
  page.clean();
});

test("what others changed is taken back only where somebody says so", async () => {
  const { id, root, read } = await worked("others");
  const other = await session("The other", root);
  await send(other, write("a.txt", "four\n"), "step:", say("Done."));
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await users(page).last().hover();
  await users(page).last().getByRole("button", rewind).click();
  const refused = dialog(page).getByRole("checkbox", { name: /^a\.txt changed by The other/ });
  await dialog(page).getByRole("checkbox", { name: /^Also the conversation/ }).uncheck();
  const one = dialog(page).getByRole("button", { name: "Take back 1 file", exact: true });
  await one.waitFor();
  assert.ok(await one.isDisabled());
  assert.deepEqual(await axe(page), []);
  await refused.check();
  await dialog(page).getByRole("button", { name: "Take back 2 files", exact: true }).click();
  await said(page, "2 files taken back.");
  assert.equal(read("a.txt"), "two\n");
  assert.equal(await composer(page).inputValue(), "");
  assert.ok(!(await statuses(id)).includes("rolled_back"));
  page.clean();
});

test("by keyboard alone: Escape leaves all as it is, and the focus is back", async () => {
  const { id, read } = await worked("keys");
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const button = users(page).last().getByRole("button", rewind);
  await button.focus();
  await page.keyboard.press("Enter");
  const take = dialog(page).getByRole("button", both);
  await take.waitFor();
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  assert.ok(await button.evaluate((one) => one === document.activeElement));
  assert.equal(read("a.txt"), "three\n");
  await page.keyboard.press("Enter");
  await take.waitFor();
  const isHere = (one) => one === document.activeElement;
  for (let presses = 0; !(await take.evaluate(isHere)); presses++) {
    assert.ok(presses < 10, "the button is reached by Tab");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await said(page, "2 files and the conversation taken back.");
  assert.equal(read("a.txt"), "two\n");
  page.clean();
});

test("on a phone all of it fits; a key that may not approve is offered nothing", async () => {
  const { id } = await worked("phone");
  const page = await opened(browser, desk, { target: `/s/${id}`, ...PHONE });
  await users(page).last().getByRole("button", { name: /^Actions/ }).click();
  await users(page).last().getByRole("button", rewind).click();
  await dialog(page).getByRole("button", both).waitFor();
  assert.equal(await overflow(page), 0);
  assert.ok(await dialog(page).evaluate((one) => one.scrollWidth <= one.clientWidth));
  assert.deepEqual(await axe(page), []);
  page.clean();
  const key = await keyOf(desk.daemon, "read,run");
  const reader = await opened(browser, { ...desk, key }, { target: `/s/${id}` });
  await users(reader).last().getByRole("button", { name: /^Fork/ }).waitFor({ state: "attached" });
  assert.equal(await reader.getByRole("button", rewind).count(), 0);
  reader.clean();
});

test("while a turn runs it is refused in the dialog, and may be tried again", async () => {
  const id = await session("Busy");
  await send(id, say("One."));
  const { run } = await ask("POST", `/sessions/${id}/messages`,
    { text: script(call("ask_user", { question: "Which?" }), say("Two.")) });
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await page.getByText("Which?").first().waitFor();
  await users(page).first().hover();
  await users(page).first().getByRole("button", rewind).click();
  await dialog(page).waitFor();
  await dialog(page).getByText("turn_in_progress").waitFor();
  await ask("POST", `/runs/${run}/stop`, {});
  await page.locator(".top .state").getByText("idle").waitFor();
  await dialog(page).getByRole("button", { name: "Try again" }).click();
  await dialog(page).getByRole("button", { name: "Take back the conversation" }).click();
  await said(page, "The conversation is taken back.");
  page.clean();
});
