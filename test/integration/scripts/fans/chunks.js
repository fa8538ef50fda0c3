export const meta = { name: "chunks", description: "Works in chunks, one after the other." };

const queue = Array.from({ length: 60 }, (_, i) => `ticket ${i + 1}`);
let open = 0, most = 0;
while (queue.length > 0) {
  const chunk = queue.splice(0, 8);
  await parallel(chunk.map((ticket) => async () => {
    most = Math.max(most, ++open);
    await agent(`Triage ${ticket}`, { label: "triage" });
    open--;
  }));
}
return { most, open };
