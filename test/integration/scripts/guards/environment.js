export const meta = { name: "environment", description: "Reads its depth from the environment." };

const env = typeof process !== "undefined" && process.env ? process.env : {};
const depth = Number(env.REVIEW_DEPTH ?? 2);
phase("Review");
let text = await agent("Review the change.", { label: "pass 1" });
for (let pass = 2; pass <= depth; pass++) {
  text = await agent(`Go deeper than this:\n${text}`, { label: `pass ${pass}` });
}
return depth;
