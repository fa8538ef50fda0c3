// review.mjs: a workflow of forty agents for the pictures: some are cached, most have ended, some
// work, one asks, one waits for its provider, one has failed.
const FILES = ["capture", "engine", "hub", "journal", "lead", "loop", "model", "proc", "rules",
  "spool", "store", "turn"];

/** `prompt` makes the text of an agent: what it is for, then what the scripted model does. */
const SCRIPT = `export const meta = { name: 'review', description:
  'every file that changed since v2.1', phases: [{ title: 'Find' }, { title: 'Fix' },
  { title: 'Check' }] };
const prompt = (about, ...lines) => [about, ...lines].join('\\n');
const files = ${JSON.stringify(FILES)};
phase('Find');
await parallel(files.map((name, i) => () => agent(
  prompt('usage: fresh=' + (900 + 37 * i) + ' cache_read=2400 output=120',
    'delay: ' + (200 + 170 * (i % 5)) + 'ms',
    'say: Two places in src/' + name + ' take the lock twice.'), { label: 'find src/' + name })));
phase('Fix');
await parallel(files.flatMap((name, i) => [0, 1].map((n) => () => {
  const number = 2 * i + n + 1;
  const does = number === 4 ? ['call: run_command {"command": "rm -rf build && make"}']
    : number === 6 ? ['delay: 600ms', 'fail: 400']
    : number === 9 ? ['fail: 429 after 600s']
    : number % 7 === 5 ? ['delay: 1s', 'tokens: 90000 at 46/s']
    : ['delay: ' + (300 + 211 * (number % 9)) + 'ms', 'say: Done: src/' + name + '.'];
  return agent(prompt('usage: fresh=3100 cache_read=9400 output=640', ...does),
    { label: 'fix ' + number });
})));
phase('Check');
await parallel(files.slice(0, 4).map((name) => () =>
  agent('say: It builds.', { label: 'check ' + name })));
return 'all files';
`;

/** Starts it; gives its id once it stands as the picture shows it. */
export async function reviewOf(ask, root) {
  const started = await ask("POST", "/workflows", { script: SCRIPT, model: "scripted/demo", root,
    label: "review", budget: { cost_micros: 2_500_000 } });
  const id = started.runId;
  for (;;) {
    const { items } = await ask("GET", `/runs/${id}/agents?limit=200`);
    const fixes = items.filter(({ label }) => label.startsWith("fix"));
    const open = fixes.filter(({ ended_ms }) => ended_ms === null);
    const { items: asks } = await ask("GET", "/approvals");
    if (fixes.length === 2 * FILES.length && open.length <= 6 &&
      asks.some(({ root_run }) => root_run === id)) return id;
  }
}
