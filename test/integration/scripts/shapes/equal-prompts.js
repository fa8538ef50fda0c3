export const meta = { name: "equal-prompts", description: "Three equal questions, three answers." };

const sceptic = () => agent("Is the claim true? Doubt it.", { label: "sceptic", phase: "Doubt" });
const opinions = await parallel([sceptic, sceptic, sceptic]);
const majority = opinions.filter((text) => text !== null).length >= 2;
if (!majority) return { verdict: "open" };
return { verdict: "settled", votes: opinions.length };
