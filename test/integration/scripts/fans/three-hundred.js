export const meta = { name: "three-hundred", description: "One agent for each of 300 files." };

const files = Array.from({ length: 300 }, (_, i) => `src/file-${String(i).padStart(3, "0")}.c`);
phase("Scan");
const scans = await parallel(files.map((file) => () => agent(`Scan ${file}`, { label: file })));
phase("Report");
await agent(`Report on ${scans.filter(Boolean).length} scans.`, { label: "report" });
return scans.filter(Boolean).length;
