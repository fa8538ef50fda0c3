export const meta = { name: "shared-schema", description: "A schema with definitions." };

const VOTE = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { side: { enum: ["yes", "no"] } },
  required: ["side"],
  properties: { side: { $ref: "#/$defs/side" }, why: { type: ["string", "null"] } },
  additionalProperties: false,
};
const votes = await parallel([1, 2, 3].map((n) => () =>
  agent(`Vote ${n}: merge it?`, { label: `vote ${n}`, schema: VOTE })));
const count = new Map();
for (const { side } of votes) count.set(side, (count.get(side) ?? 0) + 1);
return [...count.values()].reduce((sum, n) => sum + n, 0);
