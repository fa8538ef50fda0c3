export const meta = { name: "undefined-name", description: "Has a typing error on a rare path." };

const results = await parallel([() => agent("Look.", { label: "look" })]);
if (results.length > 5) await paralell([]);
return results.length;
