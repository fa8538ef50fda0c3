/** Who answers from the next turn on: a program, or a model. A program keeps its model. */
import { patch } from "../api/api.ts";
import type { Session } from "../api/types.ts";
import { choicesOf, type Choice } from "../parts/choices.ts";
import { useModelChoices } from "../parts/named.tsx";
import { Picker } from "../parts/picker.tsx";
import { useAgents } from "../state/models.ts";
import { words as shared } from "../words.ts";
import { programOf } from "./text.ts";
import { words } from "./words.ts";

/** The one that was chosen is among them, also where it is gone. */
const withOne = (choices: Choice[], value: string): Choice[] =>
  (value === "" || choices.some((one) => one.value === value) ? choices
    : [...choicesOf([value]), ...choices]);

interface PickersProps { session: Session; say(text: string): void }

export function Pickers({ session, say }: PickersProps) {
  const models = useModelChoices(), agents = useAgents(), program = programOf(session) ?? "";
  const given = session.model ?? "";
  const choose = async (change: object): Promise<void> => {
    const answer = await patch(`/sessions/${session.id}`, change);
    if (!answer.ok) say(shared.problem(answer.problem));
  };
  const programs = withOne(choicesOf(agents), program);
  return (
    <>
      {programs.length === 0 ? null : (
        <Picker class="quiet" label={words.agent} value={program}
          choices={[{ value: "", text: words.noAgent }, ...programs]}
          pick={(agent) => void choose({ agent })} />
      )}
      {program !== "" ? null : (
        <Picker class="quiet" label={words.model} value={given}
          choices={[...(given === "" ? [{ value: "", text: words.defaultModel }] : []),
            ...withOne(models, given)]}
          pick={(model) => model !== given && void choose({ model })} />
      )}
    </>
  );
}
