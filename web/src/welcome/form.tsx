/** What a connection needs. The key is read from its field once, and the field is emptied. */
import { useRef } from "preact/hooks";

import { words } from "./words.ts";

export interface Filled {
  name: string;
  /** null: that of the name. */
  base_url: string | null;
  key: string;
  model: string | null;
}

interface FormProps {
  /** "": another server, whose name and address are asked. */
  name: string;
  busy: boolean;
  onFilled(filled: Filled): void;
}

export function ConnectionForm({ name, busy, onFilled }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const isOther = name === "";
  const submit = (event: Event): void => {
    event.preventDefault();
    if (form.current === null) return;
    const field = (of: string) => form.current?.elements.namedItem(of) as HTMLInputElement | null;
    const text = (of: string): string => field(of)?.value.trim() ?? "";
    const key = text("key");
    const keyField = field("key");
    if (keyField !== null) keyField.value = "";
    onFilled({
      name: isOther ? text("name") : name, base_url: isOther ? text("address") : null, key,
      model: text("model") === "" ? null : text("model"),
    });
  };
  return (
    <form ref={form} class="fields" onSubmit={submit}>
      {isOther ? (
        <>
          <label>{words.name} <span class="muted">{words.nameAbout}</span>
            <input name="name" required value="local" autocomplete="off" spellcheck={false} />
          </label>
          <label>{words.address} <span class="muted">{words.addressAbout}</span>
            <input name="address" type="url" required autocomplete="off" spellcheck={false} />
          </label>
        </>
      ) : null}
      <label>{isOther ? words.keyMaybe : words.key} <span class="muted">{words.keyAbout}</span>
        <input name="key" type="password" required={!isOther} autocomplete="off"
          spellcheck={false} />
      </label>
      {isOther ? (
        <label>{words.modelName}
          <input name="model" autocomplete="off" spellcheck={false} />
        </label>
      ) : null}
      <p><button class="main" disabled={busy}>{words.connect}</button></p>
    </form>
  );
}
