// widths.test.mjs: what stands on a terminal fits it: text is wrapped between words, hints are
// short, and a list without rows is a sentence. In a pipe each line is as long as it is.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { test } from "node:test";

import { User } from "./user.mjs";

const COLUMNS = 60;
const WORDS = "tell me of the seven bridges and of the people who crossed each of them but once, "
  + "with every name that is known, and without a word that would be cut in its middle";

/** The lines of a terminal without colours and moves of the cursor. */
const linesOf = (shown) => shown.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/[\r\n]+/);

test("a terminal gets text between words, hints and tables in its width; a pipe gets lines", {
  timeout: 120_000,
}, async (t) => {
  const user = new User(t);
  const at = async (line) => {
    const { code, shown } = await user.terminal(line, {}, "", COLUMNS);
    assert.equal(code, 0, shown);
    const lines = linesOf(shown);
    const wide = lines.filter((one) => [...one].length > COLUMNS);
    assert.deepEqual(wide, [], `${line}: no line is left to the terminal to break`);
    return lines.map((one) => one.trim()).join(" ");
  };
  const has = async (line, words) => assert.ok((await at(line)).includes(words), line);

  await has("ps", "Nothing runs. 'drover ps --all' shows what ended.");
  await has("job ls", "There is no job. 'drover job run -- COMMAND' starts one.");
  await has("usage", "No model was asked in this time. 'drover usage --days N' looks further");
  await has(`ask "${WORDS}"`, `You said: ${WORDS}`);
  await has("session show -m last", `You said: ${WORDS}`);
  await has("show last", `${WORDS.slice(0, 100)}`);
  for (const line of ["status", "usage", "agent ls", "job ls --live", "ps --all", "budget ls"])
    await at(line);
  await has("agent ls", "asks before it acts, but for hooks and rules of its own settings");
  const detached = await at("job run -d --label seven true");
  assert.match(detached, /^run_\w{26} 'drover attach seven' follows it, 'drover show seven' /);
  const nameless = await at("job run -d -- sh -c true");
  assert.match(nameless, /(run_\w{12})\w+ 'drover attach \1' follows it/);
  assert.match(await user.ok("show", "seven"), /^created +(now|\d+ s ago) \(20\d\d-.*Z\)$/m);

  const piped = await user.ok("ask", WORDS);
  assert.ok(piped.includes(`You said: ${WORDS}\n`), piped);
});
