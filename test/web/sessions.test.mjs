// sessions.test.mjs: the list of sessions in a browser: what a row says, several at once, and what
// is taken back.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { until } from "../integration/providers.mjs";
import { say, script } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser, desk;

before(async () => {
  browser = await browserOf(file);
});

const made = async (method, path, body) => {
  const answer = await desk.daemon.request(method, `/api/v1${path}`,
    { ...(body && { body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${desk.key}`, "content-type": "application/json" } });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.json;
};

async function talked(title, text, more = {}) {
  const { id } = await made("POST", "/sessions", { title, ...more });
  await made("POST", `/sessions/${id}/messages`, { text: script(say(text)) });
  await until(`${title} has its answer`, async () => {
    const { usage, state } = await made("GET", `/sessions/${id}`);
    return usage.calls === 1 && state === "idle";
  });
  return id;
}

const rowOf = (page, title) => page.locator(".session-row", { hasText: title });
const titles = (page) => page.locator(".session-row .what > :first-child").allInnerTexts();
const shelf = (name) => made("GET", `/sessions?${name}=1`).then(({ items }) =>
  items.map(({ title }) => title));

beforeEach(async (t) => {
  desk = await serving(t);
});

test("a row says where a session stands: its last line, place and cost, a fork below its root",
  async () => {
    const first = await talked("First", "- The cart adds up.",
      { project: "shop" });
    await talked("Second", "Another thing.");
    await made("POST", `/sessions/${first}/fork`, { title: "First, tried differently" });
    await made("PATCH", `/sessions/${first}`, { title: "First one" });
    const page = await opened(browser, desk, { target: "/sessions" });
    await rowOf(page, "First one").getByText("The cart adds up.").waitFor();
    await rowOf(page, "First one").getByText("shop").waitFor();
    assert.deepEqual(await titles(page),
      ["First one", "First, tried differently · a fork", "Second"]);
    await rowOf(page, "First one").getByRole("link").click();
    await page.locator("h1", { hasText: "First one" }).waitFor();
    assert.deepEqual(await axe(page), []);
    page.clean();
  });

test("several sessions are archived, moved and deleted at once, and taken back", async () => {
  for (const title of ["One", "Two", "Three"]) await made("POST", "/sessions", { title });
  await made("POST", "/projects", { name: "shop" });
  const page = await opened(browser, desk, { target: "/sessions" });
  const choose = async (...names) => {
    for (const name of names) await page.getByRole("checkbox", { name: `Choose ${name}` }).check();
    await page.getByText(`${names.length} chosen`).waitFor();
  };
  await choose("One", "Two");
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "Archive", exact: true }).click();
  await page.getByText("2 sessions archived.").waitFor();
  assert.deepEqual(await titles(page), ["Three"]);
  assert.deepEqual((await shelf("archived")).sort(), ["One", "Two"]);
  await page.getByRole("button", { name: "Undo" }).click();
  await rowOf(page, "One").waitFor();
  await rowOf(page, "Two").waitFor();
  assert.deepEqual(await shelf("archived"), []);
  // By keys: j to the first row, x chooses it.
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.getByText("1 chosen").waitFor();
  await page.keyboard.press("x");
  await page.getByText("1 chosen").waitFor({ state: "detached" });
  await choose("One", "Three");
  await page.getByLabel("Move to …").selectOption("shop");
  await page.getByText("2 sessions moved to shop.").waitFor();
  assert.equal((await made("GET", "/sessions?project=shop")).items.length, 2);
  await choose("Three");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("1 session deleted.").waitFor();
  // A day later, in another tab.
  await page.goto(page.url());
  await page.getByLabel("Shelf").selectOption("deleted");
  await page.getByText("can be restored for seven days").waitFor();
  await choose("Three");
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByText("1 session restored.").waitFor();
  assert.deepEqual(await shelf("deleted"), []);
  page.clean();
});

test("from its row a session is renamed, compacted, cleared and deleted, also on a phone",
  async () => {
    const id = await talked("Here", "Words.");
    const page = await opened(browser, desk, { target: "/sessions", ...PHONE });
    const dialog = page.getByRole("dialog");
    const more = (title) => page.getByRole("button", { name: `More about ${title}` }).tap();
    await more("Here");
    await page.getByLabel("Title").fill("There");
    await dialog.getByRole("button", { name: "Save" }).tap();
    await rowOf(page, "There").waitFor();
    assert.equal(await overflow(page), 0);
    await more("There");
    await dialog.getByRole("button", { name: "Clear …" }).tap();
    await dialog.locator('button.bad[aria-disabled="false"]').tap();
    await rowOf(page, "There").getByText("Nothing was said yet.").waitFor();
    assert.deepEqual((await made("GET", `/sessions/${id}/messages`)).items, []);
    await more("There");
    await dialog.getByRole("button", { name: "Delete", exact: true }).tap();
    await page.getByText("1 session deleted.").waitFor();
    await page.getByRole("button", { name: "Undo" }).tap();
    await rowOf(page, "There").waitFor();
    page.clean();
  });
