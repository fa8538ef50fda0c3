/** The demo: a scripted agent that asks two helpers, then the user. It needs no key, no folder and
 *  no network. */
import { sessionBegin } from "../sessions/begin.ts";

const helper = (about: string, seconds: number): string => `call: spawn_subagent ${
  JSON.stringify({ label: about, model: "scripted/demo",
    input: `say: I looked at ${about}: all is well.\ndelay: ${seconds}s` })}`;

const SCRIPT = [
  "say: Two helpers look at the release.",
  helper("the tests", 3), helper("the notes", 5),
  "step:",
  `call: ask_user ${JSON.stringify({ question: "Release it?", options: ["today", "on Monday"] })}`,
  "step:",
  "say: As you decided.",
].join("\n");

export const demoBegin = (): ReturnType<typeof sessionBegin> =>
  sessionBegin({ title: "Demo", model: "scripted/demo" }, SCRIPT);
