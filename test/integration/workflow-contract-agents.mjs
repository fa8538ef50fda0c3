// workflow-contract-agents.mjs: agent(): what it gives, what it takes, when it throws, and answers
// that must have a form.
import assert from "node:assert/strict";

import { fails, gives, throws } from "./workflow-contract.mjs";
import { phases } from "./workflows.mjs";

const ends = (events) => events.filter((event) => event.type === "agent_finished");
const endOf = (events, label) => ends(events).find(({ data }) => data.label === label).data;
const begins = (events) => events.filter((event) => event.type === "agent_started");

// --- What it gives -------------------------------------------------------------------------------

const given = [
  gives("agent() gives the final text", "return await agent('say: baa', { label: 'a' })", "baa",
    { told: ["begin a", "end a"], agents: { succeeded: 1 } }),
  gives("agent() returns a promise at once", `
const asked = agent('say: a', { label: 'a' });
log('asked');
return [asked instanceof Promise, typeof asked, await asked]`, [true, "object", "a"],
    { agents: { succeeded: 1 } }),
  gives("agents that are awaited run one after the other", `
const one = await agent('say: 1', { label: 'a' });
const two = await agent(\`say: \${one}2\`, { label: 'b' });
return two`, "12", { told: ["begin a", "end a", "begin b", "end b"] }),
  gives("a text keeps its lines and its characters",
    "return await agent('say: zwei\\\\nZeilen – ü 🐑 \"so\"')", 'zwei\nZeilen – ü 🐑 "so"'),
  gives("a prompt may be long", `
const long = 'x'.repeat(200000);
return (await agent(\`say: short\\n\${long}\`)).length`, 5),
  gives("equal prompts are asked once each",
    "return [await agent('say: a'), await agent('say: a'), await agent('say: a')]",
    ["a", "a", "a"], { agents: { succeeded: 3 } }),
  gives("different prompts with equal options get different answers", `
const options = { label: 'same', phase: 'scope' };
return [await agent('say: one', options), await agent('say: two', options)]`, ["one", "two"],
    { agents: { succeeded: 2 } }),
  gives("an agent that nobody waits for is ended with its workflow",
    "agent('delay: 600s', { label: 'slow' }); return await agent('say: done', { label: 'a' })",
    "done", { check({ events }) {
      assert.deepEqual(ends(events).map(({ data }) => [data.label, data.state]).sort(),
        [["a", "succeeded"], ["slow", "cancelled"]]);
    } }),
  gives("an event of an agent says what it was asked, by which model, and what it took",
    "return await agent('say: four words are here', { label: 'a' })", "four words are here",
    { check({ events }) {
      const [{ data: begun }] = begins(events);
      assert.deepEqual([begun.label, begun.prompt], ["a", "say: four words are here"]);
      assert.equal(begun.model, "scripted/demo");
      const { run, tokens, ms, cached, note } = endOf(events, "a");
      assert.deepEqual([run, cached, note], [begun.run, false, null]);
      assert.ok(tokens > 0 && Number.isInteger(ms), JSON.stringify([tokens, ms]));
    } }),
];

// --- Failures ------------------------------------------------------------------------------------

const FAILURES = [
  ["auth", "auth_failed"],
  ["400", "bad_request"],
  ["overflow", "context_overflow"],
  ["refused", "refused"],
];

