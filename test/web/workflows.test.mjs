// workflows.test.mjs: workflows in a browser: the catalog, the form of args, the check beside the
// source, the plan, and the start.
//
// runs-with: web
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser, desk, root, query;
before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  root = scratch(file);
  query = `?root=${encodeURIComponent(root)}`;
  written("sweep", SWEEP);
});

const ARGS = {
  type: "object", required: ["target"],
  properties: {
    target: { type: "string", minLength: 2, description: "A folder" },
    rounds: { type: "integer", minimum: 1, maximum: 9, default: 2 },
    depth: { enum: ["quick", "deep"] }, files: { type: "array", items: { type: "string" } },
    fix: { type: "boolean" }, more: { type: "object", required: ["deep"] },
  },
};
const meta = (name, more = {}) => `export const meta = ${JSON.stringify({ name,
  description: `Does ${name}.`, ...more }, null, 1)};\n`;
const SWEEP = meta("sweep", { phases: [{ title: "Look", detail: "one for each" },
  { title: "Confirm" }], args: ARGS, whenToUse: "Before a release." }) +
  "const look = (n) => agent(`say: ${args.target} ${n}`, { label: 'look', phase: 'Look' });\n" +
  "await parallel([1, 2, 3].map((n) => () => look(n)));\n" +
  "await agent('say: fine', { label: 'confirm', phase: 'Confirm' });\nreturn args;\n";

function written(name, text, folder = root) {
  mkdirSync(path.join(folder, ".drover/workflows"), { recursive: true });
  const at = path.join(folder, `.drover/workflows/${name}.js`);
  writeFileSync(at, text);
  return at;
}
const api = async (target) =>
  (await desk.daemon.request("GET", `/api/v1${target}`, { local: true })).json;
const runsOf = async (label) => (await api(`/runs?kind=workflow&q=${label}`)).items;
const ended = (id) => until(desk, `/runs/${id}`, ({ ended_ms }) => ended_ms !== null);
const runOf = (page) => new URL(page.url()).pathname.split("/").pop();
const atRun = (page) => page.waitForURL(/\/r\/run_\w+$/);
const open = (name, more = {}) => opened(browser, desk, { target: `/workflows/${name}${query}`,
  ...more });
const start = (page) => page.getByRole("button", { name: "Start" });
const plan = (page) => page.getByRole("button", { name: "Plan" });
const source = (page) => page.getByRole("textbox", { name: "Source" });
const says = (page, text) => page.locator(".flow-form [role=status]", { hasText: text }).waitFor();
const model = (page) => page.getByLabel(/^Model/);
const row = (page, name) =>
  page.locator(".row.flow", { has: page.getByText(name, { exact: true }) });
/** Each request of this page that would begin a run. */
function starts(page) {
  const seen = [];
  page.on("request", (request) => request.method() === "POST" &&
    /\/api\/v1\/workflows/.test(request.url()) && seen.push(request.url()));
  return seen;
}

