// With a schema, `output` is the object itself.
export const meta = { name: "schema", description: "Asks for objects." };

const count = { type: "object", required: ["count"], properties: { count: { type: "integer" } } };
export default async function main({ word }) {
  const fits = await agent(`${word} fits`, { schema: count });
  const misses = await agent(`${word} misses`, { schema: count });
  return { doubled: fits.output.count * 2, fits, misses: [misses.ok, misses.output, misses.error] };
}
