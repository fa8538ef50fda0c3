export const meta = { name: "too-wide", description: "Asks for more items than one call takes." };

const all = Array.from({ length: 5000 }, (_, i) => i);
try {
  return await parallel(all.map((i) => () => agent(`Item ${i}`)));
} catch (error) {
  log(error.message);
  const some = await parallel(all.slice(0, 20).map((i) => () =>
    agent(`Item ${i}`, { label: "item" })));
  return some.length;
}
