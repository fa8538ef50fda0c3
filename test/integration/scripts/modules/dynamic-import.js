export const meta = { name: "dynamic-import", description: "Loads a module, or goes on without." };

let fs = null;
try {
  fs = await import("node:fs");
} catch {
  fs = null;
}
return await agent(fs ? "With files." : "Without.");
