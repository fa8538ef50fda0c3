/** Images that are added to a message: sent to the daemon at once, named in the message later. */
import { signal, type ReadonlySignal } from "@preact/signals";

import { upload } from "../api/api.ts";
import { IMAGES_MAX } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import { words as shared } from "../words.ts";
import { words } from "./words.ts";

const MEDIA = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const BYTES_MAX = 20 * 1000 * 1000;
export const ACCEPTS = MEDIA.join(",");

/** `id` null: on its way. */
export interface Added { key: number; name: string; url: string; id: string | null }

export interface Images {
  images: ReadonlySignal<Added[]>;
  /** What was wrong with the last ones. */
  fault: ReadonlySignal<string>;
  add(files: Iterable<File>): void;
  remove(key: number): void;
  clear(): void;
}

export function imagesOf(session: string): Images {
  const images = signal<Added[]>([]);
  const fault = signal("");
  let keys = 0;

  const remove = (key: number): void => {
    images.value.filter((one) => one.key === key).forEach(({ url }) => URL.revokeObjectURL(url));
    images.value = images.value.filter((one) => one.key !== key);
  };
  async function addOne(file: File): Promise<void> {
    const name = visible(file.name);
    if (!MEDIA.includes(file.type)) fault.value = words.notImage(name);
    else if (file.size > BYTES_MAX) fault.value = words.tooLarge(name);
    else if (images.value.length >= IMAGES_MAX) fault.value = words.tooMany;
    else {
      const key = ++keys;
      const added = { key, name, url: URL.createObjectURL(file), id: null };
      images.value = [...images.value, added];
      const answer = await upload<{ id: string }>(`/sessions/${session}/attachments`, file);
      if (answer.ok) {
        const { id } = answer.value;
        images.value = images.value.map((one) => (one.key === key ? { ...one, id } : one));
      } else {
        remove(key);
        fault.value = `${name}: ${shared.problem(answer.problem)}`;
      }
    }
  }
  return {
    images, fault, remove,
    add: (files) => {
      fault.value = "";
      for (const file of files) void addOne(file);
    },
    clear: () => images.value.forEach(({ key }) => remove(key)),
  };
}