const failures = [
  ...FAILURES.map(([what, cause]) => {
    const body = `return [await agent('fail: ${what}', { label: 'a' })]`;
    return gives(`an agent that ends as ${cause} is null, and the run is degraded`, body, [null], {
      state: "degraded", told: ["begin a", `end a (${cause})`], agents: { failed: 1 },
    });
  }),
  gives("a null has its cause in the run's failures", `
const results = await parallel([
  () => agent('say: good', { label: 'good' }),
  () => agent('fail: auth', { label: 'locked out' }),
]);
return results`, ["good", null], {
    state: "degraded", agents: { succeeded: 1, failed: 1 },
    check({ record }) {
      const [failure, ...others] = record.result.failures;
      assert.deepEqual([failure.label, failure.cause], ["locked out", "auth_failed"]);
      assert.deepEqual(others, []);
    },
  }),
  gives("a model that nobody knows is a null with its cause",
    "return await agent('say: a', { label: 'a', model: 'nobody/knows' })", null,
    { state: "degraded", told: ["begin a", "end a (model_unknown)"] }),
  gives("capabilities that no agent has are a null with its cause",
    "return await agent('say: a', { label: 'a', capabilities: ['browser'] })", null,
    { state: "degraded", agents: { failed: 1 },
      check: ({ events }) => assert.equal(endOf(events, "a").cause, "no_capable_agent") }),
  gives("an agent without an answer in time is a null that says so",
    "return [await agent('delay: 600s', { label: 'a' }), await agent('say: b', { label: 'b' })]",
    [null, "b"], { more: { agent_timeout_ms: 2000 }, state: "degraded",
      told: ["begin a", "end a (timed_out)", "begin b", "end b"] }),
  gives("a failure that may pass is tried again",
    "return await agent('fail: 503 x1\\nsay: at last', { label: 'a' })", "at last",
    { agents: { succeeded: 1 } }),
];

// --- What it takes -------------------------------------------------------------------------------

const PROMPTS = [
  ["nothing", "agent()"],
  ["an empty text", "agent('')"],
  ["a number", "agent(5)"],
  ["null", "agent(null)"],
  ["an object", "agent({ prompt: 'x' })"],
  ["a symbol", "agent(Symbol('x'))"],
];

/** What no option may be: the word that the error names, and the options. */
const OPTIONS = [
  ["a label that is no text", "label", "{ label: 5 }"],
  ["a phase that is no text", "phase", "{ phase: {} }"],
  ["a schema that is no object", "schema", "{ schema: 'object' }"],
  ["a schema that is a list", "schema", "{ schema: [] }"],
  ["a schema whose root is no object", "object", "{ schema: { type: 'array' } }"],
  ["a schema without a type at its root", "object", "{ schema: { properties: {} } }"],
  ["a model that is no text", "model", "{ model: 5 }"],
  ["an effort that is none of five", "effort", "{ effort: 'heroic' }"],
  ["an isolation that nobody knows", "isolation", "{ isolation: 'container' }"],
  ["an agentType that is no text", "agentType", "{ agentType: 5 }"],
  ["capabilities that are no list", "capabilities", "{ capabilities: 'browser' }"],
  ["tools that are no list", "tools", "{ tools: 'read_file' }"],
  ["a limit of tool calls that is no number", "max_tool_calls", "{ max_tool_calls: 'few' }"],
  ["a limit of rounds that is no number", "max_tool_iters", "{ max_tool_iters: -1 }"],
  ["options that are no object", "opt", "'label'"],
];

const EFFORTS = ["low", "medium", "high", "xhigh", "max"];

