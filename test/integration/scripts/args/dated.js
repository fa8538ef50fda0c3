export const meta = { name: "dated", description: "Gets the day in its args, as clocks differ." };

const day = new Date(args?.now ?? "2026-01-31T08:00:00Z");
const next = new Date(day.getTime() + 24 * 3600 * 1000);
const stamp = (date) => date.toISOString().slice(0, 10);
await agent(`Plan ${stamp(next)}.`, { label: stamp(next) });
return { today: stamp(day), tomorrow: stamp(next), month: next.getMonth() + 1 };
