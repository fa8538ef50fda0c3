// side.test.mjs: what stands beside a conversation: turns, background work, search and pins.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { until as soon } from "../integration/providers.mjs";
import { call, say, script } from "../integration/turns.mjs";
import { ask, background, talk, threeTurns, turn, until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser;
before(async () => {
  browser = await browserOf(file);
});

const side = (page) => page.getByRole("complementary", { name: "Beside the conversation" });
const rows = (page) => side(page).getByRole("tabpanel").locator(".side-rows > li");
const turnRow = (page, number) => rows(page)
  .filter({ has: page.getByRole("button", { name: new RegExp(`^Turn ${number} `) }) });
const workRow = (page, name) => rows(page).filter({ hasText: name });
const inSession = (desk, rest = "") => ({ target: `/s/${desk.session}${rest}` });
const atMessage = (page, message) => page.waitForURL((url) => url.hash === `#${message}`);

async function choose(page, number, name) {
  await side(page).getByRole("button", { name: `Actions of turn ${number}` }).click();
  await page.getByRole("menuitem", { name }).click();
}

const turnsOf = async ({ daemon, session }) =>
  (await ask(daemon, "GET", `/sessions/${session}/timeline`)).items;

test("turns say what they took and changed; one is gone to, forked, asked again", async (t) => {
  const desk = await talk(t);
  await threeTurns(desk);
  const page = await opened(browser, desk, inSession(desk, "?panel=timeline"));
  await turnRow(page, 3).waitFor();
  assert.match(await turnRow(page, 3).innerText(), /Latest[\s\S]*✕\s*failed bad request/);
  assert.match(await turnRow(page, 2).innerText(),
    /^Turn\s+2\s+other\s+\d+ms[\s\S]*no calls[\s\S]*tokens[\s\S]*of no use: another model/);
  assert.match(await turnRow(page, 1).innerText(),
    /2 calls[\s\S]*1 failed[\s\S]*2 reasoning[\s\S]*5\d % cached[\s\S]*1 file \+3 −0/);
  await turnRow(page, 1).getByText("1 file").click();
  assert.match(await turnRow(page, 1).getByRole("listitem").innerText(), /new\s+\+3 −0/);
  const [, , first] = await turnsOf(desk);
  await side(page).getByRole("button", { name: /^Turn 1 / }).click();
  await atMessage(page, first.answer);
  assert.equal(new URL(page.url()).searchParams.get("turn"), "1");
  await choose(page, 3, /^Try again/);
  await turnRow(page, 4).getByText("asked again").waitFor();
  await turnRow(page, 4).getByText("failed").first().waitFor();
  await choose(page, 2, /^Rewind here/);
  await turnRow(page, 2).getByRole("link", { name: "a fork" }).waitFor();
  await turnRow(page, 5).getByText("succeeded").waitFor();
  await choose(page, 1, /^Fork here/);
  await page.waitForURL((url) => !url.pathname.endsWith(desk.session));
  const fork = new URL(page.url()).pathname.split("/").at(-1);
  const { items } = await ask(desk.daemon, "GET", `/sessions/${fork}/messages`);
  assert.equal(items.length, 2);
  await side(page).getByText("Forked from").getByRole("link", { name: "Fix the build" }).click();
  await page.waitForURL((url) => url.pathname.endsWith(desk.session));
  await side(page).getByText("2 forks").click();
  const forks = side(page).locator("details li a");
  assert.deepEqual(await forks.evaluateAll((links) => links.map((link) =>
    link.getAttribute("href"))).then((all) => all.includes(`/s/${fork}`)), true);
  page.clean();
});

/** Holds the answers to the reads that `act` makes a page begin, until the returned function. */
async function held(page, url, act) {
  const late = [];
  const hold = async (route) => (late.length === 0
    ? late.push([route, await route.fetch()]) : route.continue());
  await page.route(url, hold);
  await act();
  await soon("a read has begun", () => late.length > 0);
  return async () => {
    for (const [route, response] of late) await route.fulfill({ response });
    await page.evaluate(async () => { // Whatever it changes is drawn.
      await fetch("/readyz");
      for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame);
    });
    await page.unroute(url, hold);
  };
}

