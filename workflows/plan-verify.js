// plan-verify: a plan, three verifiers who did not write it, a better plan, and work items.
export const meta = {
  name: "plan-verify",
  description: "Plans how to reach a goal, has the plan verified, and turns it into work items.",
  whenToUse: "Before work that is too large to begin without a plan.",
  phases: [
    { title: "Plan" },
    { title: "Verify", detail: "feasible, complete, safe: at most two times" },
    { title: "Items", detail: "what can be handed out" },
  ],
  args: {
    type: "object",
    required: ["goal"],
    additionalProperties: false,
    properties: { goal: { type: "string", minLength: 1, description: "What shall be reached" } },
  },
};

const text = { type: "string" };
const object = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const planSchema = object({
  summary: text,
  steps: {
    type: "array",
    minItems: 1,
    maxItems: 30,
    items: object({ title: text, detail: text, done_when: text }),
  },
  assumptions: { type: "array", items: text },
});
const verdictSchema = object({
  holds: { type: "boolean" },
  objections: { type: "array", items: object({ step: text, problem: text, cure: text }) },
});
const itemsSchema = object({
  items: {
    type: "array",
    minItems: 1,
    maxItems: 60,
    items: object({
      title: text,
      detail: text,
      done_when: text,
      after: { type: "array", items: text, description: "Titles of the items that come first" },
    }),
  },
});

const ROUNDS_MAX = 2;
const verifiers = {
  feasible: "whether each step can be done as it stands, with what is really there: look at it",
  complete: "what is missing: steps, cases, people, data, the way back",
  safe: "what can go wrong, how one would notice, and what it would cost",
};

const { goal } = args;
const json = (value) => JSON.stringify(value, null, 1);

phase("Plan");
let plan = await agent(
  `Plan how to reach this goal. Look at what is there first. Steps are in order, each with a ` +
    `test of its being done; name what you assume.\n\nGoal: ${goal}`,
  { label: "plan", schema: planSchema, effort: "high" },
);
if (plan === null) return { goal, plan: null, verified: false, objections: [], items: [] };

let verified = false;
let objections = [];
for (let round = 1; round <= ROUNDS_MAX && !verified; round++) {
  phase("Verify");
  const verdicts = await parallel(
    Object.entries(verifiers).map(([name, what]) => () =>
      agent(
        `Verify this plan, which is not yours. Judge only ${what}. It holds when nothing must be ` +
          `changed.\n\nGoal: ${goal}\nPlan: ${json(plan)}`,
        { label: `${name}, round ${round}`, schema: verdictSchema },
      ),
    ),
  );
  objections = verdicts.flatMap((verdict) => verdict?.objections ?? []);
  verified = verdicts.every((verdict) => verdict?.holds === true) && objections.length === 0;
  log(`round ${round}: ${verified ? "the plan holds" : `${objections.length} objections`}`);
  if (verified || objections.length === 0) break;
  phase("Plan");
  const better = await agent(
    `Mend this plan where the objections are right; say in the assumptions where they are not.` +
      `\n\nGoal: ${goal}\nPlan: ${json(plan)}\nObjections: ${json(objections)}`,
    { label: `plan ${round + 1}`, schema: planSchema, effort: "high" },
  );
  plan = better ?? plan;
}

phase("Items");
const work = await agent(
  `Turn this plan into work items that different people can do, each small enough for a day, ` +
    `with a test of its being done, and with what must come before it.\n\n` +
    `Goal: ${goal}\nPlan: ${json(plan)}`,
  { label: "items", schema: itemsSchema },
);

return { goal, plan, verified, objections, items: work?.items ?? [] };
