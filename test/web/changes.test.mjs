// changes.test.mjs: what a session and a run have changed, in a browser: by mouse, by keyboard
// alone, on a phone, as it changes, with hostile names, and with 10,000 changed lines.
//
// runs-with: web
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { ask, turn, until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
const LINES = 10_000;
const LEAD = Array.from({ length: 60 }, (_, at) => `int line_${at};\n`);
let browser, desk, fix;

const lines = (text) => `${text.join("\n")}\n`;

/** A repository with these files, all of them committed. */
function repository(files) {
  const root = scratch(file);
  const who = ["-c", "user.name=a", "-c", "user.email=a@b"];
  const git = (...args) => execFileSync("git", [...who, ...args],
    { cwd: root, env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" } });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
  }
  git("init", "-q");
  git("add", "-A");
  git("commit", "-q", "-m", "all");
  return root;
}

async function session(title, root) {
  const { id } = await ask(desk.daemon, "POST", "/sessions", { title, root, model: "scripted/demo",
    settings: { edits: "allow", permissions: [{ permission: "allow" }] } }, 201);
  return { ...desk, session: id, root };
}

const shell = (text) => call("run_command", { command: "sh", args: ["-c", text] });
const listOf = (one) => `/sessions/${one.session}/changes`;
/** Until the list of the daemon has that many files. */
const has = (one, count) => until(one, listOf(one), ({ totals }) => totals.files === count);

/** Of each kind of change one: an edit in two places, and what a shell does. */
async function fixed() {
  const root = repository({
    "src/lead.c": LEAD.join(""), "docs/old.md": lines(["# Old", "", "one", "two", "three"]),
    "gone.txt": "bye\n", "run.sh": "#!/bin/sh\n", "logo.bin": Buffer.from([0, 1, 2, 3]),
    "indent.c": lines(["{", "int a;", "int b;", "}"]),
  });
  const one = await session("Fix the build", root);
  await turn(one, script(
    call("edit_file", { path: "src/lead.c", old_text: "int line_3;", new_text: "int lead_3;" }),
    "step:",
    call("edit_file", { path: "src/lead.c", old_text: "int line_40;\n",
      new_text: "int lead_40;\nint more;\n" }),
    "step:",
    call("write_file", { path: "new.md", content: "# New\n" }),
    "step:",
    shell("mv docs/old.md 'docs/new name.md'; rm gone.txt; chmod +x run.sh; " +
      "printf '\\0\\1\\2\\4' > logo.bin; " +
      "printf '{\\n    int a;\\n    int b;\\n}\\n' > indent.c; echo KEY=1 > .env"),
    "step:", say("done")));
  await has(one, 7);
  return one;
}

before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  fix = await fixed();
});

const open = (one, rest = "", options = {}) =>
  opened(browser, one, { target: `/s/${one.session}/changes${rest}`, ...options });
const tree = (page) => page.getByRole("list", { name: "Files" });
const row = (page, name) => page.locator(`[data-row="${name}"]`);
const section = (page, name) => page.locator(`[data-change="${name}"]`);
const tick = (page, name) => section(page, name).getByRole("checkbox");
const names = (page) => tree(page).getByRole("listitem").evaluateAll((rows) =>
  rows.map((one) => one.querySelector("button span")?.textContent ?? `${one.textContent}/`));
const here = (page) => page.locator(".change.here").getAttribute("data-change");
const isHere = (page, name) => page.locator(`.change.here[data-change="${name}"]`).waitFor();
const hunkIs = (page, name, hunk) => page.locator(
  `[data-change="${name}"] .change-here[data-hunk="${hunk}"]`).waitFor();
/** A file begins at the top of the view: else keys would be about another one than it shows. */
const isOnTop = (page, name) => page.waitForFunction((of) => {
  const one = document.querySelector(`[data-change="${of}"]`);
  const pane = one?.closest(".changes-pane");
  if (one == null) return false;
  const isEnd = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 1;
  return isEnd || Math.abs(one.getBoundingClientRect().top - pane.getBoundingClientRect().top) <= 1;
}, name);

