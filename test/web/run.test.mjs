// run.test.mjs: a workflow run in a browser: its tree and Gantt, its past, why it does not move,
// and one agent of it.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { scratch } from "../integration/lib.mjs";
import { until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";

const file = fileOf({ after, afterEach });
let browser, desk, root;
before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  root = scratch(file);
});

const api = async (method, target, body) => {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, `${target}: ${answer.text}`);
  return answer.json;
};
const meta = (phases = []) => `export const meta = { name: 'flock', description: 'counts sheep', ` +
  `phases: ${JSON.stringify(phases.map((title) => ({ title })))} };\n`;
const start = async (body, more = {}) => (await api("POST", "/workflows",
  { script: meta(more.phases) + body, model: "scripted/demo", root, label: "review",
    ...more.body })).runId;
const agent = (label, ...lines) =>
  `agent(${JSON.stringify(lines.join("\n"))}, {label: ${JSON.stringify(label)}})`;
const together = (...calls) =>
  `await parallel([${calls.map((one) => `() => ${one}`).join(", ")}]);\n`;
const asks = (label, ...then) =>
  agent(label, "call: run_command {\"command\": \"true\"}", ...then);
const ended = (id) => until(desk, `/runs/${id}`, ({ ended_ms }) => ended_ms !== null);
const agentsOf = async (id) => (await api("GET", `/runs/${id}/agents?limit=200`)).items;
const asked = (id) => until(desk, "/approvals?limit=200", ({ items }) =>
  items.some(({ root_run }) => root_run === id));
async function allowAll(id) {
  const { items } = await asked(id);
  const mine = items.filter(({ root_run }) => root_run === id);
  for (const { id: one } of mine) await api("POST", `/approvals/${one}`, { decision: "allow" });
}

/** A question that has just come is answered by no key and no click: again, until it counts. */
async function answered(id, act) {
  const open = async () => (await api("GET", "/approvals")).items.some(
    ({ root_run }) => root_run === id);
  while (await open()) await act();
}

const row = (page, name) =>
  page.locator(".run-row", { has: page.getByText(name, { exact: true }) });
const scrub = (page, text) => page.locator(".scrub-text", { hasText: text });
const why = (page, text) => page.locator(".run-why", { hasText: text });
const at = (page) => Number(new URL(page.url()).searchParams.get("at"));
const inspector = (page) => page.getByRole("complementary", { name: /^Agent/ });

const FLOCK = "phase('Find');\n" +
  together(agent("find a", "say: a"), agent("find b", "delay: 20ms", "fail: 400")) +
  "log('found');\nphase('Fix');\n" +
  together(asks("fix 1", "say: fixed **it**"), agent("fix 2", "delay: 600s")) +
  "phase('Check');\n" + `await ${agent("check", "say: fine")};\n` + "return 'all is **well**';";

test("by mouse: from Home to a run, a question is answered, an agent skipped, the result read",
  async () => {
    const id = await start(FLOCK, { phases: ["Find", "Fix", "Check"] });
    const page = await opened(browser, desk);
    await page.locator(".running").getByRole("link", { name: "review" }).click();
    await page.waitForURL(`**/r/${id}`);
    await why(page, "Fix › fix 1 waits for you: run_command").waitFor();
    await row(page, "fix 1").locator("[data-bar=wait]").waitFor();
    await row(page, "find b").locator("[data-bar=fail]").waitFor();
    await row(page, "check").locator("[data-bar=ghost]").waitFor();
    await page.getByText("3 of 5").waitFor({ state: "detached" });
    await page.getByText("2 of 5", { exact: true }).waitFor();
    await page.locator(".run-why button").click();
    const allow = inspector(page).getByRole("button", { name: /^Allow/ });
    await allow.waitFor();
    await answered(id, () => allow.evaluate((button) => button.click()).catch(() => {}));
    await row(page, "fix 1").locator("[data-bar=ok]").last().waitFor();
    await inspector(page).locator(".run-tools", { hasText: "run_command" }).waitFor();
    await inspector(page).locator(".markdown strong", { hasText: "it" }).waitFor();
    await row(page, "fix 2").click();
    await inspector(page).getByRole("button", { name: "Skip" }).click();
    await page.locator(".run-title .state", { hasText: "degraded" }).waitFor();
    await page.getByRole("button", { name: "Result" }).click();
    await page.locator(".run-result strong", { hasText: "well" }).waitFor();
    await page.getByRole("button", { name: "find b" }).click();
    await inspector(page).getByText("HTTP 400").waitFor();
    await page.getByRole("button", { name: "Log", exact: true }).click();
    assert.deepEqual(await page.locator(".log-line .clip").allInnerTexts(),
      ["Find", "found", "Fix", "Check"]);
    await page.getByRole("button", { name: "Script" }).click();
    await page.locator(".source-line", { hasText: "phase('Check')" }).waitFor();
    page.clean();
  });