const taken = [
  ...PROMPTS.map(([what, call]) => {
    return throws(`${what} is no prompt`, call.replace("agent", "await agent"),
      /^TypeError: .*prompt/, { agents: {} });
  }),
  gives("a bad call rejects, and does not throw at once",
    "const asked = agent(5); return await asked.catch((error) => error.name)", "TypeError"),
  ...OPTIONS.map(([what, word, options]) => {
    return throws(`${what} is named in an error`, `await agent('say: a', ${options})`,
      new RegExp(`^TypeError: .*${word}`), { agents: {} });
  }),
  fails("a bad option that nobody catches ends the run at its line",
    "log('before');\nawait agent('say: a', { label: 5 });",
    { name: "TypeError", message: /label/, line: 3 }, { logs: ["before"], agents: {} }),
  gives("an option that nobody knows is ignored, and told once",
    "return [await agent('say: a', { labell: 'x' }), await agent('say: a', { labell: 'y' })]",
    ["a", "a"],
    { logs: ['agent() has no option "labell", and ignores it'], agents: { succeeded: 2 } }),
  gives("each of five efforts is taken", `
const efforts = ${JSON.stringify(EFFORTS)};
return await parallel(efforts.map((effort) => () => agent(\`say: \${effort}\`, { effort })))`,
    EFFORTS),
  gives("options that are undefined are none",
    "return await agent('say: a', { label: undefined, schema: undefined, model: undefined })", "a"),
  gives("options may be left out, or be undefined", "return await agent('say: a', undefined)", "a"),
  gives("an agent may name its model", "return await agent('say: a', { model: 'scripted/other' })",
    "a", { check: ({ events }) => assert.equal(begins(events)[0].data.model, "scripted/other") }),
  gives("the start's model is every agent's that names none", "return await agent('say: a')", "a",
    { more: { model: "scripted/third" },
      check: ({ events }) => assert.equal(begins(events)[0].data.model, "scripted/third") }),
  gives("an agent's phase is its option's, and else the latest phase", `
phase('first');
await agent('say: a', { label: 'a' });
await agent('say: b', { label: 'b', phase: 'aside' });
phase('second');
await agent('say: c', { label: 'c' });
return 1`, 1, {
    phases: ["first", "second"],
    check({ events }) {
      const seen = begins(events).map(({ data }) => [data.label, data.phase]);
      assert.deepEqual(seen, [["a", "first"], ["b", "aside"], ["c", "second"]]);
      assert.deepEqual(phases(events), ["first", "second"], "an option opens no phase");
      assert.equal(endOf(events, "b").phase, "aside");
    },
  }),
];

// --- Answers that have a form --------------------------------------------------------------------

const SHEEP = "{ type: 'object', required: ['sheep'], additionalProperties: false, " +
  "properties: { sheep: { type: 'integer', minimum: 1 } } }";
const WITH = `const schema = ${SHEEP};\n`;
const FITS = '{"sheep":3}';
const again = (...answers) => answers.map((one) => `say: ${one}`).join("\\nstep:\\n");
const FIVE = again("none", "[]", '{"sheep":0}', '{"cows":1}', '{"sheep":"x"}', FITS);

/** A keyword, a schema of the one property `a`, an answer that it refuses, and one that fits. */
const KEYWORDS = [
  ["type", { type: "string" }, 5, "five"],
  ["several types", { type: ["string", "null"] }, 5, null],
  ["enum", { enum: ["red", "blue"] }, "green", "blue"],
  ["const", { const: 7 }, 8, 7],
  ["minimum and maximum", { type: "number", minimum: 1, maximum: 2 }, 3, 1.5],
  ["exclusiveMinimum", { type: "number", exclusiveMinimum: 1 }, 1, 2],
  ["minLength and maxLength", { type: "string", minLength: 2, maxLength: 3 }, "a", "ab"],
  ["pattern", { type: "string", pattern: "^[a-z]+$" }, "A1", "az"],
  ["items", { type: "array", items: { type: "integer" } }, [1, "x"], [1, 2]],
  ["minItems and maxItems", { type: "array", minItems: 1, maxItems: 2 }, [], [1]],
  ["required of what lies deeper", { type: "object", required: ["b"] }, {}, { b: 1 }],
  ["anyOf", { anyOf: [{ type: "string" }, { type: "integer" }] }, 1.5, 2],
  ["oneOf", { oneOf: [{ minimum: 5 }, { maximum: 7 }], type: "integer" }, 6, 8],
  ["allOf", { allOf: [{ minimum: 5 }, { maximum: 7 }], type: "integer" }, 8, 6],
  ["$ref", { $ref: "#/$defs/word" }, 1, "word"],
];