test("the session says how much is changed, and leads to the files: what, by whom", async () => {
  const page = await opened(browser, fix, { target: `/s/${fix.session}` });
  await page.getByRole("link", { name: /Changes: 7 files \+\d+ −\d+/ }).click();
  await page.waitForURL((url) => url.pathname === `/s/${fix.session}/changes`);
  await section(page, "src/lead.c").waitFor({ state: "attached" });
  assert.deepEqual(await names(page), ["gone.txt", "indent.c", "logo.bin", "new.md", "run.sh",
    "docs/", "new name.md", "src/", "lead.c"]);
  assert.match(await page.locator("header.changes-top").innerText(), /Fix the build\s+7 files/);
  await page.getByText("0 of 7 viewed").waitFor();
  const says = { "gone.txt": /deleted/, "new.md": /created/, "run.sh": /mode 100644 → 100755/,
    "logo.bin": /binary[\s\S]*no lines to show/,
    "docs/new name.md": /renamed\s*was docs\/old\.md/ };
  for (const [name, text] of Object.entries(says)) {
    await row(page, name).getByRole("button").click();
    await section(page, name).filter({ hasText: text }).waitFor();
  }
  await row(page, "src/lead.c").getByRole("button").click();
  const lead = section(page, "src/lead.c");
  await lead.getByRole("link", { name: "Fix the build" }).waitFor();
  await lead.locator(".remove").filter({ hasText: "int line_3;" }).waitFor();
  await lead.locator(".add").filter({ hasText: "int more;" }).waitFor();
  assert.match(await lead.locator("header").innerText(), /edited[\s\S]*\+3\s+−2/);
  await page.getByText(/1 file left out/).click();
  await page.getByText("may hold a secret").waitFor();
  await page.getByRole("link", { name: "Session", exact: true }).click();
  await page.waitForURL((url) => url.pathname === `/s/${fix.session}`);
  page.clean();
});

test("by mouse: two sides, without blanks; what was viewed is folded, and known after a reload",
  async () => {
    const page = await open(fix, "?file=indent.c");
    const indent = section(page, "indent.c");
    await indent.locator(".remove").first().waitFor();
    await page.getByRole("button", { name: /Two sides/ }).click();
    await page.waitForURL(/view=sides/);
    const pair = indent.locator(".change-sides").filter({ hasText: "int a;" });
    const texts = await pair.locator(".line").evaluateAll((all) =>
      all.map(({ className, innerText }) => [className, innerText.replace(/\s+/g, " ")]));
    assert.deepEqual(texts, [["line remove", "2 − int a;"], ["line add", "2 + int a;"]]);
    await page.getByRole("button", { name: /Without blanks/ }).click();
    await indent.getByText("Only blanks differ.").waitFor();
    await indent.getByRole("button", { name: "Show them" }).click();
    await indent.locator(".remove").first().waitFor();
    await tick(page, "indent.c").check();
    await page.getByText("1 of 7 viewed").waitFor();
    await indent.locator(".diff").waitFor({ state: "detached" });
    await until(fix, listOf(fix), ({ files }) =>
      files.some(({ path: of, viewed }) => of === "indent.c" && viewed === "yes"));
    await page.reload();
    await page.getByText("1 of 7 viewed").waitFor();
    assert.equal(await row(page, "indent.c").getByRole("checkbox").isChecked(), true);
    await indent.getByRole("button", { name: "Lines of indent.c" }).click();
    await indent.locator(".remove").first().waitFor();
    await row(page, "indent.c").getByRole("checkbox").uncheck();
    await page.getByText("0 of 7 viewed").waitFor();
    await until(fix, listOf(fix), ({ files }) => files.every(({ viewed }) => viewed === "no"));
    page.clean();
  });

test("by keyboard alone: to the changes, along files and changes, viewed, folded, and back",
  async () => {
    const page = await opened(browser, fix, { target: `/s/${fix.session}` });
    const press = (key) => page.keyboard.press(key);
    await page.getByRole("link", { name: /Changes:/ }).waitFor();
    await press("c");
    await section(page, "gone.txt").locator(".remove").waitFor();
    await press("j");
    await isHere(page, "indent.c");
    await isOnTop(page, "indent.c");
    await press("k");
    await isHere(page, "gone.txt");
    for (let count = 0; count < 6; count++) await press("j");
    await isHere(page, "src/lead.c");
    await isOnTop(page, "src/lead.c");
    await press("j"); // It is the last one.
    await page.waitForURL((url) => url.searchParams.get("file") === "src/lead.c");
    await section(page, "src/lead.c").locator(".add").first().waitFor();
    await press("n");
    await hunkIs(page, "src/lead.c", 0);
    await press("n");
    await hunkIs(page, "src/lead.c", 1);
    await press("p");
    await hunkIs(page, "src/lead.c", 0);
    await press("p"); // Files without lines are skipped.
    await hunkIs(page, "new.md", 0);
    await press("n");
    await hunkIs(page, "src/lead.c", 0);
    await press("v");
    await page.getByText("1 of 7 viewed").waitFor();
    assert.equal(await tick(page, "src/lead.c").isChecked(), true);
    await press("e");
    await section(page, "src/lead.c").locator(".add").first().waitFor();
    await press("v");
    await page.getByText("0 of 7 viewed").waitFor();
    await press("s");
    await page.waitForURL(/view=sides/);
    await press("w");
    await page.waitForURL(/blanks=ignore/);
    await press("l");
    await page.waitForURL(/since=viewed/);
    await press("c");
    await page.waitForURL((url) => url.pathname === `/s/${fix.session}`);
    page.clean();
  });

