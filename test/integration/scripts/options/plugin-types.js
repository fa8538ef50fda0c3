export const meta = {
  name: "plugin-types",
  description: "Asks agents of a plugin, else plain ones.",
};

const review = async (type) => {
  try {
    return await agent("Review the diff.", { label: type, agentType: `review-kit:${type}` });
  } catch (error) {
    log(`no ${type}:`, error.message.split(";")[0]);
    return await agent("Review the diff.", { label: `plain ${type}` });
  }
};
const seen = [];
for (const type of ["code-reviewer", "test-analyzer"]) seen.push(await review(type));
const missing = await parallel([() => agent("x", { agentType: "review-kit:nobody" })]);
return { seen: seen.length, missing };
