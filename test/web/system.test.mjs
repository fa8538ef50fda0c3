// system.test.mjs: what a user asks when something is wrong, in a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after as afterAll, afterEach, before, test } from "node:test";

import { bin, Daemon, scratch } from "../integration/lib.mjs";
import { change } from "../integration/sql.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after: afterAll, afterEach });
const ALL = "read,run,approve,admin";
let browser;
before(async () => (browser = await browserOf(file)));

async function ask(daemon, method, path, body) {
  const answer = await daemon.request(method, `/api/v1${path}`, { local: true, body });
  assert.ok(answer.status < 300, `${path}: ${answer.text}`);
  return answer.json;
}

/** A daemon whose log is a file of its data directory, with these lines before its own. */
async function desk(t, { args = [], scopes = ALL, lines = [] } = {}) {
  const data = scratch(t), program = path.join(scratch(t), "drover");
  writeFileSync(program, `#!/bin/sh\nexec "${bin}" "$@" 2>>"${data}/log"\n`);
  chmodSync(program, 0o700);
  writeFileSync(path.join(data, "log"), lines.map((line) => `${line}\n`).join(""));
  const daemon = await new Daemon({ data, program, args }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", scopes]);
  return { daemon, key: stdout.trim().split("\n")[0] };
}
const part = (page, name) => page.getByRole("region", { name, exact: true });
const process = (page, name) =>
  part(page, "Process").locator(".process > div", { hasText: name }).locator("dd").innerText();

test("by mouse: what is fine, the process, the log, a backup", async (t) => {
  const one = await desk(t, { lines: ['{"at":"T1","level":"warn","what":"slow","ms":4}', "died"] });
  const page = await opened(browser, one, { target: "/" });
  await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "System" })
    .click();
  await page.waitForURL("**/system");
  await part(page, "Checks").getByText("4 checks found nothing wrong").click();
  await part(page, "Checks").getByText("Every run goes on, or waits for something.").waitFor();
  assert.equal(await part(page, "Checks").locator(".finding:visible").count(), 4);
  const version = await ask(one.daemon, "GET", "/version");
  assert.equal(await process(page, "Version"), version.version);
  assert.equal(await process(page, "Database"), "SQLite");
  assert.match(await process(page, "You are"), /^local, with read, run, approve, admin$/);
  await part(page, "Hold").getByText("Nothing is held").waitFor();
  await part(page, "Hosts").getByText("no other host shares it").waitFor();

  const log = part(page, "Log");
  await log.getByText("slow ms=4").waitFor();
  await log.getByText(path.join(one.daemon.data, "log")).waitFor();
  await log.getByText("only warnings and errors").click();
  const lines = await log.locator("li").allInnerTexts(); // A slow turn may add one of its own.
  assert.deepEqual(lines.slice(0, 2), ["T1 warn slow ms=4", "died"]);

  const backup = part(page, "Backup");
  await backup.getByText("There is no backup in the data directory.").waitFor();
  await backup.getByRole("button", { name: "Back up now" }).click();
  await backup.getByText(/drover-\d{4}-\d\d-\d\d-\d{6}\.db, .* [kM]B, just now/).waitFor();
  const { last } = await ask(one.daemon, "GET", "/system/backup");
  assert.ok(existsSync(last.file));
  page.clean();
});

test("a damaged row is found, with what removes it", async (t) => {
  const one = await desk(t);
  const { id } = await ask(one.daemon, "POST", "/memory",
    { topic: "t", title: HOSTILE.html.slice(0, 100), content: "c" });
  await change(one, `UPDATE memory SET tags = '<script>alert(1)</script>' WHERE memory = '${id}'`);
  const page = await opened(browser, one, { target: "/system" });
  const damage = part(page, "Damaged rows");
  await damage.getByRole("button", { name: "Search the database" }).click();
  await damage.getByText("1 column is damaged.").waitFor();
  await damage.getByText("tags is not valid JSON").waitFor();
  let damaged, after = ""; // A page ends where its time does.
  while (damaged === undefined) {
    const { items, next } = await ask(one.daemon, "GET", `/damage${after}`);
    [damaged] = items;
    after = `?after=${encodeURIComponent(next)}`;
  }
  await damage.getByText(damaged.remove).waitFor();
  await damage.getByText("sqlite3 -cmd").waitFor();
  page.clean();
  await page.context().close();
  await change(one, damaged.remove);
  const mended = await opened(browser, one, { target: "/system" });
  await part(mended, "Damaged rows").getByRole("button", { name: "Search the database" }).click();
  await mended.getByText("All text and JSON can be read.").waitFor();
  mended.clean();
});

test("a hold shows what would start, and is released by the page", async (t) => {
  const one = await desk(t, { args: ["--hold"] });
  const job = await ask(one.daemon, "POST", "/jobs",
    { label: "waits <b>", argv: ["true"] });
  const page = await opened(browser, one, { target: "/system" });
  await part(page, "Checks").getByText("The daemon holds: nothing starts.").waitFor();
  const hold = part(page, "Hold");
  await hold.getByText("A release would start 1 queued.").waitFor();
  const link = hold.getByRole("link", { name: "waits <b>" });
  assert.equal(await link.getAttribute("href"), `/j/${job.id}`);
  await hold.getByRole("button", { name: "Release the hold" }).click();
  await hold.getByRole("button", { name: "Let all of it start" }).click();
  await hold.getByText("Nothing is held").waitFor();
  await part(page, "Checks").getByText("4 checks found nothing wrong").waitFor();
  for (let state = ""; state !== "succeeded";) {
    ({ state } = await ask(one.daemon, "GET", `/runs/${job.id}`));
  }
  page.clean();
});

