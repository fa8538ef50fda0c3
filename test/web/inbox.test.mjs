// inbox.test.mjs: questions in the browser: all of them on one desk, answered by mouse, by keys and
// on a phone, and never another one than the one that was read.
//
// runs-with: web
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { until } from "../integration/providers.mjs";
import { call, say, script, Turns } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, read } from "./browser.mjs";

const ALLOW_ALL = { permissions: [{ permission: "allow" }] };
const file = fileOf({ after, afterEach });
let browser;
before(async () => {
  browser = await browserOf(file);
});

/** A daemon, a key, and a job that asks. */
async function desk(t, scopes = "read,run,approve") {
  const turns = await Turns.open(t);
  const { daemon } = turns;
  const { stdout } = await daemon.cli(["token", "create", "--scope", scopes]);
  const { json: job } =
    await turns.ask("POST", "/jobs", { argv: ["sleep", "1000"], label: "soak" });
  const asks = async (step, body = { question: `Go on with ${step}?` }) => {
    const answer = await turns.ask("POST", "/approvals", { run: job.id, step, ...body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.id;
  };
  return { daemon, turns, asks, job: job.id, key: stdout.trim().split("\n")[0] };
}

/** A model that asks whether it may. */
async function calling({ turns }, line, more = {}, event = "approval_asked") {
  const listener = await turns.listen({ root: turns.root, title: "Fix the build", ...more });
  const { run } = await turns.send(listener.session, script(line, "step:", say("so")));
  return { listener, run, ask: await listener.until(event) };
}

const row = (page, id) => page.locator(`[data-row="${id}"]`);
const stateOf = async ({ turns }, id) => (await turns.get(`/approvals/${id}`)).state;

test("all kinds are answered by mouse, and the program gets what was answered", async (t) => {
  const one = await desk(t);
  const schema = { type: "object", required: ["name"], properties: {
    name: { type: "string" }, count: { type: "integer" }, loud: { type: "boolean" },
    colour: { enum: ["red", "green"] }, extra: { type: "object" } } };
  const ids = {
    confirm: await one.asks("publish"),
    choice: await one.asks("pick", { question: "Which?", options: ["alpha", "beta"] }),
    form: await one.asks("fill", { question: "Fill this in", schema }),
  };
  const model = await calling(one, call("ask_user", { question: "What now?" }), {},
    "question_asked");
  const page = await opened(browser, one, { target: "/inbox" });
  await row(page, ids.confirm).waitFor();
  await read(page);
  await row(page, ids.confirm).getByRole("button", { name: "Deny" }).click();
  await row(page, ids.confirm).getByText("denied answered by local").waitFor();
  await row(page, ids.choice).getByRole("button", { name: "2: beta" }).click();
  await row(page, ids.choice).getByText("answered by local").waitFor();
  await row(page, ids.form).getByRole("link", { name: "Answer" }).click();
  const card = page.locator(`[data-ask="${ids.form}"]`);
  await card.getByLabel(/^name/).fill("Ada");
  await card.getByLabel("count").fill("3");
  await card.getByLabel("loud").check();
  await card.getByLabel("colour").selectOption("green");
  await card.getByLabel("extra").fill("{");
  await read(page);
  await card.getByRole("button", { name: "Send" }).click();
  await card.getByText(/^✕ This is no JSON/).waitFor();
  await card.getByLabel("extra").fill("{\"a\": [1]}");
  await card.getByRole("button", { name: "Send" }).click();
  await card.getByText("answered by local").waitFor();
  await row(page, model.ask.id).getByRole("link", { name: "Answer" }).click();
  await page.getByLabel("Your answer").fill("Go home");
  await read(page);
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator(`[data-ask="${model.ask.id}"]`).getByText("answered by local").waitFor();
  const answers = {};
  for (const [kind, id] of Object.entries({ ...ids, model: model.ask.id })) {
    const { state, answer } = await one.turns.get(`/approvals/${id}`);
    answers[kind] = [state, answer && JSON.parse(answer)];
  }
  assert.deepEqual(answers, {
    confirm: ["denied", ""], choice: ["answered", { choice: "beta" }],
    form: ["answered", { fields:
      { name: "Ada", count: 3, loud: true, colour: "green", extra: { a: [1] } } }],
    model: ["answered", { answer: "Go home" }],
  });
  page.clean();
});

test("an answer in one tab turns the card of another in its place, and no answer is given twice",
  async (t) => {
    const one = await desk(t);
    const ids = [];
    for (const step of ["first", "second?", "third!"]) ids.push(await one.asks(step));
    const [home, inbox] = [await opened(browser, one), await opened(browser, one,
      { target: `/inbox/${ids[1]}` })];
    const card = inbox.locator(`[data-ask="${ids[1]}"]`);
    await card.getByRole("button", { name: "Allow" }).waitFor();
    await row(home, ids[1]).waitFor();
    await read(home);
    await row(home, ids[1]).getByRole("button", { name: "Allow" }).click();
    await card.getByText("allowed answered by local").waitFor();
    assert.equal(await card.getByRole("button").count(), 0);
    await row(home, ids[1]).getByText("allowed answered by local").waitFor();
    const place = (page) => page.locator("[data-row]").evaluateAll((rows) =>
      rows.map(({ dataset }) => dataset.row).filter((id) => id.startsWith("apr_")));
    assert.deepEqual(await place(home), ids);
    // A tab that comes later shows who answered.
    const late = await opened(browser, one, { target: `/inbox/${ids[1]}` });
    await late.getByText("allowed answered by local").waitFor();
    for (const page of [home, inbox, late]) page.clean();
  });

test("keys answer what was selected 400 ms before, whatever is asked meanwhile", async (t) => {
  const one = await desk(t);
  for (let at = 0; at < 8; at++) await one.asks(`old ${"abcdefgh"[at]}`);
  const page = await opened(browser, one);
  await page.getByText("old h", { exact: true }).waitFor();
  await page.evaluate(() => {
    const told = { selected: [], keys: [], orders: [] };
    window.told = told;
    addEventListener("keydown", ({ key, timeStamp }) => told.keys.push([timeStamp, key]), true);
    const picture = () => {
      const rows = [...document.querySelectorAll("[data-row^=apr_]")];
      const current = rows.find((one) => one.getAttribute("aria-current") === "true");
      told.selected.push([performance.now(), current?.dataset.row ?? null]);
      const order = rows.map(({ dataset }) => dataset.row).join(" ");
      if (order !== told.orders.at(-1)) told.orders.push(order);
      requestAnimationFrame(picture);
    };
    requestAnimationFrame(picture);
    const { fetch } = window;
    window.fetch = (url, options) => {
      if (options?.method === "POST" && url.includes("/approvals/")) {
        const [at] = told.keys.at(-1);
        told.posts = [...told.posts ?? [], [at, url.split("/").at(-1)]];
      }
      return fetch(url, options);
    };
  });
  /** What is selected has been on the screen for longer than it takes. */
  const stood = () => {
    const { keys, selected } = window.told, [, now] = selected.at(-1);
    const moved = keys.findLast(([, key]) => key !== "a")[0];
    const before = selected.findLast(([, id]) => id !== now)?.[0] ?? 0;
    const since = Math.max(moved, selected.find(([time]) => time > before)[0]);
    return performance.now() - since > 450;
  };
  const pictures = () => page.evaluate(() => new Promise((resolve) => {
    const next = (left) => (left === 0 ? resolve() : requestAnimationFrame(() => next(left - 1)));
    next(3);
  }));
  const press = async (times) => {
    for (; times > 0; times--) {
      await page.keyboard.press("a");
      if (times % 2 === 0) await pictures();
    }
  };
  await press(4); // Nothing is selected yet.
  for (let at = 0; at < 12; at++) {
    const asked = one.asks(`new ${"abcdefghijkl"[at]}`);
    await page.keyboard.press(at % 4 === 3 ? "w" : "j");
    await press(7); // Before it may be answered, about then, and after it was.
    if (at % 3 > 0) await page.waitForFunction(stood);
    await page.keyboard.press("a");
    await asked;
  }
  const { selected, posts, orders, keys } = await page.evaluate(() => window.told);
  assert.equal(keys.filter(([, key]) => key === "a").length, 100);
  assert.ok(posts.length >= 6, `${posts.length} answers`);
  for (const [at, id] of posts) {
    const [, then] = selected.findLast(([time]) => time <= at - 400);
    assert.equal(id, then);
  }
  for (let at = 1; at < orders.length; at++) {
    assert.ok(orders[at].startsWith(orders[at - 1]), "a question took the place of another");
  }
  page.clean();
});

test("fifty of one shape are answered by four keys, and a fifty-first is not among them",
  async (t) => {
    const one = await desk(t);
    for (let at = 0; at < 50; at++) await one.asks(`part ${at}`);
    const page = await opened(browser, one, { target: "/inbox" });
    await page.getByText("50 open").waitFor();
    await page.keyboard.press("w");
    await page.keyboard.press("a");
    await page.getByRole("dialog", { name: "Allow these 50?" }).waitFor();
    assert.equal(await page.getByRole("dialog").getByRole("listitem").count(), 50);
    const late = await one.asks("part 50");
    await page.getByText("51 open").waitFor({ state: "attached" });
    await read(page);
    await page.keyboard.press("Enter"); // Shows all of the fifty.
    await page.getByText("Nothing was answered yet.").waitFor();
    await read(page);
    await page.keyboard.press("Enter");
    await page.getByText("50 answered.").waitFor();
    const { items } = await one.turns.get("/approvals?limit=200");
    assert.deepEqual(items.map(({ id }) => id), [late]);
    await page.getByText("1 open").waitFor();
    // Selected one by one, or all: the number is confirmed as well.
    const other = await one.asks("another", { question: "And this?" });
    await row(page, other).waitFor();
    await page.keyboard.press("A");
    await page.getByText("2 selected").waitFor();
    await page.keyboard.press("d");
    await page.getByRole("dialog", { name: "Deny these 2?" }).waitFor();
    await read(page);
    await page.keyboard.press("Enter");
    await page.getByText("2 answered.").waitFor();
    assert.equal(await stateOf(one, other), "denied");
    page.clean();
  });

test("a thousand that wait: all are counted, some are drawn, and keys are as quick as ever",
  async (t) => {
    const one = await desk(t), ids = [];
    const some = async () => {
      while (ids.length < 1000) {
        const at = ids.push(null) - 1;
        ids[at] = await one.asks(`step ${at}`, { question: "Which?", options: ["alpha", "beta"] });
      }
    };
    await Promise.all(Array.from({ length: 20 }, some));
    const page = await opened(browser, one);
    const home = page.getByRole("heading", { name: "Waiting for you" }).locator("..");
    await home.getByText("1000", { exact: true }).waitFor();
    await page.getByRole("link", { name: "980 more in the Inbox" }).click();
    await page.getByRole("button", { name: "All 1000" }).waitFor();
    const drawn = () => page.locator("[data-row]").count();
    assert.equal(await drawn(), 100);
    assert.ok(await page.evaluate(() => document.querySelectorAll("*").length) < 3_000);
    await page.keyboard.press("w");
    const first = await page.locator("[data-row][aria-current=true]").getAttribute("data-row");
    await read(page);
    await page.keyboard.press("1");
    await row(page, first).getByText("answered by local").waitFor();
    await page.getByRole("button", { name: "All 999" }).waitFor();
    assert.equal(await drawn(), 101); // The next one stands last.
    assert.equal(await page.title(), "(999) Inbox · drover");
    await page.getByRole("button", { name: "Show more (899)" }).click();
    await page.getByRole("button", { name: "Show more (799)" }).waitFor();
    assert.equal(await drawn(), 201);
    page.clean();
  });

test("what a row has no room for is read before it is allowed", async (t) => {
  const one = await desk(t);
  const content = Array.from({ length: 40 }, (_, at) => `line ${at}\n`).join("");
  const { ask } = await calling(one, call("write_file", { path: "notes.md", content }));
  const page = await opened(browser, one);
  await row(page, ask.id).waitFor();
  assert.equal(await row(page, ask.id).getByRole("button", { name: "Allow" }).count(), 0);
  await page.keyboard.press("w");
  await read(page);
  await page.keyboard.press("a");
  await page.waitForURL(`**/inbox/${ask.id}`);
  await page.getByText("diff: 40 lines changed").waitFor();
  assert.equal(await stateOf(one, ask.id), "open");
  await read(page);
  await page.getByRole("button", { name: "Deny" }).waitFor();
  await page.getByLabel("Reason to deny, optional").fill("too long");
  await page.getByRole("button", { name: "Deny" }).click();
  await page.locator("[data-ask]").getByText("denied answered by local").waitFor();
  assert.equal((await one.turns.get(`/approvals/${ask.id}`)).answer, "too long");
  page.clean();
});

test("a file that changed in between is not written, and the page shows why", async (t) => {
  const one = await desk(t);
  const file = path.join(one.turns.root, "a.txt");
  writeFileSync(file, "old\n");
  const { ask, listener, run } =
    await calling(one, call("write_file", { path: "a.txt", content: "new\n" }));
  const page = await opened(browser, one, { target: `/inbox/${ask.id}` });
  const allow = page.getByRole("button", { name: "Allow", exact: true }).last();
  await allow.waitFor();
  writeFileSync(file, "somebody else's\n");
  await read(page);
  await allow.click();
  await page.getByText(/Read it again/i).waitFor();
  await listener.ended(run);
  assert.equal(readFileSync(file, "utf8"), "somebody else's\n");
  page.clean();
});

test("from now on: the rule stands in the settings of the session or its project", async (t) => {
  const one = await desk(t);
  const { ask, listener, run } =
    await calling(one, call("run_command", { command: "echo", args: ["a"] }), { project: "web" });
  const page = await opened(browser, one, { target: `/inbox/${ask.id}` });
  const card = page.locator("[data-ask]");
  await read(page);
  await card.getByRole("button", { name: "Always …" }).click();
  await card.getByText("Allow run_command echo a in").waitFor();
  await card.getByLabel("Only what matches this").fill("make *");
  await card.getByText("Allow run_command make * in").waitFor();
  const always = card.getByRole("button", { name: "Always allow" });
  await always.click();
  await card.getByText(/does not match this call/).waitFor();
  await card.getByLabel("Scope").selectOption("project web");
  await card.getByLabel("Only what matches this").fill("echo *");
  await always.click();
  await card.getByText("allowed answered by local").waitFor();
  await page.getByText("succeeded the call").waitFor();
  await listener.ended(run);
  assert.deepEqual((await one.turns.get(`/sessions/${listener.session}`)).settings, {});
  assert.deepEqual((await one.turns.get("/projects/web")).settings.permissions,
    [{ tool: "run_command", subject: "echo *", permission: "allow" }]);
  const folder = path.dirname(one.turns.root);
  const wish = await calling(one,
    call("request_access", { path: folder, access: "read", reason: "to see" }), { project: "web" });
  await page.goto(`${one.daemon.url}/inbox/${wish.ask.id}`);
  await read(page);
  await card.getByRole("button", { name: "Always …" }).click();
  await card.getByText(/Allow .+ in project web/).waitFor();
  await card.getByRole("button", { name: "Always allow" }).click();
  await card.getByText("allowed answered by local").waitFor();
  assert.deepEqual((await one.turns.get("/projects/web")).settings.folders,
    [{ path: folder, access: "read" }]);
  page.clean();
});

test("a program three runs deep is on Home at once, with where it comes from", async (t) => {
  const one = await desk(t), { turns } = one;
  const page = await opened(browser, one);
  const body = `export const meta = { name: "deep", description: "x", phases: [{ title: "Fix" }] };
phase("Fix");
return await agent(${JSON.stringify(script(
    call("run_command", { command: "sleep", args: ["1000"] }), say("so")))}, { label: "fix 4" });`;
  const started = await turns.ask("POST", "/workflows", { script: body,
    model: "scripted/demo", label: "review", root: turns.root, settings: ALLOW_ALL });
  assert.equal(started.status, 201, started.text);
  let command;
  await until("the agent has run its command", async () => {
    const runs = (await turns.get("/runs?kind=job&live=1")).items;
    return (command = runs.find(({ parent }) => parent !== null)?.id) !== undefined;
  });
  const { json } = await turns.ask("POST", "/approvals",
    { run: command, step: "deploy", question: "Really?" });
  assert.equal(json.depth, 3);
  const began = Date.now();
  await row(page, json.id).waitFor();
  t.diagnostic(`${Date.now() - began} ms`);
  assert.match(await row(page, json.id).innerText(), /deploy\s*Really\?\s+review · asked just now/);
  page.clean();
});

test("without a connection nothing can be answered, and the page says so", async (t) => {
  const one = await desk(t);
  const id = await one.asks("publish");
  const page = await opened(browser, one, { target: `/inbox/${id}` });
  const allow = page.locator(`[data-ask="${id}"]`).getByRole("button", { name: "Allow" });
  await allow.waitFor();
  await one.daemon.kill();
  await page.getByText("The daemon does not answer; nothing is lost.").waitFor();
  assert.ok(await allow.isDisabled());
});

test("the title, the icon and the browser say what waits while nobody looks", async (t) => {
  const one = await desk(t);
  const page = await opened(browser, one, { target: "/inbox" });
  await page.addInitScript(() => {
    window.told = [];
    window.Notification = class extends EventTarget {
      static permission = "default";
      static requestPermission = () => Promise.resolve("granted");
      constructor(title, { body, tag }) {
        super();
        window.told.push({ title, body, tag });
        window.last = this;
      }
      close() {}
    };
  });
  await page.reload();
  const plain = await page.locator("link[rel=icon]").getAttribute("href");
  await page.getByRole("button", { name: "Notify me in this browser" }).click();
  await page.getByText("This browser notifies you").waitFor();
  const seen = await one.asks("publish");
  await page.waitForFunction(() => document.title.startsWith("(1) "));
  assert.notEqual(await page.locator("link[rel=icon]").getAttribute("href"), plain);
  await page.evaluate(() =>
    Object.defineProperty(document, "hidden", { get: () => true, configurable: true }));
  const hidden = await one.asks("deploy", { question: "\u202eAnd\nthis?" });
  await page.waitForFunction(() => document.title.startsWith("(2) "));
  await page.waitForFunction(() => window.told.length > 0);
  assert.deepEqual(await page.evaluate(() => window.told),
    [{ title: "soak", body: "deploy: ⟦RLO⟧And", tag: hidden }]);
  await page.evaluate(() => window.last.onclick());
  await page.waitForURL(`**/inbox/${hidden}`);
  await page.locator(`[data-ask="${hidden}"]`).waitFor();
  for (const id of [seen, hidden]) await one.turns.approve(id, { decision: "deny" });
  await page.waitForFunction(() => !document.title.startsWith("("));
  assert.equal(await page.locator("link[rel=icon]").evaluate(({ href }) => new URL(href).pathname),
    plain);
  page.clean();
});

test("a phone: nothing is too wide or too small, hostile text is inert, axe finds nothing",
  async (t) => {
    const one = await desk(t);
    const hostile = "<img src=x onerror=alert(1)> \u202egnp.exe \u001b[31mred " +
      `[a](javascript:alert(1)) ${"long".repeat(400)}`;
    const id = await one.asks("<script>alert(1)</script>",
      { question: hostile, options: ["<b>yes</b>", "\u202eno", "n".repeat(190)] });
    const call_ = await calling(one, call("run_command", { command: "echo", args: [hostile] }),
      { title: "<b>\u202eevil</b>" + "t".repeat(80) });
    const plain = [await one.asks("part 1"), await one.asks("part 2")];
    for (const colorScheme of ["light", "dark"]) {
      const page = await opened(browser, one, { target: "/inbox", colorScheme, ...PHONE });
      await row(page, id).waitFor();
      assert.equal(await overflow(page), 0);
      assert.ok(!(await page.locator("main").innerText()).includes("\u202e"));
      assert.deepEqual(await axe(page), [], colorScheme);
      const open = await row(page, id).getByRole("link").boundingBox();
      assert.ok(open.height >= 48 && open.width >= 48, JSON.stringify(open));
      for (const one of [id, call_.ask.id]) {
        await row(page, one).getByRole("link").tap();
        await page.locator(`[data-ask="${one}"]`).waitFor();
        assert.equal(await overflow(page), 0);
        assert.deepEqual(await axe(page), [], colorScheme);
        await page.getByRole("link", { name: "All that waits" }).tap();
        await row(page, one).waitFor();
      }
      await page.getByRole("button", { name: "Allow 2" }).tap();
      await page.getByRole("dialog").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), [], colorScheme);
      await page.getByRole("button", { name: "Cancel" }).tap();
      await page.getByRole("button", { name: "Permissions 1" }).tap();
      await page.waitForURL("**/inbox?kind=leave");
      await row(page, id).waitFor({ state: "detached" });
      page.clean();
    }
    assert.deepEqual(await Promise.all(plain.map((each) => stateOf(one, each))), ["open", "open"]);
  });

test("a key that may only read shows questions, and no button that answers", async (t) => {
  const one = await desk(t, "read");
  const { ask } = await calling(one, call("run_command", { command: "make", args: [] }));
  for (const target of ["/", `/inbox/${ask.id}`]) {
    const page = await opened(browser, one, { target });
    await page.getByText("asked just now").first().waitFor();
    assert.equal(await page.getByRole("button", { name: /^(Allow|Deny)/ }).count(), 0, target);
    await page.keyboard.press("w");
    await read(page);
    await page.keyboard.press("a");
    await page.keyboard.press("d");
    page.clean();
  }
  assert.equal(await stateOf(one, ask.id), "open");
});
