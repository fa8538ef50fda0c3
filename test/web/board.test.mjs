// board.test.mjs: the board of a project and its tasks, in a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser;
before(async () => (browser = await browserOf(file)));

const PROJECT = "/projects/engine";
/** Requests about the tasks of a board, as a person of this machine. */
function bench({ daemon }) {
  const ask = async (method, target, body) => {
    const answer = await daemon.request(method, `/api/v1${PROJECT}${target}`,
      { local: true, body });
    assert.ok(answer.status < 300, `${target}: ${answer.text}`);
    return answer.json;
  };
  const add = (title, more) => ask("POST", "/tasks", { title, ...more });
  const show = (name) => ask("GET", `/tasks/${name}?expand=all`);
  const status = (name, to, more) => ask("POST", `/tasks/${name}/status`, { status: to, ...more });
  const output = (name, more) => ask("POST", `/tasks/${name}/outputs`,
    { type: "code", title: "lead.c", content: "int lead;\n", summary: "One lock.", ...more });
  const comment = (name, body) => ask("POST", `/tasks/${name}/comments`, { body });
  const work = async (name) => {
    await ask("POST", `/tasks/${name}/claim`, {});
    await comment(name, "I begin.");
  };
  const review = async (name, more) => {
    await work(name);
    await output(name, more);
    await status(name, "review");
  };
  const accept = async (name) =>
    ask("POST", `/tasks/${name}/review`, { attempt: (await show(name)).attempt, accept: true });
  return { ask, add, show, status, output, comment, work, review, accept };
}

/** T-1 pending, T-2 after it, T-3 working, T-4 and T-5 in review, T-6 blocked, T-7 done. */
async function boarded(t, scopes) {
  const desk = await serving(t, scopes), api = bench(desk);
  await api.add("Take the lock once", { description: "The leader takes it **twice**.",
    must_haves: [{ output: "code" }, "It is read"] });
  await api.add("Measure indexes", { depends_on: ["T-1"], priority: 7 });
  for (const title of ["Fuzz the parser", "Keep the cursor", "Names for lanes", "Sign it",
    "One clock"]) await api.add(title);
  await api.work("T-3");
  for (const name of ["T-4", "T-5", "T-7"]) await api.review(name);
  await api.work("T-6");
  await api.status("T-6", "blocked", { question: "Which **key**?" });
  await api.accept("T-7");
  return { ...desk, api };
}

const column = (page, name) => page.locator(`[data-col="${name}"]`);
const card = (page, name) =>
  page.locator(".board-card", { has: page.getByText(name, { exact: true }) });
const inColumn = (page, where, name) => column(page, where).locator(card(page, name)).waitFor();
const dialog = (page) => page.getByRole("dialog");
const task = (page) => page.getByRole("complementary", { name: "Task" });
const url = (page, end) => page.waitForURL(`**${end}`);
/** A part of a task, by its heading. */
const part = (page, title) => page.locator(".task-part", {
  has: page.getByRole("heading", { name: new RegExp(`^\\W*${title}`) }) });