test("by keyboard alone: rows, phases, questions, failures, the past, zoom, pause and stop",
  async () => {
    const id = await start(FLOCK, { phases: ["Find", "Fix", "Check"] });
    await asked(id);
    const page = await opened(browser, desk, { target: `/r/${id}` });
    const press = (...keys) => keys.reduce((before, key) =>
      before.then(() => page.keyboard.press(key)), Promise.resolve());
    await row(page, "fix 1").waitFor();
    const selected = (name) => page.locator(".run-row.sel", { hasText: name }).waitFor();
    await press("j");
    await selected("Find");
    await press("e");
    await row(page, "find a").waitFor({ state: "detached" });
    await press("e", "j");
    await selected("find b");
    await inspector(page).getByText("HTTP 400").waitFor();
    await press("Escape");
    await inspector(page).waitFor({ state: "detached" });
    await press("w");
    await selected("fix 1");
    await inspector(page).getByRole("button", { name: /^Allow/ }).waitFor();
    await press("n");
    await selected("find b");
    await press("w");
    await selected("fix 1");
    await answered(id, () => press("a"));
    await row(page, "fix 1").locator("[data-bar=ok]").last().waitFor();
    await press("E");
    await row(page, "fix 1").waitFor({ state: "detached" });
    await press("E");
    await row(page, "fix 1").waitFor();

    const head = Number((await page.locator(".scrub-text").innerText()).split(" of ")[1]
      .split(" ")[0]);
    await press(",", ",");
    await scrub(page, `#${head - 2} of`).waitFor();
    await page.waitForURL(`**at=${head - 2}*`);
    await page.getByText(`This is how it was at event ${head - 2}`).waitFor();
    await press(".");
    await scrub(page, `#${head - 1} of`).waitFor();
    await press("l");
    await page.locator(".scrubber.past").waitFor({ state: "detached" });
    await page.waitForURL((url) => !url.searchParams.has("at"));

    const width = () => row(page, "find a").locator("[data-bar]").evaluate((bar) =>
      bar.getBoundingClientRect().width);
    const before = await width();
    await press("-", "+", "+", "z");
    await page.waitForFunction((was) => Math.abs(was - [...document.querySelectorAll(".run-row")]
      .find((one) => one.textContent.includes("find a")).querySelector("[data-bar]")
      .getBoundingClientRect().width) < 8, before);

    await press("p");
    await page.locator(".run-title .state", { hasText: "paused" }).waitFor();
    await why(page, "paused").waitFor();
    await press("p");
    await page.locator(".run-title .state", { hasText: "running" }).waitFor();
    await press("x");
    await page.locator(".run-title .state", { hasText: "cancelled" }).waitFor();
    page.clean();
  });

