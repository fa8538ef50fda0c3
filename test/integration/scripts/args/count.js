export const meta = { name: "count", description: "A number of voters, at most nine." };

const voters = Math.min(9, Math.max(1, Number(args) || 3));
const votes = await parallel(
  Array.from({ length: voters }, () => () => agent("Yes or no: ship it?", { label: "voter" })),
);
return { voters, votes: votes.filter((vote) => vote !== null).length };