/** Nobody was asked, though somebody was to be. */
const UNASKED = {
  state: "degraded", agents: { failed: 1 },
  check: ({ events }) => assert.equal(ends(events)[0].data.tokens, 0),
};

const keywords = KEYWORDS.map(([word, a, bad, good]) => {
  const $defs = { word: { type: "string" } };
  const schema = { type: "object", required: ["a"], properties: { a }, $defs };
  const say = (value) => JSON.stringify({ a: value });
  const prompt = [`say: ${say(bad)}`, "step:", `say: ${say(good)}`].join("\n");
  const options = `{ schema: ${JSON.stringify(schema)} }`;
  return gives(`an answer is held to ${word}, and asked for again`,
    `return await agent(${JSON.stringify(prompt)}, ${options})`, { a: good },
    { agents: { succeeded: 1 } });
});

const formed = [
  gives("with a schema the answer is the object itself",
    `${WITH}const made = await agent('say: ${FITS}', { schema });
return [typeof made, Object.keys(made), made.sheep + 1]`, ["object", ["sheep"], 4]),
  gives("words that are no JSON are asked for again, up to the fifth time",
    `${WITH}return await agent('${again("3", "three", "{}", "null", FITS)}', { schema })`,
    { sheep: 3 }, { agents: { succeeded: 1 } }),
  gives("after five answers that do not fit the call throws the last fault", `${WITH}
try { return await agent('${FIVE}', { schema, label: 'a' }) } catch (error) {
  return [error instanceof Error, error.message];
}`, undefined, {
    state: "degraded", agents: { failed: 1 }, told: ["begin a", "end a (schema_mismatch)"],
    check({ end }) {
      assert.equal(end.result[0], true);
      assert.match(end.result[1], /sheep/);
    },
  }),
  fails("five answers that do not fit end a run that does not catch it",
    `${WITH}await agent('${FIVE}', { schema });`,
    { message: /sheep/, line: 3 }, { agents: { failed: 1 } }),
  gives("five answers that do not fit are null within parallel()",
    `${WITH}return await parallel([() => agent('${FIVE}', { schema }), () => 1])`, [null, 1],
    { state: "degraded", agents: { failed: 1 } }),
  gives("five answers that do not fit are null within pipeline(), and end its stages", `${WITH}
return await pipeline(['${FIVE}', 'say: ${FITS}'],
  (prompt) => agent(prompt, { schema }), (made) => { log(made.sheep); return made.sheep })`,
    [null, 3], { state: "degraded", logs: ["3"] }),
  ...keywords,
  gives("a format is told, and holds nobody up", `
const schema = { type: 'object', properties: { when: { type: 'string', format: 'date' } } };
return await agent('say: {"when":"soon"}', { schema })`, { when: "soon" }),
  gives("what a schema does not speak of is let through",
    "return await agent('say: {\"a\":{\"b\":[1]}}', { schema: { type: 'object' } })",
    { a: { b: [1] } }),
  throws("what is no schema throws before anybody is asked",
    "await agent('say: {}', { schema: { type: 'object', properties: { a: { type: 'sheep' } } } })",
    /schema|type/, UNASKED),
  throws("a schema that nothing fits throws before anybody is asked", `
const properties = { a: { type: 'integer', minimum: 5, maximum: 1 } };
await agent('say: {}', { schema: { type: 'object', required: ['a'], properties } })`,
    /minimum is above maximum/, UNASKED),
  throws("a schema that holds itself throws", `
const schema = { type: 'object', properties: {} }; schema.properties.me = schema;
await agent('say: {}', { schema })`, /TypeError|schema/, { agents: {} }),
  throws("a $ref that leads nowhere throws before anybody is asked", `
const properties = { a: { $ref: '#/$defs/gone' } };
await agent('say: {}', { schema: { type: 'object', properties } })`, /ref|gone/, UNASKED),
];

export default [...given, ...failures, ...taken, ...formed];
