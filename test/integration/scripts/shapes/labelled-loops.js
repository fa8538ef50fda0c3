export const meta = { name: "labelled-loops", description: "Retries by labelled loops." };

const MAX = 3;
const done = new Map();
let tries = 0;
modules: for (const name of ["parser", "lexer", "printer"]) {
  retry: for (let attempt = 1; ; attempt++) {
    tries++;
    const answer = await agent(`Port the ${name}, attempt ${attempt}.`, {
      label: `${name} ${attempt}`, phase: "Port",
      schema: { type: "object", required: ["ok"], properties: { ok: { type: "boolean" } } },
    });
    const { ok } = answer ?? { ok: false };
    switch (true) {
      case ok && name === "lexer" && attempt < 2: continue retry;
      case ok: done.set(name, attempt); continue modules;
      case attempt >= MAX: break modules;
      default: log(`again: ${name}`);
    }
  }
}
block: {
  if (done.size === 3) break block;
  log("not all");
}
return { tries, done: Object.fromEntries(done) };
