// workflow-contract.mjs: how a row of the contract's tables is written, and how it is held.
//
// A row is {name, script, ...}: what the rule says as a sentence, and a script that shows it.
//
//   more       what else the start says: args, total, concurrency …; or a function of the suite
//   result     what it ends with                       state   "succeeded", if not said
//   error      of a run that failed: {code, name, message, line, column}, each as given
//   refused    what the start says of a script that never runs
//   told       all that its stream told, in the words of told(); logs, phases: only those
//   agents     how many of its agents came to which end; those not named: 0
//   check      looks at the rest: check({run, events, end, record}, flows)
//
// A text is compared, a pattern is looked for.
import assert from "node:assert/strict";

import { logs, phases, told, whole } from "./workflows.mjs";

/** A script that ends well, and with what. */
export const gives = (name, body, result, more = {}) => {
  return { name, script: whole(body), result, ...more };
};

/** A script that ends badly by what it does itself; the code is `script_error` if none is named. */
export const fails = (name, body, error, more = {}) => {
  return { name, script: whole(body), state: "failed", error, ...more };
};

/** A row whose result is what a call threw, as "NAME: MESSAGE". */
export const throws = (name, call, pattern, more = {}) => {
  const body = `const told = (error) => error.name + ': ' + error.message;
return await (async () => { ${call} })().then(() => 'nothing', told)`;
  return gives(name, body, pattern, more);
};

/** A text that is told to be no workflow before anything of it runs. */
export const refuses = (name, script, refused, more = {}) => ({ name, script, refused, ...more });

const holds = (seen, wanted, about) => {
  if (wanted instanceof RegExp) assert.match(String(seen), wanted, about);
  else assert.deepEqual(seen, wanted, about);
};

function checkError(seen, { code = "script_error", ...wanted }) {
  assert.ok(seen !== null, "an error is told");
  holds(seen.code, code, JSON.stringify(seen));
  for (const [key, value] of Object.entries(wanted)) holds(seen[key], value, JSON.stringify(seen));
}

async function checkRefused(row, flows, body) {
  const launched = await flows.launch(body);
  holds(launched.error, row.refused);
  assert.equal(launched.runId, undefined, "nothing runs");
}

export async function holdRow(row, flows) {
  const more = typeof row.more === "function" ? row.more(flows) : row.more;
  const body = { ...(row.script === undefined ? {} : { script: row.script }), ...more };
  if (row.refused) return checkRefused(row, flows, body);
  const outcome = await flows.run(body);
  const { end, events } = outcome;
  const { state = "succeeded", agents = null } = row;
  assert.equal(end.state, state, JSON.stringify(end));
  if (row.error) {
    checkError(end.error, row.error);
    assert.equal(end.cause, end.error.code);
  } else if (state !== "cancelled" && state !== "timed_out") {
    assert.equal(end.error, null);
    if (row.result !== undefined) holds(end.result, row.result);
  }
  if (row.logs) assert.deepEqual(logs(events), row.logs);
  if (row.phases) assert.deepEqual(phases(events), row.phases);
  if (row.told) assert.deepEqual(told(events), row.told);
  const none = { succeeded: 0, cached: 0, failed: 0, skipped: 0 };
  if (agents) assert.deepEqual(end.agents, { ...none, ...agents });
  await row.check?.(outcome, flows);
}
