// jobs.test.mjs: jobs in a browser: the list, a job's log, and its terminal.
//
// runs-with: web
import assert from "node:assert/strict";
import http from "node:http";
import { after, afterEach, before, test } from "node:test";

import { Daemon, scratch } from "../integration/lib.mjs";
import { Proxy } from "../integration/stream-client.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser, desk;
before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
});

async function job(body, daemon = desk.daemon) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { local: true, body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}
const stop = (id, daemon = desk.daemon) =>
  daemon.request("POST", `/api/v1/runs/${id}/stop`, { local: true, body: { grace_ms: 0 } });
/** The log as the daemon has it. */
const stored = (id, daemon = desk.daemon) => new Promise((resolve, reject) => {
  const path = `/api/v1/jobs/${id}/logs?limit=1000000`;
  http.get({ socketPath: daemon.socket, path }, (answer) => {
    let text = "";
    answer.setEncoding("utf8").on("data", (chunk) => (text += chunk));
    answer.on("end", () => resolve(text));
  }).on("error", reject);
});
const row = (page, name) => page.locator(".row.job", { hasText: name });
const line = (page, text) => page.locator(".line bdi").getByText(text, { exact: true });
const screen = (page) => page.locator(".xterm-rows");
/** The rows of the terminal as text, without empty ones. */
const drawn = (page) => page.locator(".xterm-rows > div").evaluateAll((rows) =>
  rows.map((one) => one.textContent.replaceAll("\u00a0", " ").trimEnd()).filter((text) => text));
/** Until the rows are those. */
const shows = (page, lines) => page.waitForFunction((wanted) => {
  const rows = [...document.querySelectorAll(".xterm-rows > div")]
    .map((one) => one.textContent.replaceAll("\u00a0", " ").trimEnd()).filter((text) => text);
  return JSON.stringify(rows) === JSON.stringify(wanted);
}, lines);

test("by mouse: a command is run, read, found in the list, filtered, and run again", async (t) => {
  const own = await serving(t);
  const page = await opened(browser, own, { target: "/jobs" });
  await page.getByText("drover job run -- make").waitFor();
  await page.getByRole("button", { name: "Run a command" }).click();
  await page.getByLabel("Command line").fill("printf 'one\\n\\033[32mtwo\\033[0m\\n'; exit 3");
  await page.getByLabel("Folder").fill("relative");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("alert").getByText("bad_field").waitFor();
  await page.getByLabel("Folder").fill("/tmp");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await line(page, "two").waitFor();
  assert.equal(await line(page, "two").getAttribute("class"), "fg-2");
  await page.locator(".title").getByText("failed").waitFor();
  assert.match(await page.locator(".facts").innerText(), /Folder\s*\/tmp\s+Exit code\s*3/);
  await page.getByRole("button", { name: "Link to line 2" }).click();
  const first = page.url();
  assert.match(first, /\?line=2$/);
  await page.getByRole("link", { name: "Jobs" }).first().click();
  await row(page, "printf").getByText("exit 3", { exact: true }).waitFor();
  await job({ shell: "sleep 600", key: "one", key_max: 1 }, own.daemon);
  const queued = await job({ shell: "true", key: "one", key_max: 1, label: "next" }, own.daemon);
  await row(page, "next").getByText("waits for its key").waitFor();
  await row(page, "next").getByRole("link").click();
  await page.getByText("The log begins when the job starts.").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".title").getByText("cancelled").waitFor();
  assert.match(page.url(), new RegExp(queued));
  await page.goBack();
  await page.getByLabel("State").selectOption("succeeded");
  await page.getByText("No job matches the filter.").waitFor();
  await job({ shell: "echo early", label: "sweep" }, own.daemon);
  await row(page, "sweep").getByText("succeeded").waitFor();
  await page.getByLabel("without those of agents").check();
  await page.waitForURL("**/jobs?state=succeeded&top=1");
  await row(page, "sweep").waitFor();
  await page.goto(first);
  await page.locator(".line.marked").getByText("two").waitFor();
  await page.getByRole("button", { name: "Run again" }).click();
  await page.getByText("Again after").waitFor();
  await page.locator(".title").getByText("failed").waitFor();
  page.clean();
});

