export const meta = { name: "locales", description: "Names days and amounts." };

const day = new Date(args?.day ?? "2026-03-01T12:00:00Z");
const fmt = typeof Intl === "object" ? new Intl.DateTimeFormat("en", { month: "long" }) : null;
const month = fmt?.format(day) ?? ["January", "February", "March"][day.getUTCMonth()];
const days = Array.from({ length: 3 }, (_, i) => new Date(day.getTime() + i * 864e5))
  .map((d) => d.toISOString().slice(0, 10));
const notes = await pipeline(days, (d) => agent(`What happens on ${d}?`, { label: d }));
const cost = (1234567.891).toLocaleString("en-US", { maximumFractionDigits: 0 });
const sorted = ["b10", "b9"].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
return { month, days, notes: notes.length, cost, sorted };
