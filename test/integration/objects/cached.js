// Tells which answers are those of an earlier run.
export const meta = { name: "cached", description: "Counts answers of an earlier run." };

export default async function main({ word, names }) {
  const results = await parallel(names.map((name) => () => agent(`${word} ${name}`)));
  return results.map(({ ok, output, cached }) => [ok, output, cached === true]);
}