test("by mouse: found, dragged along the edges of a person, refused beside them, and it lives",
  async (t) => {
    const desk = await boarded(t), { api } = desk;
    const page = await opened(browser, desk, { target: "/" });
    await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "Board" })
      .click();
    await page.getByRole("link", { name: "engine" }).click();
    await url(page, "/board/engine");
    for (const [where, names] of Object.entries({ pending: ["T-1", "T-2"], working: ["T-3"],
      review: ["T-4", "T-5"], blocked: ["T-6"], done: ["T-7"] })) {
      for (const name of names) await inColumn(page, where, name);
    }
    assert.deepEqual(await column(page, "pending").locator(".board-card .board-title")
      .allInnerTexts(), ["Measure indexes", "Take the lock once"]);
    await card(page, "T-2").getByText("waits for T-1, which is pending").waitFor();
    await card(page, "T-6").getByText("Which **key**?").waitFor();
    await card(page, "T-3").getByText("attempt 1").waitFor();

    await api.add("Told by the stream");
    await inColumn(page, "pending", "T-8");
    await card(page, "T-8").dragTo(column(page, "ended"));
    await column(page, "ended").getByText("1").waitFor();
    await column(page, "ended").click();
    await inColumn(page, "ended", "T-8");
    await page.getByRole("button", { name: "Fold Ended" }).click();
    await page.getByRole("button", { name: /^Ended/ }).click();
    await card(page, "T-4").dragTo(column(page, "done")); // Its result was not in view yet.
    await url(page, "/board/engine/T-4");
    await part(page, "Result").getByText("int lead;").waitFor();
    await page.getByText("Nothing was answered yet.").waitFor();
    assert.equal((await api.show("T-4")).status, "review");
    await page.keyboard.press("Escape");
    await card(page, "T-4").dragTo(column(page, "done"));
    await inColumn(page, "done", "T-4");
    await card(page, "T-7").dragTo(column(page, "review"));
    await page.getByRole("alert").getByText("T-7: a task that is done is not made review by a " +
      "person; from there: pending").waitFor();
    await inColumn(page, "done", "T-7");
    await api.output("T-3");
    await api.ask("PATCH", "/tasks/T-3", { must_haves: [{ output: "data" }, { text: "b" }] });
    await card(page, "T-3").dragTo(column(page, "review"));
    await page.getByRole("alert").getByText('text "b":').waitFor();
    assert.deepEqual((await page.getByRole("alert").getByRole("listitem").allInnerTexts())
      .map((line) => line.split(":")[0]), ['output "data"', 'text "b"']);
    await card(page, "T-5").dragTo(column(page, "pending"));
    await dialog(page).getByLabel("Reasons").fill("no test\nwrong name");
    await dialog(page).getByRole("button", { name: "Move" }).click();
    await inColumn(page, "pending", "T-5");
    assert.deepEqual((await api.show("T-5")).reviews[0].reasons, ["no test", "wrong name"]);
    await card(page, "T-5").getByText("sent back").waitFor();
    await card(page, "T-3").dragTo(column(page, "blocked"));
    await dialog(page).getByLabel("Question").fill("Which parser?");
    await dialog(page).getByRole("button", { name: "Move" }).click();
    await inColumn(page, "blocked", "T-3");

    await card(page, "T-8").click({ modifiers: ["Control"] });
    await card(page, "T-7").click({ modifiers: ["Control"] });
    await page.getByText("2 selected").waitFor();
    await card(page, "T-7").dragTo(column(page, "pending"));
    for (const name of ["T-7", "T-8"]) await inColumn(page, "pending", name);
    await page.getByText("2 selected").waitFor({ state: "detached" });

    await page.getByLabel("Filter tasks").fill("lock once");
    await url(page, "/board/engine?q=lock+once");
    await card(page, "T-2").waitFor({ state: "detached" });
    assert.equal(await page.locator(".board-card").count(), 1);
    await page.getByLabel("Filter tasks").fill("");
    await page.getByRole("button", { name: "Pause board" }).click();
    const hold = page.locator(".board-note", { hasText: "The board is on hold" });
    await hold.waitFor();
    await card(page, "T-1").getByText("the board is on hold").waitFor();
    await page.getByRole("button", { name: "Resume board" }).click();
    await hold.waitFor({ state: "detached" });
    page.clean();
  });

