export const meta = {
  name: "timer-alias",
  description: "Keeps the answer of its test in a constant.",
};

const HAS_TIMERS = typeof setTimeout === "function";
const canImport = () => typeof require !== "undefined";

async function race(task, ms) {
  if (!HAS_TIMERS) return task();
  return Promise.race([task(), new Promise((r) => setTimeout(() => r(null), ms))]);
}

const os = canImport() ? require("os") : null;
const answer = await race(() => agent("Name three risks.", { label: "risks" }), 60000);
return { timers: HAS_TIMERS, os, answered: answer !== null };
