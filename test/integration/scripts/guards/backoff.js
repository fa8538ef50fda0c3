export const meta = {
  name: "backoff",
  description: "Asks again with a pause between tries, where there are timers.",
};

const sleep = (ms) =>
  typeof setTimeout === "function" ? new Promise((r) => setTimeout(r, ms)) : Promise.resolve();

async function withRetry(task, tries = 3) {
  for (let attempt = 1; attempt <= tries; attempt++) {
    const answer = await task(attempt);
    if (answer !== null) return answer;
    await sleep(2 ** attempt * 1000);
  }
  return null;
}

const plan = await withRetry((n) =>
  agent(`Outline the migration, try ${n}.`, { label: "outline" }));
const review = await withRetry((n) => agent(`Review (${n}): ${plan}`, { label: "review" }));
return { done: plan !== null && review !== null };