/** Runs in the page: what is shown, but for what the clock alone changes. */
function picture() {
  const text = document.querySelector(".scrub-text")?.textContent ?? "";
  const rows = [...document.querySelectorAll(".run-row")].map((one) => {
    const copy = one.cloneNode(true);
    copy.querySelectorAll("[data-clock]").forEach((each) => each.remove());
    const bars = [...copy.querySelectorAll("[data-bar]")].map(({ dataset }) => dataset.bar);
    const shape = copy.querySelector(".shape");
    return [copy.dataset.row, copy.textContent, shape?.className ?? "", bars.join(" ")].join(" | ");
  });
  const sums = [...document.querySelectorAll(".run-done, .run-sums > [class^=tone]")]
    .map(({ textContent }) => textContent);
  return { at: Number(/#([\d,]+)/.exec(text)?.[1].replace(",", "")), shown: [...sums, ...rows] };
}

function record() {
  window.__seen = new Map();
  requestAnimationFrame(function look() {
    const { at: seq, shown } = window.__picture();
    window.__seen.set(seq, shown);
    requestAnimationFrame(look);
  });
}

test("the page at an event of the past is what it was when that event was the newest", async () => {
  const call = JSON.stringify("call: run_command {\"command\": \"true\"}\n");
  const lane = (n) => `async () => { for (let i = 0; i < 6; i++) await agent(` +
    `${call} + (i === 4 ? 'fail: 400' : 'say: x'), ` +
    `{label: 'work ${n}.' + i, phase: i < 3 ? 'Fix' : 'Check'}); }`;
  const id = await start("phase('Find');\n" + `await ${asks("first", "say: go")};\n` +
    `await parallel([${[1, 2, 3, 4, 5].map(lane).join(", ")}]);\n` +
    "log('nearly');\n" + `await ${agent("last", "say: over")};`,
  { phases: ["Find", "Fix", "Check"], body: { concurrency: 4 } });
  await asked(id);
  const page = await opened(browser, desk, { target: `/r/${id}`,
    viewport: { width: 1280, height: 1500 } });
  await page.locator(".run-row.is-ghost").first().waitFor();
  await page.evaluate(`window.__picture = ${picture}; (${record})()`);
  const state = page.locator(".run-title .state");
  for (let step = 0; step < 31; step++) { // One after the other, and the page shows each.
    const { items } = await asked(id);
    const before = await page.locator(".scrub-text").innerText();
    await api("POST", `/approvals/${items.find(({ root_run }) => root_run === id).id}`,
      { decision: "allow" });
    await page.waitForFunction((text) =>
      document.querySelector(".scrub-text").innerText !== text, before);
  }
  await state.filter({ hasText: "degraded" }).waitFor();
  const seen = await page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return [...window.__seen];
  });
  assert.ok(seen.length >= 20, `${seen.length} moments were recorded`);
  for (const [seq, shown] of seen.slice(-50)) {
    await page.locator(".scrub-box input").evaluate((slider, value) => {
      slider.value = String(value);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }, seq);
    await page.waitForFunction((value) => window.__picture().at === value, seq);
    assert.deepEqual((await page.evaluate(() => window.__picture())).shown, shown, `at ${seq}`);
  }
  // By its address, too.
  const [seq, shown] = seen[Math.floor(seen.length / 2)];
  await page.goto(`${desk.daemon.url}/r/${id}?at=${seq}`);
  await page.evaluate(`window.__picture = ${picture}`);
  await page.waitForFunction(([value, count]) => {
    const now = window.__picture();
    return now.at === value && now.shown.length === count;
  }, [seq, shown.length]);
  assert.deepEqual((await page.evaluate(() => window.__picture())).shown, shown);
  assert.equal(at(page), seq);
  page.clean();
});

test("ghosts are what the rehearsal foresaw; filled and unplanned are all agents in the end",
  async () => {
    const body = `await ${asks("first")};\n` +
      "const n = (await agent('say: no number')) === 'no number' ? 3 : 1;\nphase('Fix');\n" +
      "for (let i = 0; i < n; i++) await agent('say: ' + i, {label: 'fix', phase: 'Fix'});";
    const id = await start(body, { phases: ["Fix"] });
    await asked(id);
    const plan = await api("POST", "/scripts/plan",
      { script: meta(["Fix"]) + body, model: "scripted/demo", root });
    const page = await opened(browser, desk, { target: `/r/${id}` });
    await page.locator(".run-row.is-ghost").first().waitFor();
    const ghosts = await page.locator(".run-row.is-ghost .row-meta").evaluateAll((list) =>
      list.reduce((sum, one) => sum + Number(/× (\d+)/.exec(one.textContent)?.[1] ?? 1), 0));
    const begun = (await agentsOf(id)).length;
    assert.equal(ghosts + begun, plan.rehearsal.agents);
    await allowAll(id);
    await ended(id);
    await page.locator(".run-title .state", { hasText: "succeeded" }).waitFor();
    const unplanned = await page.locator(".run-row .unplanned").count();
    const all = await agentsOf(id);
    assert.equal(await page.locator(".run-row.is-agent").count(), all.length);
    assert.equal(plan.rehearsal.agents + unplanned, all.length);
    assert.ok(unplanned > 0);
    assert.equal(await page.locator(".run-row.is-ghost").count(), 0);
    page.clean();
  });

