export const meta = { name: "judges", description: "Drafts, a panel for each, the best one." };

const SCORE = { type: "object", required: ["score"],
  properties: { score: { type: "number", minimum: 0, maximum: 10 } } };
const drafts = await parallel(["bold", "safe"].map((style) => () =>
  agent(`A ${style} draft.`, { label: style, phase: "Draft" })));
const judged = await parallel(drafts.map((draft, i) => async () => {
  const scores = await parallel(["clarity", "facts", "style"].map((by) => () =>
    agent(`Score draft ${i} for ${by}: ${draft}`, { label: by, phase: "Judge", schema: SCORE })));
  return scores.filter(Boolean).reduce((sum, { score }) => sum + score, 0);
}));
const best = judged.indexOf(Math.max(...judged));
return { drafts: drafts.length, best: best >= 0 };