test("by keyboard alone: there, added, selected, moved, commented on, judged", async (t) => {
  const desk = await boarded(t), { api } = desk;
  await api.add("Second that runs");
  await api.work("T-8");
  const page = await opened(browser, desk, { target: "/" });
  const key = (name) => page.keyboard.press(name);
  await page.getByText(/^● live$/).waitFor();
  await page.keyboard.type("gb");
  await page.locator(".board-row").waitFor();
  await page.keyboard.type("j");
  await key("Enter");
  await card(page, "T-2").waitFor();
  const cursor = (name) => page.locator(".board-card.sel")
    .filter({ has: page.getByText(name, { exact: true }) }).waitFor();
  await key("ArrowDown");
  await cursor("T-2");
  await key("ArrowDown");
  await cursor("T-1");
  await key("ArrowRight"); // The row beside it.
  await cursor("T-8");
  await key("ArrowUp");
  await cursor("T-3");
  await key("ArrowRight");
  await cursor("T-4");
  await key("Enter");
  await task(page).getByRole("heading", { name: "Keep the cursor" }).waitFor();
  // A key counts once the result was in view: it is pressed until it does.
  const done = inColumn(page, "done", "T-4").then(() => true);
  for (let gone = false; !gone;) {
    await key("a");
    gone = await Promise.race([done, page.waitForTimeout(100)]) === true;
  }
  await key("Escape");
  await url(page, "/board/engine");
  await key("ArrowLeft"); // From where it stands now.
  await key("ArrowLeft");
  await cursor("T-5");
  await key("Enter");
  await task(page).getByRole("heading", { name: "Names for lanes" }).waitFor();
  await key("d");
  await dialog(page).getByLabel("Reasons").waitFor();
  await page.keyboard.type("too long");
  await key("Control+Enter");
  await inColumn(page, "pending", "T-5");
  await key("k");
  await page.keyboard.type("I **saw** it");
  await key("Control+Enter");
  await part(page, "Talk").getByText("saw", { exact: true }).waitFor();
  assert.equal((await api.show("T-5")).comments[0].body, "I **saw** it");
  await page.evaluate(() => document.activeElement.blur());
  await key("Escape");
  await url(page, "/board/engine");
  await key("c");
  await page.keyboard.type("By hand");
  await key("Tab");
  await page.keyboard.type("All of it.");
  await key("Control+Enter");
  await url(page, "/board/engine/T-9");
  await part(page, "Description").getByText("All of it.").waitFor();
  await key("Escape");
  await cursor("T-9");
  await key(" ");
  await key("ArrowUp");
  await key(" ");
  await page.getByText("2 selected").waitFor();
  await key("m");
  await dialog(page).getByLabel("To").selectOption("cancelled");
  await key("Tab"); // Cancel,
  await key("Tab"); // and right of it the move.
  await key("Enter");
  await page.getByText("Moved 2 tasks.").waitFor({ state: "attached" });
  await column(page, "ended").getByText("2").waitFor();
  page.clean();
});

