export const meta = { name: "matrix", description: "Each module under each aspect." };

const modules = ["auth", "cart", "mail", "search", "stock", "pay"];
const aspects = ["bugs", "speed", "tests", "docs"];
const cells = modules.flatMap((module) => aspects.map((aspect) => ({ module, aspect })));
const notes = await parallel(cells.map(({ module, aspect }) => () =>
  agent(`${module}: ${aspect}`, { label: module, phase: aspect })));
const table = Object.fromEntries(modules.map((m, i) => [m, notes.slice(i * 4, i * 4 + 4).length]));
return Object.values(table).reduce((sum, n) => sum + n, 0);
