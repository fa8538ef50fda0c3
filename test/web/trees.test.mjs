// trees.test.mjs: working trees in a browser: listed, applied and removed, by mouse, by keyboard
// alone, and on a phone.
//
// runs-with: web
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
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
const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });

/** A repository, whose project has the name. */
async function project(name) {
  const root = path.join(desk.root, name);
  mkdirSync(root);
  writeFileSync(path.join(root, "a.txt"), "one\ntwo\nthree\n");
  execFileSync("sh", ["-c", "git init -q && git add . && git -c user.name=me -c " +
    "user.email=me@localhost commit -qm first"], { cwd: root });
  await ask("POST", "/projects", { name, root });
  return { name, root, read: (one) => readFileSync(path.join(root, one), "utf8"),
    has: (one) => existsSync(path.join(root, one)) };
}

/** A session in a tree of that project, after a turn. */
async function tree({ name: of, root }, name, line) {
  const { id } = await ask("POST", "/sessions", { title: `Work on ${name}`, root, project: of,
    worktree: { name }, settings: { permissions: [{ permission: "allow" }] } });
  if (line !== undefined) {
    await ask("POST", `/sessions/${id}/messages?wait=30`,
      { text: script(sh(line), "step:", say("Done.")) });
  }
  return id;
}
const row = (page, name) => page.getByRole("article", { name, exact: true });
const said = (page, text) => page.getByRole("status").getByText(text).waitFor();

test("by mouse: trees are listed, one is applied, and removed with its work", async () => {
  const shop = await project("shop");
  const session = await tree(shop, "cart", "sed -i s/two/2/ a.txt; echo n > new.txt");
  await tree(shop, "empty", "true");
  const page = await opened(browser, desk, { target: "/trees?project=shop" });
  await row(page, "cart").getByText("2 files changed").waitFor();
  await row(page, "empty").getByText("no changes").waitFor();
  assert.equal(await row(page, "cart").getByRole("link", { name: "session" })
    .getAttribute("href"), `/s/${session}`);
  await row(page, "cart").getByRole("button", { name: "What cart holds" }).click();
  await row(page, "cart").getByText("drover/cart").last().waitFor();
  await row(page, "cart").getByText("new.txt").waitFor();
  assert.deepEqual(await axe(page), []);
  await row(page, "cart").getByRole("button", { name: "Apply cart" }).click();
  const apply = page.getByRole("dialog", { name: "Apply cart to the project's folder" });
  await apply.getByText("new.txt").waitFor();
  assert.deepEqual(await axe(page), []);
  assert.equal(shop.has("new.txt"), false, "nothing happens before");
  await apply.getByRole("button", { name: "Apply 2 files" }).click();
  await said(page, "2 files applied.");
  assert.equal(shop.read("a.txt"), "one\n2\nthree\n");
  assert.equal(shop.read("new.txt"), "n\n");
  await row(page, "cart").getByRole("button", { name: "Remove cart" }).click();
  const remove = page.getByRole("dialog", { name: "Remove cart" });
  await remove.getByText("All of this is nowhere else").waitFor();
  const button = remove.getByRole("button", { name: "Remove the tree" });
  assert.ok(await button.isDisabled());
  await remove.getByRole("checkbox", { name: /Remove it all the same/ }).check();
  await button.click();
  await said(page, "cart is removed.");
  await row(page, "cart").waitFor({ state: "detached" });
  assert.equal(shop.has(".drover/worktrees/cart"), false);
  page.clean();
});

test("where the folder has changed the same lines, each file is asked for", async () => {
  const store = await project("store");
  await tree(store, "prices", "sed -i s/two/2/ a.txt; echo n > new.txt");
  writeFileSync(path.join(store.root, "a.txt"), "one\nzwei\nthree\n");
  const page = await opened(browser, desk, { target: "/trees?project=store" });
  await row(page, "prices").getByRole("button", { name: "Apply prices" }).click();
  const apply = page.getByRole("dialog", { name: "Apply prices to the project's folder" });
  const check = apply.getByRole("checkbox", { name: /a\.txt/ });
  await check.waitFor();
  assert.ok(await apply.getByRole("button", { name: "Apply 1 file" }).isDisabled());
  await check.check();
  await apply.getByRole("button", { name: "Apply 2 files" }).click();
  await said(page, "2 files applied.");
  assert.equal(store.read("a.txt"), "one\n2\nthree\n");
  page.clean();
});

