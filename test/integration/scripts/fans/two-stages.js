export const meta = { name: "two-stages", description: "150 items, two agents each." };

const items = Array.from({ length: 150 }, (_, i) => i);
const done = await pipeline(items,
  (i) => agent(`Translate paragraph ${i}`, { label: `p${i}`, phase: "Translate" }),
  (text, i) => agent(`Proofread paragraph ${i}`, { label: `p${i}`, phase: "Proofread" }));
return done.filter((text) => text !== null).length;
