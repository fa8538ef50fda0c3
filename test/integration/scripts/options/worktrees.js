export const meta = { name: "worktrees", description: "Each attempt in a tree of its own." };

phase("Attempts");
const tries = await parallel([1, 2, 3].map((n) => () =>
  agent(`Attempt ${n} at the refactoring.`, { label: `attempt ${n}`, isolation: "worktree" })));
phase("Choice");
await agent(`Choose among ${tries.length}.`, { label: "choose" });
return tries.length;
