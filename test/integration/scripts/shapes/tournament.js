export const meta = { name: "tournament", description: "Pairs meet until one is left." };

let field = Array.from({ length: 8 }, (_, i) => `plan ${i + 1}`);
for (let round = 1; field.length > 1; round++) {
  const pairs = [];
  for (let i = 0; i < field.length; i += 2) pairs.push([field[i], field[i + 1]]);
  field = await parallel(pairs.map(([a, b]) => async () => {
    const word = await agent(`${a} or ${b}?`, { label: "match", phase: `Round ${round}` });
    return word?.includes(b) ? b : a;
  }));
}
return field.length;