test("by mouse: from the catalog to a form, its plan, the run, and back to its price", async () => {
  const page = await opened(browser, desk);
  await page.getByRole("link", { name: "Workflows" }).click();
  await page.waitForURL("**/workflows");
  await page.getByText("Choose a project folder").waitFor();
  await row(page, "deep-research").waitFor();
  await page.getByLabel(/^Project folder/).fill(root);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForURL(`**/workflows?root=**`);
  await row(page, "sweep").getByText("no run yet").waitFor();
  await page.getByText("Where they are looked for").click();
  await page.getByText(`${root}/.drover/workflows`).waitFor();
  await row(page, "sweep").getByRole("link", { name: "sweep" }).click();
  await page.waitForURL(`**/workflows/sweep?root=**`);
  await page.getByText("Before a release.").waitFor();
  await page.locator(".flow-phases li", { hasText: "Look one for each" }).waitFor();
  await page.getByText("The check finds nothing.").waitFor();
  assert.ok(await start(page).isDisabled());

  await page.getByLabel(/^target/).fill("src");
  await page.getByLabel(/^rounds/).fill("3");
  await page.getByLabel(/^depth/).selectOption("deep");
  await page.getByLabel(/^files/).fill("a.c\nb.c\n");
  await page.getByLabel(/^fix/).check();
  await page.getByLabel(/^more/).fill('{"deep": [1]}');
  await model(page).fill("scripted/demo");
  await page.getByLabel(/^Cost, at most/).fill("1.50");
  for (const folder of [scratch(file), root]) { // Typed texts stay.
    await page.getByLabel(/^Project folder/).fill(folder);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL(`**/workflows/sweep?root=${encodeURIComponent(folder)}`);
    if (folder === root) await page.getByText("The check finds nothing.").waitFor();
    else await page.getByText("workflow_not_found").waitFor();
  }
  await plan(page).click();
  await page.getByText("4 agents in 2 waves").waitFor();
  await page.getByText("It costs at most $0.00, if each agent calls its model once.").waitFor();
  await page.getByText("Its budget: at most $1.50").waitFor();
  await page.locator(".flow-waves li", { hasText: "Wave 1 3 agents" }).getByText("× 3").waitFor();
  await start(page).click();
  await atRun(page);
  const { spec, result } = await ended(runOf(page));
  const args = { target: "src", rounds: 3, depth: "deep", files: ["a.c", "b.c"], fix: true,
    more: { deep: [1] } };
  assert.deepEqual(result.result, args);
  assert.equal(spec.budget.cost_micros, 1_500_000);
  await page.goto(`${desk.daemon.url}/workflows${query}`);
  await row(page, "sweep").getByText("$0.00").waitFor();
  await row(page, "sweep").getByRole("link", { name: "sweep", exact: true }).click();
  await page.getByRole("link", { name: /^last run: \$0.00, / }).waitFor();
  await page.goBack();
  await row(page, "sweep").getByRole("link", { name: "Last run of sweep" }).click();
  await atRun(page);
  page.clean();
});

/** Letters count again: a heading takes the focus only while somebody goes to its view. */
const unfocused = (page) => page.evaluate(() => document.activeElement.blur());

