// terminals.test.mjs: named terminals in a browser, as tabs.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser, desk;
before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
});

async function named(name, command) {
  const answer = await desk.daemon.request("POST", "/api/v1/terminals",
    { local: true, body: { name, command } });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}
async function closed(...terminals) {
  for (const { id } of terminals) {
    await desk.daemon.request("DELETE", `/api/v1/terminals/${id}`, { local: true });
  }
}
const tab = (page, name) => page.getByRole("link", { name, exact: true });
const screen = (page) => page.locator(".xterm-rows");
const ECHO = "stty -echo; echo ready; while read a; do [ $a = end ] && exit 7; echo got $a; done";

test("by mouse: one is opened, used, renamed, ends, is started again, and closed", async () => {
  const page = await opened(browser, desk, { target: "/terminals" });
  await page.getByText("drover term new").waitFor();
  await page.getByRole("button", { name: "New terminal" }).click();
  await page.getByLabel("Command line").fill(ECHO);
  await page.getByLabel("Folder").fill("relative");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.getByRole("alert").getByText("bad_field").waitFor();
  await page.getByLabel("Folder").fill("/tmp");
  await page.getByLabel("Name").fill("first");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await screen(page).getByText("ready").waitFor();
  await page.locator(".screen").click();
  await page.keyboard.type("one\n");
  await screen(page).getByText("got one").waitFor();
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("<i>second");
  await page.getByRole("button", { name: "Save" }).click();
  await tab(page, "<i>second").waitFor();
  const other = await named("other", "echo here; sleep 600");
  await tab(page, "other").click();
  await screen(page).getByText("here").waitFor();
  await page.goBack();
  await screen(page).getByText("got one").waitFor();
  await page.locator(".screen").click();
  await page.keyboard.type("end\n");
  await page.getByText("ended with 7").waitFor();
  await page.getByRole("button", { name: "Start again" }).click();
  await page.getByText("ended with 7").waitFor({ state: "detached" });
  await screen(page).getByText("ready").waitFor();
  assert.equal(await screen(page).getByText("got one").count(), 0);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.getByRole("heading", { name: "Close <i>second?" }).waitFor();
  await page.locator("dialog").getByRole("button", { name: "Close" }).click();
  await tab(page, "<i>second").waitFor({ state: "detached" });
  await screen(page).getByText("here").waitFor();
  await closed(other);
  await page.getByText("There are no terminals.").waitFor();
  page.clean();
});

test("by keyboard alone: a new one, in and out of it, and from one to the next", async () => {
  const first = await named("first", "echo first; sleep 600");
  const page = await opened(browser, desk, { target: "/" });
  await page.getByRole("heading", { name: "Running" }).waitFor();
  await page.getByRole("link", { name: "Terminals" }).focus();
  await page.keyboard.press("Enter");
  await screen(page).getByText("first").waitFor();
  await page.keyboard.press("c");
  await page.getByLabel("Command line").waitFor();
  await page.keyboard.type(ECHO);
  await page.keyboard.press("Control+Enter");
  await screen(page).getByText("ready").waitFor();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("[\n"); // A key of the page, elsewhere.
  await screen(page).getByText("got [").waitFor();
  await page.keyboard.press("Control+Shift+Escape");
  await page.waitForFunction(() => document.activeElement.matches(".tty .bar input"));
  await page.getByRole("heading", { name: "Terminals" }).evaluate((heading) => {
    heading.tabIndex = -1;
    heading.focus();
  });
  await page.keyboard.press("[");
  await page.waitForURL(`**/terminals/${first.id}`);
  await screen(page).getByText("first").waitFor();
  page.clean();
  const { json } = await desk.daemon.request("GET", "/api/v1/terminals", { local: true });
  await closed(...json.items);
});

test("on a phone it fits, axe finds nothing, and a reading key has no buttons", async () => {
  const name = "a-name-that-is-longer-than-any-tab-of-a-phone-could-show";
  const long = await named(name, "sleep 600");
  const short = await named("short", "echo here; sleep 600");
  const phone = await opened(browser, desk, { target: "/terminals", ...PHONE });
  await screen(phone).getByText("here").waitFor();
  assert.equal(await overflow(phone), 0);
  for (const button of await phone.locator("main button:visible, .term-tabs a").all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${await button.innerText()}: ${height}`);
  }
  phone.clean();
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { target: "/terminals", colorScheme });
    await screen(page).getByText("here").waitFor();
    assert.deepEqual(await axe(page), [], colorScheme);
    page.clean();
  }
  const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
  const reader = { daemon: desk.daemon, key: stdout.split("\n")[0] };
  const page = await opened(browser, reader, { target: `/terminals/${short.id}` });
  await page.getByText("read only").waitFor();
  assert.equal(await page.getByRole("button", { name: /New|Rename|Close|Start/ }).count(), 0);
  await closed(long, short);
});
