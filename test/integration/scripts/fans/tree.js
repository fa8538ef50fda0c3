export const meta = { name: "tree", description: "Fans that start fans." };

const leaves = await parallel(Array.from({ length: 5 }, (_, team) => async () => {
  await agent(`Team ${team}: split the work.`, { label: `lead ${team}`, phase: "Lead" });
  return parallel(Array.from({ length: 6 }, (_, i) => () =>
    agent(`Team ${team}, part ${i}`, { label: `team ${team}`, phase: "Work" })));
}));
return leaves.flat().length;
