export const meta = { name: "router", description: "Classifies first, then asks the right one." };

const { kind } = await agent("Which kind of request is it?", {
  label: "classify",
  schema: { type: "object", required: ["kind"],
    properties: { kind: { type: "string", enum: ["bug", "idea", "question"] } } },
});
const experts = {
  bug: () => agent("Reproduce it.", { label: "expert" }),
  idea: () => agent("Estimate it.", { label: "expert" }),
  question: () => agent("Answer it.", { label: "expert" }),
};
return typeof (await experts[kind]());
