export const meta = { name: "lazy-iterators", description: "Iterators that take what they need." };

function* numbers(from = 1) {
  for (let n = from; ; n++) yield n;
}
async function* reviews(files) {
  for (const file of files) yield { file, text: await agent(`Review ${file}`, { label: file }) };
}
const files = numbers().filter((n) => n % 2).map((n) => `f${n}.c`).drop(1).take(3).toArray();
const seen = await Array.fromAsync(reviews(files), ({ file, text }) => [file, text.length > 0]);
const byKind = Object.groupBy(seen, ([file]) => (file > "f5" ? "late" : "early"));
const pairs = files.entries().flatMap(([i, file]) => [i, file]).some((one) => one === "f7.c");
return { seen: Object.fromEntries(seen), late: byKind.late.length, pairs,
  both: new Set(files).intersection(new Set(["f3.c", "f4.c"])).size };
