export const meta = { name: "lines", description: "Logs as people log." };

log("start", { files: ["a.c", "b.c"], depth: 2 });
console.log("%s: %d of %d", "read", 1, 2);
console.warn(["slow", 1.5], null, undefined);
const text = await agent("Say something.", { label: "say" });
log(`${text.length > 0}`);
console.error(new Error("only told"));
log();
