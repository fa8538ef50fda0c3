// Branches on all that results say, so that a replay that differed would show.
export const meta = { name: "long-way", description: "Is killed in the middle." };

export default async function main({ word }) {
  const seen = [];
  for (let step = 0; step < 4; step++) {
    const pair = await parallel([
      () => agent(`${word} left ${step}`),
      () => agent(`${word} right ${step} after ${JSON.stringify(seen.at(-1) ?? null)}`),
    ]);
    seen.push(pair);
  }
  return seen;
}
