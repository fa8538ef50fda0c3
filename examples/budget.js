// budget: a workflow that stops asking before its budget is used up.
//
// Shows     budget.total and budget.remaining(): rounds go on while there is enough left for one
//           more. The limit itself is drover's: an agent that would go beyond it does not begin.
// Run       drover run examples/budget.js --budget-tokens 200
// Expect    "N ideas for at most 200 tokens": the more tokens, the more rounds, and never more than
//           ten.
export const meta = {
  name: "budget",
  description: "Collects ideas as long as the budget lasts.",
  phases: [{ title: "Ideas" }],
};

const ideas = [];
const round = 50; // Tokens that one answer may take.
phase("Ideas");
while (ideas.length < 10 && budget.remaining() >= round) {
  const idea = await agent(`Name one more use of an old map, in a few words.
Known: ${ideas.join("; ") || "none"}
say: Idea ${ideas.length + 1}: fold it, frame it, or give it to somebody who likes paper.`, {
    label: `idea ${ideas.length + 1}`,
    budget: round,
  });
  if (idea === null) break; // Its own budget was too small.
  ideas.push(idea);
}
return `${ideas.length} ideas for at most ${budget.total ?? "any number of"} tokens`;
