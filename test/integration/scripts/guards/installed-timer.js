export const meta = { name: "installed-timer", description: "Installs what its host lacks." };

const shim = {
  setTimeout(run, _ms, ...rest) {
    queueMicrotask(() => run(...rest));
    return 1;
  },
  clearTimeout() {},
};
if (typeof globalThis.setTimeout !== "function") Object.assign(globalThis, shim);
Object.defineProperty(globalThis, "process", { value: { env: { DEPTH: "2" } } });

const delay = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));
const first = await delay(1000, "later");
await agent(`Look ${process.env.DEPTH} levels deep.`, { label: first });
clearTimeout(1);
return Number(process.env.DEPTH);