test("a file that is edited after it was viewed says so, and shows what is new since then",
  async () => {
    const root = repository({ "a.c": LEAD.join(""), "b.c": "int b;\n" });
    const one = await session("Look again", root);
    const edit = (old_text, new_text, of = "a.c") =>
      turn(one, script(call("edit_file", { path: of, old_text, new_text }), "step:", say("so")));
    await edit("int line_3;", "int first;");
    await edit("int b;", "int c;", "b.c");
    await has(one, 2);
    const page = await open(one);
    await section(page, "a.c").locator(".add").waitFor();
    await tick(page, "a.c").check();
    await tick(page, "b.c").check();
    await page.getByText("2 of 2 viewed").waitFor();
    await until(one, listOf(one), ({ files }) => files.every(({ viewed }) => viewed === "yes"));
    await edit("int line_40;", "int second;");
    await section(page, "a.c").getByText("changed since you viewed it").waitFor();
    await page.getByText("1 of 2 viewed").waitFor();
    const added = section(page, "a.c").locator(".add");
    await added.filter({ hasText: "int second;" }).waitFor();
    assert.equal(await added.count(), 2);
    await page.getByRole("button", { name: /Since my last look/ }).click();
    await page.waitForURL(/since=viewed/);
    await section(page, "b.c").waitFor({ state: "detached" });
    await added.filter({ hasText: "int second;" }).waitFor();
    assert.equal(await added.count(), 1);
    await tick(page, "a.c").check();
    await until(one, listOf(one), ({ files }) => files.every(({ viewed }) => viewed === "yes"));
    await page.reload();
    await page.getByText("Nothing has changed since your last look.").waitFor();
    await page.getByRole("button", { name: "Show all changes" }).click();
    await page.getByText("2 of 2 viewed").waitFor();
    page.clean();
  });

test("since a turn: only what changed from its beginning on", async () => {
  const one = await session("By turns", repository({ "a.c": "int a;\n", "b.c": "int b;\n" }));
  const edit = (of, old_text, new_text) =>
    turn(one, script(call("edit_file", { path: of, old_text, new_text }), "step:", say("so")));
  await edit("a.c", "int a;", "int one;");
  await edit("b.c", "int b;", "int two;");
  await has(one, 2);
  const page = await open(one);
  await section(page, "a.c").waitFor();
  await page.getByRole("combobox", { name: "Compare with" }).selectOption("since turn 2");
  await page.waitForURL((url) => url.searchParams.get("base") === "turn:2");
  await section(page, "a.c").waitFor({ state: "detached" });
  await section(page, "b.c").locator(".add").waitFor();
  assert.deepEqual(await names(page), ["b.c"]);
  page.clean();
});

test("the changes of a run, and of a session where nothing was done", async () => {
  const { items: [{ run }] } = await ask(desk.daemon, "GET", `/sessions/${fix.session}/timeline`);
  const page = await opened(browser, desk, { target: `/r/${run}/changes` });
  await section(page, "gone.txt").locator(".remove").waitFor();
  assert.equal((await names(page)).includes("lead.c"), true);
  await page.getByRole("link", { name: "Run", exact: true }).waitFor();
  const none = await session("Nothing", scratch(file));
  const empty = await open(none);
  await empty.getByText("No changes are known here yet.").waitFor();
  assert.equal(await empty.getByRole("link", { name: /Changes:/ }).count(), 0);
  assert.deepEqual(await axe(empty), []);
  page.clean();
  empty.clean();
});

test("a key that may only read sees the files, and no ticks", async () => {
  const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
  const page = await open({ ...fix, key: stdout.trim().split("\n")[0] });
  await section(page, "gone.txt").locator(".remove").waitFor();
  await row(page, "gone.txt").waitFor();
  assert.equal(await page.getByRole("checkbox").count(), 0);
  page.clean();
});

