// ask.test.mjs: a yes is for what was read: wherever a question stands, Allow, Accept and an option
// act only once its whole text was in view; before that the first press shows all of it.
//
// runs-with: web
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { until } from "../integration/providers.mjs";
import { call, say, script, Turns } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, read } from "./browser.mjs";

const UNREAD = "Nothing was answered yet.";
const LAST = "line 299: the end";
const CONTENT = Array.from({ length: 300 }, (_, at) =>
  (at === 299 ? LAST : `line ${at}: a line of the new file`)).join("\n");
/** A command that is longer than any box. */
const COMMAND = { command: "sh", args: ["-c", `${"echo one more line\n".repeat(200)}rm -rf all`] };

const file = fileOf({ after, afterEach });
let browser;
before(async () => (browser = await browserOf(file)));

async function desk(t) {
  const turns = await Turns.open(t), { daemon } = turns;
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  return { daemon, turns, key: stdout.trim().split("\n")[0] };
}

/** A session whose model asks whether it may. */
async function calling({ turns }, line, event = "approval_asked") {
  const listener = await turns.listen({ root: turns.root, title: "Fix the build" });
  await turns.send(listener.session, script(line, "step:", say("so")));
  return { session: listener.session, id: (await listener.until(event)).id };
}

const stateOf = async ({ turns }, id) => (await turns.get(`/approvals/${id}`)).state;
const card = (page, id) => page.locator(`[data-ask="${id}"]`);
const row = (page, id) => page.locator(`[data-row="${id}"]`);
const allowOf = (place) => place.getByRole("button", { name: /^Allow/ });
const isInView = (locator) => locator.evaluate((element) => new Promise((resolve) =>
  new IntersectionObserver(([{ isIntersecting }]) => resolve(isIntersecting)).observe(element)));

/** The first press shows all of it and answers nothing; the second one answers. */
async function pressed(one, page, id, press) {
  await read(page);
  await press();
  await page.getByText(UNREAD).first().waitFor();
  assert.equal(await stateOf(one, id), "open");
  await read(page);
  await press();
  await until("the question is answered", async () => await stateOf(one, id) !== "open");
}

test("the Inbox: all 300 lines of a new file can be read before the yes, by key and on a phone",
  async (t) => {
    const one = await desk(t);
    for (const [name, options] of Object.entries({ wide: {}, phone:
      { colorScheme: "dark", ...PHONE } })) {
      const { id } = await calling(one,
        call("write_file", { path: `${name}.md`, content: CONTENT }));
      const page = await opened(browser, one, { target: `/inbox/${id}`, ...options });
      await page.getByText("diff: 300 lines changed").waitFor();
      assert.equal(await page.locator(".line.add").count(), 9);
      const press = options.hasTouch ? () => allowOf(card(page, id)).tap()
        : () => page.keyboard.press("a");
      await read(page);
      await press();
      await page.getByText(UNREAD).waitFor();
      assert.equal(await page.locator(".line.add").count(), 300);
      const last = page.locator(".line", { hasText: LAST });
      await last.scrollIntoViewIfNeeded();
      assert.ok(await isInView(last));
      assert.equal(await stateOf(one, id), "open");
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), []);
      await read(page);
      await press();
      await card(page, id).getByText("allowed answered by local").waitFor();
      page.clean();
    }
  });

test("the Inbox: a text that was scrolled to its end needs one press; a no needs nothing",
  async (t) => {
    const one = await desk(t);
    const first = await calling(one, call("run_command", COMMAND));
    const page = await opened(browser, one, { target: `/inbox/${first.id}` });
    await card(page, first.id).locator(".reading").hover();
    await card(page, first.id).locator(".reading").evaluate((box) => box.scrollTo(0, 1e6));
    await read(page);
    await allowOf(card(page, first.id)).click();
    await card(page, first.id).getByText("allowed answered by local").waitFor();
    assert.equal(await page.getByText(UNREAD).count(), 0);
    const second = await calling(one, call("run_command", COMMAND));
    await page.goto(`${one.daemon.url}/inbox/${second.id}`);
    await card(page, second.id).waitFor();
    await read(page);
    await page.keyboard.press("d");
    await card(page, second.id).getByText("denied answered by local").waitFor();
    page.clean();
  });

test("Home: a key opens what its row does not show; on a phone options are whole, by number",
  async (t) => {
    const one = await desk(t);
    const options = ["keep it as it is ".repeat(3).trim(), "throw it away ".repeat(3).trim()];
    const choice = await calling(one, call("ask_user", { question: "What now?", options }),
      "question_asked");
    const phone = await opened(browser, one, { target: "/", ...PHONE });
    const listed = row(phone, choice.id).getByRole("listitem");
    await listed.first().waitFor();
    assert.deepEqual(await listed.allInnerTexts(), options);
    for (const option of await listed.all()) {
      assert.ok(await option.evaluate(({ scrollWidth, clientWidth }) =>
        scrollWidth <= clientWidth), "an option is cut");
    }
    assert.equal(await overflow(phone), 0);
    await read(phone);
    await row(phone, choice.id).getByRole("button", { name: `2: ${options[1]}` }).tap();
    await until("it is answered", async () => await stateOf(one, choice.id) === "answered");
    assert.deepEqual(JSON.parse((await one.turns.get(`/approvals/${choice.id}`)).answer),
      { answer: options[1] });
    phone.clean();
    const { id } = await calling(one, call("run_command", COMMAND));
    const page = await opened(browser, one);
    await row(page, id).waitFor();
    assert.equal(await allowOf(row(page, id)).count(), 0);
    await page.keyboard.press("w");
    await read(page);
    await page.keyboard.press("a");
    await page.waitForURL(`**/inbox/${id}`);
    await page.getByText(UNREAD).waitFor();
    await read(page);
    assert.equal(await stateOf(one, id), "open");
    await page.keyboard.press("a");
    await card(page, id).getByText("allowed answered by local").waitFor();
    page.clean();
  });

