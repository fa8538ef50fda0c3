export const meta = { name: "global-this", description: "Looks for timers as members." };

const later = globalThis.setTimeout ?? ((run) => run());
let ran = false;
later(() => (ran = true), 10);
await agent("Summarise the day.", { label: "day" });
return { ran, node: Boolean(globalThis.process?.versions?.node) };