test("by keyboard alone", async () => {
  const keys = await project("keys");
  await tree(keys, "first", "echo f > f.txt");
  await tree(keys, "second", "echo s > s.txt");
  const page = await opened(browser, desk, { target: "/trees?project=keys" });
  await row(page, "second").waitFor();
  await page.keyboard.press("j"); // The newest one is first.
  await page.keyboard.press("Enter");
  await row(page, "second").getByText("s.txt").waitFor();
  await page.keyboard.press("Escape");
  await row(page, "second").getByText("s.txt").waitFor({ state: "detached" });
  await page.keyboard.press("j");
  await page.keyboard.press("a");
  const apply = page.getByRole("dialog", { name: "Apply first to the project's folder" });
  await apply.getByText("f.txt").waitFor();
  await apply.getByRole("button", { name: "Apply 1 file" }).focus();
  await page.keyboard.press("Enter");
  await said(page, "1 file applied.");
  assert.equal(keys.read("f.txt"), "f\n");
  await page.keyboard.press("x");
  await page.getByRole("dialog", { name: "Remove first" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Remove first" }).waitFor({ state: "detached" });
  await row(page, "first").waitFor();
  page.clean();
});

test("on a phone, in both themes; those without work are removed together", async () => {
  const phone = await project("phone");
  const kept = await tree(phone, "kept", "echo k > k.txt");
  const gone = await tree(phone, "gone", "true");
  for (const id of [kept, gone]) await ask("PATCH", `/sessions/${id}`, { archived: true });
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk,
      { ...PHONE, colorScheme, target: "/trees?project=phone" });
    await row(page, "kept").getByText("1 file changed").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), []);
    page.clean();
  }
  const page = await opened(browser, desk, { ...PHONE, target: "/trees?project=phone" });
  await page.getByRole("button", { name: "Remove those without work …" }).click();
  const prune = page.getByRole("dialog", { name: "Remove trees without work" });
  await prune.getByText("These stay").waitFor();
  assert.equal(await overflow(page), 0);
  await prune.getByRole("button", { name: "Remove 1 tree" }).click();
  await said(page, "1 tree removed.");
  await row(page, "gone").waitFor({ state: "detached" });
  assert.equal(phone.has(".drover/worktrees/kept/k.txt"), true);
  page.clean();
});

test("a task leads to its tree and to its changes", async () => {
  const root = (await project("tasks")).root;
  await ask("PATCH", "/projects/tasks", { model: "scripted/demo",
    board: { agents: [{ name: "smith" }], worktrees: true },
    settings: { permissions: [{ permission: "allow" }] } });
  const status = (to) => call("task_status", { status: to });
  const output = call("task_output", { type: "code", title: "it", content: "x", summary: "made" });
  const { id } = await ask("POST", "/projects/tasks/tasks", { title: "Make it",
    description: script(...[status("working"), sh("seq 3 > made.txt"), output, status("review")]
      .flatMap((line) => [line, "step:"]), say("so it is")) });
  const page = await opened(browser, desk, { target: `/t/${id}` });
  await page.getByRole("link", { name: "Changes: 1 file +3 −0" }).waitFor();
  await page.getByRole("link", { name: /^T-1-/ }).click();
  await page.getByRole("article", { name: /^T-1-/ }).getByText("1 file changed").waitFor();
  assert.equal(existsSync(path.join(root, "made.txt")), false);
  page.clean();
});

test("a session shows its tree, and a new one gets one by its form", async () => {
  const form = await project("form");
  const id = await tree(form, "shown", "true");
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await page.getByRole("link", { name: "Working tree shown" }).click();
  await row(page, "shown").waitFor();
  page.clean();
  const list = await opened(browser, desk, { target: "/sessions" });
  await list.getByRole("button", { name: /^New session/ }).first().click();
  const sheet = list.getByRole("dialog", { name: "New session" });
  await sheet.getByLabel("Folder").fill(form.root);
  await sheet.getByRole("combobox", { name: "Working tree" }).click();
  await list.getByRole("option", { name: /of what is committed/ }).click();
  await sheet.getByRole("button", { name: "Begin" }).click();
  await list.getByRole("link", { name: /^Working tree s-/ }).waitFor();
  list.clean();
});
