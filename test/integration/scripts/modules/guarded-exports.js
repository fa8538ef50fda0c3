export const meta = { name: "guarded-exports", description: "Can be required by its own tests." };

function rank(list) {
  return [...list].sort((a, b) => b.score - a.score);
}
if (typeof module !== "undefined" && module.exports) {
  module.exports = { rank };
}
const scored = await parallel([1, 2, 3].map((n) => async () => ({
  score: n, text: await agent(`Idea ${n}`, { label: `idea ${n}` }),
})));
return rank(scored).map((one) => one.score);