test("by keyboard alone: run, search in the log, attempts, stop, and back", async () => {
  const page = await opened(browser, desk, { target: "/" });
  await page.getByText("Nothing waits, nothing runs.").waitFor();
  await page.goto(`${desk.daemon.url}/jobs`);
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
  await page.keyboard.press("r");
  await page.getByLabel("Command line").waitFor();
  await page.keyboard.type("seq 300; echo Error: here; seq 300; echo error: there; sleep 600");
  await page.keyboard.press("Control+Enter");
  await line(page, "error: there").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("error:");
  await page.keyboard.press("Enter");
  await page.locator(".line.marked").getByText("Error: here").waitFor();
  await page.getByText("1 of 2 lines").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  await page.locator(".line.marked").getByText("error: there").waitFor();
  await page.keyboard.press("N");
  await page.locator(".line.marked").getByText("Error: here").waitFor();
  await page.keyboard.press("x");
  await page.locator(".title").getByText("cancelled").waitFor();

  const retried = await job({ shell: "echo attempt; exit 1", retry: { max: 1, backoff: 1 } });
  await page.goto(`${desk.daemon.url}/j/${retried}`);
  await page.getByText("Attempt 2 of 2").waitFor();
  await page.keyboard.press("[");
  await page.getByText("Attempt 1 of 2").waitFor();
  assert.match(page.url(), /attempt=1/);
  await page.keyboard.press("]");
  await page.getByText("Attempt 2 of 2").waitFor();
  await page.goto(`${desk.daemon.url}/jobs`);
  await row(page, "attempt").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/j/${retried}`);
  await page.locator(".title").getByText("failed").waitFor();
  await page.keyboard.press("r");
  await page.getByText("Again after").waitFor();
  page.clean();
});

test("a terminal takes keys and is drawn again; a colour of 24 bits breaks no rule", async () => {
  const shell = "stty -echo; printf '\\033[38;2;12;90;60mcolour\\033[0m\\n'; while read a; do " +
    "echo got $a; done";
  const id = await job({ shell, pty: true });
  const page = await opened(browser, desk, { target: `/j/${id}` });
  await screen(page).getByText("colour").waitFor();
  assert.equal(await screen(page).getByText("colour")
    .evaluate((span) => getComputedStyle(span).color), "rgb(12, 90, 60)");
  await page.locator(".screen").click();
  await page.keyboard.type("one\n");
  await shows(page, ["colour", "got one"]);
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData("text/plain", "pasted\r");
    document.activeElement.dispatchEvent(
      new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
  });
  await shows(page, ["colour", "got one", "got pasted"]);
  await page.keyboard.type("x["); // No shortcut of the page.
  await page.keyboard.press("Control+Shift+Escape");
  await page.waitForFunction(() => document.activeElement.matches(".tty .bar input"));
  await page.keyboard.type("got");
  await page.keyboard.press("Enter");
  await page.getByText("of 2", { exact: false }).waitFor();
  await page.reload();
  await shows(page, ["colour", "got one", "got pasted"]);
  const size = await page.locator(".tty .bar").innerText();
  await page.setViewportSize({ width: 1000, height: 600 });
  await page.waitForFunction((before) =>
    document.querySelector(".tty .bar").innerText !== before, size);
  await page.locator(".screen").click();
  await page.keyboard.press("Control+c");
  await page.getByText(/ended with \d+|failed/).first().waitFor();
  page.clean();
});

test("after cuts and a kill -9 the screen is the log", async (t) => {
  const daemon = new Daemon({ data: scratch(t), args: ["--allow-host", "127.0.0.1"] });
  await daemon.start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run"]);
  const proxy = await Proxy.open(t, daemon.port);
  const behind = { daemon: { url: `http://127.0.0.1:${proxy.port}` }, key: stdout.split("\n")[0] };
  const shell = "stty -echo; i=0; while read a; do i=$((i+1)); echo $i $a; done";
  const id = await job({ shell, pty: true }, daemon);
  const page = await opened(browser, behind, { target: `/j/${id}` });
  await page.getByText("Ctrl+Shift+Esc").waitFor();
  const state = () => page.evaluate((name) =>
    window.__drover.report()?.logs[name], `log:${id}`);
  const lines = [];
  const type = async (word) => {
    await page.keyboard.type(`${word}\n`);
    lines.push(`${lines.length + 1} ${word}`);
  };
  await page.waitForFunction((name) =>
    window.__drover.report()?.logs[name]?.phase === "live", `log:${id}`);
  await page.locator(".screen").click();
  await type("one");
  await shows(page, lines);
  proxy.cut();
  await type("two");
  await shows(page, lines);
  await daemon.kill();
  await daemon.start();
  proxy.target = daemon.port;
  await type("three");
  await shows(page, lines);
  proxy.cut();
  await type("four");
  await shows(page, lines);
  const text = (await stored(id, daemon)).split("\r\n").filter((one) => one);
  assert.deepEqual(await drawn(page), text);
  const { gaps, repeats } = await state();
  assert.deepEqual({ gaps, repeats }, { gaps: 0, repeats: 0 });
  await stop(id, daemon);
});

