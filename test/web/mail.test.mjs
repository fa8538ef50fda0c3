// mail.test.mjs: mail between agents and a person, in the Inbox of a browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { until } from "../integration/providers.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser;
before(async () => (browser = await browserOf(file)));

/** A project with agents of the scripted model: mail to them says what they do. Others write by
 *  tokens, whose labels are their names. */
async function post(t, scopes) {
  const desk = await serving(t, scopes), { daemon } = desk;
  const ask = async (method, target, body, more = { local: true }) => {
    const answer = await daemon.request(method, `/api/v1${target}`, { body, ...more });
    assert.ok(answer.status < 300, `${target}: ${answer.text}`);
    return answer.json;
  };
  await ask("POST", "/projects", { name: "shop", root: scratch(t), model: "scripted/demo",
    board: { hold: true, agents: [{ name: "coder" }, { name: "reviewer" }] } });
  const keys = new Map();
  const as = async (name) => {
    if (!keys.has(name)) {
      const { token } = await ask("POST", "/tokens", { label: name, scopes: ["read", "run"] });
      keys.set(name, token);
    }
    return { headers: { authorization: `Bearer ${keys.get(name)}` } };
  };
  const from = async (name, title, more = {}) => ask("POST", "/mail", { to: "local",
    project: "shop", title, text: `The text of ${title}.`, ...more }, await as(name));
  const send = (to, title, text, more = {}) =>
    ask("POST", "/mail", { to, project: "shop", title, text, ...more });
  const show = (id) => ask("GET", `/mail/${id}`);
  const became = (id, status) => until(`${id} is ${status}`, async () =>
    (await show(id)).status === status);
  /** coder works until the end of the test, so that its mail stays unread. */
  const busy = async () => {
    const { id } = await send("coder", "Long work", "delay: 600s", { type: "inform" });
    await became(id, "working");
    return id;
  };
  return { ...desk, ask, from, send, show, became, busy };
}

const row = (page, title) => page.getByRole("article", { name: title, exact: true });
const titles = (page) => page.locator(".mail-row .name").allInnerTexts();
const listed = (page, names) => page.waitForFunction((wanted) =>
  [...document.querySelectorAll(".mail-row .name")].map((one) => one.innerText)
    .join("|") === wanted, names.join("|"));
const card = (page, id) => page.locator(`[data-mail="${id}"]`);
const dialog = (page) => page.getByRole("dialog");
const receiver = (page) => dialog(page).getByRole("combobox", { name: /^To / });
const sent = (page) => dialog(page).getByRole("button", { name: "Send" }).click();
const kind = (page, name) => page.getByRole("group", { name: "What is shown" })
  .getByRole("button", { name });
const url = (page, end) => page.waitForURL(`**${end}`);
const badge = (page, count) => page.getByRole("navigation", { name: "Places" })
  .getByRole("link", { name: `Inbox${count}`, exact: true });

