// Asks several reviewers at once and keeps what came back well.
export const meta = { name: "fan-out", description: "Asks one reviewer for each topic." };

export default async function main({ word, topics }) {
  const ask = (topic) => agent(`${word} review ${topic}`, { label: topic });
  const results = await parallel(topics.map((topic) => () => ask(topic)));
  const good = results.filter((r) => r.ok);
  return {
    texts: good.map((r) => r.output),
    lost: results.filter((r) => !r.ok).map((r) => r.error),
    completion: good.reduce((sum, r) => sum + (r.token_usage?.completion ?? 0), 0),
  };
}
