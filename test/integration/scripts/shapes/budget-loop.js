export const meta = {
  name: "budget-loop",
  description: "Goes on while there is budget for a round.",
};

const notes = [];
while (notes.length < 5 && budget.remaining() > 1000) {
  notes.push(await agent(`Note ${notes.length + 1}`, { label: "note" }));
  log("spent %d of %s", budget.spent() > 0 ? 1 : 0, budget.total ?? "any");
}
return { notes: notes.length, total: budget.total };
