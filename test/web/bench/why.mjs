// why.mjs: how long after its cause a page says why an agent does not move, and how long after
// its end the sentence is still there: on the agent's row and at the head of its run, whichever is
// slower. Causes and their ends have the times of the daemon's events.
import { scratch } from "../../integration/lib.mjs";
import { pageOf, shownAfter } from "./measure.mjs";

const AGO_MS = 3_000; // An agent before each cause: the page is open when it comes.
const MARK_MS = 1_500, SILENT_MS = 10_000;

const meta = "export const meta = { name: 'why', description: 'what holds it up' };\n";
const agent = (label, ...lines) =>
  `agent(${JSON.stringify(lines.join("\n"))}, { label: ${JSON.stringify(label)} })`;
const first = (...lines) => `await ${agent("before", `delay: ${AGO_MS}ms`, ...lines)};\n`;
const pair = `await parallel([() => ${agent("holder", "delay: 600s")}, ` +
  `() => ${agent("culprit", "say: x")}]);\n`;

/** `from` and `to` are events about `one`; `ends` removes the cause. */
const CAUSES = {
  "a question": { script: `await ${agent("culprit", "call: run_command {\"command\": \"true\"}")};`,
    text: "waits for you", from: "agent_waiting", to: "agent_answered", ends: allow },
  "its provider": { script: `await ${agent("culprit", "fail: 429 after 600s")};`,
    text: "its provider", from: "agent_retrying", to: "agent_finished", ends: skip("culprit") },
  "a slot": { script: pair, body: { concurrency: 1 }, text: "waits for a slot", onHead: false,
    from: "agent_queued", to: "agent_started", ends: skip("holder") },
  // The agent before has used a part; what others take is guessed by that.
  "a budget": { before: [`say: ${"word ".repeat(400)}`], script: pair,
    body: { budget: { output_tokens: 1_000 } }, text: "budget",
    from: "agent_retrying", to: "agent_resumed", ends: skip("holder") },
  silence: { script: `await ${agent("culprit", "say: a", `delay: ${SILENT_MS + 4_000}ms`)};`,
    text: "silent", from: "agent_started", late_ms: SILENT_MS, to: "agent_finished",
    ends: () => {} },
};

async function allow(api, id) {
  const { items } = await api("GET", "/approvals");
  const { id: ask } = items.find(({ root_run }) => root_run === id);
  await api("POST", `/approvals/${ask}`, { decision: "allow" });
}

function skip(label) {
  return async (api, id) => {
    const { items } = await api("GET", `/runs/${id}/agents?limit=200`);
    await api("POST", `/runs/${items.find((one) => one.label === label).id}/skip`, {});
  };
}

/** Runs in the page: looks at each picture for the sentence, in both places. */
function watch([label, text]) {
  const seen = (window.__why = {});
  const said = (element) => (element?.textContent ?? "").includes(text);
  requestAnimationFrame(function look() {
    const row = [...document.querySelectorAll(".run-row")].find((one) =>
      one.textContent.includes(label));
    const found = { row: said(row), head: said(document.querySelector(".run-why")) };
    for (const [place, is] of Object.entries(found)) {
      if (is) seen[place] ??= { from: Date.now(), to: null };
      else if (seen[place]) seen[place].to ??= Date.now();
    }
    requestAnimationFrame(look);
  });
}

async function measured(desk, page, { before = [], script, body, text, from, to, ends, late_ms = 0,
  onHead = true }) {
  const api = async (method, target, more) => {
    const answer = await desk.daemon.request(method, `/api/v1${target}`,
      { local: true, body: more });
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.json;
  };
  const { runId } = await api("POST", "/workflows", { script: meta + first(...before) + script,
    model: "scripted/demo", root: desk.root, label: "why", ...body });
  await shownAfter(page, `/r/${runId}?view=tree`, "before");
  await page.evaluate(watch, ["culprit", text]);
  const places = onHead ? ["row", "head"] : ["row"];
  const until = (state) => page.waitForFunction(([wanted, name]) =>
    wanted.every((place) => window.__why[place]?.[name] != null), [places, state]);
  await until("from");
  await ends(api, runId);
  await until("to");
  const seen = await page.evaluate(() => window.__why);
  const { events } = await api("GET", `/streams/run:${runId}/events?limit=1000&after=0`);
  const keyOf = events.find(({ data }) => data.label === "culprit")?.data;
  const at = (type) => events.find((event) => event.type === type &&
    (event.data.run === keyOf?.run || event.data.key === keyOf?.key))?.at_ms;
  const slower = (name, since) => Math.max(0,
    ...places.map((place) => seen[place][name] - since));
  return { comes: slower("from", at(from) + late_ms), leaves: slower("to", at(to)) };
}

export async function why({ t, browser, desk: { daemon, key }, row }) {
  const desk = { daemon, key, root: scratch(t) }; // Without a folder agents have no tools.
  const page = await pageOf(browser, { url: desk.daemon.url, key: desk.key });
  for (const [name, cause] of Object.entries(CAUSES)) {
    const { comes, leaves } = await measured(desk, page, cause);
    row(`why it does not move, ${name}: the sentence comes, and leaves`,
      `${comes.toFixed(0)} and ${leaves.toFixed(0)} ms`, "", "≤ 1.5 s",
      Math.max(comes, leaves) <= MARK_MS);
  }
  await page.context().close();
}
