export const meta = { name: "flags", description: "Parses words as a command line does." };

const words = String(args ?? "").split(/\s+/).filter(Boolean);
const flags = Object.fromEntries(
  words.filter((word) => word.startsWith("--")).map((word) => {
    const [name, value = "true"] = word.slice(2).split("=");
    return [name, value];
  }),
);
const rest = words.filter((word) => !word.startsWith("--")).join(" ") || "everything";
const rounds = Number.parseInt(flags.rounds ?? "1", 10);
for (let i = 0; i < rounds; i++) await agent(`Round ${i}: ${rest}`, { label: "round" });
return { rest, flags };
