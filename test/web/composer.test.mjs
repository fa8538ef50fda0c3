// composer.test.mjs: what the composer offers and takes beside a message: workflows with their
// arguments, models, files of the root, and files that are dropped or pasted.
//
// runs-with: web
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { Provider } from "../integration/providers.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";

const file = fileOf({ after, afterEach });
let browser, desk, root;

const ECHO = `export const meta = { name: "echo-back", description: "Says it again", args: {
  type: "object", required: ["question"], additionalProperties: false, properties: {
    question: { type: "string" }, times: { type: "integer", default: 2 } } } };
return args.question + " " + args.times;\n`;
const FLOW = `export default { name: "echo-flow", description: "a flow", steps: [
  { id: "one", kind: "code", run: (ctx) => ctx.input.question }], render: () => "done" };\n`;

function written(name, text) {
  mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
  writeFileSync(path.join(root, name), text);
}

before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  root = scratch(file);
  written(".drover/workflows/echo-back.js", ECHO);
  written(".drover/flows/echo-flow.mjs", FLOW);
  for (const name of ["src/walk.c", "src/walk.h", "docs/sidewalk.md", "README.md"]) {
    written(name, "x\n");
  }
});

async function ask(method, target, body) {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}
const session = async (body = { model: "scripted/demo" }) =>
  (await ask("POST", "/sessions", { root, ...body })).id;
const composer = (page) => page.getByRole("textbox", { name: "Message" });
const options = (page) => page.locator(".offers [role=option]");
const active = (page) => page.locator(".offers [aria-selected=true]");
const said = (page, text) => page.locator(".said-now", { hasText: text }).waitFor();
const started = (page) => page.getByRole("region", { name: /that were started here/ });
const questions = async (id) => (await ask("GET", `/sessions/${id}/messages?order=oldest`)).items
  .filter(({ role }) => role === "user").map(({ parts }) => parts[0].text);

test("a workflow starts with its arguments, by keys; a wrong one is said, and the text stays",
  async () => {
    const id = await session();
    const page = await opened(browser, desk, { target: `/s/${id}` });
    const box = composer(page);
    await box.fill("/echo");
    await options(page).nth(1).waitFor();
    assert.deepEqual(await options(page).locator(".mono").allTextContents(),
      ["/echo-flow", "/echo-back"]);
    await box.press("ArrowDown");
    const row = await active(page).getAttribute("id");
    assert.equal(await box.getAttribute("aria-activedescendant"), row);
    assert.deepEqual(await axe(page), []);
    await box.press("Enter");
    assert.equal(await box.inputValue(), "/echo-back ");
    await page.getByText("question=… [times=2]").waitFor();

    for (const [text, sentence] of [["/echo-back", "Missing: question."],
      ["/echo-back time=2 why", "There is no argument time. It takes: question, times."],
      ["/echo-back question=a why", "question is given twice"]]) {
      await box.fill(text);
      await box.press("Enter");
      await said(page, sentence);
      assert.equal(await box.inputValue(), text);
    }
    assert.equal((await ask("GET", "/runs?kind=workflow")).items.length, 0);

    await box.fill("/echo-back times=3 is a=b?");
    await box.press("Enter");
    await started(page).getByText("succeeded").waitFor();
    assert.equal(await box.inputValue(), "");
    const [run] = (await ask("GET", "/runs?kind=workflow")).items;
    assert.equal((await ask("GET", `/runs/${run.id}`)).result.result, "is a=b? 3");
    // The session is notified of its end, and was sent no command.
    await page.locator(".notice", { hasText: "echo-back" }).waitFor();
    assert.ok(!(await questions(id)).some((text) => text?.startsWith("/")));
    page.clean();
  });

test("what the daemon refuses of a workflow is said, and the text stays", async () => {
  const page = await opened(browser, desk, { target: `/s/${await session()}` });
  const text = "/echo-back times=\"many\" why";
  await composer(page).fill(text);
  await composer(page).press("Enter");
  await said(page, "times");
  assert.equal(await composer(page).inputValue(), text);
  page.clean();
});

test("a command that stands there whole is done by Enter; /model offers models", async (t) => {
  const provider = await new Provider().start(t);
  await ask("POST", "/providers", { name: "p", kind: "openai", base_url: provider.url });
  const id = await session();
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const box = composer(page);
  await box.fill("/mo");
  await options(page).first().waitFor();
  await box.press("Tab");
  assert.equal(await box.inputValue(), "/model ");
  await page.getByRole("listbox", { name: "Models" }).waitFor();
  await box.pressSequentially("SMA");
  await active(page).getByText("p/small").waitFor();
  await box.press("Enter");
  assert.equal(await box.inputValue(), "/model p/small ");
  await box.press("Enter");
  await page.waitForFunction(() => document.querySelector(".composer textarea").value === "");
  assert.equal((await ask("GET", `/sessions/${id}`)).model, "p/small");

  await ask("PATCH", `/sessions/${id}`, { model: "scripted/demo" });
  await ask("POST", `/sessions/${id}/messages?wait=20`, { text: "say: old" });
  await box.fill("/clear");
  await options(page).first().waitFor();
  await box.press("Enter");
  await page.getByText("Nothing was said yet.").waitFor();
  page.clean();
});

