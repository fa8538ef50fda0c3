export const meta = { name: "helpers", description: "Exports helpers beside its main function." };
export const LIMIT = 3;
export function batches(list, size) {
  const out = [];
  for (let i = 0; i < list.length; i += size) out.push(list.slice(i, i + size));
  return out;
}
export default async function main() {
  const all = Array.from({ length: 7 }, (_, i) => `item ${i}`);
  const sizes = [];
  for (const batch of batches(all, LIMIT)) {
    const done = await parallel(batch.map((item) => () => agent(item, { label: "item" })));
    sizes.push(done.length);
  }
  return sizes;
}
