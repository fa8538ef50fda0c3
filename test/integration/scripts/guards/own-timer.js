export const meta = { name: "own-timer", description: "Brings a timer that does not wait." };

const setTimeout = (run) => queueMicrotask(run);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await wait(100);
const answer = await agent("Check the links.", { label: "links" });
await wait(100);
return answer.length > 0;
