export const meta = { name: "console-reports", description: "Reports by all of console." };

console.group("reviews");
console.time("all");
const rows = await pipeline(["a", "b"], (name) => agent(`Review ${name}`, { label: name }),
  (text, name) => ({ name, good: text.length > 0 }));
console.table(rows);
console.table(rows, ["name"]);
for (const { name } of rows) console.count(name);
console.count();
console.countReset("a");
console.count("a");
console.timeEnd("all");
console.groupEnd();
console.assert(rows.length === 2, "never");
console.assert(rows.length === 3, "%d rows", rows.length);
console.dir({ rows: rows.length }, { depth: 0 });
console.error(new Error("told").message);
return rows.length;
