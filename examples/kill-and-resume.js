// kill-and-resume: a workflow that runs long enough to be killed by hand.
//
// Shows     twelve agents, one after the other, about a minute in all. Kill the daemon while they
//           work: agents that had finished are not asked again.
// Run       drover run examples/kill-and-resume.js
//           In a second terminal, with DIR the data directory (DROVER_DATA or
//           ~/.local/state/drover):
//               kill -9 "$(cat DIR/drover.lock)"
//           'drover run' in the first terminal then starts a new daemon and goes on.
//           A quick run: --arg pause=0.1 (seconds of each agent).
// Expect    "12 of 12 stages", each stage once in the log, also after a kill.
//
// The lines "delay:" and "say:" are for the scripted model (--model scripted/demo); they make its
// agents slow enough. A real model needs no such lines.
export const meta = {
  name: "kill-and-resume",
  description: "Twelve agents, one after the other; made to be killed.",
  phases: [{ title: "Morning" }, { title: "Afternoon" }],
  args: {
    type: "object",
    additionalProperties: false,
    properties: { pause: { type: "number", minimum: 0, maximum: 60, default: 5 } },
  },
};

const stages = 12;
const pause = Math.round((args?.pause ?? 5) * 1000);
let done = 0;
for (let stage = 1; stage <= stages; stage++) {
  phase(stage <= stages / 2 ? "Morning" : "Afternoon");
  const answer = await agent(
    `Describe stage ${stage} of a walk along a river, in one sentence.
delay: ${pause}ms
say: Stage ${stage} follows the river for ${stage + 3} kilometres.`,
    { label: `stage ${stage}` },
  );
  log(answer ?? `stage ${stage} has no answer`);
  done += answer === null ? 0 : 1;
}
return `${done} of ${stages} stages`;
