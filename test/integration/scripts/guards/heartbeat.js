export const meta = { name: "heartbeat", description: "Logs while it works, if it can." };

let timer = null;
if (typeof setInterval !== "undefined") {
  timer = setInterval(() => log("still working"), 30000);
}
const parts = await parallel(
  ["api", "docs", "tests"].map((part) => () => agent(`Audit ${part}.`, { label: part })),
);
if (timer && typeof clearInterval !== "undefined") clearInterval(timer);
return parts.filter(Boolean).length;
