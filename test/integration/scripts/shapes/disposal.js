export const meta = { name: "disposal", description: "Gives back what it has taken." };

const open = (name) => ({
  name,
  [Symbol.dispose]() { log(`closed ${name}`); },
  async [Symbol.asyncDispose]() {
    const text = await agent(`Tidy up after ${name}.`, { label: name });
    log(`left ${name}: ${typeof text}`);
  },
});
{
  using a = open("a"), b = open("b");
  log(`in ${a.name}${b.name}`);
}
for (using one of [open("c")]) log(`of ${one.name}`);
await using last = open("last");
await using stack = new AsyncDisposableStack();
stack.defer(() => log("deferred"));
return last.name;
