// Tries again until the answer is good.
export const meta = { name: "retry", description: "Retries by itself." };

module.exports = async function main({ word }) {
  for (let attempt = 1; attempt <= 5; attempt++) {
    const result = await agent(`${word} attempt ${attempt}`);
    if (result.ok) return { attempt, text: result.output };
    log(`attempt ${attempt}: ${result.error}`);
  }
  return { attempt: 0 };
};
