/** The control of a field, by the table: in a row of settings, and in a form. */
import { useModelChoices } from "../parts/named.tsx";
import { Picker } from "../parts/picker.tsx";
import { useNamed } from "../router/router.ts";
import type { Field } from "./fields.ts";
import { words } from "./words.ts";

interface ControlProps {
  field: Field; id: string; label: string; value: string; isBad: boolean;
  onText(text: string): void;
}

function Model({ id, value, isBad, onText }: ControlProps) {
  return (
    <Picker id={id} value={value} free invalid={isBad} describedBy={`${id}-about`}
      placeholder={words.notSet} choices={useModelChoices()} typed={onText} pick={onText} />
  );
}

export function Control(props: ControlProps) {
  const { field, id, label, value, isBad, onText } = props;
  const named = useNamed();
  const { control, choices = [] } = field;
  const common = { id, name: field.name, "aria-describedby": `${id}-about`,
    "aria-invalid": isBad || undefined,
    value, onInput: (event: { currentTarget: { value: string } }) =>
      onText(event.currentTarget.value) };
  if (control === "model") return <Model {...props} />;
  if (control === "area") return <textarea rows={3} dir="auto" spellcheck={false} {...common} />;
  if (control === "choice") {
    return (
      <select {...common}>
        {choices.map((one) => <option key={one} value={one}>{one || words.notSet}</option>)}
      </select>
    );
  }
  if (control === "checks") {
    const on = value.split(" ");
    const flip = (word: string): void => onText(choices.filter((one) =>
      on.includes(one) !== (one === word)).join(" "));
    return (
      <div id={id} class="checks" role="group" aria-label={named(label)}
        aria-describedby={`${id}-about`}>
        {choices.map((one) => (
          <label key={one} class="check">
            <input type="checkbox" checked={on.includes(one)} onChange={() => flip(one)} /> {one}
          </label>
        ))}
      </div>
    );
  }
  return (
    <input type={control === "secret" ? "password" : "text"} dir="auto" spellcheck={false}
      autocomplete={control === "secret" ? "new-password" : "off"}
      placeholder={control === "secret" ? "" : words.notSet}
      {...common} />
  );
}
