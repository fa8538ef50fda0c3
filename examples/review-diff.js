// review-diff: the workflow of review-diff.sh. Two agents read the same change with different eyes,
// and a third one writes what is worth a comment.
export const meta = {
  name: "review-diff",
  description: "Reviews a diff.",
  phases: [{ title: "Read" }, { title: "Write" }],
  args: {
    type: "object",
    required: ["diff"],
    additionalProperties: false,
    properties: { diff: { type: "string", minLength: 1 } },
  },
};

phase("Read");
const findings = await parallel(
  ["What could break?", "What is not tested?"].map((question) => () =>
    agent(`${question} Name file and line.\n\n${args.diff}`, { label: question })),
);
phase("Write");
const notes = findings.filter((one) => one !== null).join("\n\n");
return await agent(`Write the review: the three most important points.\n\n${notes}`, {
  label: "review",
});
