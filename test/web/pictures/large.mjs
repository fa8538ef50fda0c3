// large.mjs: what pictures show of much: a run of 1,000 agents, a session of 10,000 messages, and
// two runs of one script beside each other. Each is made once, when its first picture is taken.
import { thousand } from "../bench/run.mjs";
import { deskOf, longSession } from "../bench/session.mjs";

const MESSAGES = 10_000;
/** Reads files; of what the second run is asked, one answer differs, and one fails. */
const READS = "export const meta = { name: 'read', description: 'reads every file' };\n" +
  "return await parallel(args.map(([label, prompt]) => () => agent(prompt, { label })));";
const FILES = ["capture", "engine", "hub", "journal", "loop", "model", "rules", "store"];

async function twoRuns({ daemon }, root) {
  const ask = async (method, target, body) =>
    (await daemon.request(method, `/api/v1${target}`, { local: true, body })).json;
  const ids = [];
  for (const late of [false, true]) {
    const args = FILES.map((name, at) => [`read src/${name}`, `usage: fresh=${900 + 90 * at} ` +
      `cache_read=2400 output=120\n${late && at === 2 ? "fail: 400"
        : `say: src/${name} takes the lock ${late && at === 5 ? "once" : "twice"}.`}`]);
    const { runId } = await ask("POST", "/workflows",
      { script: READS, args, model: "scripted/demo", root, label: `read ${late ? "2" : "1"}` });
    for (let ended = null; ended === null;) ({ ended_ms: ended } = await ask("GET",
      `/runs/${runId}`));
    ids.push(runId);
  }
  return `/compare?a=${ids[0]}&b=${ids[1]}`;
}

/** Views of `pictures.mjs` whose desk and address come from `make`. */
export function largeOf(t, root) {
  const once = (make) => {
    let made = null;
    return () => (made ??= make());
  };
  const desk = once(() => deskOf(t));
  const at = (make) => once(async () => ({ desk: await desk(), at: await make(await desk()) }));
  return {
    compare: { shows: "read src/journal", make: at((of) => twoRuns(of, root)) },
    "run-1000": { shows: "1,000 of", make: at(async (of) => `/r/${await thousand(of)}`) },
    "session-10000": { shows: "this is the end",
      make: at(async (of) => `/s/${(await longSession(of, MESSAGES)).id}`) },
  };
}
