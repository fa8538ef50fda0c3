// five-agents: five agents judge one idea, and each answer has a fixed form.
//
// Shows     named agents side by side, and a JSON Schema that their answers must fit. An answer
//           that does not fit is sent back to the model with the reason.
// Run       drover run examples/five-agents.js --arg 'idea=A shop that repairs umbrellas'
// Expect    one JSON object: the mean of the five marks, and each agent's mark and reason. (The
//           scripted model answers with the smallest object that fits.)
export const meta = {
  name: "five-agents",
  description: "Five agents judge an idea, each from its own point of view.",
  phases: [{ title: "Judge" }],
  args: {
    type: "object",
    required: ["idea"],
    additionalProperties: false,
    properties: { idea: { type: "string", minLength: 1 } },
  },
};

const verdict = {
  type: "object",
  required: ["mark", "reason"],
  additionalProperties: false,
  properties: {
    mark: { type: "integer", minimum: 1, maximum: 6, description: "1 is the best" },
    reason: { type: "string", description: "One sentence" },
  },
};
const judges = {
  Ada: "You are an accountant.",
  Ben: "You are a customer.",
  Cleo: "You are an engineer.",
  Dan: "You are a lawyer.",
  Eve: "You are a competitor.",
};

phase("Judge");
const names = Object.keys(judges);
const verdicts = await parallel(
  names.map((name) => () =>
    agent(`${judges[name]} Judge this idea: ${args.idea}`, { label: name, schema: verdict })),
);
// An agent that failed for good is null; the others still count.
const marks = verdicts.filter((one) => one !== null).map(({ mark }) => mark);
return {
  mean: marks.length === 0 ? null : marks.reduce((sum, mark) => sum + mark, 0) / marks.length,
  verdicts: Object.fromEntries(names.map((name, at) => [name, verdicts[at]])),
};
