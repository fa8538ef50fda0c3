export const meta = {
  name: "unguarded-timer",
  description: "Waits without asking whether it can.",
};

const first = await agent("Start the job.", { label: "start" });
log("started", { length: first.length > 0 });
await new Promise((resolve) => setTimeout(resolve, 5000));
return await agent("Is the job done?", { label: "check" });
