export const meta = { name: "nested", description: "Runs another workflow for each part." };

const parts = [];
for (const part of ["front", "back"]) {
  parts.push(await workflow({ scriptPath: "shapes/nested-child.js" }, { part }));
}
const all = await agent(`Join ${parts.length} parts.`, { label: "join" });
return { parts, joined: typeof all, name: meta.name };
