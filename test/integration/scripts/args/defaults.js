export const meta = { name: "defaults", description: "Runs without args, too." };

const { topic = "heat pumps", audience: { age = 12, lang = "en" } = {} } = args || {};
const text = await agent(`Explain ${topic} to a reader of ${age} in ${lang}.`, { label: topic });
return { topic, age, lang, text: typeof text };
