export const meta = { name: "aliases", description: "A cheap scout, a dear judge." };

const scout = await agent("Find candidates.", { label: "scout", model: "haiku" });
const work = await agent(`Work through: ${scout}`, { label: "work", model: "sonnet" });
const verdict = await agent(`Judge: ${work}`, { label: "judge", model: "opus", effort: "high" });
return typeof (await agent(`In short: ${verdict}`, { label: "tell", model: "inherit" }));