test("by keyboard alone: to a workflow, through its form, the plan, the start", async () => {
  const page = await opened(browser, desk);
  await page.getByText(/^● live$/).waitFor();
  await page.keyboard.type("gf");
  await row(page, "find-issues").waitFor();
  await page.keyboard.type("/find");
  await page.waitForURL("**/workflows?q=find");
  await unfocused(page);
  await page.keyboard.press("j");
  await page.locator('.row.flow[aria-current="true"]', { hasText: "find-issues" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/workflows/find-issues");
  const focused = (name) => page.evaluate((text) =>
    document.activeElement.labels?.[0]?.textContent.startsWith(text) ?? false, name);
  const tab = async (name) => {
    for (let n = 0; !(await focused(name)); n++) {
      assert.ok(n < 40, `${name} can be reached`);
      await page.keyboard.press("Tab");
    }
  };
  await page.getByText("The check finds nothing.").waitFor();
  await tab("target");
  await page.keyboard.type("src");
  await tab("maxRounds");
  await page.keyboard.type("1");
  await tab("Model");
  await page.keyboard.type("scripted/demo");
  await page.keyboard.press("Enter");
  await says(page, "This is what would start.");
  await unfocused(page);
  await page.keyboard.press("s");
  await atRun(page);
  await ended(runOf(page));
  await page.getByText(/^● live$/).waitFor();
  await page.keyboard.press("Control+k");
  await page.locator("input[role=combobox]:focus").waitFor();
  await page.keyboard.type("workfl");
  await page.locator('[role=option][aria-selected="true"]', { hasText: "Workflows" }).waitFor();
  await page.keyboard.press("Enter");
  await row(page, "find-issues").getByText("$0.00").waitFor();
  page.clean();
});

test("a start with an unfit arg is impossible by mouse, key and Enter", async () => {
  written("strict", meta("strict", { args: { ...ARGS,
    not: { properties: { target: { const: "no" } } } } }) + "return 1;\n");
  const page = await open("strict"), seen = starts(page);
  const press = async (key) => { // Outside of fields, which a fault takes the focus to.
    await unfocused(page);
    await page.keyboard.press(key);
  };
  await page.getByText("The check finds nothing.").waitFor();
  /** Everything that starts elsewhere. */
  const everyWay = async (isSeen = true) => {
    assert.ok(await start(page).isDisabled());
    await start(page).click({ force: true });
    await start(page).dispatchEvent("click");
    await start(page).evaluate((button) => button.click());
    for (const key of ["s", "Enter", "Control+Enter", "p"]) await press(key);
    if (isSeen) await page.locator('[aria-invalid="true"]:focus').waitFor();
    for (const field of ["target", "rounds", "Model", "Cost, at most"]) {
      for (const key of ["Enter", "Control+Enter", "Shift+Enter"]) {
        await page.getByLabel(new RegExp(`^${field}`)).press(key);
      }
    }
    await page.getByLabel(/^more/).press("Control+Enter");
    await press("s");
    assert.ok(await start(page).isDisabled());
  };
  await model(page).fill("scripted/demo");
  await everyWay(); // What is required is missing.
  await page.getByText("This is required.").waitFor();
  assert.equal(await page.getByLabel(/^target/).getAttribute("aria-invalid"), "true");
  await page.getByLabel(/^target/).fill("src");
  for (const [name, text, fault] of [["rounds", "10", "At most 9."],
    ["rounds", "1.5", "This is no whole number."],
    ["more", "{deep", "This is no JSON"], ["Cost, at most", "much", "no amount of dollars"]]) {
    const field = page.getByLabel(new RegExp(`^${name}`));
    await field.fill(text);
    await everyWay();
    await page.getByText(fault).waitFor();
    await says(page, "The args do not fit.");
    await field.fill("");
  }
  // What only the daemon can tell: its plan says why.
  await page.getByLabel(/^target/).fill("no");
  await everyWay(false);
  await page.getByText("It cannot start:").waitFor();
  // A plan that fits is none for what was typed since.
  await page.getByLabel(/^target/).fill("src");
  await plan(page).click();
  await says(page, "This is what would start.");
  assert.ok(await start(page).isEnabled());
  await page.getByLabel(/^rounds/).fill("99");
  await says(page, "Something has changed since this plan.");
  await everyWay();
  await page.getByLabel(/^rounds/).fill("9");
  await page.getByRole("button", { name: "As JSON" }).click();
  assert.deepEqual(JSON.parse(await page.getByLabel("Args").inputValue()),
    { target: "src", rounds: 9 });
  await page.getByLabel("Args").fill('{"target": 7}');
  assert.ok(await start(page).isDisabled());
  await page.getByLabel("Args").press("Control+Enter");
  await page.getByText("It cannot start:").waitFor();
  await press("s");
  await page.getByLabel("Args").fill("[");
  await plan(page).click();
  await page.getByText("This is no JSON").waitFor();
  await press("s");
  assert.deepEqual(seen, []);
  assert.deepEqual(await runsOf("strict"), []);

  await page.getByRole("button", { name: "As a form" }).click();
  await plan(page).click();
  await says(page, "This is what would start.");
  await start(page).focus();
  await page.keyboard.press("Enter");
  await atRun(page);
  assert.equal(seen.length, 1);
  assert.equal((await runsOf("strict")).length, 1);
  page.clean();
});

test("the source is edited: marks come while somebody types, the draft stays, and it starts",
  async () => {
    written("note", meta("note") + "\n".repeat(200) + "log('as it was');\nreturn 'file';\n");
    const page = await open("note");
    await page.getByText("The script says nothing about its args.").waitFor();
    await page.getByText("The check finds nothing.").waitFor();
    const text = await source(page).inputValue();
    const lines = text.split("\n").length;
    await source(page).fill(text.replace("log('as it was')", "paralell([])"));
    const mark = (line) => page.locator(`[data-line="${line}"]`);
    const found = page.getByRole("button", { name: /^warning, line \d+, column 1/ });
    await found.waitFor();
    const line = Number(/line (\d+)/.exec(await found.innerText())[1]);
    assert.equal(line, lines - 2);
    await found.click();
    await page.locator(`[data-line="${line}"][data-mark=warning]`).waitFor();
    assert.equal(await source(page).evaluate((area) =>
      area.value.slice(0, area.selectionStart).split("\n").length), line);
    await mark(1).waitFor({ state: "detached" });
    // Its numbers stand at its lines.
    const [top, at] = await Promise.all([source(page).evaluate((area) =>
      area.getBoundingClientRect().top - area.scrollTop), mark(line).boundingBox()]);
    assert.ok(Math.abs(at.y - (top + 6 + (line - 1) * 18)) < 2, JSON.stringify([top, at, line]));

    await source(page).fill(text.replace("return 'file'", "return ("));
    await page.getByRole("button", { name: /^error, line/ }).waitFor();
    await page.getByText("The script has errors.").waitFor();
    assert.ok(await start(page).isDisabled());
    const declared = meta("note", { args: { type: "object", properties: { n: {
      type: "integer" } } } }) + "return 'edited ' + args.n;\n";
    await source(page).fill(declared);
    await page.getByLabel("n", { exact: true }).fill("5");
    await page.getByText("edited, kept in this browser").waitFor();
    await page.reload();
    await page.getByText("edited, kept in this browser").waitFor();
    assert.equal(await source(page).inputValue(), declared);
    written("note", meta("note") + "return 'other';\n");
    await page.reload();
    await page.getByText("The file has changed since you began to edit it.").waitFor();
    await model(page).fill("scripted/demo");
    await page.getByLabel("n", { exact: true }).fill("5");
    await plan(page).click();
    await says(page, "This is what would start.");
    await start(page).click();
    await atRun(page);
    assert.equal((await ended(runOf(page))).result.result, "edited 5");
    await page.goBack();
    await page.getByRole("button", { name: "Discard the changes" }).click();
    assert.match(await source(page).inputValue(), /return 'other'/);
    await page.reload();
    await page.getByText("The check finds nothing.").waitFor();
    assert.match(await source(page).inputValue(), /return 'other'/);
    page.clean();
  });

test("what was edited is saved into the file, unless that has changed meanwhile", async () => {
  const at = written("kept", meta("kept") + "return 1;\n");
  const page = await open("kept"), save = page.getByRole("button", { name: "Save into the file" });
  await page.getByText("The check finds nothing.").waitFor();
  const mine = meta("kept") + "return 2;\n";
  await source(page).fill(mine);
  await save.click();
  await page.getByText("edited, kept in this browser").waitFor({ state: "detached" });
  assert.equal(readFileSync(at, "utf8"), mine);
  await source(page).fill(meta("renamed") + "return 3;\n");
  await save.click();
  await page.getByRole("alert").getByText(/would be "renamed"/).waitFor();
  writeFileSync(at, meta("kept") + "return 'theirs';\n");
  await source(page).fill(meta("kept") + "return 4;\n");
  await save.click();
  await page.getByRole("alert").getByText("has changed since it was read").waitFor();
  await page.reload();
  await page.getByText("The file has changed since you began to edit it.").waitFor();
  assert.equal(await save.count(), 0);
  assert.match(readFileSync(at, "utf8"), /theirs/);
  page.clean();
});

test("a folder that is typed while the page goes to the one before it stays", async () => {
  const page = await opened(browser, desk, { target: `/workflows${query}` });
  await row(page, "sweep").waitFor();
  const left = await page.evaluate(async () => {
    const field = document.querySelector(".flow-folder input");
    const type = (text) => {
      field.value = text;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    };
    type("/tmp");
    field.form.requestSubmit();
    for (let n = 0; n < 20; n++) await null; // The page has drawn it, and its effects are due.
    type("/typed");
    for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame);
    await new Promise((resolve) => setTimeout(resolve, 0));
    return `${location.search} ${field.value}`;
  });
  assert.equal(left, "?root=%2Ftmp /typed");
  page.clean();
});

test("what is broken, shadowed or missing says so, and an empty list has the next command",
  async () => {
    const folder = scratch(file), at = `?root=${encodeURIComponent(folder)}`;
    const page = await opened(browser, desk, { target: `/workflows${at}` });
    await page.getByText("drover workflow new review").waitFor();
    written("broken", "export const meta = { name: 1 };\n", folder);
    written("plan-verify", meta("plan-verify") + "return 1;\n", folder);
    await page.reload();
    await row(page, "broken").getByText(/broken, line 1: meta.name/).waitFor();
    await page.locator(".row.flow", { hasText: "Another one has its name" }).waitFor();
    await page.getByRole("searchbox").fill("nothing has this name");
    await page.getByText("No workflow or flow matches the filter.").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await row(page, "broken").getByRole("link").first().click();
    await page.getByRole("button", { name: /^error, line 1/ }).waitFor();
    assert.ok(await start(page).isDisabled());
    await page.goto(`${desk.daemon.url}/workflows/nowhere${at}`);
    await page.getByText("workflow_not_found").waitFor();
    await page.goto(`${desk.daemon.url}/workflows?root=relative`);
    await page.getByRole("alert").waitFor();
    page.clean();
  });

test("texts of a script are inert, bounded, and what is hidden in them is marked", async () => {
  const folder = scratch(file), at = `?root=${encodeURIComponent(folder)}`;
  written("evil", meta("evil", { description: HOSTILE.html + HOSTILE.turned + HOSTILE.escapes,
    whenToUse: HOSTILE.links, phases: [{ title: HOSTILE.html, detail: HOSTILE.turned }],
    args: { type: "object", properties: { [HOSTILE.html]: { type: "string",
      description: HOSTILE.turned.repeat(100), default: HOSTILE.html },
    ["\u202ek"]: { enum: [HOSTILE.html, HOSTILE.turned] } } } }) +
    "// access \u202e level\n" +
    `await agent('say: x', { label: ${JSON.stringify(HOSTILE.html)} });\nreturn 1;\n`, folder);
  const page = await opened(browser, desk, { target: `/workflows${at}` });
  await row(page, "evil").getByText("⟦RLO⟧").waitFor();
  await row(page, "evil").getByRole("link").first().click();
  await page.getByText("characters that are invisible or turn the direction").first().waitFor();
  await model(page).fill("scripted/demo");
  await plan(page).click();
  await page.locator(".flow-waves").getByText("<img src=x").waitFor();
  assert.equal(await page.locator("main img, main iframe, main script, main base").count(), 0);
  assert.equal(await overflow(page), 0);
  const drawn = await page.locator("main").innerText();
  assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(drawn), "nothing turns the text");
  page.clean();
});