test("a run is run again: refused while it lives, with what is cached and its price before",
  async () => {
    const id = await start(`await ${agent("one", "say: 1")};\nawait ${agent("two", "say: 2")};\n` +
      `await ${asks("three", "say: 3")};`);
    await asked(id);
    const page = await opened(browser, desk, { target: `/r/${id}` });
    await page.getByRole("button", { name: "Run again from here" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("It can be run again once it has ended").waitFor();
    assert.equal(await dialog.getByRole("button", { name: "Start" }).count(), 0);
    await dialog.getByRole("button", { name: "Stop it first" }).click();
    await dialog.getByText("2 agents cached, 1 agent asked again.").waitFor();
    await dialog.getByText("The rest costs at most $0.00").waitFor();
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.waitForURL((url) => url.pathname.startsWith("/r/") && !url.pathname.endsWith(id));
    await page.locator("[data-bar=cached]").first().waitFor();
    await page.locator(".run-sums", { hasText: "2 cached" }).waitFor();
    const [other] = new URL(page.url()).pathname.split("/").slice(-1);
    await allowAll(other);
    await page.locator(".run-title .state", { hasText: "succeeded" }).waitFor();
    // From the moment at which only the first one had finished.
    const { events } = await api("GET", `/streams/run:${id}/events?limit=1000`);
    const { seq } = events.find(({ type }) => type === "agent_finished");
    await page.goto(`${desk.daemon.url}/r/${id}?at=${seq}`);
    await scrub(page, `#${seq} of`).waitFor();
    await page.getByRole("button", { name: "Run again from here" }).click();
    await dialog.getByText(`Run again from event ${seq}`).waitFor();
    await dialog.getByText("1 agent cached, 2 agents asked again.").waitFor();
    page.clean();
  });

test("why it does not move: a question, its provider, a pause; and each sentence goes again",
  async () => {
    const id = await start(`await ${asks("asks", "say: x")};\n` +
      `await ${agent("limited", "fail: 429 after 600s")};`);
    const page = await opened(browser, desk, { target: `/r/${id}?view=tree` });
    await why(page, "asks waits for you: run_command").waitFor();
    await row(page, "asks").getByText(/waits for you/).waitFor();
    await allowAll(id);
    await why(page, "waits for you").waitFor({ state: "detached" });
    await why(page, /limited its provider: .*next try in/).waitFor();
    await row(page, "limited").getByText(/its provider/).waitFor();
    const [, { id: limited }] = await agentsOf(id);
    await api("POST", `/runs/${limited}/skip`, {});
    await page.locator(".run-title .state", { hasText: "succeeded" }).waitFor();
    assert.equal(await page.locator(".run-why").count(), 0);
    page.clean();
  });

test("why it does not move: a slot, a budget, silence; each goes with its cause", async () => {
  const pair = together(agent("first", "delay: 600s"), agent("second", "say: x"));
  const skipped = async (id) => {
    const [{ id: first }] = (await agentsOf(id)).filter(({ label }) => label === "first");
    await api("POST", `/runs/${first}/skip`, {});
  };
  const slot = /^waits for a slot of this run: 1 of 1 are taken$/;
  for (const [limit, text, lead] of [[{ concurrency: 1 }, slot, /first silent \d+ s/],
    [{ budget: { output_tokens: 1000 } }, /budget/, /second .*budget/]]) {
    const id = await start(pair, { body: limit });
    const page = await opened(browser, desk, { target: `/r/${id}?view=tree` });
    const second = row(page, "second").getByText(text);
    await second.waitFor();
    await row(page, "first").getByText(/^silent \d+ s, restarts at 330 s/).waitFor();
    await why(page, lead).waitFor(); // The head of the run says what its rows say.
    await skipped(id);
    await second.waitFor({ state: "detached" });
    await page.locator(".run-title .state", { hasText: "succeeded" }).waitFor();
    assert.equal(await page.locator(".run-why").count(), 0);
    page.clean();
  }
});

test("an agent that writes for a long time is never called silent", async () => {
  const lines = Array.from({ length: 24 }, (_, n) => [`say: word ${n} `, "delay: 500ms"]).flat();
  const id = await start(`await ${agent("writer", ...lines)};`);
  const page = await opened(browser, desk, { target: `/r/${id}?view=tree` });
  await page.evaluate(() => {
    window.__said = new Set();
    new MutationObserver(() => document.querySelectorAll(".run-row, .run-why").forEach((one) =>
      window.__said.add(one.textContent))).observe(document.body,
      { childList: true, subtree: true, characterData: true });
  });
  await page.locator(".run-title .state", { hasText: "succeeded" }).waitFor();
  const said = await page.evaluate(() => [...window.__said]);
  assert.ok(said.some((text) => text.includes("writer")), said.join("\n"));
  assert.deepEqual(said.filter((text) => /silent/.test(text)), []);
  page.clean();
});

test("other runs lead to the places that show them", async () => {
  const { id: job } = await api("POST", "/jobs", { argv: ["true"] });
  const id = await start(`await ${asks("asks")};`);
  const { items } = await asked(id);
  const { run: turn, session } = items.find(({ root_run }) => root_run === id);
  const [{ id: one }] = await agentsOf(id);
  const page = await opened(browser, desk, { target: `/r/${job}` });
  await page.waitForURL(`**/j/${job}`);
  await page.goto(`${desk.daemon.url}/r/${turn}`);
  await page.waitForURL(`**/s/${session}`);
  await page.goto(`${desk.daemon.url}/r/${one}`);
  await page.waitForURL(`**/r/${id}?agent=${one}`);
  await inspector(page).getByRole("button", { name: /^Allow/ }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Find or go to…" }).getByRole("combobox").waitFor();
  await page.keyboard.insertText(id); // Keys before that are the run's: x stops it.
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/r/${id}`);
  await page.goto(`${desk.daemon.url}/r/${id}?view=trace`);
  await page.waitForURL(`**/r/${id}/trace`);
  await page.goto(`${desk.daemon.url}/r/run_00000000000000000000000000`);
  await page.getByRole("alert").waitFor();
  await api("POST", `/runs/${id}/stop`, {});
  page.clean();
});

test("an agent whose result was taken over leads to the one that gave it", async () => {
  const first = await start(`return await ${agent("look", "say: a")};`);
  await ended(first);
  const { runId: second } = await api("POST", "/workflows", { resumeFromRunId: first });
  await ended(second);
  const [{ id }] = await agentsOf(first), page = await opened(browser, desk,
    { target: `/r/${second}` });
  await page.getByText("1 cached").waitFor();
  await row(page, "look").click();
  await inspector(page).getByRole("link", { name: id }).click();
  await page.waitForURL(`**/r/${first}?agent=${id}`);
  await inspector(page).getByRole("heading", { name: "look" }).waitFor();
  assert.equal(await inspector(page).getByRole("link", { name: /^run_/ }).count(), 0);
  page.clean();
});

test("on a phone rows are stacked, and an agent is a sheet with its own address", async () => {
  const id = await start(FLOCK, { phases: ["Find", "Fix", "Check"] });
  await asked(id);
  const page = await opened(browser, desk, { target: `/r/${id}`, ...PHONE });
  await row(page, "fix 1").tap();
  const sheet = inspector(page);
  await sheet.getByRole("button", { name: /^Allow/ }).waitFor();
  const { width, height } = await sheet.boundingBox();
  assert.ok(width >= 350 && height > 500, `${width} × ${height}`);
  const address = page.url();
  assert.match(address, /agent=/);
  assert.deepEqual(await axe(page), []);
  await page.goBack();
  await sheet.waitFor({ state: "detached" });
  await page.goto(address);
  const deny = sheet.getByRole("button", { name: /^Deny/ });
  await deny.waitFor();
  await answered(id, () => deny.evaluate((button) => button.click()).catch(() => {}));
  await deny.waitFor({ state: "detached" });
  const focused = (what) => page.waitForFunction((fits) =>
    document.activeElement.matches(fits), what);
  await focused('.inspector [aria-label="Close"]');
  await sheet.getByRole("button", { name: "Close" }).tap();
  await focused(".run-list .windowed");
  for (const view of ["Tree", "Gantt", "Script", "Log", "Result"]) {
    await page.getByRole("button", { name: view, exact: true }).tap();
    assert.ok(await overflow(page) <= 0, view);
  }
  await page.getByRole("button", { name: "Gantt" }).tap();
  const stacked = await row(page, "find a").evaluate((one) => ({
    height: one.getBoundingClientRect().height,
    below: one.querySelector(".track").getBoundingClientRect().top >=
      one.querySelector(".row-name").getBoundingClientRect().bottom - 1,
  }));
  assert.deepEqual(stacked, { height: 44, below: true });
  await page.getByLabel("Actions").tap();
  await page.getByRole("button", { name: "Stop" }).tap();
  await page.locator(".run-title .state", { hasText: "cancelled" }).waitFor();
  page.clean();
});

test("axe finds nothing, in both colours; enlarged to 200 % nothing is lost", async () => {
  const id = await start(FLOCK, { phases: ["Find", "Fix", "Check"] });
  const { items } = await asked(id);
  const { agent: label } = items.find(({ root_run }) => root_run === id);
  assert.equal(label, "fix 1");
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened(browser, desk, { target: `/r/${id}`, colorScheme });
    await row(page, "fix 1").click();
    await inspector(page).getByRole("button", { name: /^Allow/ }).waitFor();
    await page.locator(".run-row.is-ghost").first().waitFor();
    for (const view of ["Gantt", "Tree", "Script", "Log", "Result"]) {
      await page.getByRole("button", { name: view, exact: true }).click();
      assert.deepEqual(await axe(page), [], `${view}, ${colorScheme}`);
    }
    await page.getByRole("button", { name: "Gantt" }).click();
    await page.locator(".scrub-box input").press("ArrowLeft");
    await page.locator(".scrubber.past").waitFor();
    assert.deepEqual(await axe(page), [], `the past, ${colorScheme}`);
    page.clean();
  }
  const page = await opened(browser, desk, { target: `/r/${id}`, deviceScaleFactor: 2,
    viewport: { width: 640, height: 400 }, reducedMotion: "reduce" });
  await row(page, "find a").waitFor();
  assert.ok(await overflow(page) <= 0);
  await page.getByLabel("Actions").click();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".run-title .state", { hasText: "cancelled" }).waitFor();
  page.clean();
});

test("hostile labels, prompts, lines, results and scripts are text", async () => {
  const texts = ["html", "links", "escapes", "turned"].map((name) => HOSTILE[name]);
  const body = texts.map((text) => {
    const quoted = JSON.stringify(text);
    return `phase(${quoted}.slice(0, 80)); log(${quoted});\n` +
      `await agent(${quoted} + '\\nsay: x', {label: ${quoted}.slice(0, 80)});\n`;
  }).join("") + `// ${HOSTILE.html.split("\n")[0]}\nreturn ${JSON.stringify(texts.join("\n\n"))};`;
  const id = await start(body, { body: { label: "<b>name \u202egnp.exe" } });
  await ended(id);
  const page = await opened(browser, desk, { target: `/r/${id}` });
  assert.match(await page.locator("h1").innerText(), /<b>name ⟦RLO⟧gnp\.exe/);
  await page.locator(".run-row.is-agent").first().click();
  await inspector(page).locator(".run-prompt", { hasText: "<img src=x" }).waitFor();
  for (const view of ["Tree", "Script", "Log", "Result"]) {
    await page.getByRole("button", { name: view, exact: true }).click();
    await page.getByText("onerror=alert(1)").first().waitFor();
    assert.equal(await page.locator("main").locator("script, iframe, img, base, style").count(), 0);
    assert.ok(await overflow(page) <= 0, view);
  }
  page.clean();
});