test("several at once: the list is read to its end before all of it is allowed", async (t) => {
  const one = await desk(t), ids = [];
  const { json: job } = await one.turns.ask("POST", "/jobs", { argv: ["sleep", "1000"] });
  for (let at = 0; at < 30; at++) {
    const { json } = await one.turns.ask("POST", "/approvals",
      { run: job.id, step: `part ${at}`, question: `Go on with part ${at}?` });
    ids.push(json.id);
  }
  const page = await opened(browser, one, { target: "/inbox" });
  await page.getByRole("button", { name: /^Allow 30/ }).click();
  await page.getByRole("dialog").waitFor();
  await pressed(one, page, ids[29], () => page.keyboard.press("Enter"));
  await page.getByText("30 answered.").waitFor();
  page.clean();
});

test("a session: the question above the message box unfolds, and is answered there", async (t) => {
  const one = await desk(t);
  const { id, session } = await calling(one,
    call("write_file", { path: "notes.md", content: CONTENT }));
  const page = await opened(browser, one, { target: `/s/${session}` });
  const first = page.locator(".first-ask");
  await first.getByText("diff: 300 lines changed").waitFor();
  await page.locator(".long-list").focus();
  await pressed(one, page, id, () => page.keyboard.press("a"));
  assert.equal(await stateOf(one, id), "allowed");
  page.clean();
});

test("a run's inspector: the command stands in its whole width, and is read before the yes",
  async (t) => {
    const one = await desk(t);
    const body = `export const meta = { name: "deep", description: "x" };
return await agent(${JSON.stringify(script(call("run_command", COMMAND), say("so")))},
  { label: "fix" });`;
    const { json, text } = await one.turns.ask("POST", "/workflows",
      { script: body, model: "scripted/demo", root: one.turns.root });
    assert.ok(json.runId, text);
    let ask;
    await until("the agent asks", async () =>
      (ask = (await one.turns.get("/approvals")).items[0]) !== undefined);
    const page = await opened(browser, one, { target: `/r/${json.runId}` });
    await page.locator(".run-row").getByText("fix", { exact: true }).click();
    const inspector = page.getByRole("complementary", { name: /^Agent/ });
    const shown = inspector.getByText(/echo one more line/).first();
    await shown.waitFor();
    const width = (await shown.boundingBox()).width;
    assert.ok(width >= 200, `${width} px`);
    await pressed(one, page, ask.id, () => allowOf(inspector).first().click());
    assert.equal(await stateOf(one, ask.id), "allowed");
    page.clean();
  });

test("a flow: the text of a step that asks is read before its yes", async (t) => {
  const one = await desk(t), folder = path.join(one.turns.root, ".drover/flows");
  const prompt = `Is this right?\n${"one more line\n".repeat(120)}the last line`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "asks.js"), `export default { name: "asks", description: "x",
    steps: [{ id: "may", kind: "approval", prompt: ${JSON.stringify(prompt)} }],
    render: () => "done" };\n`);
  const { json, text } = await one.turns.ask("POST", "/flows", { name: "asks", input: {},
    root: one.turns.root, model: "scripted/demo" });
  assert.ok(json.id, text);
  let ask;
  await until("the step asks", async () =>
    (ask = (await one.turns.get("/approvals")).items[0]) !== undefined);
  const page = await opened(browser, one, { target: `/r/${json.id}?step=may` });
  await card(page, ask.id).waitFor();
  await pressed(one, page, ask.id, () => page.keyboard.press("a"));
  assert.equal(await stateOf(one, ask.id), "allowed");
  page.clean();
});

test("a task: its result stands open before the rest, and Accept comes after it", async (t) => {
  const one = await desk(t);
  const ask = async (method, target, body) => {
    const answer = await one.turns.ask(method, `/projects/engine/tasks${target}`, body);
    assert.ok(answer.status < 300, `${target}: ${answer.text}`);
    return answer.json;
  };
  const reviewed = async (name) => {
    await ask("POST", "", { title: "Write the notes", description: "Of the release." });
    await ask("POST", `/${name}/claim`, {});
    await ask("POST", `/${name}/outputs`, { type: "code", title: "notes.md", content: CONTENT,
      summary: "All is well." });
    await ask("POST", `/${name}/status`, { status: "review" });
  };
  const statusOf = async (name) => (await ask("GET", `/${name}`)).status;
  await reviewed("T-1");
  await reviewed("T-2");
  const page = await opened(browser, one, { target: "/board/engine/T-1" });
  const task = page.getByRole("complementary", { name: "Task" });
  await task.getByText(LAST).waitFor();
  const tops = (await task.getByRole("heading").allTextContents()).join();
  assert.match(tops, /Result.*Description/);
  await read(page);
  await task.getByRole("button", { name: /^Accept/ }).click();
  await page.getByText(UNREAD).waitFor();
  assert.equal(await statusOf("T-1"), "review");
  await read(page);
  await task.getByRole("button", { name: /^Accept/ }).click();
  await task.locator(".state", { hasText: "done" }).waitFor();
  // Dropped in the column of what is done, it is opened instead.
  const card = page.locator(".board-card", { has: page.getByText("T-2", { exact: true }) });
  await card.dragTo(page.locator('[data-col="done"]'));
  await page.waitForURL("**/board/engine/T-2");
  await page.getByText(UNREAD).waitFor();
  assert.equal(await statusOf("T-2"), "review");
  page.clean();
});