test("a task: outputs whole on demand, answered, waived, edited, opened again, cancelled, archived",
  async (t) => {
    const desk = await boarded(t), { api } = desk;
    await api.output("T-3", { title: "long.txt", content: `${"x".repeat(40_000)}\nits end` });
    await api.output("T-3", { type: "document", title: "why.md", content: "# Why\n\nof *it*" });
    const page = await opened(browser, desk, { target: "/board/engine" });
    await card(page, "T-3").click();
    await url(page, "/board/engine/T-3");
    const long = part(page, "Outputs").locator("li", { hasText: "long.txt" });
    await long.getByRole("button", { name: "Show content (39 kB)" }).click();
    await long.getByText("its end").waitFor();
    const why = part(page, "Outputs").locator("li", { hasText: "why.md" });
    await why.getByRole("button", { name: /^Show content/ }).click();
    await why.getByRole("heading", { name: "Why" }).waitFor();
    await part(page, "Attempts").getByText("running").waitFor();

    await card(page, "T-6").click();
    await part(page, "Question").getByText("key", { exact: true }).waitFor();
    await part(page, "Question").getByLabel("Answer").fill("The new one.");
    await page.getByRole("button", { name: "Answer and open again" }).click();
    await inColumn(page, "pending", "T-6");
    assert.equal((await api.show("T-6")).answer, "The new one.");

    await card(page, "T-2").click();
    await task(page).getByText("waits for T-1, which is pending").waitFor();
    await page.getByRole("button", { name: "Waive T-1" }).click();
    await dialog(page).getByLabel("Because").fill("It is measured alone.");
    await dialog(page).getByRole("button", { name: "Waive" }).click();
    await part(page, "Waits for").getByText("waived").waitFor();
    await card(page, "T-2").getByText("no agent of the board is there").waitFor();
    await part(page, "Waits for").getByRole("link", { name: "T-1" }).click();
    await url(page, "/board/engine/T-1");
    await part(page, "Description").getByText("twice", { exact: true }).waitFor();
    await part(page, "Must have").getByText("output: code").waitFor();

    await page.getByRole("button", { name: /^Edit/ }).click();
    await dialog(page).getByLabel("Title").fill("Take it once");
    await dialog(page).getByLabel("After").fill("T-2");
    await page.getByRole("button", { name: "Save" }).click();
    await dialog(page).getByRole("alert").getByText("T-1", { exact: false }).waitFor(); // A circle.
    await dialog(page).getByLabel("After").fill("");
    await dialog(page).getByText("More").click();
    await dialog(page).getByLabel("Lane").fill("db");
    await page.getByRole("button", { name: "Save" }).click();
    await task(page).getByRole("heading", { name: "Take it once" }).waitFor();
    await card(page, "T-1").getByText("Take it once").waitFor();
    const { lane, title, description } = await api.show("T-1");
    assert.deepEqual([lane, title, description], ["db", "Take it once",
      "The leader takes it **twice**."]);

    await page.getByRole("button", { name: "Cancel task T-1" }).click();
    await page.getByRole("button", { name: "Cancel it for good", disabled: false }).click();
    await task(page).locator(".state", { hasText: "cancelled" }).waitFor();
    await page.getByRole("button", { name: "Open again" }).click();
    await inColumn(page, "pending", "T-1");
    await page.getByRole("link", { name: "Whole page" }).click();
    await url(page, `/t/${(await api.show("T-1")).id}`);
    await page.getByRole("heading", { name: "Take it once", level: 1 }).waitFor();
    await page.getByRole("button", { name: /^Move/ }).click();
    await dialog(page).getByLabel("To").selectOption("cancelled");
    await dialog(page).getByRole("button", { name: "Move" }).click();
    await page.getByRole("button", { name: "Archive" }).click();
    await page.getByRole("button", { name: "Take out of the archive" }).waitFor();
    await page.getByText("Events").click();
    await part(page, "Events").getByText("from pending").first().waitFor();
    await page.getByRole("link", { name: "Board", exact: true }).last().click();
    await url(page, "/board/engine/T-1");
    await card(page, "T-2").waitFor();
    assert.equal(await card(page, "T-1").count(), 0);
    await page.getByRole("button", { name: "Archived" }).click();
    await page.getByRole("button", { name: /^Ended/ }).click();
    await card(page, "T-1").waitFor();
    assert.equal(await card(page, "T-2").count(), 0);
    page.clean();
  });

