// checker.js: what runs in the checker (checker.h), a worker of scripts with this as its script. It
// asks for a text by agent(); the prompt of the next call is what the judge says of it, as JSON.
import { judge } from "./judge.js";

for (let said = "{}"; ;) {
  const script = await agent(said);
  try {
    said = JSON.stringify(judge(script) ?? {});
  } catch { // Nested too deeply for the engine, say.
    said = "{}";
  }
}
