/** Fields for what has a name: a model, of those that the daemon knows by their connections, with
 *  the one that counts where none is named; a project. */
import type { Project } from "../api/types.ts";
import { useModels } from "../state/models.ts";
import { useItems } from "../state/read.ts";
import { settings } from "../state/system.ts";
import { choicesOf, modelChoices, type Choice } from "./choices.ts";
import { Field } from "./form.tsx";
import { words } from "./words.ts";

export const useModelChoices = (): Choice[] =>
  modelChoices(useModels(), settings.value?.model ?? null, words.byDefault);

interface NamedProps {
  name: string; label: string; about?: string; value?: string; required?: boolean; mono?: boolean;
  fault?: string | undefined;
}

export const ModelField = (props: NamedProps) =>
  <Field {...props} mono choices={useModelChoices()} />;

export const ProjectField = (props: NamedProps) => (
  <Field {...props} mono
    choices={choicesOf(useItems<Project>("/projects?limit=200").map(({ name }) => name))} />
);
