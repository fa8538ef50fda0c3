// viewer.test.mjs: a run as one file: what the page of the daemon shows, without the daemon.
//
// runs-with: web
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { scratch } from "../integration/lib.mjs";
import { until } from "./beside.mjs";
import { axe, browserOf, fileOf, opened, overflow, serving } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";
import { compiled } from "./parts.mjs";

const file = fileOf({ after, afterEach });
let browser, desk, id, url, folder;
const SCRIPT = `export const meta = { name: 'flock', description: 'counts sheep',
  phases: [{ title: 'Find' }, { title: 'Fix' }] };
phase('Find');
log(${JSON.stringify(HOSTILE.html)});
await agent('say: three', { label: 'find' });
phase('Fix');
await parallel([1, 2].map((n) => () => agent('call: run_command {"command": "echo ' + n + '"}' +
  (n === 2 ? '\\nfail: 400' : '\\nsay: done ' + n), { label: 'fix ' + n })));
return '**whole** ' + ${JSON.stringify(HOSTILE.turned)};`;

const api = async (method, target, body) => {
  const answer = await desk.daemon.request(method, `/api/v1${target}`, { local: true, body });
  assert.ok(answer.status < 300, `${target}: ${answer.text}`);
  return answer;
};

before(async () => {
  browser = await browserOf(file);
  desk = await serving(file);
  folder = scratch(file);
  id = (await api("POST", "/workflows", { script: SCRIPT, model: "scripted/demo",
    root: scratch(file), settings: { permissions: [{ permission: "allow" }] } })).json.runId;
  await until(desk, `/runs/${id}`, ({ ended_ms }) => ended_ms !== null);
  const name = path.join(folder, "run.html");
  writeFileSync(name, (await api("GET", `/runs/${id}/export?format=html`)).text);
  url = pathToFileURL(name).href;
});

/** The file in a page that asks nobody anything; what it does wrong ends the test. */
async function fileOpened(options) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 },
    ...options })).newPage();
  const faults = [];
  page.on("console", (line) => line.type() === "error" && faults.push(line.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => request.url().startsWith(url) || faults.push(request.url()));
  await page.goto(url);
  await row(page, "find").waitFor();
  return Object.assign(page, { clean: () => assert.deepEqual(faults, []) });
}

const row = (page, name) =>
  page.locator(".run-row", { has: page.getByText(name, { exact: true }) });
/** Without what was only foreseen: the plan is not in the file. */
const agentsOf = (page) => page.locator(".run-row.is-agent").evaluateAll((rows) =>
  rows.map((one) => [one.textContent, one.querySelector(".shape")?.className ?? "",
    one.querySelectorAll("[data-bar]").length]));

test("rows, sums, log, script, result and the past are those of the daemon's page", async () => {
  const held = await fileOpened(), live = await opened(browser, desk, { target: `/r/${id}` });
  await row(live, "find").waitFor();
  const both = (act) => Promise.all([act(held), act(live)]);
  const same = async (what, read) => {
    const [mine, theirs] = await both(read);
    assert.deepEqual(mine, theirs, what);
    assert.ok(mine.length > 0, what);
  };
  await same("rows", agentsOf);
  await same("sums", (page) =>
    page.locator(".run-done, .run-sums > [class^=tone]").allInnerTexts());
  for (const view of ["Script", "Log"]) {
    await both((page) => page.getByRole("button", { name: view, exact: true }).click());
    await both((page) => page.locator(".source-line, .log-line").first().waitFor());
    await same(view, (page) => page.locator(".source-line, .log-line").allInnerTexts());
  }
  await held.getByRole("button", { name: "Result", exact: true }).click();
  await held.getByText("**whole** user ⟦RLO⟧gpj.exe").waitFor();
  await both((page) => page.getByRole("button", { name: "Gantt" }).click());
  for (let step = 0; step < 4; step++) await both((page) => page.keyboard.press(","));
  await held.locator(".scrubber.past").waitFor();
  await live.locator(".scrubber.past").waitFor();
  await same("the past", agentsOf);
  await same("its number", (page) => page.locator(".scrub-text").allInnerTexts());
  held.clean();
  live.clean();
});

test("an agent and its trace by keyboard; the place stands after the file's #", async () => {
  const page = await fileOpened();
  await row(page, "fix 2").click();
  const agent = page.getByRole("complementary", { name: /^Agent/ });
  await agent.locator("li", { hasText: "run_command" }).waitFor();
  assert.equal(await agent.getByRole("button", { name: "Restart" }).count(), 0);
  await page.keyboard.press("Escape");
  await agent.waitFor({ state: "detached" });
  await page.keyboard.press("v");
  await page.waitForURL(`${url}#/r/${id}/trace**`);
  await page.getByText("HTTP 400").first().waitFor();
  await page.keyboard.press("n");
  await page.getByRole("complementary").waitFor();
  await page.goBack();
  await row(page, "find").waitFor();
  assert.equal(await page.getByRole("button", { name: /Stop|Pause|Run again/ }).count(), 0);
  page.clean();
});

test("nothing leads to a session; what the script calls so stays", async () => {
  const { sessionless } = await compiled("viewer/sessions.ts");
  const own = { session: "own" }, of = "ses_1";
  const at = (type) => ({ type, data: { session: of, result: own } });
  const { run, agents, spans, events, args } = sessionless({ args: own,
    run: { id: "run_1", session: of, spec: { args: own }, result: own },
    agents: [{ session: of, result: own }], spans: [{ id: "1", session: of, input: "session" }],
    events: [at("agent_started"), at("agent_session"), at("script_log")] });
  assert.deepEqual([args, run.spec.args, run.result, agents[0].result, events[0].data.result],
    Array(5).fill(own));
  assert.deepEqual([run, agents[0], spans[0], events[0].data, events[1].data, events[2].data]
    .map(({ session }) => session), [null, null, null, null, null, of]);
});

test("axe finds nothing, light and dark; nothing is lost at 360 px", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await fileOpened({ colorScheme });
    assert.deepEqual(await axe(page), [], colorScheme);
    page.clean();
  }
  const page = await fileOpened({ viewport: { width: 360, height: 740 } });
  await page.getByRole("button", { name: "Log", exact: true }).click();
  await page.getByText("onerror=alert(1)").first().waitFor();
  assert.equal(await page.locator("main").locator("img, iframe, base, style").count(), 0);
  assert.ok(await overflow(page) <= 0);
  page.clean();
});

test("what shows the run takes 251 kB at most beside its document", async () => {
  const [html, json] = await Promise.all(["html", "json"].map(async (format) =>
    (await api("GET", `/runs/${id}/export?format=${format}`)).text));
  const more = html.length - json.replaceAll("<", "\\u003c").length;
  assert.ok(more > 0 && more <= 251_000, `${more} bytes`);
});

test("the page saves both files", async () => {
  const page = await opened(browser, desk, { target: `/r/${id}` });
  for (const [name, ending] of [["Export as a page", "html"], ["Export as JSON", "json"]]) {
    await page.getByLabel("Actions").click();
    const [saved] = await Promise.all([page.waitForEvent("download"),
      page.getByRole("button", { name }).click()]);
    assert.equal(saved.suggestedFilename(), `${id}.${ending}`);
    await page.getByLabel("Actions").click();
  }
  page.clean();
});