test("on a phone nothing is too wide, buttons are large, and it starts", async () => {
  const page = await opened(browser, desk, { target: `/workflows${query}`, ...PHONE });
  await row(page, "sweep").waitFor();
  const large = async () => {
    assert.equal(await overflow(page), 0);
    const fields = "main button:visible, main select:visible, main input:visible";
    for (const one of await page.locator(fields).all()) {
      const { height } = await one.boundingBox();
      assert.ok(height >= 44, `${await one.evaluate(({ outerHTML }) => outerHTML)}: ${height}`);
    }
  };
  await large();
  await row(page, "sweep").getByRole("link").first().tap();
  await page.getByText("The check finds nothing.").waitFor();
  await large();
  await page.getByLabel(/^target/).fill("src");
  await model(page).fill("scripted/demo");
  await plan(page).tap();
  await says(page, "This is what would start.");
  await large();
  await start(page).tap();
  await atRun(page);
  page.clean();
});

test("axe finds nothing, light and dark; 200 % of the size fits", async () => {
  written("faulty", meta("faulty", { args: ARGS }) + "paralell();\nreturn 1;\n");
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { colorScheme, target: `/workflows${query}`,
      viewport: { width: 640, height: 400 } }); // 1280 px, at 200 %.
    await row(page, "sweep").getByRole("link").first().waitFor();
    await page.locator("summary").click();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), [], `${colorScheme}: catalog`);
    await page.goto(`${desk.daemon.url}/workflows/faulty${query}`);
    await page.getByRole("button", { name: /^warning/ }).waitFor();
    await plan(page).click();
    await page.getByText("This is required.").waitFor();
    assert.deepEqual(await axe(page), [], `${colorScheme}: faults`);
    await page.getByLabel(/^target/).fill("src");
    await model(page).fill("scripted/demo");
    await plan(page).click();
    await page.getByText("With the answers of the rehearsal the script fails").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await axe(page), [], `${colorScheme}: plan`);
    page.clean();
    await page.context().close();
  }
});

test("a key that only looks sees all, and starts nothing", async () => {
  const { stdout } = await desk.daemon.cli(["token", "create", "--scope", "read"]);
  const reader = { daemon: desk.daemon, key: stdout.split("\n")[0] };
  const page = await opened(browser, reader, { target: `/workflows/sweep${query}` });
  const seen = starts(page);
  await page.getByText("To start a workflow it needs the scope run.").waitFor();
  await page.getByText("The check finds nothing.").waitFor();
  assert.equal(await page.getByRole("button", { name: /^(Plan|Start)$/ }).count(), 0);
  assert.ok(await page.getByLabel(/^target/).isDisabled());
  assert.equal(await source(page).getAttribute("readonly"), "");
  await unfocused(page);
  for (const key of ["p", "s", "Enter"]) await page.keyboard.press(key);
  assert.deepEqual(seen, []);
  page.clean();
});