test("a plan is asked for in the form, and accepted on the page of its task", async (t) => {
  const desk = await serving(t), api = bench(desk);
  await api.add("First");
  const page = await opened(browser, desk, { target: "/board/engine" });
  await card(page, "T-1").waitFor();
  await page.getByRole("button", { name: /^New task/ }).click();
  await dialog(page).getByLabel("Title").fill("Move the shop");
  await dialog(page).getByText("More", { exact: true }).click();
  await dialog(page).getByLabel(/^A plan first/).selectOption("required");
  await dialog(page).getByRole("button", { name: "Add the task" }).click();
  await inColumn(page, "pending", "T-2");
  await api.work("T-2");
  await api.output("T-2", { type: "document", title: "Copy it" });
  const { id } = await api.show("T-2");
  await page.goto(`${desk.daemon.url}/t/${id}`);
  await page.getByText("waits for: approval of its plan").waitFor();
  await page.getByText('Approve the plan "Copy it"?', { exact: true }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Answer and open again" }).count(), 0);
  await page.getByRole("button", { name: /^Accept/ }).click();
  await page.locator(".task-top .state", { hasText: "pending" }).waitFor();
  assert.equal((await api.show("T-2")).plan_state, "approved");
  page.clean();
});

test("found by the palette and from settings; an address of nothing says why; a key that reads " +
  "moves nothing", async (t) => {
  const desk = await boarded(t, "read"), { id } = await desk.api.show("T-1");
  const page = await opened(browser, desk, { target: "/settings/permissions" });
  await page.locator('[data-project="engine"] summary').click();
  await page.getByRole("link", { name: "Board of its tasks" }).click();
  await card(page, "T-1").waitFor();
  await page.getByText("Moving them needs the scope approve").waitFor();
  await page.keyboard.press("c");
  await page.keyboard.press("m");
  assert.equal(await page.locator("dialog").count(), 0);
  await card(page, "T-1").click();
  await part(page, "Talk").waitFor();
  assert.equal(await task(page).getByRole("button").allInnerTexts()
    .then((all) => all.join()), "Close");
  await page.keyboard.press("Control+k");
  await dialog(page).getByRole("combobox").waitFor();
  await page.keyboard.type(id);
  await page.getByRole("option", { name: `Open ${id}` }).waitFor();
  await page.keyboard.press("Enter");
  await url(page, `/t/${id}`);
  await dialog(page).waitFor({ state: "detached" }); // As long as that is there, no other opens.
  await page.keyboard.press("Control+k");
  await dialog(page).getByRole("combobox").waitFor();
  await page.keyboard.type("engin");
  await page.getByRole("option", { name: "engine" }).click();
  await url(page, "/board/engine");
  for (const place of ["/board/engine/T-99", "/t/tsk_00000000000000000000000000"]) {
    await page.goto(desk.daemon.url + place);
    await page.getByRole("alert").getByText("not_found").waitFor();
  }
  await page.goto(`${desk.daemon.url}/board/none`);
  await page.getByRole("alert").getByText("not_found").waitFor();
  await desk.daemon.request("POST", "/api/v1/projects", { body: { name: "empty" }, local: true });
  await page.goto(`${desk.daemon.url}/board/empty`);
  await page.getByText("There are no tasks.").waitFor();
  page.clean();
});

test("an attempt leads to its session and its run", async (t) => {
  const desk = await boarded(t);
  const page = await opened(browser, desk, { target: "/board" });
  await page.route("**/tasks/T-3?expand=all", async (route) => { // As an agent would leave it.
    const answer = await route.fetch(), body = await answer.json();
    Object.assign(body.attempts[0], { agent: "codex", session: "ses_1", run: "run_1",
      outcome: "rate_limited", note: "again in 5 min", ended_ms: Date.now() });
    await route.fulfill({ response: answer, json: body });
  });
  await page.getByRole("link", { name: "engine" }).click();
  await card(page, "T-3").click();
  const attempts = part(page, "Attempts");
  await attempts.getByText("again in 5 min").waitFor();
  assert.deepEqual(await attempts.getByRole("link").evaluateAll((links) =>
    links.map((link) => link.getAttribute("href"))), ["/s/ses_1", "/r/run_1/trace"]);
  page.clean();
});

test("of many tasks only those near the view are there, and they are scrolled to by keys",
  async (t) => {
    const desk = await serving(t), api = bench(desk), count = 400;
    for (let n = 0; n < count; n += 20) {
      await Promise.all(Array.from({ length: 20 }, () => api.add("One of many")));
    }
    const page = await opened(browser, desk, { target: "/board/engine" });
    await column(page, "pending").getByText(String(count)).waitFor();
    const mounted = () => page.locator(".board-card").count();
    assert.ok(await mounted() <= 20, `${await mounted()} cards`);
    for (let n = 0; n < 30; n++) await page.keyboard.press("ArrowDown");
    await page.locator(".board-card.sel", { has: page.getByText("T-30", { exact: true }) })
      .waitFor();
    assert.ok(await mounted() <= 20, `${await mounted()} cards`);
    page.clean();
  });

test("on a phone a tab is a column, and a task covers it; hostile texts are inert", async (t) => {
  const desk = await boarded(t), { api } = desk;
  const mark = "<img src=x onerror=alert(1)>";
  await api.add(mark, { description: `${HOSTILE.html}\n\n${HOSTILE.links}`,
    type: "<b>x</b>", lane: "x".repeat(64), must_haves: [HOSTILE.escapes, "y".repeat(2000)] });
  await api.work("T-8");
  await api.comment("T-8", `${HOSTILE.html}\n\n${HOSTILE.turned}`);
  await api.output("T-8", { type: "document", title: mark, summary: HOSTILE.turned,
    content: HOSTILE.html });
  await api.status("T-8", "blocked", { question: HOSTILE.html });
  const page = await opened(browser, desk, { target: "/board/engine", ...PHONE });
  await card(page, "T-1").waitFor();
  assert.equal(await page.locator(".board-col").count(), 1);
  await page.getByRole("button", { name: "Blocked 2" }).tap();
  await url(page, "/board/engine?col=blocked");
  assert.equal(await overflow(page), 0);
  for (const button of await page.locator("main button:visible, main input").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  await card(page, "T-8").tap();
  await task(page).getByRole("heading", { name: mark }).waitFor();
  await part(page, "Question").getByText("<script>alert(1)</script>").waitFor();
  await part(page, "Must have").getByText("⟦ESC⟧[31mred").waitFor();
  await page.getByRole("button", { name: /^Show content/ }).tap();
  assert.equal(await overflow(page), 0);
  for (const button of await task(page).locator("button:visible, textarea").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  await task(page).getByRole("button", { name: "Move" }).tap();
  await dialog(page).getByRole("button", { name: "Move" }).tap(); // Open again, without an answer.
  await dialog(page).waitFor({ state: "detached" });
  await task(page).locator(".state", { hasText: "pending" }).waitFor();
  await page.getByRole("button", { name: "Close" }).tap();
  await url(page, "/board/engine?col=blocked");
  await page.getByRole("button", { name: "Pending 3" }).tap();
  await card(page, "T-8").getByText("no agent of the board is there").waitFor();
  assert.equal(await overflow(page), 0);
  page.clean();
});

test("axe finds nothing: the boards, a board, a task beside it, forms, a page, an empty board",
  async (t) => {
    const desk = await boarded(t), { id } = await desk.api.show("T-6");
    await desk.daemon.request("POST", "/api/v1/projects", { body: { name: "blank" }, local: true });
    for (const colorScheme of ["light", "dark"]) {
      const page = await opened(browser, desk, { colorScheme, target: "/board/engine/T-4" });
      await part(page, "Talk").getByText("I begin.").waitFor();
      await card(page, "T-2").getByText("waits for T-1").waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: a task beside`);
      await page.keyboard.press("d");
      await dialog(page).getByLabel("Reasons").waitFor();
      assert.deepEqual(await axe(page), [], `${colorScheme}: send back`);
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
      await page.keyboard.press("c");
      await dialog(page).getByText("More").click();
      assert.deepEqual(await axe(page), [], `${colorScheme}: new task`);
      for (const [place, shows] of [["/board", "engine"], [`/t/${id}`, "Answer and open again"],
        ["/board/blank", "There are no tasks."]]) {
        await page.goto(desk.daemon.url + place);
        await page.locator("main").getByText(shows).waitFor();
        assert.deepEqual(await axe(page), [], `${colorScheme}: ${place}`);
        assert.equal(await overflow(page), 0);
      }
      page.clean();
      await page.context().close();
    }
  });
