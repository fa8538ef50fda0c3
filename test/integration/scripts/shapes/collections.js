export const meta = { name: "collections", description: "What the language has for lists." };

const owners = new Map([["core", ["ann", "bob"]], ["web", ["cid"]]]);
const people = [...owners].flatMap(([team, names]) => names.map((name) => ({ team, name })));
const answers = await Promise.all(
  people.map(async ({ team, name }) => [name, await agent(`Ask ${name}`, { label: team })]));
const byName = Object.fromEntries(answers);
const longest = Object.entries(byName).toSorted?.(([a], [b]) => a.localeCompare(b)).at(-1)?.[0];
const groups = people.reduce((all, { team }) => ({ ...all, [team]: (all[team] ??= 0) + 1 }), {});
return { longest, groups, unique: new Set(Object.keys(byName)).size };