test("@ inserts a file of the root by keys or a click; Escape closes the list alone", async () => {
  const id = await session();
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const box = composer(page);
  await box.fill("say: see @wal");
  await page.getByRole("listbox", { name: "Files" }).waitFor();
  assert.deepEqual(await options(page).allTextContents(),
    ["src/walk.c", "src/walk.h", "docs/sidewalk.md"]);
  assert.deepEqual(await axe(page), []);
  await box.press("ArrowDown");
  await box.press("Enter");
  assert.equal(await box.inputValue(), "say: see src/walk.h ");
  await box.pressSequentially("@read");
  await options(page).getByText("README.md").click();
  assert.equal(await box.inputValue(), "say: see src/walk.h README.md ");
  await box.pressSequentially("@walk");
  await options(page).first().waitFor();
  await box.press("Escape");
  await options(page).first().waitFor({ state: "detached" });
  assert.equal(await box.inputValue(), "say: see src/walk.h README.md @walk");
  assert.ok(await box.evaluate((one) => one === document.activeElement));
  await box.press("Enter");
  await page.locator(".talk.is-text").getByText("see src/walk.h README.md @walk").waitFor();
  assert.deepEqual(await questions(id), ["say: see src/walk.h README.md @walk"]);

  // In the middle of a text, and where nothing fits Enter sends.
  await box.fill("say: @x and y");
  await box.press("Home");
  for (let n = 0; n < 7; n++) await box.press("ArrowRight");
  await box.press("Backspace");
  await box.pressSequentially("readm");
  await active(page).getByText("README.md").waitFor();
  await box.press("Enter");
  assert.equal(await box.inputValue(), "say: README.md and y");
  await box.fill("say: nobody @qqqq");
  await box.press("Enter");
  await page.locator(".talk.is-text").getByText("nobody @qqqq").waitFor();
  page.clean();
});

/** Files as a person drops or pastes them. */
const given = (page, type, files) => composer(page).evaluate((field, { type, files }) => {
  const data = new DataTransfer();
  for (const { name, text, size, mime } of files) {
    data.items.add(new File([text ?? new Uint8Array(size)], name, { type: mime ?? "" }));
  }
  field.dispatchEvent(type === "drop"
    ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}, { type, files });

test("text files, dropped or pasted, are sent with the message, others refused", async () => {
  const id = await session();
  const page = await opened(browser, desk, { target: `/s/${id}` });
  await given(page, "drop", [{ name: "a.txt", text: "first ``` line\n", mime: "text/plain" },
    { name: "gone.md", text: "x" }, { name: "b.bin", size: 10 }]);
  await page.getByText("b.bin is no text, and no PNG, JPEG, GIF or WebP image.").waitFor();
  await page.getByRole("button", { name: "Remove gone.md" }).click();
  await given(page, "paste", [{ name: "c.svg", text: "<svg/>", mime: "image/svg+xml" },
    { name: "large.txt", size: 256 * 1024 + 1 }]);
  await page.getByText("large.txt is larger than 256 kB.").waitFor();
  await page.locator(".thumb:not(.busy)").nth(1).waitFor();
  assert.deepEqual(await page.locator(".thumb bdi").allTextContents(), ["a.txt", "c.svg"]);
  assert.deepEqual(await axe(page), []);
  await composer(page).fill("say: seen");
  await composer(page).press("Enter");
  await page.locator(".thumb").first().waitFor({ state: "detached" });
  await page.locator(".talk.is-text").getByText("seen").first().waitFor();
  assert.deepEqual(await questions(id), ["say: seen\n\na.txt:\n\n````txt\nfirst ``` line\n````" +
    "\n\nc.svg:\n\n```svg\n<svg/>\n```"]);
  page.clean();
});

test("more than a message takes is said, and nothing is lost", async () => {
  const id = await session();
  const page = await opened(browser, desk, { target: `/s/${id}` });
  const text = "x".repeat(256 * 1024);
  await given(page, "drop", [1, 2, 3, 4].map((n) => ({ name: `${n}.txt`, text })));
  await page.locator(".thumb:not(.busy)").nth(3).waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await said(page, "larger than 1 MB");
  assert.equal(await page.locator(".thumb").count(), 4);
  await given(page, "drop", [...Array(13)].map((_, n) => ({ name: `${n}.md`, text: "x" })));
  await page.getByText("A message takes at most 16 files.").waitFor();
  assert.equal(await page.locator(".thumb").count(), 16);
  assert.deepEqual(await questions(id), []);
  page.clean();
});

test("on a phone the offers fit, and a tap takes one", async () => {
  const page = await opened(browser, desk, { target: `/s/${await session()}`, ...PHONE });
  await composer(page).fill("@walk");
  const row = options(page).getByText("src/walk.h");
  await row.waitFor();
  assert.ok((await options(page).first().boundingBox()).height >= 44);
  assert.equal(await overflow(page), 0);
  await row.tap();
  assert.equal(await composer(page).inputValue(), "src/walk.h ");
  await composer(page).fill("/echo-back ");
  await page.getByText("question=…").waitFor();
  assert.equal(await overflow(page), 0);
  page.clean();
});