test("earlier turns come by pages, and a new one moves nothing that is pointed at", async (t) => {
  const desk = await talk(t);
  for (let i = 1; i <= 52; i++) await turn(desk, say(String(i)));
  const page = await opened(browser, desk, inSession(desk, "?panel=timeline"));
  await turnRow(page, 52).waitFor();
  assert.equal(await rows(page).count(), 50);
  const release = await held(page, /\/timeline\?limit=50$/, () => turn(desk, say("53")));
  await side(page).getByRole("button", { name: "Earlier ones" }).click(); // It waits for the read.
  await release();
  await turnRow(page, 1).waitFor();
  await turnRow(page, 30).hover();
  const { y } = await turnRow(page, 30).boundingBox();
  await turn(desk, say("more"));
  await turnRow(page, 54).waitFor();
  assert.equal((await turnRow(page, 30).boundingBox()).y, y);
  assert.equal(await rows(page).count(), 54);
  await side(page).getByRole("button", { name: "Scroll to latest" }).click();
  await side(page).getByRole("button", { name: "Scroll to latest" }).waitFor({ state: "detached" });
  await turnRow(page, 54).getByText("Latest").waitFor();
  page.clean();
});

test("background work is followed, looked at, cancelled, tried again and started", async (t) => {
  const desk = await talk(t);
  await background(desk);
  const page = await opened(browser, desk, inSession(desk, "?panel=background"));
  await workRow(page, "make soak").waitFor();
  assert.match(await side(page).getByRole("tab", { selected: true }).innerText(), /Background\s*1/);
  const { items } = await ask(desk.daemon, "GET", `/sessions/${desk.session}/background`);
  const [below, , soak] = items;
  const hrefOf = (name) => workRow(page, name).getByRole("link").getAttribute("href");
  assert.equal(await hrefOf("make soak"), `/j/${soak.id}`);
  assert.equal(await hrefOf("from below"), `/s/${below.subagent}`);
  assert.match(await workRow(page, "nightly").innerText(),
    /✕\s*failed exit 3[\s\S]*job[\s\S]*result delivered/);
  await page.getByRole("button", { name: "View result: nightly" }).click();
  await workRow(page, "nightly").getByText("broken").waitFor();
  await page.getByRole("button", { name: "Cancel: make soak" }).click();
  await workRow(page, "make soak").getByText("cancelled").waitFor();
  await page.getByRole("button", { name: "Retry: nightly" }).click();
  await workRow(page, "another try").getByText("failed").waitFor();
  await page.getByRole("button", { name: "Start a subagent" }).click();
  const form = page.getByRole("form", { name: "Start a subagent" });
  await form.getByLabel("Name").fill("by hand");
  await form.getByLabel("What it shall do").fill(say("from a person"));
  await form.getByRole("button", { name: "Start" }).click();
  await workRow(page, "by hand").getByText("result delivered").waitFor();
  await page.getByRole("button", { name: "View result: Subagent: by hand" }).click();
  await workRow(page, "by hand").getByText("from a person", { exact: true }).waitFor();
  page.clean();
});