test("a workflow's run leads to what its agents have changed", async () => {
  const root = repository({ "a.c": "int a;\n" });
  const write = script(call("write_file", { path: "b.c", content: "int b;\n" }), "step:", say("b"));
  const { runId } = await ask(desk.daemon, "POST", "/workflows", { root, model: "scripted/demo",
    settings: { edits: "allow" }, script: "export const meta = { name: 'write', " +
      `description: 'x' };\nreturn await agent(${JSON.stringify(write)});` }, 201);
  await until(desk, `/runs/${runId}`, ({ ended_ms }) => ended_ms !== null);
  await until(desk, `/runs/${runId}/changes`, ({ totals }) => totals.files === 1);
  const page = await opened(browser, desk, { target: `/r/${runId}` });
  await page.getByRole("link", { name: "Changes: 1 file +1 −0" }).waitFor();
  await page.keyboard.press("c");
  await page.waitForURL((url) => url.pathname === `/r/${runId}/changes`);
  await section(page, "b.c").locator(".add").filter({ hasText: "int b;" }).waitFor();
  await page.keyboard.press("c");
  await page.waitForURL((url) => url.pathname === `/r/${runId}`);
  page.clean();
});

test("names and lines from outside are shown as text, with what is invisible in them", async () => {
  const name = "<img src=x onerror=alert(1)>.c", turned = "a\u202egnp.exe";
  const one = await session("Hostile", repository({ "a.c": "int a;\n" }));
  await turn(one, script(
    call("write_file", { path: name, content: "<script>alert(1)</script>\u202e\n" }), "step:",
    call("write_file", { path: turned, content: "x\n" }), "step:", say("so")));
  await has(one, 2);
  const page = await open(one);
  const shown = { hasText: "<script>alert(1)</script>⟦RLO⟧" };
  await section(page, name).locator(".add").filter(shown).waitFor();
  await page.locator(".change h2").filter({ hasText: "a\\342\\200\\256gnp.exe" }).waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
  page.clean();
});

test("10,000 changed lines: few elements, the end is reached, and what is read stays in place",
  async () => {
    const all = (word) => lines(Array.from({ length: LINES / 2 }, (_, at) => `${word} ${at}`));
    const one = await session("Large", repository({ "a.txt": "a\n", "large.txt": all("old") }));
    const made = path.join(scratch(file), "made.txt");
    writeFileSync(made, all("new"));
    await turn(one, script(shell(`cp ${made} large.txt; echo b > a.txt; echo c > z.txt`), "step:",
      say("so")));
    await has(one, 3);
    const page = await open(one, "?file=z.txt");
    await section(page, "z.txt").locator(".add").waitFor();
    await isHere(page, "z.txt");
    await page.keyboard.press("k");
    await isOnTop(page, "large.txt");
    await section(page, "large.txt").locator(".remove").filter({ hasText: "old 0" }).waitFor();
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(elements < 3_000, `${elements} elements`);
    const pane = page.getByRole("region", { name: "Changes of files" });
    await pane.evaluate((box) => void (box.scrollTop = box.scrollHeight / 2));
    await pane.locator(".line").filter({ hasText: /(old|new) \d{3,4}/ }).first().waitFor();
    await pane.evaluate((box) => void (box.scrollTop = box.scrollHeight));
    await section(page, "large.txt").locator(".add").filter({ hasText: "new 4999" }).waitFor();
    assert.equal(await here(page), "large.txt");
    page.clean();
  });

test("on a phone and in both colours: nothing is wider than the screen, and axe finds nothing",
  async () => {
    for (const colorScheme of ["light", "dark"]) {
      const wide = await open(fix, "?view=sides", { colorScheme });
      await section(wide, "gone.txt").locator(".remove").waitFor();
      assert.deepEqual(await axe(wide), [], `${colorScheme}: two sides`);
      const page = await open(fix, "", { colorScheme, ...PHONE });
      await section(page, "gone.txt").locator(".remove").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), [], `${colorScheme}: changes`);
      await page.getByRole("button", { name: /Files · 0 of 7 viewed/ }).tap();
      await row(page, "src/lead.c").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), [], `${colorScheme}: files`);
      await row(page, "src/lead.c").getByRole("button").tap();
      await tree(page).waitFor({ state: "detached" });
      await isHere(page, "src/lead.c");
      await section(page, "src/lead.c").locator(".add").first().waitFor();
      await page.getByRole("button", { name: "File before" }).tap();
      await isHere(page, "docs/new name.md");
      await page.getByRole("button", { name: "Next change" }).tap();
      await hunkIs(page, "src/lead.c", 0);
      assert.equal(await overflow(page), 0);
      wide.clean();
      page.clean();
    }
  });
