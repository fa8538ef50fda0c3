/** In place of `api/key.ts`: whoever has the file may read it. */
import { signal } from "@preact/signals";

export const key = signal<string | null>("file");
export const keySet = (_value: string | null): void => {};