test("by keyboard alone: search, hits, turns, the menu, and closed", async (t) => {
  const desk = await talk(t);
  await threeTurns(desk);
  const [third, second, first] = await turnsOf(desk);
  const page = await opened(browser, desk, inSession(desk, "?panel=timeline"));
  await turnRow(page, 3).waitFor();
  for (const [press, number, { answer }] of [["[", 3, third], ["[", 2, second], ["]", 3, third]]) {
    await page.keyboard.press(press);
    await atMessage(page, answer);
    assert.equal(await turnRow(page, number).getAttribute("aria-current"), "true");
  }
  await side(page).getByRole("tab", { name: "Turns" }).focus();
  await page.keyboard.press("ArrowLeft");
  const field = side(page).getByLabel("Search in this session");
  await field.waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("NEEDLE");
  await side(page).getByText("2 hits").waitFor();
  assert.deepEqual(await side(page).locator("mark").allInnerTexts(), ["needle", "needle"]);
  await page.keyboard.press("Enter");
  await atMessage(page, first.answer);
  await page.keyboard.press("Tab");
  await page.keyboard.press("n");
  await atMessage(page, first.question);
  await page.keyboard.press("N");
  await atMessage(page, first.answer);
  await field.fill("no such thing");
  await side(page).getByText("Nothing found.").waitFor();
  await side(page).getByRole("tab", { name: "Turns" }).click();
  await side(page).getByRole("button", { name: "Actions of turn 1" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowUp");
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  assert.match(await focused(), /^Pin/);
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await page.keyboard.press("t");
  await side(page).waitFor({ state: "detached" });
  await page.keyboard.press("t");
  await turnRow(page, 3).waitFor();
  page.clean();
});

test("a pin of the address leads to its message; one of the menu is kept", async (t) => {
  const desk = await talk(t);
  await threeTurns(desk);
  const [, second, first] = await turnsOf(desk);
  const page = await opened(browser, desk, inSession(desk, `?panel=timeline#pin=${first.answer}`));
  const bar = page.getByRole("region", { name: "Pinned messages" });
  await bar.getByText("the first answer has a needle").waitFor();
  await choose(page, 2, /^Pin/);
  await bar.getByText("the second answer").waitFor();
  const { metadata } = await ask(desk.daemon, "GET", `/sessions/${desk.session}`);
  assert.deepEqual(metadata, { pins: { of: desk.session, messages: [second.answer] } });
  const other = await opened(browser, desk, inSession(desk));
  const itsBar = other.getByRole("region", { name: "Pinned messages" });
  await itsBar.getByText("the second answer").waitFor();
  await itsBar.getByRole("button", { name: "Jump to pinned" }).click();
  await atMessage(other, second.answer);
  // The twenty-first is refused, and none of the others leaves for it.
  const pinsAre = (messages) => ask(desk.daemon, "PATCH", `/sessions/${desk.session}`,
    { metadata: { pins: { of: desk.session, messages } } });
  await pinsAre(Array.from({ length: 20 }, (_, at) => `msg_${String(at).padStart(26, "0")}`));
  await itsBar.getByRole("button", { name: "Unpin" }).nth(19).waitFor();
  await choose(page, 3, /^Pin/);
  await page.getByText("20 messages are pinned already. Unpin one first.").waitFor();
  const { metadata: { pins } } = await ask(desk.daemon, "GET", `/sessions/${desk.session}`);
  assert.equal(pins.messages.length, 20);
  assert.equal(pins.messages[0], `msg_${"0".repeat(26)}`);
  const release = await held(other, /\/sessions\/\w+$/, () => pinsAre([]));
  await pinsAre([second.answer]);
  await itsBar.getByText("the second answer").waitFor();
  await release(); // An answer that a newer one has overtaken.
  assert.equal(await itsBar.getByText("the second answer").count(), 1);
  await itsBar.getByRole("button", { name: "Unpin" }).nth(1).waitFor({ state: "detached" });
  await bar.getByRole("button", { name: "Unpin" }).first().click();
  await itsBar.waitFor({ state: "detached" });
  await choose(page, 1, /^Fork here/); // A fork has other messages.
  await bar.waitFor({ state: "detached" });
  page.clean();
});

test("on a phone it is a sheet that leaves when a turn is gone to", async (t) => {
  const desk = await talk(t);
  await threeTurns(desk);
  const [third] = await turnsOf(desk);
  const page = await opened(browser, desk, { ...PHONE, ...inSession(desk, "?panel=timeline") });
  await turnRow(page, 3).waitFor();
  assert.equal(await overflow(page), 0);
  const { width, height } = await side(page).boundingBox();
  assert.deepEqual([width, height], [360, 740]);
  for (const button of await side(page).getByRole("button").all()) {
    const box = await button.boundingBox();
    assert.ok(box.height >= 44 && box.width >= 44, JSON.stringify(box));
  }
  await side(page).getByRole("button", { name: /^Turn 3 / }).tap();
  await atMessage(page, third.answer);
  await side(page).waitFor({ state: "detached" });
  page.clean();
});

test("a key that only reads has nothing to press that changes something", async (t) => {
  const desk = await talk(t, { scopes: "read" });
  await threeTurns(desk);
  await background(desk);
  const page = await opened(browser, desk, inSession(desk, "?panel=timeline"));
  await side(page).getByRole("button", { name: "Actions of turn 3" }).click();
  const choices = await page.getByRole("menuitem").allInnerTexts();
  assert.deepEqual(choices, ["Pin\nkeeps the message at hand"]);
  await page.getByRole("menuitem").click();
  await page.waitForURL((url) => url.hash.startsWith("#pin=msg_"));
  await side(page).getByRole("tab", { name: /Background/ }).click();
  await workRow(page, "make soak").waitFor();
  const names = await side(page).getByRole("tabpanel").getByRole("button").allInnerTexts();
  assert.deepEqual([...new Set(names)], ["View result"]);
  page.clean();
});

const NASTY = '<img src=x onerror="alert(1)"> [a](javascript:alert(1)) \u202egnp\u001b[2J';

test("text from outside is inert, and what is hidden in it is seen", async (t) => {
  const desk = await talk(t);
  const name = "<b>\u202egnp.exe";
  const starts = [
    call("write_file", { path: name, content: "x\n" }),
    "step:",
    call("run_job", { command: "printf", args: ["%s", NASTY], description: NASTY }),
    "step:",
    say(`needle ${NASTY}`),
  ];
  const { text } = await turn(desk, script(...starts));
  assert.equal(text, `needle ${NASTY}`);
  const done = `/sessions/${desk.session}/background`;
  await until(desk, done, ({ items }) => items[0].delivery === "delivered");
  const [{ answer }] = (await turnsOf(desk)).filter(({ number }) => number === 1);
  const page = await opened(browser, desk, inSession(desk, `?panel=timeline#pin=${answer}`));
  const inert = async (where) => {
    await where.getByText("⟦RLO⟧").first().waitFor();
    assert.equal(await page.locator("img, [href^=javascript]").count(), 0);
    assert.doesNotMatch(await where.innerText(), /[\u202e\u001b]/);
  };
  await inert(page.getByRole("region", { name: "Pinned messages" }));
  await turnRow(page, 1).getByText("1 file").click();
  await inert(turnRow(page, 1));
  await side(page).getByRole("tab", { name: "Background" }).click();
  await page.getByRole("button", { name: /^View result/ }).click();
  await inert(side(page).locator("pre"));
  await inert(rows(page).first());
  await side(page).getByRole("tab", { name: "Search" }).click();
  await side(page).getByLabel("Search in this session").fill("needle");
  await inert(rows(page).first());
  assert.equal(await overflow(page), 0);
  page.clean();
});

test("axe finds nothing: each panel, empty and full, light and dark", async (t) => {
  const empty = await talk(t), full = await talk(t);
  await threeTurns(full);
  await background(full);
  for (const [desk, ...panels] of [
    [full, ["Turns", "Latest"], ["Background", "make soak"], ["Search", "2 hits"]],
    [empty, ["Turns", "No turns yet."], ["Background", "Nothing in the background."]],
  ]) {
    const page = await opened(browser, desk, inSession(desk, "?q=needle"));
    for (const [panel, ready] of panels) {
      await side(page).getByRole("tab", { name: panel }).click();
      await side(page).getByText(ready).first().waitFor();
      for (const colorScheme of desk === full ? ["light", "dark"] : ["light"]) {
        await page.emulateMedia({ colorScheme });
        await page.waitForFunction((theme) => document.documentElement.dataset.theme === theme,
          colorScheme);
        assert.deepEqual(await axe(page), [], `${colorScheme}: ${panel}`);
      }
    }
    page.clean();
  }
});
