export const meta = { name: "spellings", description: "Options as people misspell them." };

const one = await agent("First.", { lable: "first", Phase: "One" });
const two = await agent("Second.", { label: "second", agent_type: "Explore", efort: "low" });
return [one, two].every((text) => typeof text === "string");