test("by mouse: what waits stands on Home, is answered, and the thread lives", async (t) => {
  const desk = await post(t);
  const note = await desk.from("reviewer", "The lock is held twice", { type: "inform" });
  const asked = await desk.from("coder", "Which index first?", { text: "By **name** or by time?" });
  const page = await opened(browser, desk);
  await badge(page, " 1").waitFor();
  await page.getByRole("link", { name: "Answer: Which index first?" }).click();
  await url(page, `/inbox/mail/${asked.id}`);
  await card(page, asked.id).locator("strong", { hasText: "name" }).waitFor();
  await card(page, asked.id).getByText("waits for your answer").waitFor();
  assert.deepEqual(await titles(page), ["Which index first?", "The lock is held twice"]);
  await row(page, "The lock is held twice").getByText("arrived").waitFor();
  const field = page.getByRole("textbox", { name: "Answer to coder" });
  await field.fill("By name: `say: so`");
  await page.reload(); // What was typed stays.
  await page.waitForFunction(() =>
    document.querySelector(".mail-reply textarea")?.value === "By name: `say: so`");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await card(page, asked.id).getByText("answered").waitFor();
  await page.getByRole("article", { name: "local: Re: Which index first?" }).waitFor();
  await badge(page, "").waitFor();
  assert.equal(await field.inputValue(), "");
  const { items: [answer] } = await desk.ask("GET", `/mail?in_reply_to=${asked.id}`);
  assert.deepEqual([answer.type, answer.to, (await desk.show(answer.id)).text],
    ["inform", "coder", "By name: `say: so`"]);
  await desk.became(answer.id, "done");
  await card(page, answer.id).getByText("read", { exact: true }).waitFor();
  // Another mail of the thread comes while it is open; one of another thread stands in the list.
  const more = await desk.send("local", "And then?", "The text of And then?.",
    { in_reply_to: answer.id });
  await card(page, more.id).getByText("The text of And then?.").waitFor();
  await desk.from("reviewer", "New one");
  await listed(page, ["New one", "Which index first?", "The lock is held twice"]);
  await row(page, "Which index first?").getByText("3 mails").waitFor();
  await kind(page, "Mail 1").waitFor();
  await kind(page, "All 1").click();
  await url(page, "/inbox");
  await page.getByRole("article", { name: "New one" })
    .getByRole("link", { name: "New one", exact: true }).click();
  await page.getByText("The text of New one.").waitFor();
  await page.goto(`${desk.daemon.url}/inbox/mail?q=lock`);
  await listed(page, ["The lock is held twice"]);
  await page.getByRole("link", { name: "The lock is held twice" }).click();
  await url(page, `/inbox/mail/${note.id}?q=lock`);
  await page.getByText("The text of The lock is held twice.").waitFor();
  page.clean();
});

test("new mail is refused in the daemon's words, kept while it is written, replaced, taken back",
  async (t) => {
    const desk = await post(t);
    await desk.busy();
    const page = await opened(browser, desk, { target: "/inbox/mail" });
    await listed(page, ["Long work"]);
    await page.getByRole("button", { name: "New mail" }).click();
    await receiver(page).fill("drover");
    await dialog(page).getByLabel("Title").fill("Take the lock once");
    await dialog(page).getByLabel("Text").fill("say: It is so.");
    await sent(page);
    await dialog(page).getByRole("alert").getByText("an agent of the project").waitFor();
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "New mail" }).click();
    assert.equal(await dialog(page).getByLabel("Title").inputValue(), "Take the lock once");
    await receiver(page).fill("@");
    await dialog(page).locator(".picks [role=option]").first().waitFor();
    assert.deepEqual(await dialog(page).locator(".picks [role=option]").allInnerTexts(),
      ["coder@shop", "reviewer@shop"]);
    await receiver(page).fill("nobody@shop");
    await sent(page);
    await dialog(page).getByRole("alert").getByText("there is no agent 'nobody'").waitFor();
    await receiver(page).fill("coder@shop");
    await sent(page);
    await url(page, "/inbox/mail/mail_*");
    const first = page.url().split("/").at(-1);
    await card(page, first).getByText("not read yet").waitFor();
    await row(page, "Take the lock once").getByText("not read yet").waitFor();

    await page.getByRole("button", { name: "Replace: Take the lock once" }).click();
    assert.equal(await dialog(page).getByLabel("Text").inputValue(), "say: It is so.");
    await dialog(page).getByLabel("Title").fill("Take it twice");
    await dialog(page).getByLabel("Kind").selectOption("inform");
    await sent(page);
    await page.getByRole("heading", { name: "Take it twice" }).first().waitFor();
    await row(page, "Take the lock once").getByText("taken back").waitFor();
    const { items: [second, old] } = await desk.ask("GET", "/mail");
    assert.deepEqual([old.id, old.status, second.type, second.status],
      [first, "retracted", "inform", "pending"]);
    await page.getByRole("button", { name: "Take back: Take it twice" }).click();
    await page.getByRole("button", { name: "Take it back", disabled: false }).click();
    await card(page, second.id).getByText("taken back").waitFor();
    assert.equal(await page.getByRole("button", { name: /^(Take back|Replace)/ }).count(), 0);
    page.clean();
  });