const HOST = { name: "build-2", role: "standby", version: "1", here: false, runs: 2, made_ms: 1,
  seen_ms: 1 };

/** Hosts share a PostgreSQL database: the answers of such a daemon. */
async function withHosts(page, hosts) {
  const asked = [];
  await page.route("**/api/v1/hosts*", async (route) => {
    const request = route.request(), url = new URL(request.url());
    if (request.method() === "GET") {
      return route.fulfill({ json: { items: hosts, next: null } });
    }
    asked.push(url.search);
    if (!url.searchParams.has("force")) {
      return route.fulfill({ status: 409, json: { status: 409, title: "The host may live",
        code: "host_alive", detail: "30 s are needed" } });
    }
    hosts.splice(1, 1);
    return route.fulfill({ json: { place: "p", name: "n", runs: 2 } });
  });
  await page.reload();
  return asked;
}

test("by keyboard alone: there, a host that is gone is removed, and the state is read again",
  async (t) => {
    const one = await desk(t);
    const page = await opened(browser, one, { target: "/" });
    await page.getByText(/^● live$/).waitFor();
    const asked = await withHosts(page, [
      { ...HOST, place: "here:/d", name: "build-1", here: true },
      { ...HOST, place: "x&y:/<b>", name: "\u202ebuild" }]);
    await page.getByText(/^● live$/).waitFor();
    await page.keyboard.type("gy");
    await part(page, "Hosts").getByText("⟦RLO⟧build").waitFor();
    const tabTo = async (name) => {
      for (let at = 0; await page.evaluate(() => document.activeElement.getAttribute("aria-label")
        ?? document.activeElement.innerText) !== name; at++) {
        assert.ok(at < 40, `${name} can be reached`);
        await page.keyboard.press("Tab");
      }
    };
    const sure = (name) => page.getByRole("button", { name, disabled: false }).waitFor();
    await tabTo("Remove the host ⟦RLO⟧build");
    await page.keyboard.press("Enter");
    await sure("Give up its jobs and remove it");
    await page.keyboard.press("Enter");
    await part(page, "Hosts").getByText("30 s are needed").waitFor();
    await tabTo("Remove it although it may live: ⟦RLO⟧build");
    await page.keyboard.press("Enter");
    await sure("Its jobs may run twice: remove it");
    await page.keyboard.press("Enter");
    await part(page, "Hosts").getByText("⟦RLO⟧build is removed; jobs given up: 2.").waitFor();
    await part(page, "Hosts").getByText("x&y:/<b>").waitFor({ state: "detached" });
    assert.deepEqual(asked, ["?host=x%26y%3A%2F%3Cb%3E", "?host=x%26y%3A%2F%3Cb%3E&force=1"]);
    const agents = [{ name: "broken-one", state: "broken", why: "no program" }];
    await page.route("**/api/v1/agents*", (route) =>
      route.fulfill({ json: { items: agents, next: null } }));
    await page.keyboard.press("r");
    await part(page, "Checks").getByText("broken-one is broken: no program").waitFor();
    page.clean();
  });

test("a key without the scope admin sees checks, process and hosts, and one sentence for the rest",
  async (t) => {
    const one = await serving(t);
    const page = await opened(browser, one, { target: "/system" });
    await page.getByText("need the scope admin").waitFor();
    await part(page, "Hosts").getByText("no other host").waitFor();
    await part(page, "Process").waitFor();
    assert.deepEqual(await page.locator("main section h2").allInnerTexts()
      .then((names) => names.map((name) => name.toLowerCase())), ["checks", "process", "hosts"]);
    page.clean();
  });

test("a daemon that takes no work says why; one without a log file says where it is", async (t) => {
  const one = await serving(t, ALL);
  const page = await opened(browser, one, { target: "/" });
  await page.route("**/readyz", (route) => route.fulfill({ status: 503,
    json: { status: 503, code: "stalled", title: "Stalled", detail: "a step of run_1 stands" } }));
  await page.goto(`${one.daemon.url}/system`);
  await part(page, "Checks").getByText("a step of run_1 stands").waitFor();
  await part(page, "Log").getByText("journalctl --user -u drover").waitFor();
});

const WIDE = ['{"at":"T","level":"error","what":"' + "w".repeat(300) + '"}', HOSTILE.html
  .replaceAll("\n", " "), "\u001b[31mred \u202egpj"];

test("on a phone nothing is too wide, buttons are large; hostile lines are inert", async (t) => {
  const one = await desk(t, { lines: WIDE, args: ["--hold"] });
  await ask(one.daemon, "POST", "/jobs", { label: "l".repeat(200), argv: ["true"] });
  const page = await opened(browser, one, { target: "/system", ...PHONE });
  await part(page, "Log").getByText("<script>alert(1)</script>").waitFor();
  await part(page, "Log").getByText("⟦ESC⟧[31mred ⟦RLO⟧gpj").waitFor();
  await part(page, "Hold").getByText("1 queued").waitFor();
  assert.equal(await overflow(page), 0);
  for (const button of await page.locator("main button:visible, main summary").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  page.clean();
});

test("axe finds nothing, in both colours; 200 % of the size fits", async (t) => {
  const one = await desk(t, { lines: WIDE, args: ["--hold"] });
  await ask(one.daemon, "POST", "/jobs", { label: "waits", argv: ["true"] });
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, one, { colorScheme, target: "/system",
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    await part(page, "Log").getByText("⟦ESC⟧[31mred").waitFor();
    await part(page, "Hold").getByText("1 queued").waitFor();
    await part(page, "Checks").locator("summary").click();
    await part(page, "Damaged rows").getByRole("button").click();
    await page.getByText("All text and JSON can be read.").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), [], colorScheme);
    page.clean();
    await page.context().close();
  }
});
