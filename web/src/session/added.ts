/** Files that are added to a message. Images are sent to the daemon at once, and named in the
 *  message later; a text file becomes a block of the message. */
import { signal, type ReadonlySignal } from "@preact/signals";

import { upload } from "../api/api.ts";
import { IMAGES_MAX } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import { words as shared } from "../words.ts";
import { fenced } from "./command.ts";
import { words } from "./words.ts";

const MEDIA = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const BYTES_MAX = 20 * 1000 * 1000, TEXT_MAX = 256 * 1024;

/** An image has a url, and an id once the daemon has it; a text file has a text once it is read. */
export interface Attached {
  key: number; name: string; url: string; id: string; text: string | null;
}

export interface Added {
  files: ReadonlySignal<Attached[]>;
  /** What was wrong with the last ones. */
  fault: ReadonlySignal<string>;
  add(files: Iterable<File>): void;
  remove(key: number): void;
  clear(): void;
}

export const isBusy = ({ id, text }: Attached): boolean => id === "" && text === null;

/** The message with its text files. */
export const withFiles = (text: string, files: readonly Attached[]): string =>
  [text, ...files.flatMap((one) => (one.text === null ? [] : fenced(one.name, one.text)))]
    .filter((part) => part.trim() !== "").join("\n\n");

export function addedOf(session: string): Added {
  const files = signal<Attached[]>([]);
  const fault = signal("");
  let keys = 0;

  const remove = (key: number): void => {
    files.value.filter((one) => one.key === key && one.url !== "")
      .forEach(({ url }) => URL.revokeObjectURL(url));
    files.value = files.value.filter((one) => one.key !== key);
  };
  const image = async (file: File): Promise<Partial<Attached> | string> => {
    const answer = await upload<{ id: string }>(`/sessions/${session}/attachments`, file);
    return answer.ok ? { id: answer.value.id } : `${visible(file.name)}: ${
      shared.problem(answer.problem)}`;
  };
  const text = async (file: File): Promise<Partial<Attached> | string> => {
    try {
      const read = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      if (!read.includes("\0")) return { text: read };
    } catch {
      // A folder, or bytes that are no text.
    }
    return words.notText(visible(file.name));
  };
  async function addOne(file: File): Promise<void> {
    const name = visible(file.name).replaceAll("\n", " "), isImage = MEDIA.includes(file.type);
    if (file.size > (isImage ? BYTES_MAX : TEXT_MAX)) {
      fault.value = isImage ? words.tooLarge(name) : words.tooLong(name);
    } else if (files.value.length >= IMAGES_MAX) fault.value = words.tooMany;
    else {
      const key = ++keys, url = isImage ? URL.createObjectURL(file) : "";
      files.value = [...files.value, { key, name, url, id: "", text: null }];
      const more = await (isImage ? image(file) : text(file));
      if (typeof more === "string") {
        remove(key);
        fault.value = more;
      } else files.value = files.value.map((one) => (one.key === key ? { ...one, ...more } : one));
    }
  }
  return {
    files, fault, remove,
    add: (all) => {
      fault.value = "";
      for (const file of all) void addOne(file);
    },
    clear: () => files.value.forEach(({ key }) => remove(key)),
  };
}