test("by keyboard alone: there, through the rows, answered, written, taken back", async (t) => {
  const desk = await post(t);
  await desk.busy();
  for (const title of ["First", "Second"]) await desk.from("coder", title);
  const page = await opened(browser, desk);
  await page.getByText(/^● live$/).waitFor();
  await badge(page, " 2").waitFor();
  await page.keyboard.type("gi");
  const answer = page.getByRole("link", { name: "Answer: First" });
  await answer.waitFor();
  await page.keyboard.press("w");
  await page.locator('[data-row][aria-current="true"]', { hasText: "First" }).waitFor();
  await page.keyboard.press("Enter");
  await url(page, "/inbox/mail/mail_*");
  await listed(page, ["Second", "First", "Long work"]);
  await page.getByText("The text of First.").waitFor();
  const field = page.getByRole("textbox", { name: "Answer to coder" });
  await field.waitFor();
  await page.keyboard.press("k"); // What is open follows.
  await page.getByText("The text of Second.").waitFor();
  await field.waitFor();
  await page.keyboard.press("r");
  await page.keyboard.type("So be it.");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("article", { name: "local: Re: Second" }).getByText("So be it.").waitFor();
  await page.getByRole("button", { name: /^Take back/ }).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("x");
  await page.getByRole("button", { name: "Take it back", disabled: false }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("article", { name: "local: Re: Second" }).getByText("taken back").waitFor();
  await page.keyboard.press("Escape");
  await url(page, "/inbox/mail");
  await page.keyboard.press("c");
  await receiver(page).focus();
  for (const text of ["coder@shop", "", "Typed"]) {
    await page.keyboard.type(text);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type("Without a mouse.");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Without a mouse.").waitFor();
  await page.keyboard.press("k"); // From what is open, and not from what was selected.
  await page.getByText("The text of First.").waitFor();
  const { items: [{ id }] } = await desk.ask("GET", "/mail");
  await dialog(page).waitFor({ state: "detached" });
  await page.keyboard.press("Control+k");
  await dialog(page).getByRole("combobox").waitFor();
  await page.keyboard.type(id);
  await page.getByRole("option", { name: `Open ${id}` }).waitFor();
  await page.keyboard.press("Enter");
  await url(page, `/inbox/mail/${id}`);
  page.clean();
});

test("mail about a task says that it has closed; what drover writes is shown", async (t) => {
  const desk = await post(t);
  const task = await desk.ask("POST", "/projects/shop/tasks", { title: "Look at it" });
  const about = await desk.from("coder", "Is it right?", { about: task.name });
  const page = await opened(browser, desk, { target: `/inbox/mail/${about.id}` });
  await card(page, about.id).getByRole("link", { name: task.name }).waitFor();
  assert.equal(await page.getByText("the task has closed").count(), 0);
  await desk.ask("POST", `/projects/shop/tasks/${task.name}/status`, { status: "cancelled" });
  await card(page, about.id).getByText("the task has closed: cancelled").waitFor();
  await row(page, "Is it right?").getByText("the task has closed").waitFor();
  const request = await desk.send("reviewer", "Say it", "say: No answer.", { urgent: true });
  await row(page, "Say it").getByText("read", { exact: true }).waitFor();
  await row(page, "Say it").getByText("urgent").waitFor();
  await row(page, "Say it").getByRole("link").click();
  await page.getByRole("article", { name: /^drover: / })
    .getByRole("heading", { name: "Your request ended without an answer: Say it" }).waitFor();
  // Nobody reads an answer to drover: what is written is added to the request.
  await page.getByRole("textbox", { name: "Add something for reviewer" }).fill("say: More.");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("article", { name: "local: Re: Say it" }).waitFor();
  const [added] = (await desk.ask("GET", `/mail?in_reply_to=${request.id}`)).items;
  assert.deepEqual([added.from, added.to, added.type], ["local", "reviewer", "inform"]);
  page.clean();
});

test("a thread is whole, whichever of its mail is named; who only reads sends none", async (t) => {
  const desk = await post(t, "read,run");
  const ids = [(await desk.from("coder", "Root", { type: "inform" })).id];
  for (const name of ["reviewer", "coder", "reviewer"]) {
    ids.push((await desk.send("local", `Mail of ${name}`, "Text.", {
      in_reply_to: ids.at(-1), type: "inform" })).id);
  }
  for (let at = 0; at < 60; at++) await desk.from("reviewer", `Other ${at}`, { type: "inform" });
  const page = await opened(browser, desk, { target: `/inbox/mail/${ids[2]}` });
  await page.waitForFunction((count) =>
    document.querySelectorAll(".mail-card").length === count, ids.length);
  await page.getByRole("heading", { name: "Root" }).first().waitFor();
  await page.getByText("needs the scope approve").waitFor();
  await page.keyboard.press("c");
  assert.equal(await page.locator("dialog, .mail-reply").count(), 0);
  assert.equal((await titles(page)).length, 50);
  await page.getByRole("button", { name: "Show more" }).click();
  await row(page, "Root").getByText("4 mails").waitFor();
  await page.goto(`${desk.daemon.url}/inbox/mail/mail_00000000000000000000000000`);
  await page.getByRole("alert").getByText("not_found").waitFor();
  page.clean();
});

test("on a phone nothing is too wide, buttons are large; hostile texts are inert", async (t) => {
  const desk = await post(t);
  await desk.busy();
  const hostile = await desk.from("coder", "<img src=x onerror=alert(1)>", {
    text: [HOSTILE.html, HOSTILE.links, HOSTILE.escapes, HOSTILE.turned].join("\n\n") });
  const long = await desk.send("coder@shop", "y".repeat(400), "z".repeat(60_000), {
    about: "x".repeat(64) });
  const page = await opened(browser, desk, { target: "/inbox/mail", ...PHONE });
  await page.getByRole("link", { name: "<img src=x onerror=alert(1)>" }).tap();
  await url(page, `/inbox/mail/${hostile.id}`);
  for (const text of ["<script>alert(1)</script>", "⟦ESC⟧[31mred", "⟦RLO⟧gpj.exe⟦PDF⟧"]) {
    await card(page, hostile.id).getByText(text).first().waitFor();
  }
  await page.getByRole("textbox", { name: "Answer to coder" }).waitFor();
  const isLarge = async () => {
    assert.equal(await overflow(page), 0);
    for (const button of await page.locator("main button:visible, main .button:visible").all()) {
      const { height } = await button.boundingBox();
      assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
    }
  };
  await isLarge();
  assert.equal(await page.locator(".inbox-list").isVisible(), false);
  await page.getByRole("link", { name: "All mail" }).tap();
  await listed(page, ["<img src=x onerror=alert(1)>", "y".repeat(400), "Long work"]);
  await isLarge();
  await page.goto(`${desk.daemon.url}/inbox/mail/${long.id}`);
  await card(page, long.id).getByText("not read yet").waitFor();
  await page.getByText("z".repeat(1000)).first().waitFor();
  await isLarge();
  await page.getByRole("button", { name: /^Replace/ }).tap();
  await dialog(page).getByLabel("Title").waitFor();
  assert.equal(await overflow(page), 0);
  page.clean();
});

test("axe finds nothing: full, open, a form, empty; 200 % of the size fits", async (t) => {
  const desk = await post(t), empty = await serving(t);
  await desk.busy();
  const asked = await desk.from("coder", "Which index first?", { urgent: true });
  await desk.send("coder", "Unread", "say: so");
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: "/inbox/mail",
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    await listed(page, ["Which index first?", "Unread", "Long work"]);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), [], `${colorScheme}: list`);
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${desk.daemon.url}/inbox/mail/${asked.id}`);
    await page.getByText("The text of Which index first?.").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: open`);
    await page.getByRole("button", { name: "New mail" }).click();
    await dialog(page).getByLabel("Title").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: form`);
    await page.goto(`${desk.daemon.url}/`);
    await page.getByRole("link", { name: "Answer: Which index first?" }).waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: Home`);
    page.clean();
    const other = await opened(browser, empty, { colorScheme, target: "/inbox/mail" });
    await other.getByText("There is no mail.").waitFor();
    assert.deepEqual(await axe(other), [], `${colorScheme}: empty`);
    await other.context().close();
  }
});
