export const meta = { name: "full-names", description: "Models by their whole names." };

const MODELS = { fast: "claude-haiku-4-5", best: "claude-opus-4-1-20250805" };
const fast = await agent("Sort the inbox.", { label: "fast", model: MODELS.fast });
const best = await agent("Answer the hard one.", { label: "best", model: "claude-sonnet-4-5" });
return [fast, best, await agent("Which one?", { label: "last", model: MODELS.best })].length;