const ESCAPES = "\\033]0;taken\\007\\033]2;taken\\007\\033]52;c;dGFrZW4=\\007" +
  "\\033[21t\\033[6n\\033[c" +
  "\\033]8;;javascript:alert(1)\\033\\\\click\\033]8;;\\033\\\\ <img src=x onerror=alert(1)> " +
  "\\342\\200\\256gnp.exe\\n";

test("hostile output is inert, in the log and in the terminal", async () => {
  const shell = `head -c 1000000 /dev/zero | tr '\\0' w; echo; printf '${ESCAPES}'; echo END`;
  const plain = await job({ shell, label: "<b>name" });
  const tty = await job({ shell: `${shell}; stty -echo; sleep 600`, pty: true });
  for (const id of [plain, tty]) {
    const page = await opened(browser, desk, { target: `/j/${id}` });
    await page.evaluate(() => {
      for (const name of ["writeText", "write"]) {
        navigator.clipboard[name] = () => console.error("clipboard");
      }
      window.open = () => console.error("open");
    });
    await (id === plain ? line(page, "END") : screen(page).getByText("END")).waitFor();
    assert.match(await page.title(), /drover/);
    if (id === plain) {
      assert.match(await page.locator("h1").innerText(), /<b>name/);
      assert.ok(await page.locator(".line").count() < 200);
      await page.locator(".line bdi", { hasText: "⟦RLO⟧gnp.exe" }).waitFor();
      await page.locator(".line bdi", { hasText: "click <img" }).click();
      await page.getByLabel("Wrap").check();
      await line(page, "END").waitFor();
      assert.ok(await page.locator(".rows").evaluate((box) =>
        box.scrollHeight > 5_000 * 18 && box.scrollWidth <= box.clientWidth));
    } else {
      await screen(page).getByText("click").first().click({ force: true });
      const { json } = await desk.daemon.request("POST", `/api/v1/jobs/${tty}/input`,
        { local: true, body: { text: "x" } });
      assert.equal(json.offset, 0, "no question of the output was answered");
    }
    page.clean();
    await page.context().close();
  }
  await stop(tty);
});

test("a link of a terminal is opened without a way back to this page", async () => {
  const id = await job({ shell: `echo ${desk.daemon.url}/nowhere; sleep 600`, pty: true });
  const page = await opened(browser, desk, { target: `/j/${id}` });
  const link = screen(page).getByText("/nowhere");
  await link.waitFor();
  const box = await link.boundingBox();
  const other = page.context().waitForEvent("page");
  await page.mouse.move(box.x + 20, box.y + 5);
  await page.mouse.move(box.x + 40, box.y + 5);
  await page.locator(".xterm-cursor-pointer").waitFor();
  await page.mouse.down();
  await page.mouse.up();
  assert.equal(await (await other).evaluate(() => window.opener), null);
  await page.context().close();
  await stop(id);
});

