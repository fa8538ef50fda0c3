export const meta = { name: "efforts", description: "One question, five efforts." };

const EFFORTS = ["low", "medium", "high", "xhigh", "max"];
const ask = (effort) => () => agent("Prove it.", { label: effort, phase: "Proofs", effort });
const proofs = await parallel(EFFORTS.map(ask));
return Object.fromEntries(EFFORTS.map((effort, i) => [effort, proofs[i] !== null]));
