export const meta = { name: "built-in-types", description: "The types that every host has." };

const where = await agent("Where is the parser?", { label: "look", agentType: "Explore" });
const plan = await agent(`Plan a change of ${where}`, { label: "plan", agentType: "Plan" });
const done = await agent(`Do it: ${plan}`, { label: "do", agentType: "general-purpose" });
return [where, plan, done].filter((text) => text !== null).length;
