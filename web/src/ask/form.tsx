/** The fields that a program asks for, by their JSON Schema; what has none is written as JSON. */
import { useState } from "preact/hooks";

import {
  argsOf, argsOfJson, fieldsOf, givenOf, isMember, JSON_FIELD, JSON_NAME, textsOf, type Unfit,
} from "../parts/schema.ts";
import { ArgFields } from "../parts/schema.tsx";
import { words } from "./words.ts";

/** Of a member that has several names the first counts: {oneOf: [{required: […]}, …]}. */
const requiredOf = (schema: Record<string, unknown>): unknown => {
  const [first] = Array.isArray(schema.oneOf) ? schema.oneOf as unknown[] : [];
  return schema.required ?? (isMember(first) ? first.required : []);
};

interface FormProps {
  schema: unknown; disabled: boolean; send(fields: Record<string, unknown>): void;
}

export function Form({ schema, disabled, send }: FormProps) {
  const fields = isMember(schema) ? fieldsOf({ ...schema, required: requiredOf(schema) }) : null;
  const [texts, textsSet] = useState<Record<string, string>>({});
  const [faults, faultsSet] = useState<ReadonlyMap<string, Unfit>>(new Map());
  const given = givenOf(fields ?? [], texts), json = texts[JSON_NAME] ?? "{}";
  const submit = (event: Event): void => {
    event.preventDefault();
    const read = fields === null ? argsOfJson(json) : argsOf(fields, given);
    const args = read.args ?? {}, isOne = isMember(args);
    faultsSet(isOne ? read.faults : new Map([[JSON_FIELD, ["object"]]]));
    if (isOne && read.faults.size === 0) send(args);
  };
  return (
    <form onSubmit={submit} class="form" noValidate
      onInput={(event) => textsSet({ ...texts, ...textsOf(event.currentTarget) })}>
      <ArgFields fields={fields} texts={given} json={json} faults={faults} label={words.fields}
        about="" />
      <button class="main" disabled={disabled}>{words.send}</button>
    </form>
  );
}