test("10 MB of output: a few blocks stay, older ones are read again, and the page answers",
  async () => {
    const count = "seq -f 'line %012.0f of a log that is long' 1 240000; echo END";
    const id = await job({ shell: count });
    const page = await opened(browser, desk, { target: `/j/${id}?line=120000` });
    await page.locator(".line.marked").getByText("line 000000120000 of").waitFor();
    await page.getByText("240,001 lines").waitFor();
    await page.getByRole("button", { name: "To the end" }).or(
      page.getByRole("button", { name: "new below" })).click();
    await line(page, "END").waitFor();
    const box = page.locator(".rows");
    const counts = await box.evaluate(({ dataset }) => [dataset.blocks, dataset.kept].map(Number));
    assert.ok(counts[0] > 100 && counts[1] <= 32, JSON.stringify(counts));
    assert.ok(await page.locator(".line").count() < 120);
    await box.evaluate((element) => (element.scrollTop = 0));
    await line(page, "line 000000000001 of a log that is long").waitFor();
    assert.ok(Number(await box.getAttribute("data-kept")) <= 32);
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download" }).click();
    const stream = await (await saved).createReadStream();
    let size = 0;
    for await (const chunk of stream) size += chunk.length;
    assert.equal(size, 240_000 * 40 + 4);
    page.clean();

    const tty = await job({ shell: "seq -f 'line %012.0f of a log' 1 300000; echo END",
                            pty: true });
    await page.goto(`${desk.daemon.url}/j/${tty}`);
    await screen(page).getByText("END").waitFor();
    await page.getByText("ended with 0").waitFor();
    assert.ok((await drawn(page)).at(-2).includes("line 000000300000"));
    page.clean();
    await page.context().close();
  });

test("on a phone: nothing is too wide, buttons are large, and a row of keys types", async () => {
  const id = await job({ shell: "stty -echo; printf go; while read a; do echo \"[$a]\"; done",
                         pty: true, label: "phone" });
  const page = await opened(browser, desk, { target: "/jobs", ...PHONE });
  await row(page, "phone").waitFor();
  assert.equal(await overflow(page), 0);
  for (const button of await page.locator("main button:visible").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  await row(page, "phone").getByRole("link").tap();
  await screen(page).getByText("go").waitFor();
  assert.equal(await overflow(page), 0);
  await page.locator(".screen").tap();
  await page.keyboard.type("ab");
  await page.getByRole("button", { name: "Ctrl" }).tap();
  await page.keyboard.type("u"); // The line is taken back.
  await page.keyboard.type("c");
  await page.getByRole("button", { name: "Tab" }).tap();
  await page.keyboard.type("d\n");
  await screen(page).getByText("[c").waitFor();
  const keys = await page.locator(".keyrow button").first().boundingBox();
  assert.ok(keys.height >= 44 && keys.width >= 36, JSON.stringify(keys));
  page.clean();
  await page.context().close();
  await stop(id);
});

test("axe finds nothing in the list, the form, a log and a terminal, light and dark", async () => {
  const log = await job({ shell: "for i in 1 2 3 4 5 6 7; do printf '\\033[3%dmfg\\033[0m " +
    "\\033[4%dmbg\\033[0m\\n' $i $i; done; echo END; sleep 600", label: "colours" });
  const tty = await job({ shell: "printf '\\033[31mred\\033[0m END'; sleep 600", pty: true });
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: "/jobs" });
    await row(page, "colours").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: list`);
    await page.keyboard.press("r");
    await page.getByLabel("Command line").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: form`);
    await page.goto(`${desk.daemon.url}/j/${log}`);
    await line(page, "END").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: log`);
    await page.goto(`${desk.daemon.url}/j/${tty}`);
    await screen(page).getByText("END").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: terminal`);
    page.clean();
    await page.context().close();
  }
  await stop(log);
  await stop(tty);
});

test("a key that only reads has no buttons, and its keys go nowhere", async () => {
  const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
  const id = await job({ shell: "stty -echo; printf ready; cat", pty: true });
  const reader = { daemon: desk.daemon, key: stdout.split("\n")[0] };
  const page = await opened(browser, reader, { target: "/jobs" });
  await row(page, "ready").waitFor();
  assert.equal(await page.getByRole("button", { name: /Run|Stop/ }).count(), 0);
  await page.goto(`${desk.daemon.url}/j/${id}`);
  await screen(page).getByText("ready").waitFor();
  await page.getByText("read only").waitFor();
  assert.equal(await page.getByRole("button", { name: /Run|Stop/ }).count(), 0);
  await page.locator(".screen").click();
  await page.keyboard.type("no\n");
  const { json } = await desk.daemon.request("POST", `/api/v1/jobs/${id}/input`,
    { local: true, body: { text: "yes\n" } });
  assert.equal(json.offset, 0);
  await screen(page).getByText("readyyes").waitFor();
  page.clean();
  await page.context().close();
  await stop(id);
});
