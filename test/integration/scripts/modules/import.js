import { readFile } from "node:fs/promises";
export const meta = { name: "import", description: "Cannot run here: it imports." };
return await agent(await readFile("prompt.md", "utf8"));
