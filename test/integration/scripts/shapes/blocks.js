export const meta = { name: "blocks", description: "Blocks, labels and returns at the top level." };

if (args?.skip) return "skipped";
let count = 0;
{
  const count = await agent("A block has its own names.", { label: "block" });
  if (count === null) return "nobody";
}
outer: for (const row of [1, 2, 3]) {
  for (const column of [1, 2]) {
    if (row === 2) continue outer;
    if (row * column > 4) break outer;
    count++;
    await agent(`Cell ${row}.${column}`, { label: "cell" });
  }
}
do count += 10; while (count < 20);
switch (count % 2) {
  case 0: return { even: count };
  default: return { odd: count };
}
